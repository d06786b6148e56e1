// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "arch/x86_64/instructions.hpp"
#include "core/machine.hpp"

namespace bulkhead {

/// A chipset takes its time.
static void write_and_wait(u16 port, u8 value) {
    constexpr u32 long_enough = 10'000'000;
    arch::out8(port, value);
    for (u32 i = 0; i < long_enough; ++i)
        arch::pause();
}

void reset_machine() {
    constexpr u16 reset_control = 0xcf9; // ICH9 13.7.5: first SYS_RST, then RST_CPU with it
    constexpr u8 system_reset = 2;
    constexpr u8 reset_cpu = 6;
    arch::cli();
    if (machine.boot.acpi.reset_port != 0)
        write_and_wait(machine.boot.acpi.reset_port, static_cast<u8>(machine.boot.acpi.reset_value));
    arch::out8(reset_control, system_reset);
    write_and_wait(reset_control, reset_cpu);
    arch::load_idt({.limit = 0, .base = 0}); // what is left is a triple fault
    __builtin_trap();
}

} // namespace bulkhead
