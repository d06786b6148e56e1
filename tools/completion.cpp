// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>

#include "tools/failure.hpp"
#include "tools/machine.hpp"
#include "tools/manual.hpp"

namespace bulkhead::tools {
namespace {

/// Options whose values are words; every other value is completed as a file.
std::string words_of(const std::string& option) {
    std::string words;
    if (option == "--machine")
        for (const MachineKind machine : all_machines)
            words += (words.empty() ? "" : " ") + std::string(name_of(machine));
    return words;
}

std::vector<std::string> names_of(const CLI::Option& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.get_lnames())
        names.push_back("--" + name);
    for (const std::string& name : option.get_snames())
        names.push_back("-" + name);
    return names;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : " ") + word;
    return text;
}

std::vector<const CLI::Option*> all_options(const CLI::App& command) {
    return command.get_options([](const CLI::Option* option) { return !option->get_positional(); });
}

/// What may come behind a command: the commands below it, or else the words that are its arguments.
std::vector<std::string> words_behind(const CLI::App& command) {
    if (command.get_name() == "completion")
        return {"bash", "zsh", "fish"};
    const bool is_about_commands = command.get_name() == "help" || command.get_name() == "man";
    std::vector<std::string> names;
    for (const CLI::App* each : commands_of(is_about_commands ? *command.get_parent() : command))
        names.push_back(each->get_name());
    return names;
}

/// One line for a command and one for each below it.
void add_cases(const CLI::App& command, std::string& commands, std::string& options) {
    std::vector<std::string> switches;
    for (const CLI::Option* option : all_options(command))
        std::ranges::copy(names_of(*option), std::back_inserter(switches));
    const std::string label = "        '" + full_name(command) + "') ";
    commands += label + "commands='" + joined(words_behind(command)) + "' ;;\n";
    options += label + "options='" + joined(switches) + "' ;;\n";
    for (const CLI::App* each : commands_of(command))
        add_cases(*each, commands, options);
}

/// What is a sub-command is found from the left: options' values are not looked at, as none is called like one.
std::string bash_script(const CLI::App& app) {
    std::string commands;
    std::string options;
    add_cases(app, commands, options);
    return R"(# Completion of bulkhead for bash: source it, or keep it as
# ~/.local/share/bash-completion/completions/bulkhead
_bulkhead() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} place=bulkhead
    local commands='' options='' i
    for ((i = 1; i <= COMP_CWORD; i++)); do
        [[ $place != 'bulkhead help' && $place != 'bulkhead man' ]] || place=bulkhead # of which a sub-command is wanted
        case $place in
)" + commands +
           R"(        esac
        ((i < COMP_CWORD)) || break
        [[ " $commands " != *" ${COMP_WORDS[i]} "* ]] || place+=" ${COMP_WORDS[i]}"
    done
    case $place in
)" + options +
           R"(    esac
    COMPREPLY=()
    if [[ $before == --machine ]]; then
        COMPREPLY=($(compgen -W ')" +
           words_of("--machine") + R"(' -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    elif [[ $commands ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$word"))
    else
        compopt -o filenames 2>/dev/null || true
        local IFS=$'\n'
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}
complete -F _bulkhead bulkhead ./bulkhead
)";
}

std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text)
        result += c == '\'' ? std::string("\\'") : std::string(1, c);
    return result + "'";
}

void add_fish_lines(const CLI::App& command, const std::string& condition, std::string& script) {
    const std::string begin = "complete -c bulkhead" + (condition.empty() ? "" : " -n '" + condition + "'");
    for (const CLI::Option* option : all_options(command)) {
        std::string line = begin;
        for (const std::string& name : option->get_lnames())
            line += " -l " + name;
        for (const std::string& name : option->get_snames())
            line += " -s " + name;
        if (option->get_items_expected_max() != 0)
            line += " -r";
        if (const std::string words = words_of("--" + option->get_lnames().front()); !words.empty())
            line += " -f -a '" + words + "'";
        script += line + " -d " + quoted(option->get_description()) + "\n";
    }
    if (commands_of(command).empty())
        for (const std::string& word : words_behind(command))
            script += begin + " -f -a " + word + "\n";
    const std::string within = command.get_parent() == nullptr ? std::string("__fish_use_subcommand") : condition;
    for (const CLI::App* each : commands_of(command)) {
        script += "complete -c bulkhead -n '" + within + "' -f -a " + each->get_name() + " -d " +
                  quoted(each->get_description()) + "\n";
        add_fish_lines(*each, "__fish_seen_subcommand_from " + each->get_name(), script);
    }
}

} // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
    if (shell == "bash")
        return bash_script(app);
    if (shell == "zsh") // which takes bash's
        return "autoload -U +X compinit bashcompinit && compinit && bashcompinit\n" + bash_script(app);
    if (shell == "fish") {
        std::string script = "# Completion of bulkhead for fish: ~/.config/fish/completions/bulkhead.fish\n";
        add_fish_lines(app, "", script);
        return script;
    }
    throw Failure("there is completion for bash, zsh and fish, not for '" + shell + "'", 2);
}

} // namespace bulkhead::tools
