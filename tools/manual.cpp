// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/manual.hpp"

#include <algorithm>

#include "tools/failure.hpp"
#include "version.hpp"

namespace bulkhead::tools {
namespace {

/// A text as roff takes it: no line begins with a control character, hyphens are those that can be copied.
std::string roff(const std::string& text) {
    std::string result;
    for (const char c : text) {
        const bool begins = result.empty() || result.back() == '\n';
        if (begins && (c == '.' || c == '\''))
            result += "\\&";
        if (c == '-')
            result += "\\-";
        else if (c == '\\')
            result += "\\e";
        else
            result += c;
    }
    return result;
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

std::string dashed(std::string name) {
    std::ranges::replace(name, ' ', '-');
    return name;
}

std::vector<const CLI::Option*> options_of(const CLI::App& command, bool positional) {
    const auto wanted = [&](const CLI::Option* option) { return option->get_positional() == positional; };
    return command.get_options(wanted);
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() != 0; }

std::string synopsis(const CLI::App& command) {
    std::string text = "\\fB" + roff(full_name(command)) + "\\fR";
    if (!options_of(command, false).empty())
        text += " [\\fIOPTIONS\\fR]";
    for (const CLI::Option* option : options_of(command, true))
        text += option->get_required() ? " \\fI" + option->get_name(true) + "\\fR"
                                       : " [\\fI" + option->get_name(true) + "\\fR]";
    if (!commands_of(command).empty())
        text += " \\fISUB\\-COMMAND\\fR";
    return text + "\n";
}

void add_list(std::string& page, const std::string& title, const std::vector<const CLI::Option*>& options) {
    if (options.empty())
        return;
    page += ".SH " + title + "\n";
    for (const CLI::Option* option : options) {
        const bool positional = option->get_positional();
        page += ".TP\n\\fB" + roff(positional ? option->get_name(true) : option->get_name(false, true)) + "\\fR";
        if (!positional && takes_value(*option))
            page += " \\fIVALUE\\fR";
        if (option->get_required())
            page += " (required)";
        page += "\n" + roff(option->get_description()) + "\n";
    }
}

} // namespace

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

const CLI::App& find_command(const CLI::App& app, const std::vector<std::string>& names) {
    const CLI::App* command = &app;
    for (const std::string& name : names) {
        const auto commands = commands_of(*command);
        const auto found = std::ranges::find(commands, name, [](const CLI::App* each) { return each->get_name(); });
        if (found == commands.end())
            throw Failure("there is no sub-command '" + full_name(*command) + ' ' + name + "'", 2);
        command = *found;
    }
    return *command;
}

std::string full_name(const CLI::App& command) {
    const CLI::App* parent = command.get_parent();
    return parent == nullptr ? command.get_name() : full_name(*parent) + ' ' + command.get_name();
}

std::string manual_page(const CLI::App& command) {
    const std::string name = dashed(full_name(command));
    std::string page = ".TH " + roff(upper(name)) + " 1 \"\" \"Bulkhead " + std::string(version) + "\"\n";
    page += ".SH NAME\n" + roff(name) + " \\- " + roff(command.get_description()) + "\n";
    page += ".SH SYNOPSIS\n" + synopsis(command);
    add_list(page, "ARGUMENTS", options_of(command, true));
    if (const auto commands = commands_of(command); !commands.empty()) {
        page += ".SH SUB\\-COMMANDS\n";
        for (const CLI::App* each : commands)
            page += ".TP\n\\fB" + roff(each->get_name()) + "\\fR\n" + roff(each->get_description()) + "\n";
    }
    add_list(page, "OPTIONS", options_of(command, false));
    if (!command.get_footer().empty())
        page += ".SH NOTES\n" + roff(command.get_footer()) + "\n";
    page += ".SH SEE ALSO\n";
    if (command.get_parent() != nullptr)
        page += ".BR " + roff(dashed(full_name(*command.get_parent()))) + " (1),\n";
    page += "the folder docs/ of the sources\n";
    return page;
}

} // namespace bulkhead::tools
