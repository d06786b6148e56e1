// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/monitor_command.hpp"

#include <set>

#include <catch2/catch_test_macros.hpp>

namespace bulkhead {
namespace {

TEST_CASE("A monitor's line is a command and the rest") {
    const auto split = [](std::string_view line) {
        const MonitorWords words = split_words(line);
        return std::pair(words.command, words.argument);
    };
    using Pair = std::pair<std::string_view, std::string_view>;
    CHECK(split("") == Pair("", ""));
    CHECK(split("   ") == Pair("", ""));
    CHECK(split("list") == Pair("list", ""));
    CHECK(split("  list  ") == Pair("list", ""));
    CHECK(split("stop alpha") == Pair("stop", "alpha"));
    CHECK(split(" stop   alpha  ") == Pair("stop", "alpha"));
    CHECK(split("stop alpha beta") == Pair("stop", "alpha beta"));
}

TEST_CASE("Every command is found by its name, and only by that") {
    std::set<std::string_view> names;
    for (const MonitorCommand& command : monitor_commands) {
        CHECK(names.insert(command.name).second);
        CHECK(find_monitor_command(command.name) == &command);
        CHECK_FALSE(command.help.empty());
    }
    CHECK(find_monitor_command("") == nullptr);
    CHECK(find_monitor_command("lis") == nullptr);
    CHECK(find_monitor_command("listing") == nullptr);
    CHECK(find_monitor_command("LIST") == nullptr);
}

} // namespace
} // namespace bulkhead
