// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What VM entry checks, as a table of rules on a value: when the CPU refuses an entry, it does not say why. The rules
// are those for the controls that we use, "unrestricted guest" and EPT among them.
#pragma once

#include <span>

#include "vmx/capabilities.hpp"

namespace bulkhead::vmx {

struct GuestSegment {
    u64 selector = 0;
    u64 base = 0;
    u64 limit = 0;
    u64 rights = 0;
};

/// Of a VMCS, what the rules look at.
struct GuestState {
    Capabilities cpu;
    u64 pin = 0, primary = 0, secondary = 0, entry = 0;
    u64 vpid = 0, ept_pointer = 0, io_bitmap_a = 0, io_bitmap_b = 0, msr_bitmap = 0;
    u64 event = 0, event_error_code = 0, event_length = 0; ///< the event to inject
    u64 cr0 = 0, cr3 = 0, cr4 = 0, dr7 = 0;
    u64 debugctl = 0, pat = 0, efer = 0, sysenter_esp = 0, sysenter_eip = 0;
    u64 gdtr_base = 0, gdtr_limit = 0, idtr_base = 0, idtr_limit = 0;
    u64 rip = 0, rflags = 0;
    u64 activity = 0, interruptibility = 0, pending_debug = 0, link_pointer = 0;
    std::array<u64, 4> pdptes{};
    std::array<GuestSegment, 8> segments{}; ///< ES, CS, SS, DS, FS, GS, LDTR, TR
};

inline constexpr std::array<std::string_view, 8> segment_names{"ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"};

/// The current VMCS by `read(Field) -> u64`, which is VMREAD.
template <class Reader> GuestState read_guest_state(const Capabilities& cpu, Reader&& read);

/// A rule of the whole state; `name` says what must be true.
struct StateRule {
    std::string_view name;
    bool (*holds)(const GuestState& state);
};

/// A rule of segment registers.
struct SegmentRule {
    enum class When : u8 {
        Usable, ///< and not in virtual-8086 mode, but for LDTR and TR
        Always,
        Virtual8086,
    };
    std::string_view name;
    u8 registers; ///< bit 0 is ES, as in GuestState::segments
    When when;
    bool (*holds)(const GuestState& state, const GuestSegment& segment);
};

std::span<const StateRule> state_rules();
std::span<const SegmentRule> segment_rules();
bool applies(const SegmentRule& rule, const GuestState& state, unsigned segment);

/// Calls `report(where, rule)` for each rule that is broken, both of them std::string_view; `where` names the segment
/// register, or is empty.
template <class Report> void for_each_violation(const GuestState& state, Report&& report) {
    for (const StateRule& rule : state_rules())
        if (!rule.holds(state))
            report(std::string_view(), rule.name);
    for (const SegmentRule& rule : segment_rules())
        for (unsigned i = 0; i < state.segments.size(); ++i)
            if (applies(rule, state, i) && !rule.holds(state, state.segments[i]))
                report(segment_names[i], rule.name);
}

/// The manual's words for a VM-instruction error (SDM 3C 31.4).
std::string_view instruction_error_name(u64 number);

// clang-format off
/// Where the fields of GuestState come from.
struct StateField {
    Field field;
    u64 GuestState::* member;
};
inline constexpr StateField state_fields[] = {
    {Field::PIN_BASED_VM_EXEC_CONTROL, &GuestState::pin},
    {Field::CPU_BASED_VM_EXEC_CONTROL, &GuestState::primary},
    {Field::SECONDARY_VM_EXEC_CONTROL, &GuestState::secondary},
    {Field::VM_ENTRY_CONTROLS, &GuestState::entry},
    {Field::VIRTUAL_PROCESSOR_ID, &GuestState::vpid},
    {Field::EPT_POINTER, &GuestState::ept_pointer},
    {Field::IO_BITMAP_A, &GuestState::io_bitmap_a},
    {Field::IO_BITMAP_B, &GuestState::io_bitmap_b},
    {Field::MSR_BITMAP, &GuestState::msr_bitmap},
    {Field::VM_ENTRY_INTR_INFO, &GuestState::event},
    {Field::VM_ENTRY_EXCEPTION_ERROR_CODE, &GuestState::event_error_code},
    {Field::VM_ENTRY_INSTRUCTION_LEN, &GuestState::event_length},
    {Field::GUEST_CR0, &GuestState::cr0},
    {Field::GUEST_CR3, &GuestState::cr3},
    {Field::GUEST_CR4, &GuestState::cr4},
    {Field::GUEST_DR7, &GuestState::dr7},
    {Field::GUEST_IA32_DEBUGCTL, &GuestState::debugctl},
    {Field::GUEST_IA32_PAT, &GuestState::pat},
    {Field::GUEST_IA32_EFER, &GuestState::efer},
    {Field::GUEST_IA32_SYSENTER_ESP, &GuestState::sysenter_esp},
    {Field::GUEST_IA32_SYSENTER_EIP, &GuestState::sysenter_eip},
    {Field::GUEST_GDTR_BASE, &GuestState::gdtr_base},
    {Field::GUEST_GDTR_LIMIT, &GuestState::gdtr_limit},
    {Field::GUEST_IDTR_BASE, &GuestState::idtr_base},
    {Field::GUEST_IDTR_LIMIT, &GuestState::idtr_limit},
    {Field::GUEST_RIP, &GuestState::rip},
    {Field::GUEST_RFLAGS, &GuestState::rflags},
    {Field::GUEST_ACTIVITY_STATE, &GuestState::activity},
    {Field::GUEST_INTERRUPTIBILITY_STATE, &GuestState::interruptibility},
    {Field::GUEST_PENDING_DBG_EXCEPTIONS, &GuestState::pending_debug},
    {Field::VMCS_LINK_POINTER, &GuestState::link_pointer},
};
// clang-format on

template <class Reader> GuestState read_guest_state(const Capabilities& cpu, Reader&& read) {
    GuestState state;
    state.cpu = cpu;
    for (const StateField& each : state_fields)
        state.*each.member = read(each.field);
    for (unsigned i = 0; i < state.pdptes.size(); ++i)
        state.pdptes[i] = read(of_segment(Field::GUEST_PDPTE0, i));
    for (unsigned i = 0; i < state.segments.size(); ++i)
        state.segments[i] = {.selector = read(of_segment(Field::GUEST_ES_SELECTOR, i)),
                             .base = read(of_segment(Field::GUEST_ES_BASE, i)),
                             .limit = read(of_segment(Field::GUEST_ES_LIMIT, i)),
                             .rights = read(of_segment(Field::GUEST_ES_AR_BYTES, i))};
    return state;
}

} // namespace bulkhead::vmx
