// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/vcpus.hpp"

#include "arch/x86_64/arch_capabilities.hpp"
#include "arch/x86_64/hardware.hpp"
#include "boot/clocks.hpp"
#include "boot/guest/cpuid.hpp"
#include "boot/guest/msr_maps.hpp"
#include "boot/guest/msrs.hpp"
#include "vmx/capabilities.hpp"

namespace bulkhead::boot {

namespace {

bool has_svm() { return has_feature(arch::this_cpuid, CpuFeature::SVM); }

/// What the instructions' controls of VMX allow; there is nothing like them on AMD.
GuestCpuidParameters instruction_controls() {
    if (has_svm())
        return {};
    const auto vmx = vmx::decide_capabilities(vmx::read_capability_words(arch::this_cpuid, arch::read_msr));
    return {.invpcid_works = vmx && vmx->has(vmx::SECONDARY_ENABLE_INVPCID),
            .rdtscp_works = vmx && vmx->has(vmx::SECONDARY_ENABLE_RDTSCP)};
}

u64 microcode_revision() {
    arch::write_msr(msr::IA32_BIOS_SIGN_ID, 0); // SDM 3A 10.11.7.1: CPUID 1 then loads it
    arch::cpuid(1);
    return arch::read_msr(msr::IA32_BIOS_SIGN_ID);
}

template <class Map>
HostPhysical lay_out_maps(Arena& arena, MsrConditions conditions, void (*encode)(Map&, MsrConditions)) {
    const std::span<Map> maps = arena.room<Map>(msr_maps, page_size);
    for (u32 i = 0; i < maps.size(); ++i)
        encode(maps[i], conditions_of_map(i, conditions));
    return physical_of(maps.data());
}

} // namespace

HostPhysical lay_out_msr_maps(Arena& arena) {
    const GuestCpuid cpuid = make_guest_cpuid(arch::this_cpuid, instruction_controls());
    const MsrConditions conditions = msr_conditions(cpuid, has_x2apic());
    return has_svm() ? lay_out_maps<SvmMsrMap>(arena, conditions, encode_svm_msr_map)
                     : lay_out_maps<VmxMsrBitmap>(arena, conditions, encode_vmx_msr_bitmap);
}

HostPhysical lay_out_io_map(Arena& arena) {
    const std::span<u8> map = arena.room<u8>(BootInfo::io_map_size, page_size);
    std::ranges::fill(map, u8{0xff});
    return physical_of(map.data());
}

void make_vcpu_starts(std::span<VcpuStart> vcpus, const Clocks& clocks) {
    GuestCpuidParameters parameters = instruction_controls();
    parameters.cpu_count = static_cast<u32>(vcpus.size());
    parameters.tsc_hz = clocks.tsc_khz * 1000;
    parameters.apic_bus_hz = clocks.apic_timer_hz;
    const u64 arch_capabilities = read_arch_capabilities(arch::this_cpuid, arch::read_msr);
    for (u32 id = 0; id < vcpus.size(); ++id) {
        parameters.virtual_apic_id = id;
        vcpus[id].cpuid = make_guest_cpuid(arch::this_cpuid, parameters);
        vcpus[id].msrs = initial_msr_state(vcpus[id].cpuid, has_x2apic(), microcode_revision(), arch_capabilities);
    }
}

} // namespace bulkhead::boot
