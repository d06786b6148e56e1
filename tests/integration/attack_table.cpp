// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/attack_table.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>

#include "integration/boot.hpp"
#include "integration/recording.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

/// How many cases, or why there is no number.
std::string cases_of(const Attack& attack, const Recording& recording) {
    const std::regex counted("\\] attack: " + attack.group + ": (\\d+) cases, (\\d+) escapes$");
    for (const std::string& line : recording.lines.at("")) {
        std::smatch match;
        if (std::regex_search(line, match, counted))
            return match[2] == "0" ? match[1].str() : "ESCAPED";
    }
    return "NOT TRIED";
}

std::string cell(const Attack& attack, tools::MachineKind machine) {
    const std::vector<Boot> boots = attack_boots();
    const auto boot = std::ranges::find(boots, attack.boot, &Boot::name);
    if (boot == boots.end())
        throw tools::Failure("there is no boot '" + attack.boot + "'", 2);
    try {
        return cases_of(attack, read_recording(*boot, machine));
    } catch (const tools::Failure&) {
        return "NOT RUN";
    }
}

} // namespace

std::string table_of_attacks() {
    std::string text = "| attack | tried | must end | qemu-amd | bochs-intel |\n| --- | --- | --- | --- | --- |\n";
    for (const Attack& attack : all_attacks()) {
        text += "| " + attack.group + " | " + attack.tried + " | " + attack.end + " |";
        for (const tools::MachineKind machine : machines)
            text += " " + cell(attack, machine) + " |";
        text += "\n";
    }
    return text;
}

bool has_current_attacks(const std::filesystem::path& file) {
    std::ifstream in(file);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::string wanted = table_of_attacks();
    if (text.find(wanted) != std::string::npos)
        return true;
    std::cout << "FAILED: " << file.string() << " does not have this table, which is that of the last run:\n\n"
              << wanted;
    return false;
}

} // namespace bulkhead::integration
