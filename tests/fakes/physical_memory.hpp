// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <functional>
#include <stdexcept>
#include <vector>

#include "mm/physical_access.hpp"

namespace bulkhead::fakes {

/// Physical memory from `base` on, filled with garbage, that remembers every write and shows the state after each one
/// to an observer. An access outside of it throws.
class PhysicalMemory {
public:
    static constexpr HostPhysical base{0x8000'0000};

    struct Write {
        HostPhysical address;
        u64 value;
    };

    explicit PhysicalMemory(u64 frames) : words_(frames * page_size / sizeof(u64), 0xbad0'bad1'bad2'bad7) {}

    u64 read(HostPhysical address) const { return words_[index(address)]; }
    void write(HostPhysical address, u64 value) {
        words_[index(address)] = value;
        history.push_back({address, value});
        if (observer)
            observer();
    }

    std::vector<Write> history;
    std::function<void()> observer;

private:
    std::size_t index(HostPhysical address) const {
        const u64 i = (address - base) / sizeof(u64);
        if (address < base || !address.is_aligned(sizeof(u64)) || i >= words_.size())
            throw std::out_of_range("access to physical memory that is not there");
        return i;
    }

    std::vector<u64> words_;
};
static_assert(PhysicalAccess<PhysicalMemory>);

/// Frames of PhysicalMemory, until there are none left.
class Frames {
public:
    explicit Frames(u64 frames) : left_(frames) {}

    Result<HostPhysical> allocate() {
        if (left_ == 0)
            return fail("no frame left");
        --left_;
        return PhysicalMemory::base + page_size * used_++;
    }
    u64 used() const { return used_; }

private:
    u64 left_;
    u64 used_ = 0;
};
static_assert(FrameSource<Frames>);

} // namespace bulkhead::fakes
