// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <bit>
#include <optional>

#include "base/types.hpp"

namespace bulkhead {

/// What the interrupt command register of a vCPU asks for (SDM 3A 11.6.1, 11.12.9), destination included.
struct InterruptCommand {
    enum class Mode : u8 { Fixed = 0, LowestPriority = 1, Smi = 2, Nmi = 4, Init = 5, StartUp = 6 };
    enum class Shorthand : u8 { None, Self, All, Others };

    u8 vector = 0;
    Mode mode = Mode::Fixed;
    bool logical = false;
    bool assert_level = true; ///< INIT with level 0 is the de-assert that no CPU since the Pentium obeys
    Shorthand shorthand = Shorthand::None;
    u32 destination = 0;

    /// Nothing where a reserved bit or mode is used: #GP.
    static std::optional<InterruptCommand> decode(u64 icr);
    /// Whether the vCPU with this virtual APIC ID is meant. `sender`: the virtual ID of who sends.
    [[nodiscard]] bool addresses(u32 apic_id, u32 sender) const;
};

/// Where a fixed interrupt to just one vCPU goes, for a value of the ICR: its APIC ID, `sender` for the shorthand
/// "self". Nothing for all else: InterruptCommand::decode() knows what that is.
constexpr std::optional<u32> only_receiver(u64 icr, u32 sender) {
    constexpr u64 mode_and_shorthand = 0xffff'ffff & ~u64{0x58ff}; // not: vector, logical, level, delivery status
    constexpr u64 self = u64{1} << 18, logical = u64{1} << 11;
    const u32 destination = static_cast<u32>(icr >> 32);
    if ((icr & 0xf0) == 0) // vectors below 16 are illegal
        return std::nullopt;
    if ((icr & mode_and_shorthand) == self)
        return sender;
    if ((icr & mode_and_shorthand) != 0)
        return std::nullopt;
    if ((icr & logical) == 0)
        return destination;
    const u32 members = destination & 0xffff;
    if (!std::has_single_bit(members))
        return std::nullopt;
    return destination >> 16 << 4 | static_cast<u32>(std::countr_zero(members));
}

/// The logical x2APIC ID that belongs to an APIC ID (SDM 3A 11.12.10.2).
constexpr u32 logical_x2apic_id(u32 apic_id) { return apic_id >> 4 << 16 | 1u << (apic_id & 15); }

/// What is to be done for an x2APIC register access that exited.
struct ApicAccess {
    enum class Kind : u8 {
        Done,      ///< `value` is the register's, or the write is complete
        Fault,     ///< #GP
        Hardware,  ///< read `hardware_register` of the physical APIC, or write `value` to it
        Interrupt, ///< carry out `command`
    } kind = Kind::Fault;
    u64 value = 0;
    InterruptCommand command;
};

/// The registers of a vCPU's x2APIC that are not the hardware's: core/msr_policy says which are direct.
/// On a CPU whose own APIC is no x2APIC, the direct ones come here too and go to the hardware's xAPIC.
class VirtualApic {
public:
    explicit constexpr VirtualApic(u32 apic_id = 0) : apic_id_(apic_id) {}

    /// `number`: the MSR, 0x800 to 0x8ff.
    [[nodiscard]] ApicAccess read(u32 number) const;
    [[nodiscard]] ApicAccess write(u32 number, u64 value);
    /// A write to the ICR that only_receiver() has an answer for.
    void set_icr(u64 value) { icr_ = value & ~u64{0x1000}; }

private:
    u32 apic_id_;
    u64 icr_ = 0;
    u64 svr_ = 0xff;
    std::array<u32, 6> lvt_{0, 0x10000, 0x10000, 0x10000, 0x10000, 0x10000}; ///< 0x832 to 0x837; the timer's unused
};

} // namespace bulkhead
