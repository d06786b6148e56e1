// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"

// The UART is a 16550A to a driver: registers, FIFO, loopback, the reasons of its interrupt and their order, and output
// that is driven by interrupts alone.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 vector = 0x53;
constexpr std::string_view sentence = "uart: this line was sent by interrupts\r\n";

volatile u64 sent;

/// Returns what LSR showed on the way: reading it clears its errors.
u8 wait_for(u8 lsr_bits) {
    u8 seen = 0;
    for (unsigned i = 0; i < 1'000'000; ++i) {
        const u8 now = in8(uart_lsr);
        seen |= now;
        if ((now & lsr_bits) == lsr_bits)
            break;
        pause();
    }
    return seen;
}

void check_registers() {
    out8(uart_scratch, 0xa5);
    check_equal(in8(uart_scratch), 0xa5, "scratch register");
    out8(uart_lcr, 0x83);
    out8(uart_data, 0x0c);
    out8(uart_ier, 0x01);
    check_equal(in8(uart_data), 0x0c, "DLL");
    check_equal(in8(uart_ier), 0x01, "DLM");
    out8(uart_data, 1);
    out8(uart_ier, 0);
    out8(uart_lcr, 0x03);
    check_equal(in8(uart_lcr), 0x03, "LCR");
    out8(uart_ier, 0xff);
    check_equal(in8(uart_ier), 0x0f, "IER has four bits");
    out8(uart_ier, 0);
    out8(uart_fcr, 0x01);
    check_equal(in8(uart_iir) & iir_fifos, iir_fifos, "IIR with the FIFOs on");
    out8(uart_fcr, 0x00);
    check_equal(in8(uart_iir) & iir_fifos, 0, "IIR with the FIFOs off");
    check_equal(in8(uart_lsr) & (lsr_transmit_empty | lsr_idle), lsr_transmit_empty | lsr_idle, "LSR: idle");
}

void check_loopback() {
    out8(uart_mcr, mcr_loopback);
    check_equal(in8(uart_msr) & 0xf0, 0, "MSR in loopback, all outputs off");
    out8(uart_mcr, mcr_loopback | 0xf);
    check_equal(in8(uart_msr) & 0xf0, 0xf0, "MSR in loopback, all outputs on");
    out8(uart_fcr, 0x07);
    for (u8 i = 0; i < 16; ++i) {
        out8(uart_data, static_cast<u8>(0x30 + i));
        wait_for(lsr_idle | lsr_data);
    }
    check_equal(in8(uart_lsr) & lsr_overrun, 0, "LSR with 16 bytes in the FIFO");
    out8(uart_data, 0x55);
    check_equal(wait_for(lsr_idle) & lsr_overrun, lsr_overrun, "LSR with a byte too many: overrun");
    check_equal(in8(uart_lsr) & lsr_overrun, 0, "overrun is shown once");
    for (u8 i = 0; i < 16; ++i)
        check_equal(in8(uart_data), 0x30u + i, "byte ", u32{i}, " of the FIFO");
    check_equal(in8(uart_lsr) & lsr_data, 0, "LSR with an empty FIFO");
}

void check_causes() {
    out8(uart_fcr, 0x00);
    out8(uart_ier, 0);
    in8(uart_iir);
    check_equal(in8(uart_iir) & iir_cause, iir_none, "IIR with nothing enabled");
    out8(uart_ier, ier_transmit);
    check_equal(in8(uart_iir) & iir_cause, iir_transmit, "IIR: the transmitter is empty");
    check_equal(in8(uart_iir) & iir_cause, iir_none, "IIR after it was read");
    out8(uart_ier, ier_transmit | ier_receive);
    out8(uart_data, 0x41);
    wait_for(lsr_idle | lsr_data);
    check_equal(in8(uart_iir) & iir_cause, iir_receive, "IIR: received data comes first");
    check_equal(in8(uart_data), 0x41, "the byte");
    check_equal(in8(uart_iir) & iir_cause, iir_transmit, "IIR: then the transmitter");
    check_equal(in8(uart_iir) & iir_cause, iir_none, "IIR: then nothing");
    out8(uart_ier, 0);
    out8(uart_mcr, 3);
}

void send_by_interrupts() {
    set_handler(vector, [](Frame&) {
        if ((in8(uart_iir) & iir_cause) == iir_transmit) {
            if (sent < sentence.size())
                out8(uart_data, static_cast<u8>(sentence[sent]));
            sent = sent + 1;
        }
        end_of_interrupt();
    });
    route_pin(uart_pin, vector);
    out8(uart_mcr, mcr_out2 | 3);
    out8(uart_ier, ier_transmit);
    sti();
    const u16 timer = pm_timer_port();
    const u32 start = in32(timer);
    while (sent <= sentence.size() && ((in32(timer) - start) & 0xffffff) < 2 * pm_timer_hz)
        pause();
    cli();
    out8(uart_ier, 0);
    mask_pin(uart_pin);
    check_equal(sent, sentence.size() + 1, "interrupts of the transmitter");
}

} // namespace

void run() {
    enable_apic();
    check_registers();
    check_loopback();
    check_causes();
    send_by_interrupts();
}

} // namespace bulkhead::guest
