// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "guests/lib/cpu.hpp"

/// The two devices that every guest has: the 16550 at 0x3f8 and the I/O APIC.
namespace bulkhead::guest {

/// Registers of the UART, as ports.
enum Uart : u16 {
    uart_data = 0x3f8,
    uart_ier = 0x3f9,
    uart_iir = 0x3fa,
    uart_fcr = 0x3fa,
    uart_lcr = 0x3fb,
    uart_mcr = 0x3fc,
    uart_lsr = 0x3fd,
    uart_msr = 0x3fe,
    uart_scratch = 0x3ff,
};
inline constexpr u8 ier_receive = 1, ier_transmit = 2;
inline constexpr u8 iir_none = 1, iir_transmit = 2, iir_receive = 4, iir_timeout = 12, iir_cause = 0xf,
                    iir_fifos = 0xc0;
inline constexpr u8 lsr_data = 1, lsr_overrun = 2, lsr_transmit_empty = 0x20, lsr_idle = 0x40;
inline constexpr u8 mcr_out2 = 8, mcr_loopback = 0x10;
inline constexpr u32 uart_pin = 4;

inline constexpr u64 io_apic_select = 0xfec00000;
inline constexpr u64 io_apic_window = 0xfec00010;
inline constexpr u32 io_apic_version = 1;
inline constexpr u32 io_apic_masked = 1 << 16;
/// The index of the low half of a pin's redirection entry; the high half follows.
constexpr u32 redirection(u32 pin) { return 0x10 + 2 * pin; }

inline u32 io_apic_read(u32 index) {
    at<u32>(io_apic_select) = index;
    return at<u32>(io_apic_window);
}
inline void io_apic_write(u32 index, u32 value) {
    at<u32>(io_apic_select) = index;
    at<u32>(io_apic_window) = value;
}
/// Fixed, edge, to the physical APIC ID 0.
inline void route_pin(u32 pin, u8 vector) {
    io_apic_write(redirection(pin) + 1, 0);
    io_apic_write(redirection(pin), vector);
}
inline void mask_pin(u32 pin) { io_apic_write(redirection(pin), io_apic_masked); }

} // namespace bulkhead::guest
