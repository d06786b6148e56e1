// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/control_registers.hpp"

#include <catch2/catch_test_macros.hpp>

#include "boot/guest/cpuid.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"

using namespace bulkhead;

namespace {

constexpr u64 paging = cr0::PE | cr0::PG | cr0::ET;
constexpr GuestControls real_mode{cr0::ET, 0, 0, 0};
constexpr GuestControls protected_mode{cr0::PE | cr0::ET, 0, 0, 0};
constexpr GuestControls long_mode{paging, 0x1000, cr4::PAE, efer::LME | efer::LMA};

GuestCpuid cpuid_of(const char* recording) {
    auto host = test::own_recording(recording);
    return make_guest_cpuid(host, {});
}

} // namespace

TEST_CASE("CR0: combinations that take #GP") {
    CHECK_FALSE(write_cr0(long_mode, paging | u64{1} << 32, false));
    CHECK_FALSE(write_cr0(long_mode, paging | u64{1} << 63, false));
    CHECK_FALSE(write_cr0(real_mode, cr0::PG, false));                     // PG without PE
    CHECK_FALSE(write_cr0(real_mode, cr0::PG | cr0::PE | cr0::NW, false)); // NW without CD
    CHECK_FALSE(write_cr0(long_mode, paging | cr0::NW, false));
    CHECK_FALSE(write_cr0(long_mode, cr0::PE, true)); // PG cleared in 64-bit code
    GuestControls pcid = long_mode;
    pcid.cr4 |= cr4::PCIDE;
    CHECK_FALSE(write_cr0(pcid, cr0::PE, false)); // PG cleared under PCIDs
    CHECK(write_cr0(pcid, paging | cr0::WP, true));
}

TEST_CASE("CR0: entering and leaving long mode") {
    GuestControls now = protected_mode;
    now.efer = efer::LME;
    CHECK_FALSE(write_cr0(now, paging, false)); // needs PAE
    now.cr4 = cr4::PAE;
    CHECK_FALSE(write_cr0(now, paging, true)); // CS.L must be 0
    const auto entered = write_cr0(now, paging, false);
    REQUIRE(entered);
    CHECK(entered->controls.efer == (efer::LME | efer::LMA));
    CHECK(entered->controls.cr0 == paging);
    const auto left = write_cr0(entered->controls, cr0::PE, false);
    REQUIRE(left);
    CHECK(left->controls.efer == efer::LME);
    const auto legacy = write_cr0(protected_mode, paging, false);
    REQUIRE(legacy);
    CHECK(legacy->controls.efer == 0);
}

TEST_CASE("CR0: reserved bits stay clear, ET stays set, the cache stays on") {
    const auto update = write_cr0(long_mode, (paging & ~cr0::ET) | 0x1ffa'ffc0 | cr0::CD | cr0::NW, true);
    REQUIRE(update);
    CHECK(update->controls.cr0 == (paging | cr0::CD | cr0::NW));
    CHECK(real_cr0(update->controls.cr0) == paging);
    CHECK(real_cr0(paging | cr0::TS | cr0::WP) == (paging | cr0::TS | cr0::WP));
    CHECK(write_cr0(long_mode, paging | cr0::TS, true)->controls.efer == long_mode.efer);
}

TEST_CASE("CR4: bits that the guest's CPUID does not have are reserved") {
    const GuestCpuid server = cpuid_of("amd_server.txt");
    const GuestCpuid old = cpuid_of("amd_old.txt");
    for (unsigned bit = 0; bit < 64; ++bit) {
        const u64 value = cr4::PAE | u64{1} << bit;
        INFO("bit " << bit);
        // VME..PCE, OSFXSR, OSXMMEXCPT, UMIP, FSGSBASE, PCIDE, OSXSAVE, SMEP, SMAP, PKE; not LA57, VMXE, SMXE, CET ...
        const bool server_has = (u64{0x0077'0fff} >> bit & 1) != 0;
        const bool old_has = (u64{0x7ff} >> bit & 1) != 0;
        CHECK(write_cr4({paging, 0, cr4::PAE, efer::LME | efer::LMA}, value, server).has_value() == server_has);
        CHECK(write_cr4({paging, 0, cr4::PAE, efer::LME | efer::LMA}, value, old).has_value() == old_has);
    }
}

TEST_CASE("CR4: rules of long mode and of PCIDs") {
    const GuestCpuid cpuid = cpuid_of("amd_server.txt");
    CHECK_FALSE(write_cr4(long_mode, 0, cpuid)); // PAE cleared
    CHECK(write_cr4(protected_mode, 0, cpuid));
    CHECK_FALSE(write_cr4(protected_mode, cr4::PAE | cr4::PCIDE, cpuid)); // not in long mode
    GuestControls tagged = long_mode;
    tagged.cr3 = 0x1001;
    CHECK_FALSE(write_cr4(tagged, cr4::PAE | cr4::PCIDE, cpuid)); // CR3 already has a PCID
    CHECK(write_cr4(long_mode, cr4::PAE | cr4::PCIDE, cpuid));
    tagged.cr4 |= cr4::PCIDE;
    CHECK(write_cr4(tagged, cr4::PAE | cr4::PCIDE | cr4::SMAP, cpuid)); // it was on before
}

TEST_CASE("CR4: what follows from a change") {
    const GuestCpuid cpuid = cpuid_of("amd_server.txt");
    CHECK(write_cr4(long_mode, cr4::PAE | cr4::OSXSAVE, cpuid)->cpuid_changes);
    CHECK(write_cr4(long_mode, cr4::PAE | cr4::PKE, cpuid)->cpuid_changes);
    CHECK_FALSE(write_cr4(long_mode, cr4::PAE | cr4::PGE, cpuid)->cpuid_changes);
    CHECK(real_cr4(cr4::PAE) == (cr4::PAE | cr4::MCE));
    CHECK(write_cr4(long_mode, cr4::PAE | cr4::MCE, cpuid)->controls.cr4 == (cr4::PAE | cr4::MCE));
}

TEST_CASE("EFER: reserved bits, LME under paging, LMA is read-only") {
    const GuestCpuid amd = cpuid_of("amd_server.txt");
    const GuestCpuid intel = cpuid_of("intel_client.txt");
    for (unsigned bit = 0; bit < 64; ++bit) {
        INFO("bit " << bit);
        const u64 value = long_mode.efer | u64{1} << bit;
        // SCE, LME, LMA, NXE; on AMD FFXSR, TCE and automatic IBRS too; never SVME or LMSLE.
        CHECK(write_efer(long_mode, value, amd).has_value() == ((u64{0x0020'cd01} >> bit & 1) != 0));
        CHECK(write_efer(long_mode, value, intel).has_value() == ((u64{0xd01} >> bit & 1) != 0));
    }
    CHECK_FALSE(write_efer(long_mode, efer::LMA, amd)); // LME cleared while paging
    CHECK_FALSE(write_efer({paging, 0, cr4::PAE, 0}, efer::LME, amd));
    CHECK(write_efer(protected_mode, efer::LME, amd)->controls.efer == efer::LME);
    CHECK(write_efer(protected_mode, efer::LMA, amd)->controls.efer == 0);
    CHECK(write_efer(long_mode, efer::LME, amd)->controls.efer == long_mode.efer);
}

TEST_CASE("XCR0: which combinations XSETBV takes") {
    constexpr u64 all = 0x2e7;
    for (const u64 good : {0x1u, 0x3u, 0x7u, 0xe7u, 0x2e7u, 0x207u, 0x203u, 0x201u})
        CHECK(is_valid_xcr0(good, all));
    for (const u64 bad : {0x0u, 0x2u, 0x5u, 0x6u, 0x27u, 0x67u, 0xc7u, 0xe3u, 0xe1u, 0xfu, 0x107u})
        CHECK_FALSE(is_valid_xcr0(bad, all));
    CHECK_FALSE(is_valid_xcr0(all | u64{1} << 63, all));
    CHECK_FALSE(is_valid_xcr0(0x207, 0x7)); // the host has no PKRU
    CHECK_FALSE(is_valid_xcr0(1, 0));       // no XSAVE
}
