// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/operations.hpp"

#include <algorithm>
#include <fstream>
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
    std::string_view name;  ///< as the machine says it
    std::string_view what;  ///< as the table says it
    long long on_amd_v = 0; ///< the budget; 0: none
    long long on_vt_x = on_amd_v;
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

// core/boot_report.cpp, too.
struct Size {
    std::string_view name, what, pattern;
    long long budget = 0;
};
constexpr Size sizes[] = {
    {"text-kib", "text, KiB", "^bulkhead: hypervisor [^,]*, text (\\d+) KiB", 96},
    {"memory-kib", "memory kept with one CPU and one guest, KiB", "^bulkhead: memory kept: (\\d+) KiB", 4224},
    {"second-stage-kib", "second-stage tables of a guest of 64 MiB, KiB", "second-stage tables: (\\d+) KiB"},
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
    {"in-pci-config", "IN from the PCI configuration address port", 250},
    {"in-pm-timer", "IN from the PM timer", 210},
    {"rdmsr-pat", "RDMSR of PAT, beside the instruction itself", 5, 10},
    {"rdmsr-apic-id", "RDMSR of the x2APIC ID, which is virtual"},
    {"wrmsr-eoi", "WRMSR of EOI, beside the instruction itself", 5, 10},
    {"self-ipi", "self-IPI by its own register, interrupt handler included", 450},
    {"ipi-physical", "IPI by the ICR to a physical destination, what its sender loses", 250},
    {"ipi-logical", "IPI by the ICR to a logical destination, likewise", 250},
    {"ipi-self", "IPI by the ICR with the shorthand \"self\", likewise", 250},
    {"read-ioapic", "read of an I/O APIC register", 1500, 2600}, // 700 was wanted: docs/performance.md
};

/// bochs-amd has none: its CPU is neither QEMU's nor one with an x2APIC.
long long budget_of(const Quantity& quantity, MachineKind machine) {
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

std::optional<long long> find(const std::vector<std::string>& lines, const std::string& pattern) {
    const std::regex regex(pattern);
    for (const std::string& line : lines)
        if (std::smatch match; std::regex_search(line, match, regex))
            return std::stoll(match[1]);
    return std::nullopt;
}

/// "zeroing and copying" is a name for people.
std::string figure_name(const Quantity& part) {
    std::string name = "boot-" + std::string(part.name);
    std::ranges::replace(name, ' ', '-');
    return name;
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

std::vector<Figure> operations_in(MachineKind machine, const std::vector<std::string>& lines) {
    std::vector<Figure> all;
    const auto add = [&](const std::string& name, std::string_view what, long long budget, const std::string& pattern) {
        if (const std::optional<long long> value = find(lines, pattern))
            all.push_back({name, std::string(what), *value, budget});
    };
    for (const Quantity& part : boot_parts)
        add(figure_name(part), part.what, budget_of(part, machine),
            "^bulkhead: boot: .*[:,] " + std::string(part.name) + " (\\d+)");
    for (const Quantity& operation : operations)
        add(std::string(operation.name), operation.what, budget_of(operation, machine),
            "\\] BENCH " + std::string(operation.name) + " (\\d+)$");
    for (const Size& size : sizes)
        add(std::string(size.name), size.what, size.budget, std::string(size.pattern));
    return all;
}

std::vector<std::string> missing_operations(const std::vector<Figure>& figures) {
    std::vector<std::string> all;
    const auto look_for = [&](std::string_view name, std::string_view what) {
        if (find_figure(figures, name) == nullptr)
            all.push_back("not measured: " + std::string(what));
    };
    for (const Quantity& part : boot_parts)
        look_for(figure_name(part), part.what);
    for (const Quantity& operation : operations)
        look_for(operation.name, operation.what);
    for (const Size& size : sizes)
        look_for(size.name, size.what);
    return all;
}

std::vector<Figure> measure_operations(MachineKind machine, const std::filesystem::path& folder) {
    Transcript transcript;
    SessionPlan plan = prepare(machine, folder);
    plan.on_output = [&](std::string_view bytes) {
        transcript.add(bytes);
        return Reaction{};
    };
    const SessionEnd end = run_session(plan);
    if (end != SessionEnd::PoweredOff)
        throw Failure(std::string(describe(end)) + "\n" + where_to_look(machine, folder));
    return operations_in(machine, transcript.lines());
}

} // namespace bulkhead::tools
