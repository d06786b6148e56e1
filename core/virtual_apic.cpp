// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/virtual_apic.hpp"

#include <algorithm>

#include "drivers/apic_registers.hpp"

namespace bulkhead {

namespace {

using Kind = ApicAccess::Kind;
namespace reg = drivers::apic;

constexpr u32 integrated_apic_six_lvts = 0x50014;
constexpr u64 lvt_timer_deadline = 0x40000; // bits 18:17 are the mode; both set is reserved
constexpr u64 lvt_timer_periodic = 0x20000;
constexpr u64 status_bits = 0x5000; // delivery status and remote IRR: read-only

struct Row {
    u32 first, last;
    Kind read = Kind::Fault, write = Kind::Fault;
    u64 valid = 0; ///< bits that may be set, as an x2APIC checks them (SDM 3A 11.12.1.3)
};

/// Of the local vectors only the timer's and errors are the guest's: LINT pins, PMU and thermal sensor are not. Bits by
/// SDM 3A figure 11-8.
constexpr auto rows = std::to_array<Row>({
    {reg::ID, reg::VERSION, Kind::Done},
    {reg::TPR, reg::TPR, Kind::Hardware, Kind::Hardware, 0xff},
    {reg::PPR, reg::PPR, Kind::Hardware},
    {reg::EOI, reg::EOI, Kind::Fault, Kind::Hardware},
    {reg::LDR, reg::LDR, Kind::Done},
    {reg::SVR, reg::SVR, Kind::Done, Kind::Hardware, 0x1ff},
    {reg::ISR, reg::IRR + 7, Kind::Hardware},
    {reg::ESR, reg::ESR, Kind::Hardware, Kind::Hardware},
    {reg::ICR, reg::ICR, Kind::Done, Kind::Interrupt, ~u64{InterruptCommand::reserved}},
    {reg::LVT_TIMER, reg::LVT_TIMER, Kind::Hardware, Kind::Hardware, 0x710ff},
    {reg::LVT_THERMAL, reg::LVT_PMI, Kind::Done, Kind::Done, 0x107ff | status_bits},
    {reg::LVT_LINT0, reg::LVT_LINT1, Kind::Done, Kind::Done, 0x1a7ff | status_bits}, // also polarity, trigger
    {reg::LVT_ERROR, reg::LVT_ERROR, Kind::Done, Kind::Hardware, 0x100ff | status_bits},
    {reg::INITIAL_COUNT, reg::INITIAL_COUNT, Kind::Hardware, Kind::Hardware, 0xffff'ffff},
    {reg::CURRENT_COUNT, reg::CURRENT_COUNT, Kind::Hardware},
    {reg::DIVIDE_CONFIGURATION, reg::DIVIDE_CONFIGURATION, Kind::Hardware, Kind::Hardware, 0xb},
    {reg::SELF_IPI, reg::SELF_IPI, Kind::Fault, Kind::Interrupt, 0xff},
});

constexpr Row row_of(u32 number) {
    for (const Row& row : rows)
        if (number >= row.first && number <= row.last)
            return row;
    return {};
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

u64 VirtualApic::kept(u32 number) const {
    switch (number) {
    case reg::ID:
        return apic_id_;
    case reg::VERSION:
        return integrated_apic_six_lvts;
    case reg::LDR:
        return logical_x2apic_id(apic_id_);
    case reg::SVR:
        return svr_;
    case reg::ICR:
        return icr_;
    default:
        return lvt_[number - reg::LVT_TIMER];
    }
}

ApicAccess VirtualApic::read_register(u32 number) const {
    const Kind kind = row_of(number).read;
    return {kind, kind == Kind::Done ? kept(number) : 0, {}};
}

ApicAccess VirtualApic::write_register(u32 number, u64 value) {
    const Row row = row_of(number);
    if (row.write == Kind::Fault || (value & ~row.valid) != 0)
        return {};
    if (number == reg::ICR) {
        const std::optional<InterruptCommand> command = InterruptCommand::decode(value);
        if (!command)
            return {};
        set_icr(value);
        return {Kind::Interrupt, 0, *command};
    }
    if (number == reg::SELF_IPI)
        return {Kind::Interrupt, 0, {.vector = static_cast<u8>(value), .shorthand = InterruptCommand::Shorthand::Self}};
    if (number == reg::LVT_TIMER && (value & lvt_timer_deadline) != 0 &&
        (!has_tsc_deadline_ || (value & lvt_timer_periodic) != 0)) // the CPU would fault on a mode that it has not
        return {};
    if (number == reg::SVR)
        svr_ = value;
    if (number >= reg::LVT_TIMER && number <= reg::LVT_ERROR) {
        value &= ~status_bits;
        lvt_[number - reg::LVT_TIMER] = static_cast<u32>(value);
    }
    return {row.write, value, {}};
}

bool VirtualApic::is_periodic() const { return (lvt_[0] & lvt_timer_periodic) != 0; }

u32 VirtualApic::limited_count(u32 number, u32 count, u32 least) {
    // Else it stays, whatever the hardware's was made: another divider may make it long enough.
    if (number == reg::INITIAL_COUNT || initial_count_ == 0 || count == 0)
        initial_count_ = count;
    if (!is_periodic())
        initial_count_ = 0;
    return initial_count_ == 0 ? count : std::max(initial_count_, least);
}

ApicAccess VirtualApic::read_page(u32 number) const {
    if (mode() != ApicMode::XApic)
        return {Kind::Done, ~u64{0}, {}};
    switch (number) {
    case reg::ID:
        return {Kind::Done, apic_id_ << 24, {}};
    case reg::LDR:
        return {Kind::Done, u32{address_} << 24, {}};
    case reg::DFR:
        return {Kind::Done, (address_ & xapic_address::cluster_model) != 0 ? 0x0fff'ffffu : 0xffff'ffffu, {}};
    case reg::ICR:
        return {Kind::Done, static_cast<u32>(icr_), {}};
    case reg::ICR_HIGH:
        return {Kind::Done, icr_ >> 32 << 24, {}};
    default:
        break;
    }
    const ApicAccess access = read_register(number);
    return access.kind == Kind::Fault ? ApicAccess{Kind::Done, 0, {}} : access;
}

ApicAccess VirtualApic::write_page(u32 number, u32 value) {
    constexpr ApicAccess done{Kind::Done, 0, {}};
    if (mode() != ApicMode::XApic || number == reg::SELF_IPI)
        return done;
    u64 written = value & row_of(number).valid;
    switch (number) {
    case reg::LDR:
        address_ = static_cast<u16>((address_ & xapic_address::cluster_model) | value >> 24);
        return done;
    case reg::DFR:
        address_ = static_cast<u16>((address_ & xapic_address::logical_id) |
                                    (value >> 28 == 0 ? xapic_address::cluster_model : 0));
        return done;
    case reg::ICR_HIGH:
        icr_ = static_cast<u32>(icr_) | u64{value >> 24} << 32;
        return done;
    case reg::ICR:
        written |= icr_ >> 32 << 32;
        break;
    default:
        break;
    }
    ApicAccess access = write_register(number, written);
    if (number == reg::LVT_TIMER && access.kind == Kind::Fault) // a mode that the CPU has not
        access = write_register(number, written & ~lvt_timer_deadline);
    access.command.xapic = true;
    if (access.command.destination == 0xff)
        access.command.destination = ~0u;
    return access.kind == Kind::Fault ? done : access;
}

} // namespace bulkhead
