// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/table.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <system_error>

#include "integration/verdict.hpp"
#include "tools/folders.hpp"

namespace bulkhead::integration {
namespace {

constexpr std::string_view no_boot = "–";

using Cell = std::function<std::string(const Boot&, tools::MachineKind)>;

bool is_on(const Boot& boot, tools::MachineKind machine) {
    return std::ranges::find(boot.on, machine) != boot.on.end();
}

std::string passed(const Boot& boot, tools::MachineKind machine) {
    return "passed (" + std::to_string(case_names(boot, machine).size()) + ")";
}

bool is_older_than_product(const std::filesystem::path& file) {
    std::error_code error;
    const auto recorded = std::filesystem::last_write_time(file, error);
    return error || recorded < std::filesystem::last_write_time(tools::build_folder() / "bulkhead.efi", error) || error;
}

/// What the recording shows.
std::string outcome(const Boot& boot, tools::MachineKind machine) {
    const std::filesystem::path end = recording_folder(boot, machine) / "end.txt";
    if (is_older_than_product(end))
        return "not run";
    const Recording recording = read_recording(boot, machine);
    const std::vector<std::string> names = case_names(boot, machine);
    const auto fails = [&](const std::string& name) { return !complaints(boot, recording, name).empty(); };
    const auto failures = std::ranges::count_if(names, fails);
    return failures == 0 ? passed(boot, machine)
                         : "FAILED (" + std::to_string(failures) + " of " + std::to_string(names.size()) + ")";
}

std::string table(const Cell& cell) {
    std::string text = "| boot |";
    std::string rule = "| --- |";
    std::string reasons;
    const std::vector<Boot> boots = all_boots();
    for (const tools::MachineKind machine : tools::all_machines) {
        const std::string name(tools::name_of(machine));
        text += " " + name + " |";
        rule += " --- |";
        if (!std::ranges::all_of(boots, [&](const Boot& boot) { return is_on(boot, machine); }))
            reasons +=
                "- " + std::string(no_boot) + " on " + name + ": " + std::string(why_not_all_on(machine)) + ".\n";
    }
    text += "\n" + rule + "\n";
    for (const Boot& boot : boots) {
        text += "| " + boot.name + " |";
        for (const tools::MachineKind machine : tools::all_machines)
            text += " " + (is_on(boot, machine) ? cell(boot, machine) : std::string(no_boot)) + " |";
        text += "\n";
    }
    return text + (reasons.empty() ? "" : "\n" + reasons);
}

} // namespace

std::string table_of_recordings() { return table(outcome); }

bool has_current_table(const std::filesystem::path& file) {
    std::ifstream in(file);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::string wanted = table(passed);
    if (text.find(wanted) != std::string::npos)
        return true;
    std::cout << "FAILED: " << file.string()
              << " does not have this table, which is that of a run without failures:\n\n"
              << wanted;
    return false;
}

} // namespace bulkhead::integration
