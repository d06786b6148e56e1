// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The VMX instructions (SDM 3C chapter 31). One function each.
#pragma once

#include "mm/address.hpp"
#include "vmx/vmcs.hpp"

namespace bulkhead::vmx {

/// VMXON, VMCLEAR and VMPTRLD of a region with its revision identifier in place. False: VMfail.
inline bool vmxon(HostPhysical region) {
    bool ok;
    asm volatile("vmxon %1" : "=@cca"(ok) : "m"(region.value) : "memory", "cc");
    return ok;
}
inline bool vmclear(HostPhysical vmcs) {
    bool ok;
    asm volatile("vmclear %1" : "=@cca"(ok) : "m"(vmcs.value) : "memory", "cc");
    return ok;
}
inline bool vmptrld(HostPhysical vmcs) {
    bool ok;
    asm volatile("vmptrld %1" : "=@cca"(ok) : "m"(vmcs.value) : "memory", "cc");
    return ok;
}
inline void vmxoff() { asm volatile("vmxoff" : : : "memory", "cc"); }

/// Of the current VMCS, and only fields that this CPU has: then they cannot fail. Not volatile: reads of fields that
/// nobody needs disappear.
[[gnu::always_inline]] inline u64 vmread(Field field) {
    u64 value;
    asm volatile("vmread %1, %0" : "=r"(value) : "r"(u64{static_cast<u32>(field)}) : "cc");
    return value;
}
/// VMREAD as a value, so that who takes it as a parameter does not call it through a pointer.
inline constexpr auto read_field = [](Field field) { return vmread(field); };
[[gnu::always_inline]] inline void vmwrite(Field field, u64 value) {
    asm volatile("vmwrite %0, %1" : : "r"(value), "r"(u64{static_cast<u32>(field)}) : "memory", "cc");
}

/// What INVEPT and INVVPID are to forget: SDM 3C table 31-2 and 31-3.
enum class Invept : u64 { SingleContext = 1, AllContexts = 2 };
enum class Invvpid : u64 { IndividualAddress = 0, SingleContext = 1, AllContexts = 2 };

inline void invept(Invept type, u64 ept_pointer) {
    const struct {
        u64 ept_pointer;
        u64 reserved;
    } descriptor{ept_pointer, 0};
    asm volatile("invept %0, %1" : : "m"(descriptor), "r"(type) : "memory", "cc");
}
inline void invvpid(Invvpid type, u16 vpid) {
    const struct {
        u64 vpid;
        u64 linear_address;
    } descriptor{vpid, 0};
    asm volatile("invvpid %0, %1" : : "m"(descriptor), "r"(type) : "memory", "cc");
}

} // namespace bulkhead::vmx
