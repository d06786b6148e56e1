// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/smbios.hpp"

namespace bulkhead::survey {

namespace {

using acpi::Bytes;
using acpi::field;

bool begins_with(Bytes bytes, std::string_view anchor) {
    return bytes.size() >= anchor.size() && std::memcmp(bytes.data(), anchor.data(), anchor.size()) == 0;
}

/// A structure: its formatted part, and the strings that follow it (SMBIOS 3.7 6.1).
struct Structure {
    Bytes formatted;
    std::string_view strings; ///< each with a zero behind it

    /// The string whose number is in the byte at `offset`; "": there is none.
    [[nodiscard]] std::string_view text(u64 offset) const {
        u8 number = field<u8>(formatted, offset);
        std::string_view rest = strings;
        while (number > 1 && !rest.empty()) {
            rest.remove_prefix(std::min(rest.size(), rest.find('\0')));
            rest.remove_prefix(rest.empty() ? 0 : 1);
            --number;
        }
        return number == 0 ? std::string_view() : rest.substr(0, rest.find('\0'));
    }
};

/// SMBIOS 3.7 7.2.1: the first three fields are little-endian. All zeros or all ones: there is none.
FixedText<36> uuid(Bytes bytes) {
    if (bytes.size() < 16)
        return {};
    constexpr u8 order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    bool zeros = true, ones = true;
    Line<36> text;
    for (u32 i = 0; i < 16; ++i) {
        const u8 byte = bytes[order[i]];
        zeros = zeros && byte == 0;
        ones = ones && byte == 0xff;
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text << '-';
        text << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 15];
    }
    return zeros || ones ? FixedText<36>() : FixedText<36>(text.view());
}

void take(Board& board, const Structure& structure) {
    enum : u8 { Bios = 0, System = 1, Baseboard = 2 };
    const u8 type = field<u8>(structure.formatted, 0);
    if (type == Bios) {
        board.bios_vendor = structure.text(4);
        board.bios_version = structure.text(5);
        board.bios_date = structure.text(8);
    } else if (type == System) {
        board.system_vendor = structure.text(4);
        board.system_product = structure.text(5);
        board.system_version = structure.text(6);
        board.system_serial = structure.text(7);
        if (structure.formatted.size() >= 24)
            board.system_uuid = uuid(structure.formatted.subspan(8, 16));
    } else if (type == Baseboard && board.board_vendor.empty()) { // the first is the main board
        board.board_vendor = structure.text(4);
        board.board_product = structure.text(5);
        board.board_version = structure.text(6);
        board.board_serial = structure.text(7);
    }
}

} // namespace

Result<SmbiosTable> parse_smbios_entry(Bytes entry) {
    if (begins_with(entry, "_SM3_") && entry.size() >= 24)
        return SmbiosTable{.address = {field<u64>(entry, 16)}, .size = field<u32>(entry, 12)};
    if (begins_with(entry, "_SM_") && entry.size() >= 31)
        return SmbiosTable{.address = {field<u32>(entry, 24)}, .size = field<u16>(entry, 22)};
    return fail("the SMBIOS entry point has no anchor");
}

void survey_smbios(Inventory& inventory, Bytes structures) {
    constexpr u8 end_of_table = 127;
    while (structures.size() >= 4) {
        const u8 length = structures[1];
        if (length < 4 || length > structures.size())
            return inventory.note("SMBIOS", "the length of a structure is impossible", length);
        if (structures[0] == end_of_table)
            return;
        const Bytes behind = structures.subspan(length);
        const std::string_view text(reinterpret_cast<const char*>(behind.data()), behind.size());
        const std::size_t end = text.find(std::string_view("\0\0", 2));
        if (end == std::string_view::npos)
            return inventory.note("SMBIOS", "a structure's strings do not end");
        take(inventory.board, {.formatted = structures.first(length), .strings = text.substr(0, end + 1)});
        structures = behind.subspan(end + 2);
    }
}

} // namespace bulkhead::survey
