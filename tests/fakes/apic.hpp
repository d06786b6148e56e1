// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <map>
#include <stdexcept>
#include <vector>

#include "base/hardware.hpp"

namespace bulkhead::fakes {

/// MSRs that hold what is written to them; an access to one that is not there takes #GP, that is, throws.
class Msrs {
public:
    struct Write {
        u32 number;
        u64 value;
        bool fenced; ///< nothing came between this write and a fence
        friend bool operator==(const Write&, const Write&) = default;
    };

    std::map<u32, u64> values;
    std::vector<Write> history;

    u64 read(u32 number) const { return values.at(number); }
    void write(u32 number, u64 value) {
        history.push_back({number, value, fenced_});
        fenced_ = false;
        values.at(number) = value;
    }
    void fence() { fenced_ = true; }

private:
    bool fenced_ = false;
};
static_assert(MsrAccess<Msrs>);

/// Registers at multiples of 16 bytes that hold what is written to them.
class ApicPage {
public:
    struct Write {
        u32 offset, value;
        friend bool operator==(const Write&, const Write&) = default;
    };

    std::map<u32, u32> values;
    std::vector<Write> history;

    u32 read(u32 offset) const { return values.at(offset); }
    void write(u32 offset, u32 value) {
        history.push_back({offset, value});
        values.at(offset) = value;
    }
};
static_assert(MmioAccess<ApicPage>);

/// The 82093AA's index, data and registers.
class IoApicRegisters {
public:
    explicit IoApicRegisters(u32 pins) : pins_(pins), entries(2 * pins, 0x1'0000) {}

    u32 read(u32 offset) const {
        if (offset != 0x10)
            throw std::out_of_range("I/O APIC register");
        return index_ == 1 ? (pins_ - 1) << 16 | 0x20 : entries.at(index_ - 0x10);
    }
    void write(u32 offset, u32 value) {
        if (offset == 0) {
            index_ = value & 0xff;
            return;
        }
        entries.at(index_ - 0x10) = value;
        history.push_back(index_);
    }

private:
    u32 pins_;
    u32 index_ = 0;

public:
    std::vector<u32> entries;
    std::vector<u32> history; ///< indices written to
};
static_assert(MmioAccess<IoApicRegisters>);

} // namespace bulkhead::fakes
