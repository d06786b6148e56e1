// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "core/instruction.hpp"

namespace bulkhead {

/// The bytes of one instruction, at most 15. Reading beyond them gives zeros and is remembered.
class ByteReader {
public:
    explicit ByteReader(std::span<const u8> bytes) : bytes_(bytes.first(std::min<std::size_t>(bytes.size(), 15))) {}

    u8 byte() {
        if (at_end()) {
            truncated_ = true;
            return 0;
        }
        return bytes_[position_++];
    }
    [[nodiscard]] u8 peek() const { return at_end() ? 0 : bytes_[position_]; }

    /// `size` bytes (0, 1, 2, 4 or 8), little-endian, sign-extended.
    u64 number(unsigned size) {
        u64 value = 0;
        for (unsigned i = 0; i < size; ++i)
            value |= u64{byte()} << (8 * i);
        const unsigned unused = 64 - 8 * size;
        return size == 0 ? 0 : static_cast<u64>(static_cast<i64>(value << unused) >> unused);
    }

    [[nodiscard]] u8 position() const { return position_; }
    [[nodiscard]] bool at_end() const { return position_ == bytes_.size(); }
    [[nodiscard]] bool truncated() const { return truncated_; }
    void mark_truncated() { truncated_ = true; }

private:
    std::span<const u8> bytes_;
    u8 position_ = 0;
    bool truncated_ = false;
};

/// What stands before an opcode. SDM 2A 2.1.1 and 2.2.1.
struct Prefixes {
    std::optional<SegmentName> segment; // the last override that counts in this mode
    u8 rex = 0;
    u8 repeat = 0; // 0, F2 or F3: the last one
    bool operand_size = false;
    bool address_size = false;
    bool lock = false;

    /// An extension bit of REX (W 3, R 2, X 1, B 0), as bit 3 of a register number.
    [[nodiscard]] u8 rex_bit(unsigned bit) const { return static_cast<u8>((rex >> bit & 1) << 3); }

    /// False if `byte` is not one of them.
    bool add_legacy(u8 byte, CpuMode mode) {
        switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e: // ignored in 64-bit mode (SDM 1 3.4.2.1)
            if (mode != CpuMode::bits64)
                segment = static_cast<SegmentName>(byte >> 3 & 3);
            return true;
        case 0x64:
        case 0x65:
            segment = static_cast<SegmentName>(byte & 7);
            return true;
        case 0x66:
            return operand_size = true;
        case 0x67:
            return address_size = true;
        case 0xf0:
            return lock = true;
        case 0xf2:
        case 0xf3:
            repeat = byte;
            return true;
        default:
            return false;
        }
    }
};

inline Prefixes read_prefixes(ByteReader& reader, CpuMode mode) {
    Prefixes prefixes;
    for (;; reader.byte()) {
        const u8 byte = reader.peek();
        if (mode == CpuMode::bits64 && (byte & 0xf0) == 0x40)
            prefixes.rex = byte;
        else if (prefixes.add_legacy(byte, mode))
            prefixes.rex = 0; // only the byte just before the opcode is a REX prefix
        else
            return prefixes;
    }
}

} // namespace bulkhead
