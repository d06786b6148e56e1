// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Sub-commands about configurations.
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "tools/commands.hpp"
#include "tools/configuration.hpp"
#include "tools/machine.hpp"

namespace bulkhead::tools {
namespace {

struct CheckArguments {
    std::string configuration;
};

int check(const CheckArguments& arguments) {
    const std::string& file = arguments.configuration;
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

struct ImageArguments {
    std::string configuration;
    std::string machine;
    std::string output;
    std::string folder;
};

int make_image(const ImageArguments& arguments) {
    const CheckedConfiguration configuration = require_configuration(arguments.configuration);
    std::optional<std::filesystem::path> addition; // none for a real machine
    if (!arguments.machine.empty())
        addition = firmware_addition(choose_machine(arguments.machine));
    if (!arguments.folder.empty()) {
        write_tree(arguments.folder, contents_of_volume(configuration, addition));
        std::cout << arguments.folder << ": copy what is in it to a FAT volume, its root" << std::endl;
        return 0;
    }
    write_image(arguments.output, configuration, addition);
    std::cout << arguments.output << ": " << std::filesystem::file_size(arguments.output) / MiB << " MiB" << std::endl;
    return 0;
}

} // namespace

void add_check(Commands& commands) {
    const auto arguments = std::make_shared<CheckArguments>();
    CLI::App* command = commands.add("check", "Say everything that is wrong in a configuration");
    add_configuration_argument(command, arguments->configuration);
    command->footer("Exit status: 0, no errors; 1, errors; 2, wrong usage.");
    commands.on(command, [arguments] { return check(*arguments); });
}

void add_image(Commands& commands) {
    const auto arguments = std::make_shared<ImageArguments>();
    CLI::App* command =
        commands.add("image", "Write a disk image, or its files, with a configuration and its guests' files");
    add_configuration_argument(command, arguments->configuration);
    CLI::Option_group* where = command->add_option_group("Output", "one of them");
    where->add_option("-o,--output", arguments->output, "the image, to be copied to a USB stick as it is");
    where->add_option("--files", arguments->folder,
                      "instead: a new folder with the same files, to be copied to any FAT volume");
    where->require_option(1);
    command->add_option("--machine", arguments->machine,
                        "the emulated machine that the image is for; default: a real one, or any but Bochs'");
    commands.on(command, [arguments] { return make_image(*arguments); });
}

} // namespace bulkhead::tools
