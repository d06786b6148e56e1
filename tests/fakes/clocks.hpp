// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <functional>

#include "base/hardware.hpp"

namespace bulkhead::fakes {

/// A machine in which time passes by accesses: TSC, ACPI PM timer at 0x608, and channel 2 of the PIT.
class Clocks {
public:
    double tsc_hz = 2.5e9;
    double port_seconds = 1e-6; ///< an access to a port
    double tsc_seconds = 10e-9; ///< reading the TSC
    double pm_hz = 3'579'545;
    u64 pm_start = 0; ///< the PM timer's value at the beginning
    u64 pm_mask = 0xff'ffff;
    bool has_pm = true, has_pit = true, pit_ends = true;
    std::function<double()> disturbance = [] { return 0.0; }; ///< seconds that an access takes beside, as by an SMI
    u8 control = 0x0c;                                        ///< the writable bits of port 61h
    unsigned accesses = 0;

    u64 read() {
        pass(tsc_seconds);
        return static_cast<u64>(now_ * tsc_hz);
    }
    u32 in32(u16 port) {
        pass(port_seconds);
        if (port != 0x608 || !has_pm)
            return ~0u;
        return static_cast<u32>((pm_start + static_cast<u64>(now_ * pm_hz)) & pm_mask);
    }
    u8 in8(u16 port) {
        pass(port_seconds);
        if (port != 0x61 || !has_pit)
            return 0xff;
        const bool out2 = pit_ends && running_ && (now_ - gate_time_) * 1'193'182 >= count_;
        return static_cast<u8>(control | 0x10 | (out2 ? 0x20 : 0));
    }
    void out8(u16 port, u8 value) {
        pass(port_seconds);
        if (port == 0x61) {
            if ((value & 1) != 0 && (control & 1) == 0) {
                gate_time_ = now_;
                running_ = loaded_ == 2;
            }
            control = value & 0x0f;
        } else if (port == 0x43) {
            loaded_ = value == 0xb0 ? 0 : 3;
            running_ = false;
        } else if (port == 0x42 && loaded_ < 2) {
            count_ = loaded_ == 0 ? value : count_ | value << 8;
            ++loaded_;
        }
    }

private:
    void pass(double seconds) {
        now_ += seconds + disturbance();
        ++accesses;
    }

    double now_ = 1;
    double gate_time_ = 0;
    int count_ = 0;
    unsigned loaded_ = 3;
    bool running_ = false;
};
static_assert(PortAccess<Clocks> && TscAccess<Clocks>);

} // namespace bulkhead::fakes
