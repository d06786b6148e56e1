// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "tools/failure.hpp"
#include "tools/linux_guest.hpp"

namespace bulkhead::tools {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);)
        parts.push_back(part);
    return parts;
}

std::optional<std::uint32_t> number_of(const std::string& text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

/// The lines of /etc/passwd or /etc/group, in fields; of which there are at least `fields`.
std::vector<std::vector<std::string>> table(const RootTree& root, std::string_view name, std::size_t fields) {
    std::vector<std::vector<std::string>> lines;
    if (const RootFile* file = root.find(name); file != nullptr)
        for (const std::string& line : split(file->contents, '\n'))
            if (std::vector<std::string> parts = split(line, ':'); parts.size() >= fields)
                lines.push_back(std::move(parts));
    return lines;
}

} // namespace

UserNumbers find_user(const RootTree& root, const std::string& user) {
    UserNumbers numbers;
    const std::string name = user.substr(0, user.find(':'));
    const std::string group = user.find(':') == std::string::npos ? std::string() : user.substr(user.find(':') + 1);
    std::string login = name;
    std::optional<std::uint32_t> uid = number_of(name);
    if (name.empty())
        uid = 0;
    for (const auto& line : table(root, "etc/passwd", 4)) {
        if (line[0] != name && (!uid || number_of(line[2]) != uid))
            continue;
        login = line[0];
        uid = number_of(line[2]);
        numbers.gid = number_of(line[3]).value_or(0);
        if (line.size() > 5 && !line[5].empty())
            numbers.home = line[5];
        break;
    }
    if (!uid)
        throw Failure("the image is to run as '" + name + "', whom its /etc/passwd does not have");
    numbers.uid = *uid;
    std::optional<std::uint32_t> gid = group.empty() ? numbers.gid : number_of(group);
    for (const auto& line : table(root, "etc/group", 3)) {
        const std::vector<std::string> members = line.size() > 3 ? split(line[3], ',') : std::vector<std::string>();
        const auto number = number_of(line[2]);
        if (line[0] == group)
            gid = number;
        else if (group.empty() && number && std::ranges::find(members, login) != members.end())
            numbers.groups.push_back(*number);
    }
    if (!gid)
        throw Failure("the image is to run with the group '" + group + "', which its /etc/group does not have");
    numbers.gid = *gid;
    return numbers;
}

} // namespace bulkhead::tools
