// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <bit>

#include "base/bit_field.hpp"
#include "base/hardware.hpp"
#include "base/result.hpp"

namespace bulkhead::drivers {

/// The HPET's main counter and one of its comparators, as a timer that interrupts once. IA-PC HPET 1.0a 2.3
template <MmioAccess Mmio> class Hpet {
public:
    explicit constexpr Hpet(Mmio& mmio) : mmio_(&mmio) {}

    /// Starts the main counter and takes the comparator that reaches the lowest GSI of `usable`, a bit for each: the
    /// high ones are PCI's. Says which GSI that is; it is to be an edge, active high. Errors: the registers are no
    /// HPET's, no comparator reaches any of them, the counter stands still.
    [[nodiscard]] Result<u32> start(u32 usable);

    [[nodiscard]] u64 hz() const { return hz_; }

    /// Interrupts once, in about so many ticks: at least in some microseconds, at most in 2^31 ticks. Stops what was.
    void arm(u64 ticks);
    /// Whether the time of the last arm() has come.
    [[nodiscard]] bool has_rung() const { return ticks_left() <= 0; }
    void stop() { configure(false); }

private:
    static constexpr u32 capabilities = 0x00, period = 0x04, configuration = 0x10, main_counter = 0xf0;
    static constexpr u32 routes = 0x04, comparator = 0x08; // of a timer, behind its configuration
    using LastTimer = BitField<12, 8>;
    using EnableAndLegacyRoute = BitField<1, 0>;
    struct Timer {
        using Enable = BitField<2>;
        using Is32Bit = BitField<8>;
        using Route = BitField<13, 9>;
        static constexpr u64 writable = 0x7f4e | Route::mask; // level, enable, periodic, value set, 32 bits, FSB
    };
    static constexpr u32 longest_period = 100'000'000; // femtoseconds
    static constexpr u32 shortest = 256, longest = 0x7fff'ffff;

    [[nodiscard]] static constexpr u32 timer(u32 index) { return 0x100 + 0x20 * index; }
    /// The compare is for equality: what is behind the counter comes when it has gone round.
    [[nodiscard]] i32 ticks_left() const { return static_cast<i32>(comparator_ - mmio_->read(main_counter)); }
    [[nodiscard]] bool counts() const {
        const u32 start = mmio_->read(main_counter);
        for (u32 i = 0; i < 1000; ++i)
            if (mmio_->read(main_counter) != start)
                return true;
        return false;
    }
    void configure(bool enable) {
        const u64 value = Timer::Enable::of(enable) | Timer::Is32Bit::mask | Timer::Route::of(gsi_);
        mmio_->write(timer_, static_cast<u32>((mmio_->read(timer_) & ~Timer::writable) | value));
    }

    Mmio* mmio_;
    u64 hz_ = 0;
    u32 timer_ = timer(0); ///< offset of the comparator's registers
    u32 gsi_ = 32;
    u32 comparator_ = 0;
};

template <MmioAccess Mmio> Result<u32> Hpet<Mmio>::start(u32 usable) {
    const u32 femtoseconds = mmio_->read(period);
    if (femtoseconds == 0 || femtoseconds > longest_period)
        return fail("HPET: no clock has such a period", femtoseconds);
    hz_ = 1'000'000'000'000'000 / femtoseconds;
    const u32 last = static_cast<u32>(LastTimer::in(mmio_->read(capabilities)));
    for (u32 i = 0; i <= last; ++i) {
        const u32 gsi = static_cast<u32>(std::countr_zero(mmio_->read(timer(i) + routes) & usable));
        if (gsi < gsi_) {
            timer_ = timer(i);
            gsi_ = gsi;
        }
    }
    if (gsi_ == 32)
        return fail("HPET: no comparator reaches a free pin of an I/O APIC", usable);
    stop();
    const u64 now = mmio_->read(configuration) & ~EnableAndLegacyRoute::mask;
    mmio_->write(configuration, static_cast<u32>(now | EnableAndLegacyRoute::of(1)));
    if (!counts())
        return fail("HPET: its counter stands still", mmio_->read(main_counter));
    return gsi_;
}

template <MmioAccess Mmio> void Hpet<Mmio>::arm(u64 ticks) {
    u32 ahead = static_cast<u32>(std::clamp<u64>(ticks, shortest, longest));
    // The counter goes on meanwhile, for long if an SMI comes: one that it may have passed is set once more. Bounded,
    // as the counter may be broken.
    for (u32 tries = 0; tries < 16; ++tries) {
        stop();
        comparator_ = mmio_->read(main_counter) + ahead;
        mmio_->write(timer_ + comparator, comparator_);
        configure(true);
        if (ticks_left() >= static_cast<i32>(shortest / 4))
            return;
        ahead = std::min(2 * ahead, longest);
    }
}

} // namespace bulkhead::drivers
