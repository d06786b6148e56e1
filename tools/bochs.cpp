// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Bochs 3.0: bochs-intel and bochs-amd. docs/debugging.md says how its log is read.
#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "tools/bochs.hpp"
#include "tools/emulators.hpp"
#include "tools/failure.hpp"

namespace bulkhead::tools::bochs {
namespace {

/// Its screen wants to know a terminal. The toolbox has no descriptions of any, and each Debian has (ncurses-base).
constexpr const char* host_terminals = "/lib/terminfo";

/// Bochs draws the VGA's cursor several times a second of the host's, on a terminal of its own, the first in the
/// toolbox: where nobody reads that, it stands still after some minutes. Where Bochs did not start, there is none.
constexpr const char* read_screen =
    "(for try in $(busybox seq 60); do busybox sleep 1; [ -e /dev/pts/0 ] && exec busybox cat /dev/pts/0; done) "
    "</dev/null >/dev/null 2>&1 3<&- & ";

/// How many instructions a second of the machine has. Lower, and all that waits is over sooner; but the timer ticks
/// come after fewer instructions, too.
constexpr unsigned instructions_per_second = 20'000'000;

/// What VT-x itself lacks is a matter of models, older ones.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> models_without{
    {{"preemption_timer", "core2_penryn_t9600"}, {"unrestricted_guest", "corei5_lynnfield_750"}}};

std::string_view model_of(MachineKind machine, std::string_view without) {
    for (const auto& [feature, model] : models_without)
        if (feature == without)
            return model;
    // The newest of Intel's that boots Linux, and the only one of AMD's with nested paging and all that OVMF wants.
    return machine == MachineKind::BochsIntel ? "corei7_skylake_x" : "ryzen";
}

/// Of the features that the model has.
std::string without(MachineKind machine, const MachineOptions& options) {
    std::vector<std::string> features;
    // Bochs executes MONITOR slowly, and OVMF's idle processors do little else. VT-x has a control that depends on it.
    if (machine == MachineKind::BochsAmd)
        features.emplace_back("mwait");
    if (!options.virtualization)
        features.emplace_back(machine == MachineKind::BochsIntel ? "vmx" : "svm");
    if (!options.without.empty() && model_of(machine, options.without) == model_of(machine, ""))
        features.push_back(options.without);
    std::string list;
    for (const std::string& feature : features)
        list += (list.empty() ? "" : ",") + feature;
    return list.empty() ? "" : ", exclude_features=\"" + list + '"';
}

struct Topology {
    unsigned packages; ///< of the machine
    unsigned cores;    ///< of a package
    unsigned threads;  ///< of a core
};

/// OVMF divides by zero on a ryzen with several cores in a package. Bochs' Intel CPUs say that cores of one thread have
/// a bit of the APIC ID for a second one (leaf 0Bh), so they really get it; the firmware lists only the first, as if
/// hyper-threading was off, where a package has one core (tests/firmware/acpi_tables.cpp).
Topology topology(MachineKind machine, const MachineOptions& options) {
    const unsigned cores = options.cpus / options.threads_per_core;
    if (machine == MachineKind::BochsAmd || options.cpus == 1)
        return {.packages = cores, .cores = 1, .threads = options.threads_per_core};
    if (options.threads_per_core == 1)
        return {.packages = cores, .cores = 1, .threads = 2};
    return {.packages = 1, .cores = cores, .threads = options.threads_per_core};
}

/// The ports of a PC, in their order, behind COM1.
struct ComPort {
    unsigned port;
    unsigned irq;
};
constexpr std::array com_ports{ComPort{0x2f8, 3}, ComPort{0x3e8, 4}, ComPort{0x2e8, 3}};

void write_guest_ports(std::ostream& out, const MachineOptions& options) {
    int descriptor = Child::first_port;
    for (const GuestPort& port : options.guest_ports) {
        const auto* found = std::ranges::find_if(
            com_ports, [&](const ComPort& com) { return com.port == port.port && com.irq == port.irq; });
        if (found == com_ports.end())
            throw Failure("Bochs has no serial port as the guest " + port.guest +
                              " wants it: only 0x2f8 with interrupt 3, 0x3e8 with 4 and 0x2e8 with 3",
                          2);
        out << "com" << found - com_ports.begin() + 2 << ": enabled=1, mode=term, dev=/proc/self/fd/" << descriptor++
            << '\n';
    }
}

void write_settings(std::ostream& out, MachineKind machine, const MachineOptions& options) {
    out << "display_library: term\n"
           "config_interface: textconfig\n"
           "romimage: file=/usr/share/ovmf/OVMF.fd, options=none\n"
           "vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\n"
           "ata0: enabled=1\n"
           "ata0-master: type=disk, path=/tmp/disk.img, mode=flat\n"
           "boot: disk\n"
           "com1: enabled=1, mode=term, dev=/proc/self/fd/3\n"
           // The clock is the number of instructions (with more CPUs: of rounds), whatever the host's load.
           "clock: sync=none\n";
    out << "pci: enabled=1, chipset=i440fx" << (options.screen ? ", slot1=pcivga\nvga: extension=vbe\n" : "\n");
    write_guest_ports(out, options);
    const Topology cpus = topology(machine, options);
    out << "cpu: model=" << model_of(machine, options.without) << ", count=" << cpus.packages << ':' << cpus.cores
        << ':' << cpus.threads << ", quantum=32, ips=" << instructions_per_second << ", reset_on_triple_fault=0"
        << without(machine, options) << '\n';
    out << "memory: guest=" << options.memory_mib << ", host=" << options.memory_mib << '\n';
    // A VM entry that fails, and each exit because of a port, are errors of a CPU; its information is a flood of MSRs.
    out << "log: emulator.log\npanic: action=fatal\nerror: action=report\ndebug: action=ignore\ninfo: action=report"
        << std::hex;
    for (unsigned cpu = 0; cpu < cpus.packages * cpus.cores * cpus.threads; ++cpu)
        out << ", CPU" << cpu << "=ignore, APIC" << cpu << "=ignore";
    out << '\n';
}

/// The rest of the shell's command: Bochs with its streams. Whoever opens a pipe for both directions waits for nobody.
/// At each HLT Bochs waits a millisecond for its standard input: it gets one that always has something to say. Ctrl-C
/// stops its machine; whoever sends that for us comes to the pipe's end when Bochs, which holds that open, has gone.
std::string run_bochs(const MachineOptions& options, const std::filesystem::path& folder) {
    if (options.debugger.empty())
        return "exec bochs-bin -q -f bochsrc 3<&0 </dev/null >/dev/null";
    std::ofstream(folder / "debugger.rc") << options.debugger;
    const std::string stop(debugger_stop);
    for (const std::string_view pipe : {debugger_pipes[0], debugger_pipes[1], debugger_stop}) {
        std::filesystem::remove(folder / pipe);
        if (::mkfifo((folder / pipe).c_str(), 0600) != 0)
            throw Failure("cannot make a pipe in " + folder.string());
    }
    return "(while read line; do kill -INT $$; done) <" + stop + " >/dev/null 2>&1 & exec 8>" + stop + " 3<&0 0<>" +
           std::string(debugger_pipes[0]) + " 1<>" + std::string(debugger_pipes[1]) + "; echo " +
           std::string(debugger_idle) + " >&0; exec bochs-bin -q -f bochsrc -debugger -rc debugger.rc";
}

bool has(const std::string& line, std::string_view text) { return line.find(text) != std::string::npos; }

} // namespace

std::optional<std::string> why_not() {
    if (std::filesystem::is_directory(host_terminals))
        return std::nullopt;
    return "Bochs cannot be used: there is no " + std::string(host_terminals) + " (Debian's package ncurses-base)";
}

EmulatorCommand command(MachineKind machine, const MachineOptions& options, const std::filesystem::path& image,
                        const std::filesystem::path& folder) {
    if (options.count_instructions && options.cpus != 1)
        throw Failure("Bochs counts the instructions of one CPU only", 2);
    std::ofstream settings(folder / "bochsrc");
    write_settings(settings, machine, options);
    if (!settings.flush())
        throw Failure("cannot write " + (folder / "bochsrc").string());
    std::filesystem::remove(folder / "emulator.log");

    Command command = in_toolbox(folder, image);
    append(command, {"--ro-bind", host_terminals, "/tmp/terminfo", "--setenv", "TERMINFO", "/tmp/terminfo"});
    append(command, {"--setenv", "TERM", "linux"});
    append(command, {"busybox", "sh", "-c", read_screen + run_bochs(options, folder)});
    return {.command = command, .com1 = Child::Streams::Terminal};
}

bool has_reset(const std::filesystem::path& folder) {
    std::ifstream log(folder / "emulator.log");
    unsigned resets = 0; // the first is the one of power-on
    for (std::string line; resets < 2 && std::getline(log, line);)
        resets += has(line, "[SYS   ] bx_pc_system_c::Reset(") ? 1 : 0;
    return resets > 1;
}

MachineEnd machine_end(const std::filesystem::path& folder) {
    std::ifstream log(folder / "emulator.log");
    for (std::string line; std::getline(log, line);) {
        if (has(line, "[ACPI  ] >>PANIC<< ACPI control: soft power off"))
            return MachineEnd::PoweredOff;
        if (has(line, ">>PANIC<< exception(): 3rd ("))
            return MachineEnd::Reset;
    }
    return MachineEnd::Other;
}

std::string complaints(const std::filesystem::path& folder) {
    std::ifstream log(folder / "emulator.log");
    std::string all;
    for (std::string line; std::getline(log, line);)
        all += has(line, ">>PANIC<<") ? line + '\n' : "";
    return all;
}

} // namespace bulkhead::tools::bochs
