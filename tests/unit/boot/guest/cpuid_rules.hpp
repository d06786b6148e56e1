// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What holds for the CPUID of every guest on every CPU.
#pragma once

#include <bit>
#include <cstdlib>
#include <optional>

#include <catch2/catch_test_macros.hpp>

#include "boot/guest/cpuid.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"

namespace bulkhead::test {

/// $BULKHEAD_RECORDINGS/cpuid, where that is set.
inline std::optional<std::filesystem::path> recordings_folder() {
    const char* folder = std::getenv("BULKHEAD_RECORDINGS");
    if (folder == nullptr || *folder == '\0')
        return std::nullopt;
    return std::filesystem::path(folder) / "cpuid";
}

/// Never more than the host has, beside what the hypervisor provides itself.
inline void check_subset(CpuidRecording& host, const GuestCpuid& guest) {
    using enum CpuFeature;
    for (u16 i = 0; i < cpuid_words; ++i) {
        const auto word = static_cast<CpuidWord>(i);
        const CpuidLocation at = location(word);
        u32 own = 0;
        for (const CpuFeature feature : {APIC, X2APIC, HYPERVISOR, ARAT, HTT, CmpLegacy, EferLmsleUnsupported})
            own |= word_of(feature) == word ? bit_of(feature) : 0;
        INFO("word " << i);
        CHECK((guest.lookup(at.leaf, at.subleaf).*at.reg & ~(read_word(host, word) | own)) == 0);
    }
}

inline void check_hidden(const GuestCpuid& guest) {
    using enum CpuFeature;
    for (const CpuFeature feature : {MONITOR, VMX, SVM, PDCM, MCE, MCA, TSC_ADJUST, LA57, XSAVES}) {
        INFO("bit " << static_cast<unsigned>(feature));
        const CpuidLocation at = location(word_of(feature));
        CHECK((guest.lookup(at.leaf, at.subleaf).*at.reg & bit_of(feature)) == 0);
    }
    CHECK(guest.has(X2APIC));
    CHECK(guest.has(HYPERVISOR));
    CHECK(guest.lookup(6, 0) == CpuidRegisters{4, 0, 0, 0});
    for (const u32 leaf : {3u, 5u, 0xau, 0xfu, 0x10u, 0x12u, 0x14u, 0x8000'000au, 0x8000'001bu, 0x8000'001fu})
        CHECK(guest.lookup(leaf, 0) == CpuidRegisters{});
}

inline void check_topology(const GuestCpuid& guest, u32 count, u32 id) {
    const u32 bits = static_cast<u32>(std::bit_width(count - 1));
    CHECK(guest.lookup(1, 0).ebx >> 24 == (id & 0xff));
    CHECK((guest.lookup(1, 0).ebx >> 16 & 0xff) == std::min(count, 255u));
    CHECK(guest.has(CpuFeature::HTT) == (count > 1 || (guest.lookup(1, 0).edx & bit_of(CpuFeature::HTT)) != 0));
    CHECK(guest.lookup(0xb, 0) == CpuidRegisters{0, 1, 0x100, id});
    CHECK(guest.lookup(0xb, 1) == CpuidRegisters{bits, count, 0x201, id});
    CHECK(guest.lookup(0xb, 2) == CpuidRegisters{0, 0, 2, id});
    CHECK(id >> bits == 0); // one package
    const bool amd = guest.vendor == CpuVendor::Amd;
    for (u32 i = 0; i < 8; ++i) {
        const CpuidRegisters cache = guest.lookup(amd ? 0x8000'001d : 4, i);
        if ((cache.eax & 0x1f) == 0)
            break;
        const u32 sharing = (cache.eax >> 14 & 0xfff) + 1;
        CHECK(((cache.eax >> 5 & 7) >= 3 ? sharing >= count : sharing == 1));
    }
}

inline void check_xsave(CpuidRecording& host, GuestCpuid guest) {
    const u64 mask = guest.xcr0_mask;
    CHECK((mask & ~u64{0x2e7}) == 0);
    CHECK((mask & ~u64{host(0xd, 0).eax}) == 0);
    CHECK(guest.has(CpuFeature::XSAVE) == (mask != 0));
    CHECK(guest.lookup(0xd, 0).eax == mask);
    guest.update({.xcr0 = mask});
    if (mask != 0)
        CHECK(guest.lookup(0xd, 0).ebx == guest.lookup(0xd, 0).ecx);
    CHECK(guest.lookup(0xd, 0).ecx <= std::max(host(0xd, 0).ecx, 576u));
    for (u32 i = 2; i < 64; ++i)
        CHECK((guest.lookup(0xd, i).eax != 0) == ((mask >> i & 1) != 0));
}

inline void check_rules(CpuidRecording& host, const GuestCpuid& guest, u32 count, u32 id) {
    check_subset(host, guest);
    check_hidden(guest);
    check_topology(guest, count, id);
    check_xsave(host, guest);
    CHECK(guest.lookup(0, 0).eax >= 0xb);
    CHECK(guest.lookup(0, 0).eax <= 0x1f);
    CHECK(guest.lookup(0, 0).ebx == host(0, 0).ebx);
    CHECK((guest.lookup(0x8000'0008, 0).eax >> 8) == 48);
}

} // namespace bulkhead::test
