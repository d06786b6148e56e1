// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/file_name.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace bulkhead::tools {

namespace {

/// Whatever its extension is.
bool is_of_a_device(const std::string& part) {
    const std::string name = folded_name(part.substr(0, part.find('.')));
    if (name.size() == 4 && (name.starts_with("com") || name.starts_with("lpt")))
        return name[3] >= '1' && name[3] <= '9';
    return name == "con" || name == "prn" || name == "aux" || name == "nul";
}

} // namespace

std::string why_not_a_name(const std::string& name) {
    if (name.empty())
        return "the name is empty";
    if (name.starts_with('/'))
        return "the name must be relative to the configuration's folder";
    for (const char c : name) {
        if (c < ' ' || c > '~')
            return "the name may have printable ASCII characters only";
        if (std::string_view("\"*:<>?\\|").contains(c))
            return std::string("the name has a '") + c + "', which FAT does not take";
    }
    for (std::size_t start = 0; start <= name.size();) {
        const std::size_t end = std::min(name.find('/', start), name.size());
        const std::string part = name.substr(start, end - start);
        if (part.empty() || part == "." || part == "..")
            return "the name has an empty part, '.' or '..'";
        if (part.ends_with('.') || part.ends_with(' '))
            return "a part of the name ends in '.' or ' ', which FAT drops";
        if (is_of_a_device(part))
            return "a part of the name is a device's to DOS, which many systems do not write to a FAT volume";
        if (part.size() > 255)
            return "a part of the name is longer than 255 characters";
        start = end + 1;
    }
    return "";
}

std::string folded_name(std::string name) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    return name;
}

} // namespace bulkhead::tools
