// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <vector>

#include "base/types.hpp"

namespace bulkhead {

using Bytes = std::vector<u8>;

inline void set(Bytes& bytes, std::size_t offset, u64 value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
        bytes.at(offset + i) = static_cast<u8>(value >> (8 * i));
}

inline u64 get(std::span<const u8> bytes, std::size_t offset, std::size_t size) {
    u64 value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value |= u64{bytes[offset + i]} << (8 * i);
    return value;
}

/// The smallest file that is a bzImage, with the offsets of boot.rst.
inline Bytes small_kernel() {
    Bytes file(2 * 512 + 8192);
    set(file, 0x1f1, 1, 1);           // setup_sects
    set(file, 0x1f4, 8192 / 16, 4);   // syssize
    set(file, 0x1fe, 0xaa55, 2);      // boot_flag
    set(file, 0x200, 0x6aeb, 2);      // jump
    set(file, 0x202, 0x53726448, 4);  // header
    set(file, 0x206, 0x020f, 2);      // version
    set(file, 0x211, 1, 1);           // loadflags
    set(file, 0x22c, 0x7fff'ffff, 4); // initrd_addr_max
    set(file, 0x230, 0x20'0000, 4);   // kernel_alignment
    set(file, 0x234, 1, 1);           // relocatable_kernel
    set(file, 0x236, 1, 2);           // xloadflags
    set(file, 0x238, 2047, 4);        // cmdline_size
    set(file, 0x258, 0x100'0000, 8);  // pref_address
    set(file, 0x260, 0x10'0000, 4);   // init_size
    return file;
}

} // namespace bulkhead
