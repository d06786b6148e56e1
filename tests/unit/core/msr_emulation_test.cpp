// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/msr_emulation.hpp"

#include <catch2/catch_test_macros.hpp>

#include "boot/guest/cpuid.hpp"
#include "boot/guest/msrs.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"

using namespace bulkhead;

namespace {

/// A vCPU in 64-bit mode, as the boot protocol starts it.
struct Guest {
    explicit Guest(const char* recording, bool x2apic = true)
        : host(test::own_recording(recording)), cpuid(make_guest_cpuid(host, {})),
          state(initial_msr_state(cpuid, x2apic, u64{0x2f} << 32, ~u64{0})) {}

    test::CpuidRecording host;
    GuestCpuid cpuid;
    MsrState state;
    GuestControls controls{cr0::PE | cr0::PG | cr0::ET, 0, cr4::PAE, efer::LME | efer::LMA};

    MsrResult read(u32 number) { return read_msr(state, controls, number); }
    MsrResult write(u32 number, u64 value) { return write_msr(state, controls, cpuid, number, value); }
    /// True: the read gives exactly this.
    bool reads(u32 number, u64 value) {
        const MsrResult result = read(number);
        return result.effect == MsrEffect::Done && result.value == value;
    }
    bool faults(MsrResult result) { return result.effect == MsrEffect::Fault; }
    bool accepts(u32 number, u64 value) { return write(number, value).effect == MsrEffect::Done; }
};

} // namespace

TEST_CASE("MSR emulation: what stock kernels read unchecked on AMD") {
    Guest guest("amd_server.txt");
    CHECK(guest.reads(0xc0010010, 0));        // SYSCFG: mtrr/generic.c
    CHECK(guest.reads(0xc0010015, 1u << 24)); // HWCR: amd.c, else "Firmware Bug"
    CHECK(guest.reads(0xc001001f, 0));        // NB_CFG: pci/amd_bus.c, which sets a bit
    CHECK(guest.accepts(0xc001001f, u64{1} << 46));
    CHECK(guest.reads(0xc001001f, 0));
    CHECK(guest.reads(0xc0010055, 0)); // INT_PENDING: amd.c, erratum 400
    CHECK(guest.reads(0xc0011029, 2)); // DE_CFG: LFENCE serializes
    CHECK(guest.accepts(0xc0011029, 2));
    CHECK(guest.reads(0x8b, u64{0x2f} << 32));               // PATCH_LEVEL
    CHECK(guest.accepts(0xc0010020, 0xffff'8880'0000'0000)); // PATCH_LOADER
    CHECK(guest.accepts(0xc0010015, 1u << 24 | 1u << 6));
    // What it may try, and must not think it has.
    for (const u32 number :
         {0xc0011020u, 0xc0010112u, 0xc0010000u, 0xc0010004u, 0xc0010114u, 0xc0010117u, 0xc0010140u, 0xc0010061u,
          0xc0010048u, 0xc0010299u, 0xc0011005u, 0xc0010131u, 0xc000'0104u, 0x3au, 0x17u, 0x1a0u}) {
        INFO(std::hex << number);
        CHECK(guest.faults(guest.read(number)));
        CHECK(guest.faults(guest.write(number, 0)));
    }
}

TEST_CASE("MSR emulation: what stock kernels read unchecked on Intel") {
    Guest guest("intel_client.txt");
    CHECK(guest.reads(0x17, 0));   // PLATFORM_ID: microcode/intel.c
    CHECK(guest.accepts(0x8b, 0)); // BIOS_SIGN_ID: written, then read
    CHECK(guest.reads(0x8b, u64{0x2f} << 32));
    CHECK(guest.reads(0x1a0, 0x1801)); // MISC_ENABLE: fast strings
    CHECK(guest.accepts(0x1a0, 0x1801));
    CHECK(guest.reads(0x3a, 1));
    CHECK(guest.reads(0xce, 0));
    CHECK(guest.reads(0x179, 0));
    CHECK(guest.faults(guest.write(0x3a, 5)));
    for (const u32 number : {0x33u, 0x34u, 0x3bu, 0x4eu, 0x4fu, 0xcfu, 0xe7u, 0xe8u, 0x122u, 0x140u, 0x1b0u, 0x606u,
                             0xc90u, 0xda0u, 0xc0010015u, 0xc0010010u, 0xc0011029u}) {
        INFO(std::hex << number);
        CHECK(guest.faults(guest.read(number)));
        CHECK(guest.faults(guest.write(number, 0)));
    }
}

TEST_CASE("MSR emulation: an MSR that nobody named is unknown, not just refused") {
    Guest guest("amd_server.txt");
    CHECK(guest.read(0x12345).effect == MsrEffect::Unknown);
    CHECK(guest.write(0xc001'1fff, 1).effect == MsrEffect::Unknown);
    CHECK(guest.read(0xffff'ffff).effect == MsrEffect::Unknown);
    CHECK(guest.read(0x200).effect == MsrEffect::Unknown); // MTRRCAP says that there is no variable range
}

TEST_CASE("MSR emulation: MTRRs are on and write-back, without ranges") {
    Guest guest("amd_server.txt");
    CHECK(guest.reads(0xfe, 0x400));
    CHECK(guest.faults(guest.write(0xfe, 0x508)));
    CHECK(guest.reads(0x2ff, 0x806));
    CHECK(guest.accepts(0x2ff, 0)); // Linux switches them off and on again around its PAT write
    CHECK(guest.reads(0x2ff, 0));
    CHECK(guest.accepts(0x2ff, 0xc06));
    CHECK(guest.faults(guest.write(0x2ff, 0x802))); // a reserved type
    CHECK(guest.faults(guest.write(0x2ff, 0x807)));
    CHECK(guest.faults(guest.write(0x2ff, 0x1806)));
    CHECK(guest.faults(guest.write(0x2ff, u64{1} << 40)));
    CHECK(guest.reads(0x2ff, 0xc06));
    for (const u32 fixed : {0x250u, 0x258u, 0x259u, 0x268u, 0x26fu})
        CHECK(guest.reads(fixed, 0x0606'0606'0606'0606));
}

TEST_CASE("MSR emulation: IA32_APIC_BASE is the APIC's") {
    Guest guest("amd_server.txt");
    CHECK(guest.read(0x1b).effect == MsrEffect::Apic);
    CHECK(guest.write(0x1b, 0xfee00900).effect == MsrEffect::Apic);
}

TEST_CASE("MSR emulation: EFER") {
    Guest guest("amd_server.txt");
    CHECK(guest.reads(0xc0000080, 0x500));
    const MsrResult result = guest.write(0xc0000080, 0xd01);
    CHECK(result.effect == MsrEffect::Efer);
    CHECK(result.value == 0xd01);
    CHECK(guest.faults(guest.write(0xc0000080, 0x1500))); // SVME
    CHECK(guest.faults(guest.write(0xc0000080, 0x400)));  // LME cleared while paging
}

TEST_CASE("MSR emulation: effects that others carry out") {
    Guest guest("intel_client.txt");
    const auto effect_of = [&guest](u32 number, u64 value) {
        const MsrResult result = guest.write(number, value);
        CHECK(result.value == value);
        return result.effect;
    };
    CHECK(effect_of(0x10, 0x1234) == MsrEffect::Tsc);
    CHECK(effect_of(0x6e0, 77) == MsrEffect::TscDeadline);
    CHECK(guest.read(0x6e0).effect == MsrEffect::TscDeadline);
    CHECK(effect_of(0x4b564d00, 0x5000) == MsrEffect::KvmWallClock);
    CHECK(effect_of(0x4b564d01, 0x6001) == MsrEffect::KvmSystemTime);
    CHECK(guest.reads(0x4b564d00, 0)); // stored when the effect has succeeded
    CHECK(guest.reads(0x4b564d01, 0));
    for (const u32 number : {0x800u, 0x802u, 0x80du, 0x830u, 0x840u, 0x8ffu}) {
        CHECK(effect_of(number, 5) == MsrEffect::Apic);
        CHECK(guest.read(number).effect == MsrEffect::Apic);
    }
    Guest amd("amd_server.txt", false);
    CHECK(amd.faults(amd.read(0x6e0))); // no TSC deadline there
    CHECK(amd.write(0x80b, 0).effect == MsrEffect::Apic);
    CHECK(amd.read(0x839).effect == MsrEffect::Apic);
}

TEST_CASE("MSR emulation: speculation and DEBUGCTL") {
    Guest guest("intel_client.txt");
    CHECK(guest.read(0x10a).value == allowed_arch_capabilities);
    CHECK((guest.read(0x10a).value & (1u << 7 | 1u << 10 | 1u << 12 | 1u << 18 | 1u << 25)) == 0); // promise more MSRs
    CHECK(guest.faults(guest.write(0x10a, 0)));
    CHECK(guest.accepts(0x1d9, 3));
    CHECK(guest.reads(0x1d9, 3));
    CHECK(guest.faults(guest.write(0x1d9, 1u << 6)));
    CHECK(guest.reads(0x1d9, 3));
    CHECK(guest.state.conditions.has(MsrNeeds::SpecCtrl));
    CHECK(guest.state.conditions.has(MsrNeeds::FlushCmd));
    Guest amd("amd_server.txt");
    CHECK(amd.state.conditions.has(MsrNeeds::PredCmd));
    CHECK(amd.state.conditions.has(MsrNeeds::Rdtscp));
    CHECK_FALSE(amd.state.conditions.has(MsrNeeds::TscDeadline));
    CHECK(amd.faults(amd.read(0x49)));
    Guest old("amd_old.txt", false);
    CHECK(old.faults(old.read(0x10a)));
    CHECK(old.faults(old.read(0x48)));
    CHECK(old.faults(old.write(0x49, 1)));
    CHECK_FALSE(old.state.conditions.has(MsrNeeds::X2apic));
}

TEST_CASE("MSR emulation: an unknown MSR is reported once") {
    ReportedMsrs reported;
    CHECK(reported.is_new(5));
    CHECK_FALSE(reported.is_new(5));
    CHECK(reported.is_new(0)); // an empty place does not count as MSR 0
    for (u32 number = 100; number < 114; ++number)
        CHECK(reported.is_new(number));
    CHECK_FALSE(reported.is_new(200)); // full
    CHECK(reported.accesses() == 18);
}
