// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// integration boot NAME MACHINE         runs a boot, and records it
// integration case NAME MACHINE CASE    compares a recording with what it should show
// integration discover FILE             writes all of them as tests of CTest
#include <algorithm>
#include <fstream>
#include <iostream>
#include <span>

#include "integration/boot.hpp"
#include "integration/recording.hpp"
#include "tools/failure.hpp"

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

bool is_never(Expectation::Kind kind) { return kind == Expectation::Kind::Never; }

std::vector<std::string> complaints(const Boot& boot, const Recording& recording, std::string_view name) {
    std::vector<std::string> all;
    if (name == end_case) {
        all.push_back(judge_end(boot, recording));
    } else {
        const auto found = std::ranges::find(boot.cases, name, &Case::name);
        if (found == boot.cases.end())
            throw tools::Failure("there is no case '" + std::string(name) + "'", 2);
        for (const Expectation& expectation : found->expectations)
            all.push_back(judge(expectation, recording.lines));
        // What never appears proves something only in a run that went its whole way.
        if (std::ranges::all_of(found->expectations, is_never, &Expectation::kind))
            all.push_back(judge_end(boot, recording));
    }
    std::erase(all, "");
    return all;
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
    const std::size_t first = recording.lines.size() - std::min(tail, recording.lines.size());
    for (const std::string& line : std::span(recording.lines).subspan(first))
        std::cout << "    " << line << '\n';
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

int discover(const std::string& program, const std::string& file) {
    std::ofstream out(file);
    for (const Boot& boot : all_boots()) {
        for (const tools::MachineKind machine : boot.on) {
            const std::string on(tools::name_of(machine));
            const std::string place = boot.name + " on " + on;
            add_test(out, program, "boot " + place, {"boot", boot.name, on},
                     "FIXTURES_SETUP " + bracketed(place) + " RUN_SERIAL TRUE TIMEOUT 1500 LABELS integration");
            std::vector<std::string> names{std::string(end_case)};
            for (const Case& each : boot.cases)
                names.push_back(each.name);
            for (const std::string& name : names)
                add_test(out, program, place + ": " + name, {"case", boot.name, on, name},
                         "FIXTURES_REQUIRED " + bracketed(place) + " LABELS integration");
        }
    }
    return out.flush() ? 0 : 1;
}

int run(std::span<const std::string> arguments) {
    if (arguments.size() == 3 && arguments[1] == "discover")
        return discover(arguments[0], arguments[2]);
    if (arguments.size() == 4 && arguments[1] == "boot") {
        record(find_boot(arguments[2]), find_machine(arguments[3]));
        return 0;
    }
    if (arguments.size() == 5 && arguments[1] == "case")
        return run_case(find_boot(arguments[2]), find_machine(arguments[3]), arguments[4]);
    throw tools::Failure("usage: integration boot NAME MACHINE | case NAME MACHINE CASE | discover FILE", 2);
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
