// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "base/bit_field.hpp"
#include "base/hardware.hpp"
#include "base/result.hpp"

namespace bulkhead::drivers {

inline constexpr u8 uart_fifo_size = 16; ///< of a 16550

/// The hypervisor's own 16550 (National PC16550D). Nothing here waits for ever: a UART that does not answer is one
/// whose output is lost. One CPU at a time uses it.
template <PortAccess Ports> class SerialPort {
public:
    /// `ports` must outlive it; `base` is the first of 8 ports.
    constexpr SerialPort(Ports& ports, u16 base) : ports_(&ports), base_(base) {}

    /// 8N1, FIFOs on and empty, all interrupts off. `divisor`: 115200 by the rate in baud; 0 leaves the line's parameters
    /// as firmware set them. Errors: no 16550 answers; the UART is not changed then.
    [[nodiscard]] Result<void> init(u16 divisor);

    /// Sends one byte when there is room. False if there was none for too long, and the byte is lost.
    bool put(char byte);

    /// Sends of `bytes` what can be sent without waiting: up to 16 if the FIFO is empty, otherwise none.
    /// Returns how many.
    std::size_t transmit(std::string_view bytes);

    /// Takes what has come in, calling sink(char) for each byte, until the UART has no interrupt pending: its line is
    /// an edge at the I/O APIC, so that one left pending would be the last. Returns whether the UART lost bytes, since
    /// its FIFO was full.
    template <class Sink> bool drain(Sink sink);

    /// Which events pull the interrupt line: a byte received, the transmitter empty.
    void set_interrupts(bool receive, bool transmit);

private:
    enum Register : u16 {
        RBR = 0,
        THR = 0,
        DLL = 0,
        IER = 1,
        DLM = 1,
        IIR = 2,
        FCR = 2,
        LCR = 3,
        MCR = 4,
        LSR = 5,
        MSR = 6,
        SCR = 7
    };
    // IER
    using ERBFI = BitField<0>;
    using ETBEI = BitField<1>;
    // IIR
    using NotPending = BitField<0>;
    using InterruptId = BitField<3, 1>;
    using FifosEnabled = BitField<7, 6>;
    // LCR
    using DLAB = BitField<7>;
    // LSR
    using DR = BitField<0>;
    using OE = BitField<1>;
    using BI = BitField<4>;
    using THRE = BitField<5>;

    static constexpr u8 eight_bits_no_parity_one_stop = 0x03;
    static constexpr u8 fifos_on_and_cleared = 0x07;  // an interrupt from the first byte on
    static constexpr u8 dtr_rts_out2 = 0x0b;          // OUT2 connects the interrupt line on a PC
    static constexpr unsigned longest_wait = 100'000; // reads of LSR; 16 bytes at 9600 baud take 17 ms
    static constexpr unsigned longest_drain = 256;

    u8 in(Register r) { return ports_->in8(static_cast<u16>(base_ + r)); }
    void out(Register r, u8 value) { ports_->out8(static_cast<u16>(base_ + r), value); }
    template <class Sink> bool receive(Sink& sink);

    Ports* ports_;
    u16 base_;
    u8 fifo_depth_ = 1;
};

template <PortAccess Ports> Result<void> SerialPort<Ports>::init(u16 divisor) {
    for (const u8 pattern : {u8{0x5a}, u8{0xa5}}) {
        out(SCR, pattern);
        if (in(SCR) != pattern)
            return fail("serial port: no 16550 answers at this port", base_);
    }
    if (divisor != 0) {
        out(LCR, DLAB::mask);
        out(DLL, static_cast<u8>(divisor));
        out(DLM, static_cast<u8>(divisor >> 8));
        out(LCR, eight_bits_no_parity_one_stop);
    } else {
        out(LCR, static_cast<u8>(in(LCR) & ~DLAB::mask));
    }
    out(IER, 0);
    out(FCR, fifos_on_and_cleared);
    fifo_depth_ = FifosEnabled::in(in(IIR)) == 3 ? uart_fifo_size : 1;
    out(MCR, dtr_rts_out2);
    return {};
}

template <PortAccess Ports> bool SerialPort<Ports>::put(char byte) {
    for (unsigned i = 0; i < longest_wait; ++i)
        if (THRE::in(in(LSR)) != 0) {
            out(THR, static_cast<u8>(byte));
            return true;
        }
    return false;
}

template <PortAccess Ports> std::size_t SerialPort<Ports>::transmit(std::string_view bytes) {
    if (bytes.empty() || THRE::in(in(LSR)) == 0)
        return 0;
    const std::string_view now = bytes.substr(0, fifo_depth_);
    for (const char byte : now)
        out(THR, static_cast<u8>(byte));
    return now.size();
}

template <PortAccess Ports> template <class Sink> bool SerialPort<Ports>::receive(Sink& sink) {
    bool lost = false;
    for (unsigned i = 0; i < longest_drain; ++i) {
        const u8 status = in(LSR);
        lost = lost || OE::in(status) != 0;
        if (DR::in(status) == 0)
            break;
        const char byte = static_cast<char>(in(RBR));
        if (BI::in(status) == 0) // a break puts a zero into the FIFO that nobody typed
            sink(byte);
    }
    return lost;
}

template <PortAccess Ports> template <class Sink> bool SerialPort<Ports>::drain(Sink sink) {
    bool lost = false;
    for (unsigned i = 0; i < longest_drain; ++i) {
        const u8 iir = in(IIR);
        if (NotPending::in(iir) != 0)
            return lost;
        switch (InterruptId::in(iir)) { // PC16550D table IV
        case 0:
            in(MSR);
            break;
        case 1: // the transmitter is empty: reading IIR has cleared it
            break;
        default: // line status, data available, time-out; what is reserved is treated alike
            lost = receive(sink) || lost;
            break;
        }
    }
    // It never became idle: drop the line and let it rise again, so that what is left makes a new edge.
    const u8 enabled = in(IER);
    out(IER, 0);
    out(IER, enabled);
    return lost;
}

template <PortAccess Ports> void SerialPort<Ports>::set_interrupts(bool receive, bool transmit) {
    out(IER, static_cast<u8>(ERBFI::of(receive) | ETBEI::of(transmit)));
}

} // namespace bulkhead::drivers
