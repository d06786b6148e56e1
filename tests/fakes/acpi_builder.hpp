// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Builds ACPI tables as firmware would, and memory for them to lie in.
#pragma once

#include <cstring>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "boot/acpi.hpp"

namespace bulkhead::fakes {

/// Bytes appended little-endian; `table()` fills in length and checksum.
class AcpiBuilder {
public:
    AcpiBuilder() = default;
    explicit AcpiBuilder(std::string_view signature) {
        for (char c : signature)
            u8s({static_cast<u8>(c)});
        bytes_.resize(acpi::header_size);
    }

    AcpiBuilder& u8s(std::initializer_list<u8> values) {
        bytes_.insert(bytes_.end(), values);
        return *this;
    }
    AcpiBuilder& u16v(u16 value) { return number(value, 2); }
    AcpiBuilder& u32v(u32 value) { return number(value, 4); }
    AcpiBuilder& u64v(u64 value) { return number(value, 8); }
    AcpiBuilder& pad_to(std::size_t size) {
        bytes_.resize(size);
        return *this;
    }
    /// Overwrites.
    AcpiBuilder& put(std::size_t offset, u64 value, unsigned size) {
        for (unsigned i = 0; i < size; ++i)
            bytes_.at(offset + i) = static_cast<u8>(value >> (8 * i));
        return *this;
    }

    [[nodiscard]] std::vector<u8> raw() const { return bytes_; }
    [[nodiscard]] std::vector<u8> table() const {
        AcpiBuilder done = *this;
        done.put(4, done.bytes_.size(), 4);
        done.fix_checksum(9, done.bytes_.size());
        return done.bytes_;
    }
    /// Makes the first `size` bytes add up to 0 by the byte at `offset`.
    AcpiBuilder& fix_checksum(std::size_t offset, std::size_t size) {
        bytes_.at(offset) = 0;
        u8 sum = 0;
        for (std::size_t i = 0; i < size; ++i)
            sum = static_cast<u8>(sum + bytes_.at(i));
        bytes_.at(offset) = static_cast<u8>(-sum);
        return *this;
    }

private:
    AcpiBuilder& number(u64 value, unsigned size) {
        const std::size_t at = bytes_.size();
        bytes_.resize(at + size);
        return put(at, value, size);
    }
    std::vector<u8> bytes_;
};

/// Tables at addresses. Reading anywhere else, or beyond a table's end, gives nothing.
class AcpiMemory {
public:
    void add(u64 address, std::vector<u8> bytes) { blocks_[address] = std::move(bytes); }
    [[nodiscard]] std::span<const u8> bytes(HostPhysical address, u64 size) const {
        const auto found = blocks_.find(address.value);
        if (found == blocks_.end() || found->second.size() < size)
            return {};
        return std::span(found->second).first(size);
    }

private:
    std::map<u64, std::vector<u8>> blocks_;
};

static_assert(acpi::PhysicalMemory<AcpiMemory>);

} // namespace bulkhead::fakes
