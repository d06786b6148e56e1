// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/configuration_name.hpp"

#include "boot/identity_map.hpp"
#include "survey/smbios.hpp"

namespace bulkhead::boot {

namespace {

constexpr u64 entry_size = 31; // what of either kind is read (SMBIOS 3.7 5.2)
constexpr u64 longest_table = 64 * KiB;

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

} // namespace

ConfigurationNames::ConfigurationNames(HostPhysical smbios) {
    static survey::Inventory machine;
    const IdentityMap memory;
    if (smbios.value != 0)
        if (const auto table = survey::parse_smbios_entry(memory.bytes(smbios, entry_size)))
            survey::survey_smbios(machine, memory.bytes(table->address, std::min(table->size, longest_table)));
    add("uuid-", machine.board.system_uuid.view());
    add("serial-", machine.board.system_serial.view());
    add("bulkhead", "");
}

void ConfigurationNames::add(std::string_view before, std::string_view what) {
    if (before.ends_with('-') && what.empty())
        return;
    Line<120> name;
    name << before;
    for (const char c : what.substr(0, 80))
        name << (is_plain(c) ? c : '_');
    name << ".toml";
    static_cast<void>(names_.push_back(name.view()));
}

} // namespace bulkhead::boot
