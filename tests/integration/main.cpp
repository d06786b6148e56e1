// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// integration boot NAME MACHINE         runs a boot, and records it
// integration case NAME MACHINE CASE    compares a recording with what it should show
// integration discover FILE             writes all of them as tests of CTest
// integration table FILE                writes what ran where, and how it went
// integration check-table FILE          whether a document has that table, and it is not stale
// integration attacks                   writes what was tried to get out of a guest, and how often
// integration check-attacks FILE        whether a document has that table
#include <algorithm>
#include <fstream>
#include <iostream>
#include <span>

#include "integration/attack_table.hpp"
#include "integration/boot.hpp"
#include "integration/recording.hpp"
#include "integration/standstill.hpp"
#include "integration/table.hpp"
#include "integration/verdict.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"

namespace bulkhead::integration {
namespace {

Boot find_boot(std::string_view name) {
    for (const Boot& boot : all_boots()) {
        if (boot.name == name)
            return boot;
    }
    throw tools::Failure("there is no boot '" + std::string(name) + "'", 2);
}

tools::MachineKind find_machine(std::string_view name) {
    for (const tools::MachineKind machine : tools::all_machines) {
        if (tools::name_of(machine) == name)
            return machine;
    }
    throw tools::Failure("there is no machine '" + std::string(name) + "'", 2);
}

int run_case(const Boot& boot, tools::MachineKind machine, std::string_view name) {
    constexpr std::size_t tail = 60;
    const Recording recording = read_recording(boot, machine);
    const std::vector<std::string> wrong = complaints(boot, recording, name);
    if (wrong.empty())
        return 0;
    for (const std::string& sentence : wrong)
        std::cout << "FAILED: " << sentence << '\n';
    std::cout << "The run ended so: " << recording.end << "\nThe end of " << recording.serial_log.string() << ":\n";
    const std::vector<std::string>& lines = recording.lines.at("");
    for (const std::string& line : std::span(lines).subspan(lines.size() - std::min(tail, lines.size())))
        std::cout << "    " << line << '\n';
    for (const std::string& line : standstill_in(recording.serial_log.parent_path()))
        std::cout << line << '\n';
    return 1;
}

/// In CMake's bracket quotes nothing has a meaning.
std::string bracketed(std::string_view text) { return "[==[" + std::string(text) + "]==]"; }

void add_test(std::ostream& out, const std::string& program, const std::string& name,
              const std::vector<std::string>& arguments, const std::string& properties) {
    out << "add_test(" << bracketed(name) << ' ' << bracketed(program);
    for (const std::string& argument : arguments)
        out << ' ' << bracketed(argument);
    out << ")\nset_tests_properties(" << bracketed(name) << " PROPERTIES " << properties << ")\n";
}

/// Bochs is one thread, whose time is the number of its instructions; QEMU has one for each CPU, and the host's time.
std::string scheduling(tools::MachineKind machine) {
    constexpr unsigned qemu_timeout = 1500; // seconds
    const bool has_own_time = machine == tools::MachineKind::BochsIntel || machine == tools::MachineKind::BochsAmd;
    return std::string(has_own_time ? "" : " RUN_SERIAL TRUE") + " TIMEOUT " +
           std::to_string(qemu_timeout * tools::slowness(machine));
}

int discover(const std::string& program, const std::string& file) {
    std::ofstream out(file);
    std::string places;
    for (const Boot& boot : all_boots()) {
        for (const tools::MachineKind machine : boot.on) {
            const std::string on(tools::name_of(machine));
            const std::string place = boot.name + " on " + on;
            places += (places.empty() ? "" : ";") + place;
            add_test(out, program, "boot " + place, {"boot", boot.name, on},
                     "FIXTURES_SETUP " + bracketed(place) + scheduling(machine) + " LABELS integration");
            for (const std::string& name : case_names(boot, machine))
                add_test(out, program, place + ": " + name, {"case", boot.name, on, name},
                         "FIXTURES_REQUIRED " + bracketed(place) + " LABELS integration");
        }
    }
    std::string attacks;
    for (const Boot& boot : attack_boots())
        for (const tools::MachineKind machine : machines)
            attacks += (attacks.empty() ? "" : ";") + boot.name + " on " + std::string(tools::name_of(machine));
    add_test(out, program, "docs/isolation.md: the attacks and their cases",
             {"check-attacks", (tools::source_folder() / "docs/isolation.md").string()},
             "FIXTURES_REQUIRED " + bracketed(attacks) + " LABELS integration");
    // When the last case of the last boot is through.
    add_test(out, program, "what ran where", {"table", (tools::build_folder() / "what-ran-where.md").string()},
             "FIXTURES_CLEANUP " + bracketed(places) + " LABELS integration");
    return out.flush() ? 0 : 1;
}

int write_table(const std::string& file) {
    const std::string table = table_of_recordings();
    std::ofstream out(file);
    out << table;
    std::cout << table;
    return out.flush() ? 0 : 1;
}

int run(std::span<const std::string> arguments) {
    if (arguments.size() == 3 && arguments[1] == "discover")
        return discover(arguments[0], arguments[2]);
    if (arguments.size() == 3 && arguments[1] == "table")
        return write_table(arguments[2]);
    if (arguments.size() == 3 && arguments[1] == "check-table")
        return has_current_table(arguments[2]) ? 0 : 1;
    if (arguments.size() == 2 && arguments[1] == "attacks") {
        std::cout << table_of_attacks();
        return 0;
    }
    if (arguments.size() == 3 && arguments[1] == "check-attacks")
        return has_current_attacks(arguments[2]) ? 0 : 1;
    if (arguments.size() == 4 && arguments[1] == "boot") {
        record(find_boot(arguments[2]), find_machine(arguments[3]));
        return 0;
    }
    if (arguments.size() == 5 && arguments[1] == "case")
        return run_case(find_boot(arguments[2]), find_machine(arguments[3]), arguments[4]);
    throw tools::Failure("usage: integration boot NAME MACHINE | case NAME MACHINE CASE | discover FILE | "
                         "[check-]table FILE | attacks | "
                         "check-attacks FILE",
                         2);
}

} // namespace
} // namespace bulkhead::integration

int main(int argc, char** argv) {
    try {
        const std::vector<std::string> arguments(argv, argv + argc);
        return bulkhead::integration::run(arguments);
    } catch (const bulkhead::tools::Failure& failure) {
        std::cout << failure.what() << std::endl;
        return failure.status();
    } catch (const std::exception& exception) {
        std::cout << exception.what() << std::endl;
        return 1;
    }
}
