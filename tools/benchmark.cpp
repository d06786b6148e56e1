// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/benchmark.hpp"

#include <charconv>
#include <fstream>
#include <iomanip>
#include <iostream>
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
    std::string_view name;    ///< as the machine says it
    std::string_view meaning; ///< as the table says it
    unsigned long long budget = 0;
};

// "bulkhead: boot: N ticks since efi_main: reading N, ..., all else N" (core/boot_report.cpp).
constexpr Quantity boot_parts[] = {
    {"reading", "boot: firmware reading files"},
    {"zeroing and copying", "boot: copying and zeroing"},
    {"ending the firmware", "boot: firmware stopping its drivers"},
    {"hardware waits", "boot: waiting for hardware"},
    {"all else", "boot: all else, from efi_main to the first guest instruction", 30'000'000},
};

// "BENCH name N" (guests/exit-cost.cpp).
constexpr Quantity operations[] = {
    {"in-absent-port", "IN from a port that nothing answers", 120},
    {"out-absent-port", "OUT to a port that nothing answers", 120},
    {"cpuid-0", "CPUID leaf 0, instruction fetched and decoded", 200},
    {"cpuid-1", "CPUID leaf 1, instruction fetched and decoded", 200},
    {"cpuid-0-prefixed", "CPUID with prefixes, decoded in full"},
    {"hypercall-unknown", "hypercall", 220},
    {"in-uart", "IN from a register of the 16550", 300},
    {"in-pm-timer", "IN from the PM timer"},
    {"rdmsr-pat", "RDMSR of PAT, beside the instruction itself", 0},
    {"rdmsr-apic-id", "RDMSR of the x2APIC ID, which is virtual"},
    {"wrmsr-eoi", "WRMSR of EOI, beside the instruction itself", 0},
    {"self-ipi", "self-IPI by its own register, interrupt handler included", 450},
    {"icr-self", "self-IPI by the ICR, interrupt handler included"},
    {"read-ioapic", "read of an I/O APIC register", 700},
};

unsigned long long number_in(const std::string& digits) {
    unsigned long long value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

void find(const std::vector<std::string>& lines, const Quantity& quantity, const std::string& pattern,
          std::vector<Measurement>& found) {
    const std::regex regex(pattern);
    for (const std::string& line : lines) {
        std::smatch match;
        if (std::regex_search(line, match, regex)) {
            found.push_back({std::string(quantity.meaning), number_in(match[1]), quantity.budget});
            return;
        }
    }
}

std::vector<Measurement> find_one(const std::vector<std::string>& lines, const Quantity& quantity, bool is_boot) {
    std::vector<Measurement> found;
    const std::string name(quantity.name);
    find(lines, quantity, is_boot ? "^bulkhead: boot: .*[:,] " + name + " (\\d+)" : "\\] BENCH " + name + " (\\d+)$",
         found);
    return found;
}

void print_table(const std::vector<Measurement>& measurements) {
    constexpr int width = 64;
    std::cout << '\n'
              << std::left << std::setw(width) << "operation" << std::right << std::setw(14) << "instructions"
              << std::setw(12) << "budget" << '\n';
    for (const Measurement& each : measurements) {
        std::cout << std::left << std::setw(width) << each.what << std::right << std::setw(14) << each.instructions;
        if (each.budget != 0)
            std::cout << std::setw(12) << each.budget << (each.instructions > each.budget ? "  OVER" : "");
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

std::vector<Measurement> read_measurements(const std::vector<std::string>& lines) {
    std::vector<Measurement> all;
    const auto add = [&](const Quantity& quantity, bool is_boot) {
        for (Measurement& each : find_one(lines, quantity, is_boot))
            all.push_back(std::move(each));
    };
    for (const Quantity& part : boot_parts)
        add(part, true);
    for (const Quantity& operation : operations)
        add(operation, false);
    return all;
}

std::vector<std::string> missing_measurements(const std::vector<std::string>& lines) {
    std::vector<std::string> missing;
    for (const Quantity& part : boot_parts)
        if (find_one(lines, part, true).empty())
            missing.emplace_back(part.meaning);
    for (const Quantity& operation : operations)
        if (find_one(lines, operation, false).empty())
            missing.emplace_back(operation.meaning);
    return missing;
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
    print_table(read_measurements(transcript.lines()));
    const std::vector<std::string> missing = missing_measurements(transcript.lines());
    if (end == SessionEnd::PoweredOff && missing.empty())
        return 0;
    std::cout << "bench: FAILED: " << describe(end) << '\n';
    for (const std::string& what : missing)
        std::cout << "bench: FAILED: not measured: " << what << '\n';
    std::cout << where_to_look(machine, folder) << std::endl;
    return 1;
}

} // namespace bulkhead::tools
