// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a line that was typed into the monitor asks for: words, as plain data.
#pragma once

#include <array>
#include <string_view>

#include "core/life_cycle.hpp"

namespace bulkhead {

struct MonitorCommand {
    enum class Kind : u8 { Operate, List, Show, Console, Statistics, Log, Help };

    std::string_view name;
    Kind kind = Kind::Help;
    GuestOperation operation = GuestOperation::Start; ///< of Operate
    bool takes_guest = true;
    std::string_view help;
};

inline constexpr std::array monitor_commands{
    MonitorCommand{"list", MonitorCommand::Kind::List, {}, false, "the guests and their states"},
    MonitorCommand{"show", MonitorCommand::Kind::Show, {}, true, "all about a guest"},
    MonitorCommand{"start", MonitorCommand::Kind::Operate, GuestOperation::Start, true,
                   "begin a life of one that is off"},
    MonitorCommand{"pause", MonitorCommand::Kind::Operate, GuestOperation::Pause, true,
                   "it executes nothing until 'resume'"},
    MonitorCommand{"resume", MonitorCommand::Kind::Operate, GuestOperation::Resume, true, "a paused one goes on"},
    MonitorCommand{"shutdown", MonitorCommand::Kind::Operate, GuestOperation::Shutdown, true, "press its power button"},
    MonitorCommand{"stop", MonitorCommand::Kind::Operate, GuestOperation::Stop, true, "switch it off"},
    MonitorCommand{"restart", MonitorCommand::Kind::Operate, GuestOperation::Restart, true, "switch it off and on"},
    MonitorCommand{"destroy", MonitorCommand::Kind::Operate, GuestOperation::Destroy, true,
                   "switch it off, clear its memory"},
    MonitorCommand{"console", MonitorCommand::Kind::Console, {}, true, "type into it; Ctrl-] m comes back here"},
    MonitorCommand{"stats", MonitorCommand::Kind::Statistics, {}, false, "the counters of all guests"},
    MonitorCommand{"log", MonitorCommand::Kind::Log, {}, false, "the hypervisor's last lines"},
    MonitorCommand{"help", MonitorCommand::Kind::Help, {}, false, "this"},
};

/// A line's words: the first, and the rest without blanks around it.
struct MonitorWords {
    std::string_view command;
    std::string_view argument;
};

constexpr MonitorWords split_words(std::string_view line) {
    const auto skip = [](std::string_view text) {
        while (!text.empty() && text.front() == ' ')
            text.remove_prefix(1);
        while (!text.empty() && text.back() == ' ')
            text.remove_suffix(1);
        return text;
    };
    const std::string_view text = skip(line);
    std::size_t end = 0;
    while (end < text.size() && text[end] != ' ')
        ++end;
    std::string_view rest = text;
    rest.remove_prefix(end);
    return {{text.data(), end}, skip(rest)};
}

/// Null: there is no such command.
constexpr const MonitorCommand* find_monitor_command(std::string_view name) {
    for (const MonitorCommand& command : monitor_commands)
        if (command.name == name)
            return &command;
    return nullptr;
}

} // namespace bulkhead
