// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Finding ACPI tables. Nothing that firmware wrote is trusted: each length is checked before what it covers is read.
#pragma once

#include <concepts>
#include <cstring>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "mm/address.hpp"

namespace bulkhead::acpi {

using Bytes = std::span<const u8>;

/// The little-endian field of type T at `offset`. Fields beyond the end of a table read as 0: tables grew over the
/// revisions, and 0 is what all of them define as "absent".
template <std::unsigned_integral T> [[nodiscard]] T field(Bytes bytes, u64 offset) {
    T value = 0;
    if (offset <= bytes.size() && bytes.size() - offset >= sizeof(T))
        std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

/// Where tables are read from: physical memory on a machine, a map of recordings in a test. `bytes` is empty where not
/// all `size` bytes at `address` can be read.
template <class T>
concept PhysicalMemory = requires(const T& memory, HostPhysical address, u64 size) {
    { memory.bytes(address, size) } -> std::same_as<Bytes>;
};

/// ACPI 6.5 5.2.6: the header that all tables share.
inline constexpr u64 header_size = 36;
/// Longer than any table of a real machine; a length above it is damage.
inline constexpr u64 max_table_size = 16 * MiB;

/// ACPI 6.5 5.2.5.3. RSDP of revision 2 and later has 36 bytes, of revision 0 it has 20.
inline constexpr u64 rsdp_size = 36;

/// The two root tables; an address is 0 where there is none.
struct RootTables {
    HostPhysical xsdt;
    HostPhysical rsdt;
};

/// True if the bytes add up to 0 modulo 256 (ACPI 6.5 5.2.3).
[[nodiscard]] bool checksum_is_right(Bytes bytes);

/// Checks the RSDP's signature and checksums. `bytes` is what is readable at its address, 20 bytes or more.
[[nodiscard]] Result<RootTables> parse_rsdp(Bytes bytes);

/// Checks that `bytes` begins with a whole table of this signature: length within `bytes`, checksum right.
/// Returns the table, header included.
[[nodiscard]] Result<Bytes> check_table(Bytes bytes, std::string_view signature);

/// The whole table at `address`, checked as by check_table.
template <PhysicalMemory Memory>
[[nodiscard]] Result<Bytes> read_table(const Memory& memory, HostPhysical address, std::string_view signature) {
    const u32 length = field<u32>(memory.bytes(address, header_size), 4);
    if (length < header_size || length > max_table_size)
        return fail("ACPI: the length of a table is impossible", length);
    return check_table(memory.bytes(address, length), signature);
}

/// The first table with this signature in a root table whose entries have `width` (4 or 8) bytes.
template <PhysicalMemory Memory>
[[nodiscard]] Result<Bytes> find_in_root(const Memory& memory, Bytes root, u64 width, std::string_view signature) {
    for (u64 at = header_size; root.size() - at >= width; at += width) {
        const HostPhysical address{width == 8 ? field<u64>(root, at) : field<u32>(root, at)};
        const Bytes header = memory.bytes(address, header_size);
        if (!header.empty() && std::memcmp(header.data(), signature.data(), signature.size()) == 0)
            return read_table(memory, address, signature);
    }
    return fail("ACPI: there is no such table");
}

/// The first table with this signature, by the XSDT where it is right, else by the RSDT.
template <PhysicalMemory Memory>
[[nodiscard]] Result<Bytes> find_table(const Memory& memory, const RootTables& roots, std::string_view signature) {
    if (const Result<Bytes> xsdt = read_table(memory, roots.xsdt, "XSDT"))
        return find_in_root(memory, *xsdt, 8, signature);
    if (const Result<Bytes> rsdt = read_table(memory, roots.rsdt, "RSDT"))
        return find_in_root(memory, *rsdt, 4, signature);
    return fail("ACPI: neither XSDT nor RSDT is right");
}

} // namespace bulkhead::acpi
