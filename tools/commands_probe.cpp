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
    bool report = false;
    bool identity = false;
};

int probe_machine(const Arguments& arguments) {
    if (arguments.identity && !arguments.report)
        throw Failure("--identity is for --report: an inventory without it has serial numbers and the UUID", 2);
    const ProbeText kind = !arguments.report    ? ProbeText::Inventory
                           : arguments.identity ? ProbeText::ReportWithIdentity
                                                : ProbeText::Report;
    const std::string text = probe_text(this_system(), kind);
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
    command->add_flag("--report", arguments->report,
                      "make it a report to be sent to others: without serial numbers and the UUID, with versions");
    command->add_flag("--identity", arguments->identity, "leave serial numbers and the UUID in the report");
    command->footer("As root it finds more. What it could not read or understand is named in the inventory.\n"
                    "Exit status: 0, also where the machine cannot run Bulkhead; 1, the file cannot be written; "
                    "2, wrong usage.");
    commands.on(command, [arguments] { return probe_machine(*arguments); });
}

} // namespace bulkhead::tools
