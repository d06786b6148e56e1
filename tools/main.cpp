// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The host command. Exit status: 0, it did what was asked; 1, it failed; 2, it was asked for wrongly; 128 and a
// signal's number, that signal ended it.
#include <iostream>

#include "tools/commands.hpp"
#include "tools/failure.hpp"
#include "version.hpp"

namespace bulkhead::tools {
namespace {

int parse_and_run(int argc, char** argv) {
    CLI::App app("Bulkhead: divides a machine among guests. This command builds, tries and checks it.", "bulkhead");
    app.set_version_flag("--version", "Bulkhead " + std::string(version), "Print the version and exit");
    const Commands commands(app);
    // CLI11 would only say that a sub-command is required.
    const auto is_asked_for = [&](const CLI::App* command) { return command->check_name(argv[1]); };
    if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_asked_for).empty())
        throw Failure("there is no sub-command '" + std::string(argv[1]) + "'. Run with --help for those there are.",
                      2);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return commands.run();
}

/// What was printed must have got to where it was to go: a full disk is no success.
int written(int status) {
    if (!std::cout.flush())
        throw Failure("cannot write to the standard output");
    return status;
}

} // namespace
} // namespace bulkhead::tools

int main(int argc, char** argv) {
    try {
        return bulkhead::tools::written(bulkhead::tools::parse_and_run(argc, argv));
    } catch (const bulkhead::tools::Failure& failure) {
        std::cerr << "bulkhead: " << failure.what() << std::endl;
        return failure.status();
    } catch (const std::exception& exception) {
        std::cerr << "bulkhead: " << exception.what() << std::endl;
        return 1;
    }
}
