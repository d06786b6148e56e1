// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/virtual_apic.hpp"

namespace bulkhead {

namespace {

using Kind = ApicAccess::Kind;

// x2APIC MSRs, SDM 3A table 11-6.
enum Register : u32 {
    apic_id = 0x802,
    version = 0x803,
    tpr = 0x808,
    ppr = 0x80a,
    eoi = 0x80b,
    ldr = 0x80d,
    svr = 0x80f,
    isr_first = 0x810,
    irr_last = 0x827,
    esr = 0x828,
    icr = 0x830,
    lvt_timer = 0x832,
    lvt_thermal = 0x833,
    lvt_error = 0x837,
    initial_count = 0x838,
    current_count = 0x839,
    divide = 0x83e,
    self_ipi = 0x83f,
};

constexpr u32 integrated_apic_six_lvts = 0x50014;
constexpr u64 svr_valid = 0x1ff;
constexpr u64 lvt_lint_valid = 0x1a7ff; // SDM 3A figure 11-8: vector, mode, polarity, trigger, mask; status ignored
constexpr u64 lvt_error_valid = 0x100ff;
constexpr u64 lvt_other_valid = 0x107ff;
constexpr u64 lvt_timer_valid = 0x700ff;
constexpr u64 tpr_valid = 0xff;
constexpr u64 divide_valid = 0xb;
constexpr u64 status_bits = 0x5000; // delivery status and remote IRR: read-only

constexpr bool is_lvt(u32 number) { return number >= lvt_thermal && number <= lvt_error; }

constexpr u64 lvt_valid(u32 number) {
    if (number == lvt_error)
        return lvt_error_valid;
    return number >= 0x835 ? lvt_lint_valid : lvt_other_valid;
}

/// Registers that msr_policy makes direct where the CPU has an x2APIC.
constexpr bool is_direct(u32 number) {
    return number == tpr || number == ppr || (number >= isr_first && number <= irr_last) || number == lvt_timer ||
           number == initial_count || number == current_count || number == divide;
}

/// Bits that may be set in a direct register. As an x2APIC, SDM 3A 11.12.1.3, checks them.
constexpr u64 direct_valid(u32 number) {
    if (number == tpr)
        return tpr_valid;
    return number == divide ? divide_valid : 0xffff'ffff;
}

constexpr bool is_read_only(u32 number) {
    return number == ppr || (number >= isr_first && number <= irr_last) || number == current_count;
}

} // namespace

std::optional<InterruptCommand> InterruptCommand::decode(u64 value) {
    constexpr u64 reserved = 0xfff32000; // bits 31:20, 17:16 and 13; 12 is delivery status, which writes ignore
    const u64 mode_bits = value >> 8 & 7;
    if ((value & reserved) != 0 || mode_bits == 3 || mode_bits == 7)
        return std::nullopt;
    return InterruptCommand{.vector = static_cast<u8>(value),
                            .mode = static_cast<Mode>(mode_bits),
                            .logical = (value >> 11 & 1) != 0,
                            .assert_level = (value >> 14 & 1) != 0,
                            .shorthand = static_cast<Shorthand>(value >> 18 & 3),
                            .destination = static_cast<u32>(value >> 32)};
}

bool InterruptCommand::addresses(u32 id, u32 sender) const {
    switch (shorthand) {
    case Shorthand::Self:
        return id == sender;
    case Shorthand::All:
        return true;
    case Shorthand::Others:
        return id != sender;
    case Shorthand::None:
        break;
    }
    if (destination == ~0u)
        return true;
    if (!logical)
        return id == destination;
    const u32 own = logical_x2apic_id(id);
    return own >> 16 == destination >> 16 && (own & destination & 0xffff) != 0;
}

ApicAccess VirtualApic::read(u32 number) const {
    switch (number) {
    case apic_id:
        return {Kind::Done, apic_id_, {}};
    case version:
        return {Kind::Done, integrated_apic_six_lvts, {}};
    case ldr:
        return {Kind::Done, logical_x2apic_id(apic_id_), {}};
    case svr:
        return {Kind::Done, svr_, {}};
    case icr:
        return {Kind::Done, icr_, {}};
    case esr:
        return {Kind::Hardware, 0, {}};
    default:
        break;
    }
    if (is_lvt(number))
        return {Kind::Done, lvt_[number - lvt_timer], {}};
    return {is_direct(number) ? Kind::Hardware : Kind::Fault, 0, {}};
}

ApicAccess VirtualApic::write(u32 number, u64 value) {
    if (number == icr) {
        const std::optional<InterruptCommand> command = InterruptCommand::decode(value);
        if (!command)
            return {};
        set_icr(value);
        return {Kind::Interrupt, 0, *command};
    }
    if (is_lvt(number)) {
        if ((value & ~(lvt_valid(number) | status_bits)) != 0)
            return {};
        lvt_[number - lvt_timer] = static_cast<u32>(value & ~status_bits);
        // Only errors of this APIC are the guest's to hear of; LINT pins, PMU and thermal sensor are not.
        return {number == lvt_error ? Kind::Hardware : Kind::Done, value & lvt_error_valid, {}};
    }
    switch (number) {
    case svr:
        if ((value & ~svr_valid) != 0)
            return {};
        svr_ = value;
        return {Kind::Hardware, value, {}};
    case esr:
    case eoi:
        return value == 0 ? ApicAccess{Kind::Hardware, 0, {}} : ApicAccess{};
    case self_ipi:
        if (value > 0xff)
            return {};
        return {Kind::Interrupt, 0, {.vector = static_cast<u8>(value), .shorthand = InterruptCommand::Shorthand::Self}};
    case lvt_timer:
        return (value & ~(lvt_timer_valid | status_bits)) != 0 ? ApicAccess{} : ApicAccess{Kind::Hardware, value, {}};
    default:
        if (!is_direct(number) || is_read_only(number) || (value & ~direct_valid(number)) != 0)
            return {};
        return {Kind::Hardware, value, {}};
    }
}

} // namespace bulkhead
