// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <bit>
#include <optional>

#include "arch/x86_64/msr_numbers.hpp"
#include "base/types.hpp"

namespace bulkhead {

/// What senders know of a vCPU's APIC: 0 of an x2APIC; of an xAPIC, its LDR's logical ID in bits 7:0 (SDM 3A 11.6.2.2).
namespace xapic_address {
inline constexpr u16 logical_id = 0xff;
inline constexpr u16 cluster_model = 1u << 8; ///< DFR says cluster, not flat
inline constexpr u16 xapic_mode = 1u << 9;
inline constexpr u16 disabled = 1u << 10; ///< it takes no interrupts, but NMI, INIT and start-up IPI as a core does
} // namespace xapic_address

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
    bool xapic = false; ///< a logical destination is an xAPIC's, of 8 bits. Whose mode this is, is the sender's

    static constexpr u32 reserved =
        0xfff32000; ///< bits 31:20, 17:16 and 13; 12 is delivery status, which writes ignore
    /// Nothing where a reserved bit or mode is used: #GP.
    static std::optional<InterruptCommand> decode(u64 icr);
    /// Whether the vCPU with this virtual APIC ID is meant, and this address as an xAPIC. `sender`: the virtual ID of
    /// who sends.
    [[nodiscard]] bool addresses(u32 apic_id, u32 sender, u16 xapic_address = 0) const;
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

/// What is to be done for an access to an APIC's register that exited.
struct ApicAccess {
    enum class Kind : u8 {
        Done,      ///< `value` is the register's, or the write is complete
        Fault,     ///< #GP
        Hardware,  ///< read `hardware_register` of the physical APIC, or write `value` to it
        Interrupt, ///< carry out `command`
        Mode,      ///< IA32_APIC_BASE has another mode now; if `value` is not 0, the hardware is to be reset as well
    } kind = Kind::Fault;
    u64 value = 0;
    InterruptCommand command;
};

/// IA32_APIC_BASE.EN and EXTD (SDM 3A table 11-5).
enum class ApicMode : u8 { Disabled, XApic, X2Apic };

/// The registers of a vCPU's APIC that are not the hardware's: core/msr_policy says which of an x2APIC are direct. As
/// an xAPIC, and on a CPU whose own APIC is no x2APIC, the direct ones come here too and go on to the hardware. The
/// APIC starts as an x2APIC. Its page stays where it is, and its ID is read-only in every mode.
class VirtualApic {
public:
    /// `has_tsc_deadline`: the CPU's timer has that mode. The vCPU of ID 0 is the bootstrap processor.
    explicit constexpr VirtualApic(u32 apic_id = 0, bool has_tsc_deadline = false)
        : apic_id_(apic_id), has_tsc_deadline_(has_tsc_deadline),
          base_(0xfee0'0000 | msr::apic_base::EN | msr::apic_base::EXTD | (apic_id == 0 ? msr::apic_base::BSP : 0)) {}

    /// INIT: all but the mode (SDM 3A 11.12.5.1).
    void reset();

    [[nodiscard]] ApicMode mode() const {
        if ((base_ & msr::apic_base::EXTD) != 0)
            return ApicMode::X2Apic;
        return (base_ & msr::apic_base::EN) != 0 ? ApicMode::XApic : ApicMode::Disabled;
    }
    /// See xapic_address.
    [[nodiscard]] u16 address() const;

    /// `number`: the MSR, 0x800 to 0x8ff, or IA32_APIC_BASE.
    [[nodiscard]] ApicAccess read(u32 number) const;
    [[nodiscard]] ApicAccess write(u32 number, u64 value);
    /// A write to the ICR that only_receiver() has an answer for.
    void set_icr(u64 value) { icr_ = value & ~u64{0x1000}; }

    /// Registers in the page of the xAPIC, by the number that they have as MSRs: 0x800 and their offset divided by 16.
    /// These never fault: what is not there reads 0, and what cannot be written stays. In another mode the page is
    /// absent: it reads as ones.
    [[nodiscard]] ApicAccess read_page(u32 number) const;
    [[nodiscard]] ApicAccess write_page(u32 number, u32 value);

    [[nodiscard]] bool is_periodic() const;
    /// What the hardware's initial count, which would be `count`, is to be behind a write of register `number` of the
    /// timer, which is carried out: of a periodic one at least `least`, if it runs. Keeps what the guest has set.
    [[nodiscard]] u32 limited_count(u32 number, u32 count, u32 least);

private:
    [[nodiscard]] u64 kept(u32 number) const;
    [[nodiscard]] ApicAccess read_register(u32 number) const;
    [[nodiscard]] ApicAccess write_register(u32 number, u64 value);
    [[nodiscard]] ApicAccess write_base(u64 value);

    u32 apic_id_;
    bool has_tsc_deadline_;
    u16 address_ = 0; ///< LDR and DFR of the xAPIC
    u64 base_;
    u64 icr_ = 0; ///< in the form of the x2APIC, with a destination as the mode has it
    u64 svr_ = 0xff;
    u32 initial_count_ = 0; ///< of a periodic timer the guest's own, if it has set one
    std::array<u32, 6> lvt_{0x10000, 0x10000, 0x10000, 0x10000, 0x10000, 0x10000}; ///< 0x832 to 0x837
};

} // namespace bulkhead
