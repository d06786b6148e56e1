// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/commands.hpp"

#include "tools/failure.hpp"

namespace bulkhead::tools {

Commands::Commands(CLI::App& app) : app_(app) {
    void (*const in_this_order[])(Commands&) = {add_demo,     add_run,   add_check, add_reference, add_image,
                                                add_guest,    add_probe, add_bench, add_test,      add_fuzz,
                                                add_coverage, add_help,  add_man,   add_completion};
    for (const auto add_one : in_this_order)
        add_one(*this);
    app_.require_subcommand(1);
}

CLI::App* Commands::add(const std::string& name, const std::string& description) {
    return app_.add_subcommand(name, description);
}

int Commands::run() const {
    for (const Entry& entry : actions_)
        if (entry.command->parsed())
            return entry.action();
    throw Failure("nothing was asked for", 2);
}

void add_machine_option(CLI::App* command, std::string& machine, const std::string& usual) {
    command->add_option("--machine", machine, "qemu-amd, bochs-intel, bochs-amd or kvm; default: " + usual);
}

void add_configuration_argument(CLI::App* command, std::string& configuration) {
    command->add_option("CONFIG", configuration, "the configuration, a TOML file")->required();
}

} // namespace bulkhead::tools
