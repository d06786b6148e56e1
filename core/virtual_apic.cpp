// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/virtual_apic.hpp"

namespace bulkhead {

namespace {

using Kind = ApicAccess::Kind;

// x2APIC MSRs, SDM 3A table 11-6, and as such what only the page of an xAPIC has, table 11-1.
enum Register : u32 {
    apic_id = 0x802,
    version = 0x803,
    tpr = 0x808,
    ppr = 0x80a,
    eoi = 0x80b,
    ldr = 0x80d,
    dfr = 0x80e,
    svr = 0x80f,
    isr_first = 0x810,
    irr_last = 0x827,
    esr = 0x828,
    icr = 0x830,
    icr_high = 0x831,
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
constexpr u64 lvt_timer_valid = 0x710ff;
constexpr u64 lvt_timer_deadline = 0x40000; // bits 18:17 are the mode; both set is reserved
constexpr u64 lvt_timer_periodic = 0x20000;
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

/// Bits that may be set in a register, as an x2APIC checks them (SDM 3A 11.12.1.3).
constexpr u64 valid_bits(u32 number) {
    if (is_lvt(number))
        return lvt_valid(number) | status_bits;
    switch (number) {
    case tpr:
    case self_ipi:
        return 0xff;
    case svr:
        return svr_valid;
    case icr:
        return ~u64{InterruptCommand::reserved};
    case lvt_timer:
        return lvt_timer_valid;
    case initial_count:
        return 0xffff'ffff;
    case divide:
        return 0xb;
    default: // EOI and ESR take 0 only, others nothing
        return 0;
    }
}

constexpr bool is_read_only(u32 number) {
    return number == ppr || (number >= isr_first && number <= irr_last) || number == current_count;
}

} // namespace

std::optional<InterruptCommand> InterruptCommand::decode(u64 value) {
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

bool InterruptCommand::addresses(u32 id, u32 sender, u16 address) const {
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
    if (xapic) {
        const u32 cluster = (address & xapic_address::cluster_model) != 0 ? 0xf0 : 0;
        return ((address ^ destination) & cluster) == 0 && (address & destination & (0xff ^ cluster)) != 0;
    }
    const u32 own = logical_x2apic_id(id);
    return own >> 16 == destination >> 16 && (own & destination & 0xffff) != 0;
}

void VirtualApic::reset() {
    const u64 base = base_;
    *this = VirtualApic(apic_id_, has_tsc_deadline_);
    base_ = base;
}

u16 VirtualApic::address() const {
    if (mode() == ApicMode::XApic)
        return address_ | xapic_address::xapic_mode;
    return mode() == ApicMode::Disabled ? xapic_address::disabled : 0;
}

ApicAccess VirtualApic::read(u32 number) const {
    if (number == msr::IA32_APIC_BASE)
        return {Kind::Done, base_, {}};
    return mode() == ApicMode::X2Apic ? read_register(number) : ApicAccess{};
}

ApicAccess VirtualApic::write(u32 number, u64 value) {
    if (number == msr::IA32_APIC_BASE)
        return write_base(value);
    return mode() == ApicMode::X2Apic ? write_register(number, value) : ApicAccess{};
}

/// SDM 3A figure 11-27.
ApicAccess VirtualApic::write_base(u64 value) {
    using namespace msr::apic_base;
    const u64 from = base_ & (EN | EXTD);
    const u64 to = value & (EN | EXTD);
    if (((base_ ^ value) & ~(EN | EXTD)) != 0 || to == EXTD || (from == (EN | EXTD) && to == EN) ||
        (from == 0 && to == (EN | EXTD)))
        return {};
    if (from == to)
        return {Kind::Done, 0, {}};
    if (((from ^ to) & EN) != 0)
        reset();
    address_ = 0; // LDR, and the upper half of ICR, do not survive the step to x2APIC either
    icr_ = static_cast<u32>(icr_);
    base_ = value;
    return {Kind::Mode, (from ^ to) & EN, {}};
}

ApicAccess VirtualApic::read_register(u32 number) const {
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

ApicAccess VirtualApic::write_register(u32 number, u64 value) {
    if ((value & ~valid_bits(number)) != 0)
        return {};
    if (is_lvt(number)) {
        lvt_[number - lvt_timer] = static_cast<u32>(value & ~status_bits);
        // Only errors of this APIC are the guest's to hear of; LINT pins, PMU and thermal sensor are not.
        return {number == lvt_error ? Kind::Hardware : Kind::Done, value & lvt_error_valid, {}};
    }
    switch (number) {
    case icr: {
        const std::optional<InterruptCommand> command = InterruptCommand::decode(value);
        if (!command)
            return {};
        set_icr(value);
        return {Kind::Interrupt, 0, *command};
    }
    case self_ipi:
        return {Kind::Interrupt, 0, {.vector = static_cast<u8>(value), .shorthand = InterruptCommand::Shorthand::Self}};
    case svr:
        svr_ = value;
        break;
    case esr:
    case eoi:
        break;
    case lvt_timer: // the CPU would fault on a mode that it has not
        if ((value & lvt_timer_deadline) != 0 && (!has_tsc_deadline_ || (value & lvt_timer_periodic) != 0))
            return {};
        value &= ~status_bits;
        break;
    default:
        if (!is_direct(number) || is_read_only(number))
            return {};
    }
    return {Kind::Hardware, value, {}};
}

ApicAccess VirtualApic::read_page(u32 number) const {
    if (mode() != ApicMode::XApic)
        return {Kind::Done, ~u64{0}, {}};
    switch (number) {
    case apic_id:
        return {Kind::Done, apic_id_ << 24, {}};
    case ldr:
        return {Kind::Done, u32{address_} << 24, {}};
    case dfr:
        return {Kind::Done, (address_ & xapic_address::cluster_model) != 0 ? 0x0fff'ffffu : 0xffff'ffffu, {}};
    case icr:
        return {Kind::Done, static_cast<u32>(icr_), {}};
    case icr_high:
        return {Kind::Done, icr_ >> 32 << 24, {}};
    default:
        break;
    }
    const ApicAccess access = read_register(number);
    return access.kind == Kind::Fault ? ApicAccess{Kind::Done, 0, {}} : access;
}

ApicAccess VirtualApic::write_page(u32 number, u32 value) {
    constexpr ApicAccess done{Kind::Done, 0, {}};
    if (mode() != ApicMode::XApic || number == self_ipi)
        return done;
    u64 written = value & valid_bits(number);
    switch (number) {
    case ldr:
        address_ = static_cast<u16>((address_ & xapic_address::cluster_model) | value >> 24);
        return done;
    case dfr:
        address_ = static_cast<u16>((address_ & xapic_address::logical_id) |
                                    (value >> 28 == 0 ? xapic_address::cluster_model : 0));
        return done;
    case icr_high:
        icr_ = static_cast<u32>(icr_) | u64{value >> 24} << 32;
        return done;
    case icr:
        written |= icr_ >> 32 << 32;
        break;
    default:
        break;
    }
    ApicAccess access = write_register(number, written);
    if (number == lvt_timer && access.kind == Kind::Fault) // a mode that the CPU has not
        access = write_register(number, written & ~lvt_timer_deadline);
    access.command.xapic = true;
    if (access.command.destination == 0xff)
        access.command.destination = ~0u;
    return access.kind == Kind::Fault ? done : access;
}

} // namespace bulkhead
