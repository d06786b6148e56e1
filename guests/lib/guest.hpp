// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "base/text.hpp"
#include "base/types.hpp"
#include "guests/lib/cpu.hpp"

/// A guest of our own: it checks properties of the machine it finds, prints PASS or FAIL lines and powers off.
namespace bulkhead::guest {

/// Defined by each guest: its name in the PASS and FAIL lines, and what it does. Returning from run() is finish().
extern const std::string_view name;
void run();

/// Sends one line to the console, polled.
void print_line(std::string_view text);

/// Prints one line of anything that Text takes.
void print(const auto&... parts) {
    Line<240> line;
    (void)(line << ... << parts);
    print_line(line.view());
}

/// Counts a check that held. finish() prints how many there were, so a guest that checks nothing is seen.
void count_check();
void record_failure(std::string_view reason);

/// One check; `parts` say what should have been. Prints "FAIL name: parts" if it does not hold, and goes on.
void check(bool holds, const auto&... parts) {
    count_check();
    if (holds)
        return;
    Line<200> line;
    (void)(line << ... << parts);
    record_failure(line.view());
}

/// Checks that two numbers are the same, and prints both if not.
void check_equal(u64 seen, u64 expected, const auto&... parts) {
    check(seen == expected, parts..., ": ", Hex{seen}, ", expected ", Hex{expected});
}

/// Prints "PASS name: n checks" if no check failed, and powers off.
[[noreturn]] void finish();
/// Prints "PASS name: parts" instead, under the same condition.
[[noreturn]] void finish(std::string_view note);

/// The command line that the boot loader gave.
std::string_view command_line();
/// The number after "key=" on the command line, or `otherwise`.
u64 command_line_number(std::string_view key, u64 otherwise);

/// A range of the E820 map of boot_params; type 1 is usable RAM.
struct MemoryRange {
    u64 address;
    u64 size;
    u32 type;
};
unsigned memory_range_count();
MemoryRange memory_range(unsigned index);
/// The physical address of the ACPI root pointer as boot_params has it, or found below 1 MiB, or 0.
u64 acpi_root_pointer();
/// The physical address of boot_params and of the command line: the boot loader's memory that is in use.
u64 boot_params_address();

} // namespace bulkhead::guest
