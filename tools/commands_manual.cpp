// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Sub-commands about the host command itself.
#include <iostream>
#include <memory>

#include "tools/commands.hpp"
#include "tools/manual.hpp"

namespace bulkhead::tools {
namespace {

using Names = std::vector<std::string>;

std::shared_ptr<Names> add_names(CLI::App* command) {
    const auto names = std::make_shared<Names>();
    command->add_option("COMMAND", *names, "the sub-command, such as: guest linux; default: the command as a whole");
    return names;
}

} // namespace

void add_help(Commands& commands) {
    CLI::App* command = commands.add("help", "Say how the command or a sub-command is used");
    const auto names = add_names(command);
    commands.on(command, [&app = commands.app(), names] {
        app.clear(); // it would speak of the sub-command that was parsed last: this one
        const CLI::App& asked = find_command(app, *names);
        std::cout << asked.help(asked.get_parent() == nullptr ? "" : full_name(*asked.get_parent())) << std::flush;
        return 0;
    });
}

void add_man(Commands& commands) {
    CLI::App* command = commands.add("man", "Print the manual page of the command or a sub-command");
    const auto names = add_names(command);
    command->footer("To read one: bulkhead man run | man -l -");
    commands.on(command, [&app = commands.app(), names] {
        std::cout << manual_page(find_command(app, *names)) << std::flush;
        return 0;
    });
}

void add_completion(Commands& commands) {
    CLI::App* command = commands.add("completion", "Print a script by which a shell completes this command's words");
    const auto shell = std::make_shared<std::string>();
    command->add_option("SHELL", *shell, "bash, zsh or fish")->required();
    command->footer("For this bash: source <(bulkhead completion bash)");
    commands.on(command, [&app = commands.app(), shell] {
        std::cout << completion_script(app, *shell) << std::flush;
        return 0;
    });
}

} // namespace bulkhead::tools
