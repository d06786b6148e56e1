// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Prints a dictionary for libFuzzer: every key and word of config/schema.hpp, and pieces of TOML.
#include <cstdio>
#include <string>

#include "config/schema.hpp"

namespace {

void print(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        char code[8];
        std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c));
        escaped += code;
    }
    std::printf("\"%s\"\n", escaped.c_str());
}

template <class Keys> void print_keys(const Keys& keys) {
    for (const auto& key : keys) {
        print("\n" + std::string(key.rule.name) + " = ");
        if (!key.rule.standard.empty())
            print(key.rule.standard);
        for (const std::string_view word : key.rule.words)
            print('"' + std::string(word) + '"');
    }
}

} // namespace

int main() {
    print_keys(bulkhead::root_keys);
    print_keys(bulkhead::hypervisor_keys);
    print_keys(bulkhead::guest_keys);
    for (const std::string_view piece : {"\n[hypervisor]\n",
                                         "\n[[guest]]\n",
                                         " KiB",
                                         " MiB",
                                         " GiB",
                                         "%",
                                         " at 0x",
                                         "true",
                                         "false",
                                         "0x",
                                         "0b",
                                         "0o",
                                         "_",
                                         "[",
                                         "]",
                                         ",",
                                         "\"",
                                         "'",
                                         "\\u00e9",
                                         "\\U0001F600",
                                         "\xef\xbb\xbf",
                                         "#",
                                         "\r\n",
                                         "9223372036854775807",
                                         "\"\"\"",
                                         "{",
                                         "}",
                                         "."})
        print(piece);
}
