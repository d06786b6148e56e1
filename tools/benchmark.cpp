// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/benchmark.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <optional>
#include <regex>

#include "tools/configuration.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/session.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::tools {
namespace {

constexpr std::string_view guest = "exit-cost";

struct Quantity {
    std::string_view name;           ///< as the machine says it
    std::string_view meaning;        ///< as the table says it
    unsigned long long on_amd_v = 0; ///< the budget; 0: none
    unsigned long long on_vt_x = on_amd_v;
};

// "bulkhead: boot: N ticks since efi_main: reading N, ..., all else N" (core/boot_report.cpp).
constexpr Quantity boot_parts[] = {
    {"reading", "boot: firmware reading files"},
    {"hashing", "boot: hashing what guests begin with"},
    {"zeroing and copying", "boot: copying and zeroing"},
    {"ending the firmware", "boot: firmware stopping its drivers"},
    {"hardware waits", "boot: waiting for hardware"},
    {"all else", "boot: all else, from efi_main to the first guest instruction", 30'000'000},
};

// "BENCH name N" (guests/exit-cost.cpp).
constexpr Quantity operations[] = {
    {"in-absent-port", "IN from a port that nothing answers", 120, 130},
    {"out-absent-port", "OUT to a port that nothing answers", 120, 130},
    {"cpuid-0", "CPUID leaf 0", 200, 110},
    {"cpuid-1", "CPUID leaf 1", 200, 110},
    {"cpuid-0-prefixed", "CPUID with prefixes", 0, 110},
    {"hypercall-unknown", "hypercall", 220},
    {"in-uart", "IN from a register of the 16550", 300, 320},
    {"in-pm-timer", "IN from the PM timer", 210},
    {"rdmsr-pat", "RDMSR of PAT, beside the instruction itself"},
    {"rdmsr-apic-id", "RDMSR of the x2APIC ID, which is virtual"},
    {"wrmsr-eoi", "WRMSR of EOI, beside the instruction itself"},
    {"self-ipi", "self-IPI by its own register, interrupt handler included", 450},
    {"ipi-physical", "IPI by the ICR to a physical destination, what its sender loses", 250},
    {"ipi-logical", "IPI by the ICR to a logical destination, likewise", 250},
    {"ipi-self", "IPI by the ICR with the shorthand \"self\", likewise", 250},
    {"read-ioapic", "read of an I/O APIC register", 1500, 2600}, // 700 was wanted: docs/performance.md
};

unsigned long long number_in(const std::string& digits) {
    unsigned long long value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

/// bochs-amd has none: its CPU is neither QEMU's nor one with an x2APIC.
unsigned long long budget_of(const Quantity& quantity, MachineKind machine) {
    switch (machine) {
    case MachineKind::QemuAmd:
        return quantity.on_amd_v;
    case MachineKind::BochsIntel:
        return quantity.on_vt_x;
    case MachineKind::BochsAmd:
    case MachineKind::Kvm:
        return 0;
    }
    return 0;
}

std::optional<unsigned long long> find(const std::vector<std::string>& lines, const std::string& pattern) {
    const std::regex regex(pattern);
    for (const std::string& line : lines) {
        std::smatch match;
        if (std::regex_search(line, match, regex))
            return number_in(match[1]);
    }
    return std::nullopt;
}

std::optional<unsigned long long> find_part(const std::vector<std::string>& lines, const Quantity& part) {
    return find(lines, "^bulkhead: boot: .*[:,] " + std::string(part.name) + " (\\d+)");
}

std::optional<unsigned long long> find_operation(const std::vector<std::string>& lines, const Quantity& operation) {
    return find(lines, "\\] BENCH " + std::string(operation.name) + " (\\d+)$");
}

bool is_over(const Measurement& measurement) {
    return measurement.budget != 0 && measurement.instructions > measurement.budget;
}

void print_table(const std::vector<Measurement>& measurements) {
    constexpr int width = 64;
    std::cout << '\n'
              << std::left << std::setw(width) << "operation" << std::right << std::setw(14) << "instructions"
              << std::setw(12) << "budget" << '\n';
    for (const Measurement& each : measurements) {
        std::cout << std::left << std::setw(width) << each.what << std::right << std::setw(14) << each.instructions;
        if (each.budget != 0)
            std::cout << std::setw(12) << each.budget << (is_over(each) ? "  OVER" : "");
        std::cout << '\n';
    }
    std::cout << std::endl;
}

/// What the hypervisor says of its own size.
bool is_size(std::string_view line) {
    return line.starts_with("bulkhead: hypervisor ") || line.starts_with("bulkhead: memory kept: ") ||
           line.starts_with("bulkhead: boot: ");
}

SessionPlan prepare(MachineKind machine, const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(build_folder() / "guests" / (std::string(guest) + ".bzimage"), folder / guest,
                               std::filesystem::copy_options::overwrite_existing);
    std::ofstream(folder / "bench.toml") << "[[guest]]\nname = \"" << guest << "\"\ncpus = 1\nmemory = \"64 MiB\"\n"
                                         << "kernel = \"" << guest << "\"\n";
    const CheckedConfiguration configuration = require_configuration(folder / "bench.toml");
    write_image(folder / "disk.img", configuration, firmware_addition(machine));
    SessionPlan plan;
    plan.machine = machine;
    plan.options = fitting_machine(configuration);
    plan.options.cpus = 1; // another one would take its turns in the same count
    plan.options.count_instructions = true;
    plan.image = folder / "disk.img";
    plan.folder = folder;
    plan.quiet = std::chrono::seconds(600);
    return plan;
}

} // namespace

std::vector<Measurement> read_measurements(MachineKind machine, const std::vector<std::string>& lines) {
    std::vector<Measurement> all;
    const auto add = [&](const Quantity& quantity, std::optional<unsigned long long> instructions) {
        if (instructions)
            all.push_back({std::string(quantity.meaning), *instructions, budget_of(quantity, machine)});
    };
    for (const Quantity& part : boot_parts)
        add(part, find_part(lines, part));
    for (const Quantity& operation : operations)
        add(operation, find_operation(lines, operation));
    return all;
}

std::vector<std::string> failures_of(const std::vector<Measurement>& measurements) {
    std::vector<std::string> all;
    const auto find_missing = [&](const Quantity& quantity) {
        if (std::ranges::find(measurements, quantity.meaning, &Measurement::what) == measurements.end())
            all.push_back("not measured: " + std::string(quantity.meaning));
    };
    std::ranges::for_each(boot_parts, find_missing);
    std::ranges::for_each(operations, find_missing);
    for (const Measurement& each : measurements)
        if (is_over(each))
            all.push_back("over its budget: " + each.what);
    return all;
}

int run_benchmark(MachineKind machine) {
    if (machine == MachineKind::Kvm)
        throw Failure("instructions are counted in emulated machines only: bench does not run on kvm", 2);
    const std::filesystem::path folder = build_folder() / "bench";
    Transcript transcript;
    SessionPlan plan = prepare(machine, folder);
    plan.on_output = [&](std::string_view bytes) {
        for (const std::string& line : transcript.add(bytes))
            if (is_size(line))
                std::cout << line << std::endl;
        return Reaction{};
    };
    std::cout << "bench: booting on " << name_of(machine) << ", where a tick of the TSC is an instruction" << std::endl;
    const SessionEnd end = run_session(plan);
    const std::vector<Measurement> measurements = read_measurements(machine, transcript.lines());
    print_table(measurements);
    const std::vector<std::string> wrong = failures_of(measurements);
    if (end == SessionEnd::PoweredOff && wrong.empty())
        return 0;
    if (end != SessionEnd::PoweredOff)
        std::cout << "bench: FAILED: " << describe(end) << '\n';
    for (const std::string& what : wrong)
        std::cout << "bench: FAILED: " << what << '\n';
    std::cout << where_to_look(machine, folder) << std::endl;
    return 1;
}

} // namespace bulkhead::tools
