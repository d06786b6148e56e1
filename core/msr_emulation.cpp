// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/msr_emulation.hpp"

namespace bulkhead {

namespace {

constexpr u64 mtrr_enable_bits = 0xc00; // E, FE (SDM 3A 12.11.2.1)
constexpr u64 debugctl_bits = 0x3;      // LBR, BTF: kept, without an effect

constexpr MsrResult done(u64 value = 0) { return {MsrEffect::Done, value}; }
constexpr MsrResult fault{MsrEffect::Fault, 0};
constexpr MsrResult unknown{MsrEffect::Unknown, 0};

/// Memory types that IA32_MTRR_DEF_TYPE takes: UC, WC, WT, WP, WB (SDM 3A table 12-8).
constexpr bool is_memory_type(u64 type) { return type < 7 && (0b111'0011 >> type & 1) != 0; }

MsrResult read_emulated(const MsrState& state, const GuestControls& controls, u32 number) {
    switch (number) {
    case msr::IA32_APIC_BASE:
        return {MsrEffect::Apic, 0};
    case msr::IA32_BIOS_SIGN_ID:
        return done(state.bios_sign_id);
    case msr::IA32_ARCH_CAPABILITIES:
        return done(state.arch_capabilities);
    case msr::IA32_DEBUGCTL:
        return done(state.debugctl);
    case msr::IA32_MTRR_DEF_TYPE:
        return done(state.mtrr_def_type);
    case msr::KVM_WALL_CLOCK_NEW:
        return done(state.kvm_wall_clock);
    case msr::KVM_SYSTEM_TIME_NEW:
        return done(state.kvm_system_time);
    case msr::EFER:
        return done(controls.efer);
    case msr::IA32_TSC_DEADLINE:
        return {MsrEffect::TscDeadline, 0};
    case msr::IA32_TIME_STAMP_COUNTER:
        return {MsrEffect::Tsc, 0};
    default:
        return fault;
    }
}

MsrResult write_emulated(MsrState& state, const GuestControls& controls, const GuestCpuid& cpuid, u32 number,
                         u64 value) {
    switch (number) {
    case msr::IA32_TIME_STAMP_COUNTER:
        return {MsrEffect::Tsc, value};
    case msr::IA32_APIC_BASE:
        return {MsrEffect::Apic, value};
    case msr::IA32_DEBUGCTL:
        if ((value & ~debugctl_bits) != 0)
            return fault;
        state.debugctl = value;
        return done();
    case msr::IA32_MTRR_DEF_TYPE:
        if ((value & ~(mtrr_enable_bits | 0xff)) != 0 || !is_memory_type(value & 0xff))
            return fault;
        state.mtrr_def_type = value;
        return done();
    case msr::KVM_WALL_CLOCK_NEW:
        return {MsrEffect::KvmWallClock, value};
    case msr::KVM_SYSTEM_TIME_NEW:
        return {MsrEffect::KvmSystemTime, value};
    case msr::EFER: {
        const auto update = write_efer(controls, value, cpuid);
        return update ? MsrResult{MsrEffect::Efer, update->controls.efer} : fault;
    }
    case msr::IA32_TSC_DEADLINE:
        return {MsrEffect::TscDeadline, value};
    default:
        return fault;
    }
}

} // namespace

MsrResult read_msr(const MsrState& state, const GuestControls& controls, u32 number) {
    if (is_x2apic_msr(number))
        return {MsrEffect::Apic, 0};
    const MsrRow* row = find_msr_row(number);
    if (row == nullptr)
        return unknown;
    if (!state.conditions.has(row->needs))
        return fault;
    switch (row->read) {
    case MsrRead::Fault:
        return fault;
    case MsrRead::Constant:
        return done(row->value);
    case MsrRead::Direct: // it exits all the same: IA32_TSC_DEADLINE under an offset
    case MsrRead::Emulate:
        return read_emulated(state, controls, number);
    }
    return fault;
}

MsrResult write_msr(MsrState& state, const GuestControls& controls, const GuestCpuid& cpuid, u32 number, u64 value) {
    if (is_x2apic_msr(number))
        return {MsrEffect::Apic, value};
    const MsrRow* row = find_msr_row(number);
    if (row == nullptr)
        return unknown;
    if (!state.conditions.has(row->needs))
        return fault;
    switch (row->write) {
    case MsrWrite::Fault:
        return fault;
    case MsrWrite::Ignore:
        return done();
    case MsrWrite::Direct:
    case MsrWrite::Emulate:
        return write_emulated(state, controls, cpuid, number, value);
    }
    return fault;
}

} // namespace bulkhead
