// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The host command. Exit status: 0, it did what was asked; 1, it failed; 2, it was asked for wrongly; 128 and a
// signal's number, that signal ended it.
#include <CLI/CLI.hpp>
#include <iostream>
#include <thread>
#include <unistd.h>

#include "tools/benchmark.hpp"
#include "tools/configuration.hpp"
#include "tools/demo.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/machine.hpp"
#include "tools/run.hpp"
#include "tools/scaling.hpp"

namespace bulkhead::tools {
namespace {

struct Arguments {
    bool scaling = false;
    std::string machine;
    std::string configuration;
    std::string image;
    std::string statistics;
    MachineOptions options{.cpus = 0, .memory_mib = 0};
};

int check(const std::string& file) {
    const CheckedConfiguration configuration = read_configuration(file);
    for (const std::string& error : configuration.errors)
        std::cout << error << '\n';
    if (!configuration.errors.empty()) {
        std::cout << file << ": " << configuration.errors.size()
                  << (configuration.errors.size() == 1 ? " error" : " errors") << std::endl;
        return 1;
    }
    std::cout << file << ": no errors, guests";
    for (const std::string& guest : configuration.guests)
        std::cout << ' ' << guest;
    std::cout << std::endl;
    return 0;
}

int make_image(const Arguments& arguments) {
    const CheckedConfiguration configuration = require_configuration(arguments.configuration);
    std::optional<std::filesystem::path> addition; // none for a real machine
    if (!arguments.machine.empty())
        addition = firmware_addition(choose_machine(arguments.machine));
    write_image(arguments.image, configuration, addition);
    std::cout << arguments.image << ": " << std::filesystem::file_size(arguments.image) / MiB << " MiB" << std::endl;
    return 0;
}

/// Replaces this process by ctest, whose summary is the end of the output.
int test(const std::vector<std::string>& arguments) {
    Command command{"ctest",        "--test-dir",
                    build_folder(), "--output-on-failure",
                    "-j",           std::to_string(std::max(1u, std::thread::hardware_concurrency()))};
    command.insert(command.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& argument : command)
        pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    execvp(pointers.front(), pointers.data());
    throw Failure("cannot start ctest");
}

void add_machine(CLI::App* command, Arguments& arguments) {
    command->add_option("--machine", arguments.machine,
                        "qemu-amd, bochs-intel, bochs-amd or kvm; default: the best that works here");
}

void add_configuration(CLI::App* command, Arguments& arguments) {
    command->add_option("CONFIG", arguments.configuration, "the configuration, a TOML file")->required();
}

int parse_and_run(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("Bulkhead: divides a machine among guests. This command builds, tries and checks it.", "bulkhead");
    app.require_subcommand(1);

    CLI::App* demo = app.add_subcommand("demo", "Boot two Debian guests side by side, and see that they work");
    add_machine(demo, arguments);

    CLI::App* run = app.add_subcommand("run", "Boot a configuration, with this terminal as its serial console");
    add_configuration(run, arguments);
    add_machine(run, arguments);
    run->add_option("--cpus", arguments.options.cpus,
                    "CPUs of the machine; default: one more than the configuration needs");
    run->add_option("--memory", arguments.options.memory_mib,
                    "MiB of the machine; default: what the guests need and 768");
    run->add_option("--stats", arguments.statistics,
                    "file for the guests' states and counters, as text for Prometheus, renewed every few seconds");
    run->footer(std::string(keys_help) +
                "\nExit status: 0, the machine powered off, or you ended it; 1, a guest failed or could not be "
                "started, or the\n"
                "machine failed; 2, wrong usage; 128 and a signal's number, that signal ended it.");

    CLI::App* check_command = app.add_subcommand("check", "Say everything that is wrong in a configuration");
    add_configuration(check_command, arguments);
    check_command->footer("Exit status: 0, no errors; 1, errors; 2, wrong usage.");

    CLI::App* image = app.add_subcommand("image", "Write a disk image with a configuration and its guests' files");
    add_configuration(image, arguments);
    image->add_option("-o,--output", arguments.image, "the image, to be copied to a USB stick as it is")->required();
    image->add_option("--machine", arguments.machine,
                      "the emulated machine that the image is for; default: a real one, or any but Bochs'");

    CLI::App* bench = app.add_subcommand("bench", "Count the instructions of a boot and of each kind of exit");
    add_machine(bench, arguments);
    bench->add_flag("--scaling", arguments.scaling,
                    "count boots with more and more CPUs and guests instead: takes many minutes");
    bench->footer("The counts are exact and repeat. docs/performance.md says what they are and what they leave out.\n"
                  "Exit status: 1 when something is over its budget, or was not measured.");

    CLI::App* test_command = app.add_subcommand("test", "Run every test; further arguments go to ctest, as -R REGEX");
    test_command->prefix_command();

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
    if (demo->parsed())
        return run_demo(choose_machine(arguments.machine));
    if (run->parsed())
        return run_configuration(arguments.configuration, choose_machine(arguments.machine), arguments.options,
                                 arguments.statistics);
    if (check_command->parsed())
        return check(arguments.configuration);
    if (image->parsed())
        return make_image(arguments);
    if (bench->parsed())
        return (arguments.scaling ? run_scaling : run_benchmark)(
            choose_machine(arguments.machine.empty() ? "qemu-amd" : arguments.machine));
    return test(test_command->remaining());
}

} // namespace
} // namespace bulkhead::tools

int main(int argc, char** argv) {
    try {
        return bulkhead::tools::parse_and_run(argc, argv);
    } catch (const bulkhead::tools::Failure& failure) {
        std::cerr << "bulkhead: " << failure.what() << std::endl;
        return failure.status();
    } catch (const std::exception& exception) {
        std::cerr << "bulkhead: " << exception.what() << std::endl;
        return 1;
    }
}
