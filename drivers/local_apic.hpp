// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/hardware.hpp"
#include "base/result.hpp"
#include "drivers/apic_registers.hpp"

namespace bulkhead::drivers {

/// SDM 3A 11.6.1
enum class IpiMode : u8 { Fixed = 0, Nmi = 4, Init = 5, Startup = 6 };

/// The value of the interrupt command register, in x2APIC's form, that sends an IPI to one physical APIC ID.
[[nodiscard]] u64 interrupt_command(u32 destination, IpiMode mode, u8 vector);

/// The running CPU's local APIC, by one interface whether it is used as an x2APIC (MSRs) or as an xAPIC (MMIO).
/// Registers are named by their x2APIC MSR numbers, see apic_registers.hpp. Nothing here is state but the mode, which
/// is the same on all CPUs.
template <MsrAccess Msrs, MmioAccess Mmio> class LocalApic {
public:
    /// `mmio`: the page at the address in IA32_APIC_BASE, mapped uncached; not touched in x2APIC mode.
    constexpr LocalApic(Msrs& msrs, Mmio& mmio) : msrs_(&msrs), mmio_(&mmio) {}

    /// Switches the running CPU's APIC on, as an x2APIC where the CPU has one (CPUID 1 ECX bit 21): IDs above 254 exist
    /// only there. All LVT entries are masked. `spurious_vector`: 16 to 255.
    /// Errors: firmware left it in x2APIC mode, which only a reset ends, but the CPU is said to have none.
    [[nodiscard]] Result<void> enable(bool cpu_has_x2apic, u8 spurious_vector = 0xff);

    [[nodiscard]] bool is_x2apic() const { return x2apic_; }
    /// The physical APIC ID: 32 bits of an x2APIC, 8 of an xAPIC.
    [[nodiscard]] u32 id() { return static_cast<u32>(read(apic::ID)); }

    /// A register by its x2APIC number and in its x2APIC form (ID in bit 0, ICR with its destination in bits 63 to 32).
    /// It must exist in the mode in use; a write to SELF_IPI works in both. `number` is 0x800 to 0x8ff.
    [[nodiscard]] u64 read(u32 number);
    void write(u32 number, u64 value);

    void eoi() { write(apic::EOI, 0); }
    /// Whether any vector's bit is set. `first`: apic::ISR or apic::IRR, the first of eight registers.
    [[nodiscard]] bool has_any(u32 first) {
        u64 bits = 0;
        for (u32 i = 0; i < 8; ++i)
            bits |= read(first + i);
        return bits != 0;
    }

    /// Sends an IPI to one physical APIC ID. `vector`: of Fixed 16 to 255, of Startup the number of the page below
    /// 1 MiB, otherwise 0. All stores before it are visible to the receiver.
    /// Errors: an ID that is the mode's broadcast, or beyond its IDs; an xAPIC that does not get its last IPI sent.
    [[nodiscard]] Result<void> send_ipi(u32 destination, IpiMode mode, u8 vector = 0);

    /// Raises `vector`, 16 to 255, in this CPU itself.
    void self_ipi(u8 vector) { write(apic::SELF_IPI, vector); }

    void mask_local_vectors();

    /// What a guest may find in the registers it has direct access to: the timer stopped, all LVT entries masked, TPR
    /// 0, no errors. Interrupts that are pending or in service stay: the caller takes and ends them.
    void reset_for_guest();

private:
    static constexpr u32 xapic_icr_low = 0x300;
    static constexpr u32 xapic_icr_high = 0x310;
    static constexpr unsigned longest_wait = 100'000; // reads of ICR

    static constexpr u32 xapic_offset(u32 number) { return (number & 0xff) << 4; }
    void write_xapic_icr(u64 value);
    [[nodiscard]] bool xapic_is_idle();

    Msrs* msrs_;
    Mmio* mmio_;
    bool x2apic_ = false;
};

template <MsrAccess Msrs, MmioAccess Mmio>
Result<void> LocalApic<Msrs, Mmio>::enable(bool cpu_has_x2apic, u8 spurious_vector) {
    using Base = apic::ApicBase;
    u64 base = msrs_->read(Base::number);
    if (Base::EXTD::in(base) != 0 && !cpu_has_x2apic)
        return fail("local APIC: it is in x2APIC mode, which CPUID says the CPU has not", base);
    if (Base::EN::in(base) == 0) { // disabled to x2APIC is no legal step. SDM 3A 11.12.5
        base |= Base::EN::mask;
        msrs_->write(Base::number, base);
    }
    if (cpu_has_x2apic && Base::EXTD::in(base) == 0)
        msrs_->write(Base::number, base | Base::EXTD::mask);
    x2apic_ = cpu_has_x2apic;
    mask_local_vectors();
    using Svr = apic::SpuriousInterruptVector;
    write(apic::SVR, Svr::Enable::mask | Svr::Vector::of(spurious_vector));
    return {};
}

template <MsrAccess Msrs, MmioAccess Mmio> u64 LocalApic<Msrs, Mmio>::read(u32 number) {
    if (x2apic_)
        return msrs_->read(number);
    const u64 value = mmio_->read(xapic_offset(number));
    if (number == apic::ID)
        return value >> 24;
    if (number == apic::ICR)
        return value | apic::InterruptCommand::Destination::of(mmio_->read(xapic_icr_high) >> 24);
    return value;
}

template <MsrAccess Msrs, MmioAccess Mmio> void LocalApic<Msrs, Mmio>::write(u32 number, u64 value) {
    if (x2apic_) {
        msrs_->write(number, value);
    } else if (number == apic::ICR) {
        write_xapic_icr(value);
    } else if (number == apic::SELF_IPI) {
        using Icr = apic::InterruptCommand;
        write_xapic_icr(Icr::Shorthand::of(1) | Icr::Level::mask | Icr::Vector::of(value));
    } else {
        mmio_->write(xapic_offset(number), static_cast<u32>(value));
    }
}

/// Restores the upper half: an NMI handler that sends an IPI between another sender's two writes does no harm then.
template <MsrAccess Msrs, MmioAccess Mmio> void LocalApic<Msrs, Mmio>::write_xapic_icr(u64 value) {
    const u32 interrupted = mmio_->read(xapic_icr_high);
    mmio_->write(xapic_icr_high, static_cast<u32>(apic::InterruptCommand::Destination::in(value) << 24));
    mmio_->write(xapic_icr_low, static_cast<u32>(value));
    mmio_->write(xapic_icr_high, interrupted);
}

template <MsrAccess Msrs, MmioAccess Mmio> bool LocalApic<Msrs, Mmio>::xapic_is_idle() {
    for (unsigned i = 0; i < longest_wait; ++i)
        if (apic::InterruptCommand::DeliveryStatus::in(mmio_->read(xapic_icr_low)) == 0)
            return true;
    return false;
}

template <MsrAccess Msrs, MmioAccess Mmio>
Result<void> LocalApic<Msrs, Mmio>::send_ipi(u32 destination, IpiMode mode, u8 vector) {
    if (destination >= (x2apic_ ? 0xffff'ffff : 0xff))
        return fail("local APIC: an IPI to an ID that is no CPU's", destination);
    if (x2apic_)
        msrs_->fence();
    else if (!xapic_is_idle())
        return fail("local APIC: the IPI before this one is still not sent", destination);
    write(apic::ICR, interrupt_command(destination, mode, vector));
    return {};
}

template <MsrAccess Msrs, MmioAccess Mmio> void LocalApic<Msrs, Mmio>::mask_local_vectors() {
    struct Entry {
        u32 number;
        u32 needs; // the least Max LVT Entry of APICs that have it. SDM 3A 11.5.1
    };
    static constexpr Entry entries[] = {
        {apic::LVT_TIMER, 0}, {apic::LVT_LINT0, 0},   {apic::LVT_LINT1, 0}, {apic::LVT_ERROR, 0},
        {apic::LVT_PMI, 4},   {apic::LVT_THERMAL, 5}, {apic::LVT_CMCI, 6},
    };
    const u64 version = read(apic::VERSION);
    for (const Entry& entry : entries)
        if (apic::Version::MaxLvtEntry::in(version) >= entry.needs)
            write(entry.number, apic::LvtEntry::Mask::mask);
    if (apic::Version::ExtendedSpace::in(version) == 0)
        return;
    const u64 extended = apic::ExtendedFeature::LvtCount::in(read(apic::EXTENDED_FEATURE)); // APM 2 16.3.4
    for (u32 i = 0; i < extended && i < 4; ++i)
        write(apic::EXTENDED_LVT + i, apic::LvtEntry::Mask::mask);
}

template <MsrAccess Msrs, MmioAccess Mmio> void LocalApic<Msrs, Mmio>::reset_for_guest() {
    mask_local_vectors();
    write(apic::SVR, apic::SpuriousInterruptVector::Enable::mask | apic::SpuriousInterruptVector::Vector::mask);
    write(apic::INITIAL_COUNT, 0);
    write(apic::DIVIDE_CONFIGURATION, 0);
    write(apic::TPR, 0);
    write(apic::ESR, 0);
}

} // namespace bulkhead::drivers
