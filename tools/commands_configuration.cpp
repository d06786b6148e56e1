// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Sub-commands about configurations.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>

#include "config/reference.hpp"
#include "tools/commands.hpp"
#include "tools/configuration.hpp"
#include "tools/failure.hpp"
#include "tools/inventory.hpp"
#include "tools/machine.hpp"
#include "tools/plan.hpp"

namespace bulkhead::tools {
namespace {

struct CheckArguments {
    std::string configuration;
    std::string inventory;
    std::string svg;
};

InventoryMachine machine_to_plan_for(const std::string& inventory) {
    InventoryMachine machine = read_inventory(inventory);
    if (machine.cpus.empty() || machine.free_memory.empty())
        throw Failure(inventory + ": error: it has no [[cpu]], or no [[memory]] that is free: is it whole?");
    return machine;
}

/// Who would get what. Returns the exit status.
int show_plan(const CheckArguments& arguments, const CheckedConfiguration& configuration) {
    const bool known = !arguments.inventory.empty();
    const InventoryMachine machine = known ? machine_to_plan_for(arguments.inventory) : made_up_machine(configuration);
    const PlannedMachine plan = plan_configuration(arguments.configuration, machine);
    for (const std::string& reason : machine.reasons_against)
        std::cout << arguments.inventory << ": error: this machine cannot run Bulkhead: " << reason << '\n';
    for (const std::string& doubt : machine.doubts)
        std::cout << "note: whether this machine can run Bulkhead is not known: " << doubt << '\n';
    if (!plan.errors.empty() && !known) {
        std::cout << arguments.configuration
                  << ": no plan: it does not fit a machine that was made up for it; name a real one by --inventory"
                  << std::endl;
        if (!arguments.svg.empty())
            throw Failure("there is no plan to draw into '" + arguments.svg + "'");
        return 0;
    }
    for (const std::string& error : plan.errors)
        std::cout << error << '\n';
    if (!plan.errors.empty()) {
        std::cout << arguments.configuration << ": not on this machine" << std::endl;
        return 1;
    }
    std::cout << '\n';
    write_plan_text(std::cout, plan);
    std::cout << std::flush;
    if (!arguments.svg.empty()) {
        std::ofstream file(arguments.svg);
        write_plan_svg(file, plan);
        if (!file.flush())
            throw Failure("cannot write " + arguments.svg);
    }
    return machine.reasons_against.empty() ? 0 : 1;
}

void refuse_to_replace(const std::string& input, const std::string& picture) {
    std::error_code none;
    if (!picture.empty() && std::filesystem::equivalent(picture, input, none))
        throw Failure("the picture would replace '" + input + "': give it another name", 2);
}

int check(const CheckArguments& arguments) {
    const std::string& file = arguments.configuration;
    for (const std::string& input : {file, arguments.inventory})
        refuse_to_replace(input, arguments.svg);
    const CheckedConfiguration configuration = read_configuration(file);
    for (const ImageFile& input : configuration.files)
        refuse_to_replace(input.source.string(), arguments.svg);
    std::vector<std::string> errors = configuration.errors;
    if (!errors.empty() && !arguments.inventory.empty()) // what the machine lacks, too
        for (const std::string& error : plan_configuration(file, machine_to_plan_for(arguments.inventory)).errors)
            if (std::ranges::find(errors, error) == errors.end())
                errors.push_back(error);
    for (const std::string& error : errors)
        std::cout << error << '\n';
    if (!errors.empty()) {
        const u64 lost = configuration.errors_lost; // of which the last line is
        const u64 count = errors.size() + lost - (lost != 0 ? 1 : 0);
        std::cout << file << ": " << count << (count == 1 ? " error" : " errors") << std::endl;
        return 1;
    }
    if (configuration.guests.empty()) {
        std::cout << file << ": no errors, no guests: the machine takes inventory" << std::endl;
        return 0;
    }
    std::cout << file << ": no errors, guests";
    for (const std::string& guest : configuration.guests)
        std::cout << ' ' << guest;
    std::cout << (configuration.takes_inventory ? "; with 'survey = true' none starts: the machine takes inventory"
                                                : "")
              << std::endl;
    return show_plan(arguments, configuration);
}

struct ImageArguments {
    std::string configuration;
    std::string machine;
    std::string output;
    std::string folder;
};

int make_image(const ImageArguments& arguments) {
    CheckedConfiguration configuration; // none: the machine takes inventory
    if (!arguments.configuration.empty())
        configuration = require_configuration(arguments.configuration);
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
    command->add_option("--inventory", arguments->inventory,
                        "the machine, as the survey or `bulkhead probe` describes it: the plan is the one that it will "
                        "make at boot, but for addresses of memory. Without it: the plan of a machine that is made up");
    command->add_option("--svg", arguments->svg, "file for the plan as a picture");
    command->footer("Exit status: 0, no errors; 1, errors; 2, wrong usage.");
    commands.on(command, [arguments] { return check(*arguments); });
}

void add_reference(Commands& commands) {
    CLI::App* command = commands.add("reference", "Print what each key of a configuration is, as Markdown");
    commands.on(command, [] {
        std::vector<char> buffer(256 * KiB);
        Text out(buffer);
        write_reference(out);
        std::cout << out.view() << std::flush;
        return 0;
    });
}

void add_image(Commands& commands) {
    const auto arguments = std::make_shared<ImageArguments>();
    CLI::App* command =
        commands.add("image", "Write a disk image, or its files, with a configuration and its guests' files");
    command->add_option("CONFIG", arguments->configuration,
                        "the configuration, a TOML file; without it the machine takes inventory, and proposes one");
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
