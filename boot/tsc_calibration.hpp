// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <optional>
#include <string_view>

#include "base/bit_field.hpp"
#include "base/hardware.hpp"
#include "base/result.hpp"
#include "boot/acpi_platform.hpp"

namespace bulkhead::boot {

enum class TscReference : u8 { Cpuid, AcpiPmTimer, Pit };

/// "CPUID 15h", "ACPI PM timer", "PIT": to be printed.
[[nodiscard]] std::string_view name(TscReference reference);

struct TscFrequency {
    u64 khz = 0;
    TscReference reference = TscReference::Cpuid;
};

/// CPUID leaf 15h; zeros where the CPU has none.
struct TscLeaf {
    u32 eax = 0; ///< denominator
    u32 ebx = 0; ///< numerator
    u32 ecx = 0; ///< crystal, Hz
};

/// The frequency that CPUID states, if it states all three numbers. SDM 3B 20.7.3
[[nodiscard]] std::optional<u64> tsc_khz_from_cpuid(TscLeaf leaf);

/// Ticks of the TSC during ticks of a reference of `reference_hz`.
struct TscMeasurement {
    u64 tsc_ticks = 0;
    u64 reference_ticks = 0;
};
/// 0 if no reference tick passed. `tsc_ticks` times `reference_hz` must fit 64 bits: it does for a second at 5 THz.
[[nodiscard]] u64 khz_of(TscMeasurement measurement, u64 reference_hz);

/// Whether two frequencies, neither of them 0, differ by at most 100 ppm.
[[nodiscard]] bool agree(u64 khz_a, u64 khz_b);

namespace tsc_calibration {

inline constexpr u64 pm_timer_hz = 3'579'545;            // ACPI 6.5 4.8.2.1
inline constexpr u64 pm_timer_window = pm_timer_hz / 50; ///< 20 ms: a tick more or less is 14 ppm
inline constexpr u64 pit_hz = 1'193'182;
inline constexpr u16 pit_window = 59'659; ///< 50 ms: a tick more or less is 17 ppm
inline constexpr unsigned attempts = 6;
inline constexpr unsigned longest_wait =
    20'000'000; ///< reads of a port: 20 s; 100 ms where one is 5 instructions of 1 ns

/// Port 61h and the 8254.
struct Pit {
    static constexpr u16 channel_2 = 0x42;
    static constexpr u16 command = 0x43;
    static constexpr u8 channel_2_both_bytes_mode_0 = 0xb0;
    static constexpr u16 control = 0x61;
    using Gate2 = BitField<0>;
    using Speaker = BitField<1>;
    using Writable = BitField<3, 0>; // write 0 to the rest
    using Out2 = BitField<5>;
};

/// A clock's value and the TSC's at that time, as close as a few tries get: where an SMI, or the host of a virtual
/// machine, comes between the two, another try is closer.
struct Sample {
    u64 ticks = 0;
    u64 tsc = 0;
};

template <class Read, TscAccess Tsc> Sample sample(Read read, Tsc& tsc) {
    Sample best;
    u64 best_width = ~u64{0};
    for (unsigned i = 0; i < 4; ++i) {
        const u64 before = tsc.read();
        const u64 ticks = read();
        const u64 width = tsc.read() - before;
        if (width < best_width) {
            best = {ticks, before + width / 2};
            best_width = width;
        }
    }
    return best;
}

/// Nothing where the timer stands still.
template <PortAccess Ports, TscAccess Tsc>
std::optional<TscMeasurement> measure_by_pm_timer(acpi::PmTimer timer, Ports& ports, Tsc& tsc) {
    const u64 mask = timer.has_32_bits ? 0xffff'ffff : 0xff'ffff;
    const auto read = [&] { return ports.in32(timer.port); };
    const Sample start = sample(read, tsc);
    for (unsigned i = 0; i < longest_wait; ++i)
        if (((read() - start.ticks) & mask) >= pm_timer_window) {
            const Sample end = sample(read, tsc);
            return TscMeasurement{end.tsc - start.tsc, (end.ticks - start.ticks) & mask};
        }
    return std::nullopt;
}

/// Nothing where channel 2 never ends, or is at its end from the start: what is not there reads as all ones.
template <PortAccess Ports, TscAccess Tsc> std::optional<TscMeasurement> measure_by_pit(Ports& ports, Tsc& tsc) {
    const u8 control = static_cast<u8>(Pit::Writable::in(ports.in8(Pit::control)));
    const u8 stopped = static_cast<u8>(control & ~(Pit::Gate2::mask | Pit::Speaker::mask));
    ports.out8(Pit::control, stopped);
    ports.out8(Pit::command, Pit::channel_2_both_bytes_mode_0);
    ports.out8(Pit::channel_2, static_cast<u8>(pit_window & 0xff));
    ports.out8(Pit::channel_2, static_cast<u8>(pit_window >> 8));
    ports.out8(Pit::control, static_cast<u8>(stopped | Pit::Gate2::mask)); // counts from here on
    const u64 start = tsc.read();
    const bool counts = Pit::Out2::in(ports.in8(Pit::control)) == 0;
    std::optional<TscMeasurement> result;
    for (unsigned i = 0; counts && i < longest_wait && !result; ++i)
        if (Pit::Out2::in(ports.in8(Pit::control)) != 0)
            result = TscMeasurement{tsc.read() - start, pit_window};
    ports.out8(Pit::control, control);
    return result;
}

/// Measures until two successive results agree. Nothing if there is no result, or none agree.
template <class Measure> std::optional<u64> measure_twice(u64 reference_hz, Measure measure) {
    u64 previous = 0;
    for (unsigned i = 0; i < attempts; ++i) {
        const std::optional<TscMeasurement> measurement = measure();
        if (!measurement)
            return std::nullopt;
        const u64 khz = khz_of(*measurement, reference_hz);
        if (previous != 0 && khz != 0 && agree(previous, khz))
            return (previous + khz) / 2;
        previous = khz;
    }
    return std::nullopt;
}

} // namespace tsc_calibration

/// The frequency of the TSC: what CPUID states, else measured against the ACPI PM timer, else against the PIT.
/// Measuring takes at least 40 ms or 100 ms. Errors: no reference works, or its measurements never agree to 100 ppm.
template <PortAccess Ports, TscAccess Tsc>
[[nodiscard]] Result<TscFrequency> calibrate_tsc(TscLeaf leaf, acpi::PmTimer timer, Ports& ports, Tsc& tsc) {
    using namespace tsc_calibration;
    if (const auto khz = tsc_khz_from_cpuid(leaf))
        return TscFrequency{*khz, TscReference::Cpuid};
    if (timer.port != 0)
        if (const auto khz = measure_twice(pm_timer_hz, [&] { return measure_by_pm_timer(timer, ports, tsc); }))
            return TscFrequency{*khz, TscReference::AcpiPmTimer};
    if (const auto khz = measure_twice(pit_hz, [&] { return measure_by_pit(ports, tsc); }))
        return TscFrequency{*khz, TscReference::Pit};
    return fail("TSC: CPUID does not state its frequency, and neither PM timer nor PIT gives two equal measurements");
}

/// What a timer counts in a second, in Hz, by 10 ms of the TSC. `read` gives its count, which goes down and must last.
template <class Read, TscAccess Tsc> [[nodiscard]] u64 measure_countdown(Read read, Tsc& tsc, u64 tsc_khz) {
    constexpr u64 milliseconds = 10;
    const tsc_calibration::Sample start = tsc_calibration::sample(read, tsc);
    while (tsc.read() - start.tsc < milliseconds * tsc_khz)
        continue;
    const tsc_calibration::Sample end = tsc_calibration::sample(read, tsc);
    return (start.ticks - end.ticks) * tsc_khz / (end.tsc - start.tsc) * 1000;
}

} // namespace bulkhead::boot
