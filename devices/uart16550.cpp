// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/uart16550.hpp"

namespace bulkhead {

namespace {

enum Register : u32 { RBR_THR_DLL = 0, IER_DLM = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

// PC16550D table II: the bits by the data sheet's names.
namespace ier {
constexpr u8 ERBFI = 1 << 0, ETBEI = 1 << 1, ELSI = 1 << 2, EDSSI = 1 << 3, all = 0xf;
}
namespace fcr {
constexpr u8 FIFO_ENABLE = 1 << 0, RCVR_FIFO_RESET = 1 << 1, RCVR_TRIGGER = 3 << 6;
}
namespace lcr {
constexpr u8 DLAB = 1 << 7;
}
namespace mcr {
constexpr u8 DTR = 1 << 0, RTS = 1 << 1, OUT1 = 1 << 2, OUT2 = 1 << 3, LOOP = 1 << 4, all = 0x1f;
}
namespace lsr {
constexpr u8 DR = 1 << 0, OE = 1 << 1, THRE = 1 << 5, TEMT = 1 << 6;
}
namespace msr {
constexpr u8 CTS = 1 << 4, DSR = 1 << 5, RI = 1 << 6, DCD = 1 << 7;
}

// IIR 3:0, table IV, in the order of priority; table III has the trigger levels.
constexpr u8 line_status = 6, received = 4, timeout = 12, transmitter_empty = 2, modem_status = 0;
constexpr u8 fifos_enabled = 3 << 6;
constexpr std::array<u8, 4> trigger_levels{1, 4, 8, 14};

constexpr u8 bits(int value) { return static_cast<u8>(value); }

} // namespace

u32 Uart16550::depth() const { return (fcr_ & fcr::FIFO_ENABLE) != 0 ? static_cast<u32>(fifo_.size()) : 1; }

bool Uart16550::can_receive() const { return fifo_count_ < depth() && (mcr_ & mcr::LOOP) == 0; }

// A byte below the trigger level is reported as a timeout at once: the wire is as fast as its other end, and nothing
// here could wait for the four character times of the data sheet.
u8 Uart16550::cause() const {
    if ((ier_ & ier::ELSI) != 0 && overrun_ != 0)
        return line_status;
    if ((ier_ & ier::ERBFI) != 0 && fifo_count_ != 0)
        return (fcr_ & fcr::FIFO_ENABLE) == 0 || fifo_count_ >= trigger_levels[fcr_ >> 6] ? received : timeout;
    if ((ier_ & ier::ETBEI) != 0 && thr_empty_)
        return transmitter_empty;
    if ((ier_ & ier::EDSSI) != 0 && modem_delta_ != 0)
        return modem_status;
    return no_interrupt;
}

// On a PC the interrupt reaches the line through a gate that OUT2 opens; loopback disconnects OUT2.
LineEvent Uart16550::update_line() {
    const bool gate = (mcr_ & (mcr::OUT2 | mcr::LOOP)) == mcr::OUT2;
    u8 now = gate ? cause() : no_interrupt;
    if (now == timeout)
        now = received;
    const u8 before = interrupting_;
    interrupting_ = now;
    if (now == before)
        return LineEvent::None;
    return now == no_interrupt ? LineEvent::Lowered : LineEvent::Raised;
}

// With nothing attached, a null modem whose other end is always ready. PC16550D 8.6.7 for the loopback.
u8 Uart16550::modem_lines() const {
    if ((mcr_ & mcr::LOOP) == 0)
        return msr::CTS | msr::DSR | msr::DCD;
    return bits(((mcr_ & mcr::RTS) != 0 ? msr::CTS : 0) | ((mcr_ & mcr::DTR) != 0 ? msr::DSR : 0) |
                ((mcr_ & mcr::OUT1) != 0 ? msr::RI : 0) | ((mcr_ & mcr::OUT2) != 0 ? msr::DCD : 0));
}

void Uart16550::write_modem_control(u8 value) {
    const u8 before = modem_lines();
    mcr_ = value & mcr::all;
    const u8 after = modem_lines();
    // A delta bit is four below its line; TERI shows only the end of a ring.
    const int changed = ((before ^ after) & ~msr::RI) | (before & ~after & msr::RI);
    modem_delta_ = bits(modem_delta_ | changed >> 4);
}

void Uart16550::write_fifo_control(u8 value) {
    const bool switched = ((fcr_ ^ value) & fcr::FIFO_ENABLE) != 0;
    if (switched || (value & fcr::RCVR_FIFO_RESET) != 0)
        fifo_count_ = 0;
    // PC16550D 8.4: the other bits count only together with FIFO_ENABLE.
    fcr_ = (value & fcr::FIFO_ENABLE) != 0 ? bits(value & (fcr::FIFO_ENABLE | fcr::RCVR_TRIGGER)) : u8{0};
}

void Uart16550::store(u8 byte) {
    if (fifo_count_ >= depth()) {
        overrun_ = lsr::OE;
        return;
    }
    fifo_[(fifo_first_ + fifo_count_) % fifo_.size()] = byte;
    ++fifo_count_;
}

LineEvent Uart16550::receive(u8 byte) {
    if ((mcr_ & mcr::LOOP) == 0)
        store(byte);
    return update_line();
}

u8 Uart16550::read_data() {
    if (fifo_count_ == 0)
        return 0;
    const u8 byte = fifo_[fifo_first_];
    fifo_first_ = static_cast<u8>((fifo_first_ + 1) % fifo_.size());
    --fifo_count_;
    return byte;
}

Uart16550::Read Uart16550::read(u32 reg) {
    const bool dlab = (lcr_ & lcr::DLAB) != 0;
    u8 value = 0;
    switch (reg & 7) {
    case RBR_THR_DLL:
        value = dlab ? bits(divisor_ & 0xff) : read_data();
        break;
    case IER_DLM:
        return {dlab ? bits(divisor_ >> 8) : ier_};
    case IIR_FCR:
        value = cause();
        if (value == transmitter_empty) // reading it here is what acknowledges this one (table IV)
            thr_empty_ = false;
        value = bits(value | ((fcr_ & fcr::FIFO_ENABLE) != 0 ? fifos_enabled : 0));
        break;
    case LCR:
        return {lcr_};
    case MCR:
        return {mcr_};
    case LSR:
        value = bits((fifo_count_ != 0 ? lsr::DR : 0) | overrun_ | lsr::THRE | lsr::TEMT);
        overrun_ = 0;
        break;
    case MSR:
        value = bits(modem_lines() | modem_delta_);
        modem_delta_ = 0;
        break;
    default:
        return {scr_};
    }
    return {value, update_line()};
}

Uart16550::Write Uart16550::write(u32 reg, u8 value) {
    const bool dlab = (lcr_ & lcr::DLAB) != 0;
    bool emits = false;
    switch (reg & 7) {
    case RBR_THR_DLL:
        if (dlab) {
            divisor_ = static_cast<u16>((divisor_ & 0xff00) | value);
            return {};
        }
        emits = (mcr_ & mcr::LOOP) == 0;
        if (!emits)
            store(value);
        thr_empty_ = true;
        break;
    case IER_DLM:
        if (dlab) {
            divisor_ = static_cast<u16>((divisor_ & 0xff) | value << 8);
            return {};
        }
        // Linux tests that enabling the interrupt of an empty transmitter raises it, even if it was acknowledged
        // before.
        if ((value & ~ier_ & ier::ETBEI) != 0)
            thr_empty_ = true;
        ier_ = value & ier::all;
        break;
    case IIR_FCR:
        write_fifo_control(value);
        break;
    case LCR:
        lcr_ = value;
        return {};
    case MCR:
        write_modem_control(value);
        break;
    case LSR:
    case MSR:
        return {};
    default:
        scr_ = value;
        return {};
    }
    return {emits, value, update_line()};
}

} // namespace bulkhead
