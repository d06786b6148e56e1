// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "guests/lib/apic.hpp"

/// The local APIC as an xAPIC: by its page, and the modes of IA32_APIC_BASE.
namespace bulkhead::guest {

inline constexpr u64 apic_base_en = 1 << 11;
inline constexpr u64 apic_base_extd = 1 << 10;

/// Offsets in the page (SDM 3A table 11-1).
enum XApic : u32 {
    xapic_id = 0x20,
    xapic_version = 0x30,
    xapic_tpr = 0x80,
    xapic_eoi = 0xb0,
    xapic_ldr = 0xd0,
    xapic_dfr = 0xe0,
    xapic_svr = 0xf0,
    xapic_isr = 0x100,
    xapic_irr = 0x200,
    xapic_esr = 0x280,
    xapic_icr = 0x300,
    xapic_icr_high = 0x310,
    xapic_lvt_timer = 0x320,
    xapic_lvt_lint0 = 0x350,
    xapic_lvt_error = 0x370,
    xapic_initial_count = 0x380,
    xapic_current_count = 0x390,
    xapic_divide = 0x3e0,
    xapic_self_ipi = 0x3f0,
};

/// `offset` in the page, `T` the access's size.
template <typename T = u32> T xapic_read(u32 offset) {
    return *reinterpret_cast<const volatile T*>(u64{0xfee00000} + offset);
}
template <typename T = u32> void xapic_write(u32 offset, T value) {
    *reinterpret_cast<volatile T*>(u64{0xfee00000} + offset) = value;
}

/// The mode's bits of IA32_APIC_BASE, and a step to others; the rest of it stays.
inline u64 apic_mode() { return rdmsr(msr_apic_base) & (apic_base_en | apic_base_extd); }
inline void set_apic_mode(u64 bits) {
    wrmsr(msr_apic_base, (rdmsr(msr_apic_base) & ~(apic_base_en | apic_base_extd)) | bits);
}
/// By legal steps, from wherever it is; then it accepts interrupts.
inline void use_xapic() {
    if (apic_mode() != apic_base_en) {
        set_apic_mode(0);
        set_apic_mode(apic_base_en);
    }
    xapic_write(xapic_svr, 0x1ff);
}

} // namespace bulkhead::guest
