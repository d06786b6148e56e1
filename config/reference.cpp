// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/reference.hpp"

#include "config/diagnostics.hpp"
#include "config/schema.hpp"

namespace bulkhead {
namespace {

void write_range(Text& out, const KeyRule& rule) {
    switch (rule.type) {
    case ValueType::Number:
        out << ", " << rule.minimum << " to " << rule.maximum;
        return;
    case ValueType::Port:
        out << ", " << Hex{rule.minimum} << " to " << Hex{rule.maximum};
        return;
    case ValueType::Memory:
        out << "; " << Size{rule.minimum} << " to " << Size{rule.maximum};
        return;
    case ValueType::Name:
    case ValueType::Path:
        out << ", " << rule.minimum << " to " << rule.maximum << " characters";
        return;
    case ValueType::Text:
        out << ", at most " << rule.maximum << " bytes";
        return;
    case ValueType::Word:
        out << ' ' << Words{rule.words};
        return;
    case ValueType::Modules:
        out << ", at most " << rule.maximum;
        return;
    case ValueType::Flag:
    case ValueType::Cpus:
    case ValueType::Digest:
    case ValueType::Digests:
        return;
    }
}

void write_key(Text& out, const KeyRule& rule) {
    out << "| `" << rule.name << "` | " << describe(rule.type);
    write_range(out, rule);
    out << " | ";
    if (rule.required)
        out << "required";
    else if (rule.standard.empty())
        out << "none";
    else
        out << '`' << rule.standard << '`';
    out << " | " << rule.help << " |\n";
}

template <class Keys> void write_table(Text& out, std::string_view title, const Keys& keys) {
    const bool table = title.starts_with('[');
    out << "### " << (table ? "`" : "") << title << (table ? "`" : "")
        << "\n\n| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |\n";
    for (const auto& key : keys)
        write_key(out, key.rule);
}

} // namespace

void write_reference(Text& out) {
    write_table(out, "Above all tables", root_keys);
    out << '\n';
    write_table(out, "[hypervisor]", hypervisor_keys);
    out << '\n';
    write_table(out, "[[guest]]", guest_keys);
}

} // namespace bulkhead
