// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstring>
#include <memory>

#include "core/guest_memory.hpp"

namespace bulkhead::test {

/// RAM of a guest for tests: 4 MiB at 0 and, if wanted, 1 MiB at 4 GiB. It is a reservation of address space, so that
/// the window is as sparse as the hypervisor's; the legacy hole is not readable: touching it fails the test.
class GuestRam {
public:
    static constexpr u64 low_end = 4 * MiB;
    static constexpr u64 high_end = 4 * GiB + MiB;

    explicit GuestRam(bool high = false);
    ~GuestRam();
    GuestRam(const GuestRam&) = delete;
    GuestRam& operator=(const GuestRam&) = delete;

    /// All zeros again.
    void clear();

    [[nodiscard]] GuestMemory memory() const { return {window_, low_end, high_ ? high_end : 0}; }

    template <class T> void put(u64 address, T value) { std::memcpy(window_ + address, &value, sizeof value); }
    template <class T> [[nodiscard]] T get(u64 address) const {
        T value;
        std::memcpy(&value, window_ + address, sizeof value);
        return value;
    }
    void put_bytes(u64 address, std::span<const u8> bytes) {
        std::memcpy(window_ + address, bytes.data(), bytes.size());
    }

private:
    u8* window_;
    bool high_;
};

} // namespace bulkhead::test
