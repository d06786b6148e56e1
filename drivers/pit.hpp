// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>

#include "base/bit_field.hpp"
#include "base/hardware.hpp"
#include "base/result.hpp"

namespace bulkhead::drivers {

/// Counter 0 of the 8254, ISA interrupt 0, as a timer that interrupts once: mode 0.
template <PortAccess Ports> class Pit {
public:
    static constexpr u64 longest_shot = 0xffff; ///< ticks: 54 ms

    explicit constexpr Pit(Ports& ports) : ports_(&ports) {}

    /// Stops the counter, which the firmware may have left running. Errors: there is none.
    [[nodiscard]] Result<void> start() {
        stop();
        if (const u8 now = status(); (now & mode) != command_mode_0)
            return fail("PIT: counter 0 is not there", now);
        return {};
    }

    [[nodiscard]] static constexpr u64 hz() { return 1'193'182; }

    /// Interrupts once, in about so many ticks: at least in 2, at most in `longest_shot`. Stops what was.
    void arm(u64 ticks) {
        const u64 count = std::clamp<u64>(ticks, 2, longest_shot);
        stop();
        ports_->out8(counter_0, static_cast<u8>(count));
        ports_->out8(counter_0, static_cast<u8>(count >> 8));
    }
    /// Whether the time of the last arm() has come.
    [[nodiscard]] bool has_rung() { return Out::in(status()) != 0; }
    /// In mode 0 the output is low, and nothing counts, until a count is written.
    void stop() { ports_->out8(command, command_mode_0); }

private:
    static constexpr u16 counter_0 = 0x40, command = 0x43;
    static constexpr u8 command_mode_0 = 0x30;        // counter 0, both bytes, binary
    static constexpr u8 read_back_status_of_0 = 0xe2; // and not the count
    static constexpr u8 mode = 0x3f;
    using Out = BitField<7>;

    [[nodiscard]] u8 status() {
        ports_->out8(command, read_back_status_of_0);
        return ports_->in8(counter_0);
    }

    Ports* ports_;
};

} // namespace bulkhead::drivers
