// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi.hpp"

namespace bulkhead::acpi {

namespace {

constexpr std::string_view rsdp_signature = "RSD PTR ";
constexpr u64 rsdp_revision_1_size = 20;

bool begins_with(Bytes bytes, std::string_view signature) {
    return bytes.size() >= signature.size() && std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

} // namespace

bool checksum_is_right(Bytes bytes) {
    u8 sum = 0;
    for (u8 byte : bytes)
        sum = static_cast<u8>(sum + byte);
    return sum == 0;
}

Result<RootTables> parse_rsdp(Bytes bytes) {
    if (bytes.size() < rsdp_revision_1_size || !begins_with(bytes, rsdp_signature))
        return fail("ACPI: RSDP has the wrong signature");
    if (!checksum_is_right(bytes.first(rsdp_revision_1_size)))
        return fail("ACPI: RSDP has the wrong checksum");
    RootTables roots{.xsdt = {}, .rsdt = {field<u32>(bytes, 16)}};
    const u8 revision = field<u8>(bytes, 15);
    const u32 length = field<u32>(bytes, 20);
    // A damaged extension leaves the RSDT, which the first checksum covers.
    if (revision >= 2 && length >= rsdp_size && length <= bytes.size() && checksum_is_right(bytes.first(length)))
        roots.xsdt = {field<u64>(bytes, 24)};
    return roots;
}

Result<Bytes> check_table(Bytes bytes, std::string_view signature) {
    if (bytes.size() < header_size || !begins_with(bytes, signature))
        return fail("ACPI: a table has the wrong signature");
    const u32 length = field<u32>(bytes, 4);
    if (length < header_size || length > bytes.size())
        return fail("ACPI: the length of a table is impossible", length);
    if (!checksum_is_right(bytes.first(length)))
        return fail("ACPI: a table has the wrong checksum");
    return bytes.first(length);
}

} // namespace bulkhead::acpi
