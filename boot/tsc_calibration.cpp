// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/tsc_calibration.hpp"

#include <algorithm>

namespace bulkhead::boot {

std::string_view name(TscReference reference) {
    switch (reference) {
    case TscReference::Cpuid:
        return "CPUID 15h";
    case TscReference::AcpiPmTimer:
        return "ACPI PM timer";
    case TscReference::Pit:
        return "PIT";
    }
}

std::optional<u64> tsc_khz_from_cpuid(TscLeaf leaf) {
    if (leaf.eax == 0 || leaf.ebx == 0 || leaf.ecx == 0)
        return std::nullopt;
    const u64 khz = u64{leaf.ecx} * leaf.ebx / leaf.eax / 1000;
    return khz != 0 ? std::optional(khz) : std::nullopt;
}

u64 khz_of(TscMeasurement measurement, u64 reference_hz) {
    if (measurement.reference_ticks == 0)
        return 0;
    return measurement.tsc_ticks * reference_hz / measurement.reference_ticks / 1000;
}

bool agree(u64 khz_a, u64 khz_b) {
    const auto [low, high] = std::minmax(khz_a, khz_b);
    return (high - low) * 1'000'000 <= high * 100;
}

} // namespace bulkhead::boot
