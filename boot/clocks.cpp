// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/clocks.hpp"

#include "arch/x86_64/hardware.hpp"
#include "boot/tsc_calibration.hpp"
#include "drivers/local_apic.hpp"

namespace bulkhead::boot {

namespace {

/// An xAPIC's registers, by the firmware's identity map.
class MappedApic {
public:
    explicit MappedApic(HostPhysical base) : base_(base) {}
    [[nodiscard]] u32 read(u32 offset) const { return *at_physical<volatile u32>(base_ + offset); }
    void write(u32 offset, u32 value) const { *at_physical<volatile u32>(base_ + offset) = value; }

private:
    HostPhysical base_;
};

TscLeaf tsc_leaf() {
    constexpr u32 number = 0x15;
    if (arch::cpuid(0).eax < number)
        return {};
    const CpuidRegisters leaf = arch::cpuid(number);
    return {leaf.eax, leaf.ebx, leaf.ecx};
}

/// Counts the APIC timer against the TSC, in Hz. Masked, so no interrupt comes.
Result<u64> measure_apic_timer(HostPhysical registers, arch::CpuTsc& tsc, u64 tsc_khz) {
    constexpr u32 full = ~0u;
    constexpr u64 divide_by_1 = 0xb;
    constexpr u32 current_count = 0x839;
    namespace apic = drivers::apic;
    arch::CpuMsrs msrs;
    MappedApic mmio(registers);
    drivers::LocalApic timer(msrs, mmio);
    if (const Result<void> enabled = timer.enable(has_x2apic()); !enabled)
        return std::unexpected(enabled.error());
    timer.write(apic::DIVIDE_CONFIGURATION, divide_by_1);
    timer.write(apic::INITIAL_COUNT, full);
    const u64 hz = measure_countdown([&] { return timer.read(current_count); }, tsc, tsc_khz);
    timer.write(apic::INITIAL_COUNT, 0);
    return hz;
}

} // namespace

bool has_x2apic() { return (arch::cpuid(1).ecx & bit_of(CpuFeature::X2APIC)) != 0; }

Result<Clocks> measure_clocks(const MachineFacts& facts) {
    arch::CpuPorts ports;
    arch::CpuTsc tsc;
    const Result<TscFrequency> frequency = calibrate_tsc(tsc_leaf(), facts.pm_timer, ports, tsc);
    if (!frequency)
        return std::unexpected(frequency.error());
    const Result<u64> apic_timer_hz = measure_apic_timer(facts.acpi.local_apic, tsc, frequency->khz);
    if (!apic_timer_hz)
        return std::unexpected(apic_timer_hz.error());
    Clocks clocks{.tsc_khz = frequency->khz, .apic_timer_hz = *apic_timer_hz};
    name(frequency->reference).copy(clocks.tsc_reference, sizeof clocks.tsc_reference - 1);
    return clocks;
}

} // namespace bulkhead::boot
