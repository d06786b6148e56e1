// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The sub-command that looks at the machine that it runs on.
#include <fstream>
#include <iostream>
#include <memory>

#include "tools/commands.hpp"
#include "tools/failure.hpp"
#include "tools/probe.hpp"

namespace bulkhead::tools {
namespace {

struct Arguments {
    std::string output;
};

int probe_machine(const Arguments& arguments) {
    const std::string text = probe_text(this_system(), false);
    if (arguments.output.empty()) {
        std::cout << text << std::flush;
        return std::cout ? 0 : 1;
    }
    std::ofstream file(arguments.output, std::ios::binary);
    file << text;
    if (!file.flush())
        throw Failure("cannot write '" + arguments.output + "'");
    std::cout << arguments.output << ": " << text.size() << " bytes" << std::endl;
    return 0;
}

} // namespace

void add_probe(Commands& commands) {
    CLI::App* command = commands.add("probe", "Say what this machine is made of, and whether it can run Bulkhead");
    const auto arguments = std::make_shared<Arguments>();
    command->add_option("-o,--output", arguments->output, "file for the inventory; default: standard output");
    command->footer("As root it finds more. What it could not read or understand is named in the inventory.\n"
                    "Exit status: 0, also where the machine cannot run Bulkhead; 1, the file cannot be written; "
                    "2, wrong usage.");
    commands.on(command, [arguments] { return probe_machine(*arguments); });
}

} // namespace bulkhead::tools
