// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/cpuid.hpp"

#include <bit>
#include <set>

#include <catch2/catch_test_macros.hpp>

#include "arch/x86_64/control_bits.hpp"
#include "boot/guest/cpuid_policy.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"
#include "unit/boot/guest/cpuid_rules.hpp"

using namespace bulkhead;
using test::own_recording;

namespace {

GuestCpuid build(test::CpuidRecording& host, u32 count = 1, u32 id = 0) {
    return make_guest_cpuid(
        host, {.virtual_apic_id = id, .cpu_count = count, .tsc_hz = 2'500'000'000, .apic_bus_hz = 100'000'000});
}

} // namespace

TEST_CASE("CPUID policy: no feature is in two rows") {
    std::set<CpuFeature> seen;
    for (const CpuidRow& row : cpuid_policy) {
        for (const CpuFeature feature : row.features) {
            INFO("bit " << static_cast<unsigned>(feature));
            CHECK(seen.insert(feature).second);
        }
    }
    CHECK(seen.size() > 120);
}

TEST_CASE("CPUID policy: a CPU that sets every bit shows a guest only what the table names") {
    for (const char* vendor : {"amd_server.txt", "intel_client.txt"}) {
        const CpuidRegisters names = own_recording(vendor)(0, 0);
        auto host = [names](u32 leaf, u32) -> CpuidRegisters {
            constexpr u32 all = ~u32{0};
            if (leaf == 0)
                return {0x20, names.ebx, names.ecx, names.edx};
            if (leaf == 0x8000'0000)
                return {0x8000'0028, names.ebx, names.ecx, names.edx};
            if (leaf == 0xd)
                return {all, 64, all, all};
            return {all, all, all, all};
        };
        const GuestCpuid cpuid = make_guest_cpuid(host, {.cpu_count = 2});
        const bool amd = cpuid.vendor == CpuVendor::Amd;

        // Written down a second time, from the manuals and not from the table.
        CHECK(cpuid.lookup(1, 0).ecx == 0xf7fa'3203u); // OSXSAVE follows CR4
        CHECK(cpuid.lookup(1, 0).edx == 0x1f8b'bb7fu);
        CHECK(cpuid.lookup(6, 0) == CpuidRegisters{4, 0, 0, 0});
        CHECK(cpuid.lookup(7, 0).ebx == 0xfdbf'27e9u);
        CHECK(cpuid.lookup(7, 0).ecx == 0x1a40'5f4eu);
        CHECK(cpuid.lookup(7, 0).edx == 0xbc80'451cu);
        CHECK(cpuid.lookup(7, 1) == CpuidRegisters{0x0080'1cb7, 0, 0, 0x4430});
        CHECK(cpuid.lookup(7, 2) == CpuidRegisters{0, 0, 0, 0x3f});
        CHECK(cpuid.lookup(7, 3) == CpuidRegisters{});
        CHECK(cpuid.lookup(0xa, 0) == CpuidRegisters{});
        CHECK(cpuid.lookup(0xd, 1).eax == 7);
        CHECK(cpuid.lookup(0xd, 0).eax == 0x2e7);
        CHECK(cpuid.lookup(0x8000'0007, 0) == CpuidRegisters{0, 0, 0, 0x100});
        CHECK(cpuid.lookup(0x8000'0008, 0).ebx == (amd ? 0x751f'd205u : 0x750f'd205u));
        for (const u32 leaf : {3u,           5u,           8u,           9u,           0xcu,         0xeu,
                               0xfu,         0x10u,        0x11u,        0x12u,        0x14u,        0x17u,
                               0x18u,        0x1au,        0x1du,        0x1eu,        0x20u,        0x8000'0009u,
                               0x8000'000au, 0x8000'001bu, 0x8000'001cu, 0x8000'001fu, 0x8000'0020u, 0x8000'0022u,
                               0x8000'0026u, 0x4000'0011u, 0x4000'0200u, 0xc000'0000u, ~0u}) {
            INFO("leaf " << std::hex << leaf);
            CHECK(cpuid.lookup(leaf, 0) == CpuidRegisters{});
        }
        CHECK(cpuid.lookup(0x8000'0001, 0).ecx == 0x0063'09f3u - (amd ? 0 : 2));
        CHECK(cpuid.lookup(0x8000'0001, 0).edx == (amd ? 0xefd3'bb7fu : 0xee50'0800u));
        CHECK(cpuid.lookup(0x8000'0021, 0).eax == 0x3810'0f47u);
    }
}

TEST_CASE("CPUID policy: hypervisor leaves") {
    auto host = own_recording("amd_server.txt");
    const GuestCpuid cpuid = build(host);
    CHECK(cpuid.lookup(0x4000'0000, 0) == CpuidRegisters{0x4000'0010, 0x6b6c7542, 0x64616568, 0x00005648});
    CHECK(cpuid.lookup(0x4000'0001, 0) == CpuidRegisters{});
    CHECK(cpuid.lookup(0x4000'0010, 0) == CpuidRegisters{2'500'000, 100'000, 0, 0});
    CHECK(cpuid.lookup(0x4000'0100, 0) == CpuidRegisters{0x4000'0101, 0x4b4d564b, 0x564b4d56, 0x4d});
    CHECK(cpuid.lookup(0x4000'0101, 0) == CpuidRegisters{1u << 1 | 1u << 3 | 1u << 15 | 1u << 24, 0, 0, 0});
    CHECK(cpuid.lookup(0x4000'0102, 0) == CpuidRegisters{});
}

TEST_CASE("CPUID policy: what an AMD server shows") {
    auto host = own_recording("amd_server.txt");
    const GuestCpuid cpuid = build(host, 3, 2);
    test::check_rules(host, cpuid, 3, 2);
    CHECK(cpuid.lookup(0, 0) == CpuidRegisters{0x10, 0x68747541, 0x444d4163, 0x69746e65});
    CHECK(cpuid.lookup(1, 0) == CpuidRegisters{0x00a10f11, 0x02030800, 0xf6fa3203, 0x178bbb7f});
    CHECK(cpuid.lookup(0x8000'0000, 0).eax == 0x8000'0021);
    CHECK(cpuid.lookup(0x8000'0002, 0).eax == 0x6b6c7542);
    CHECK(cpuid.lookup(0x8000'0007, 0) == CpuidRegisters{0, 0, 0, 0x100});
    CHECK(cpuid.lookup(0x8000'0008, 0).eax == 0x3034);
    CHECK(cpuid.lookup(0x8000'0008, 0).ecx == 0x2002);
    CHECK(cpuid.lookup(0x8000'001d, 2) == CpuidRegisters{0x143, 0x01c0003f, 0x7ff, 2});
    CHECK(cpuid.lookup(0x8000'001d, 3) == CpuidRegisters{0xc163, 0x03c0003f, 0x7fff, 1});
    CHECK(cpuid.lookup(0x8000'001d, 4) == CpuidRegisters{});
    CHECK(cpuid.lookup(0x8000'001d, ~0u) == CpuidRegisters{});
    CHECK(cpuid.lookup(0x8000'001e, 0) == CpuidRegisters{2, 2, 0, 0});
    CHECK(cpuid.has(CpuFeature::AVX512F));
    CHECK_FALSE(cpuid.has(CpuFeature::SVM));
}

TEST_CASE("CPUID policy: what an Intel client shows") {
    auto host = own_recording("intel_client.txt");
    const GuestCpuid cpuid = build(host, 4, 3);
    test::check_rules(host, cpuid, 4, 3);
    CHECK(cpuid.lookup(0, 0).eax == 0x1f);
    CHECK(cpuid.lookup(2, 0).eax == 0x00feff01);
    CHECK(cpuid.lookup(4, 0) == CpuidRegisters{0x0c000121, 0x02c0003f, 0x3f, 0});
    CHECK(cpuid.lookup(4, 3) == CpuidRegisters{0x0c00c163, 0x0240003f, 0x9fff, 4});
    CHECK(cpuid.lookup(4, 4) == CpuidRegisters{});
    CHECK(cpuid.lookup(0x14, 0) == CpuidRegisters{});
    CHECK(cpuid.lookup(0x15, 0) == CpuidRegisters{2, 0x9c, 0x0249f000, 0});
    CHECK(cpuid.lookup(0x1f, 1) == CpuidRegisters{2, 4, 0x201, 3});
    CHECK(cpuid.lookup(0x8000'0000, 0) == CpuidRegisters{0x8000'0008, 0, 0, 0});
    CHECK(cpuid.lookup(0x8000'001d, 0) == CpuidRegisters{});
    CHECK(cpuid.has(CpuFeature::TSC_DEADLINE));
    CHECK_FALSE(cpuid.has(CpuFeature::LA57));
}

TEST_CASE("CPUID policy: an old AMD CPU gets the leaves that the hypervisor provides") {
    auto host = own_recording("amd_old.txt");
    const GuestCpuid cpuid = build(host, 2, 1);
    test::check_rules(host, cpuid, 2, 1);
    CHECK(cpuid.lookup(0, 0).eax == 0xb);
    CHECK(cpuid.has(CpuFeature::X2APIC));
    CHECK(cpuid.xcr0_mask == 0);
    CHECK_FALSE(cpuid.has(CpuFeature::XSAVE));
    CHECK(cpuid.lookup(0xd, 0) == CpuidRegisters{});
    CHECK(cpuid.lookup(0x8000'001e, 0) == CpuidRegisters{});
}

TEST_CASE("CPUID policy: bits that follow the guest's state") {
    auto host = own_recording("amd_server.txt");
    GuestCpuid cpuid = build(host);
    const u32 osxsave = bit_of(CpuFeature::OSXSAVE);
    const u32 ospke = bit_of(CpuFeature::OSPKE);
    const u32 apic = bit_of(CpuFeature::APIC);
    CHECK((cpuid.lookup(1, 0).ecx & osxsave) == 0);
    CHECK((cpuid.lookup(7, 0).ecx & ospke) == 0);
    CHECK((cpuid.lookup(1, 0).edx & apic) != 0);
    CHECK(cpuid.lookup(0xd, 0) == CpuidRegisters{0x2e7, 576, 0x988, 0});
    CHECK(cpuid.lookup(0xd, 1) == CpuidRegisters{7, 576, 0, 0});

    cpuid.update({.cr4 = cr4::OSXSAVE | cr4::PKE, .xcr0 = 0x2e7, .apic_enabled = false});
    CHECK((cpuid.lookup(1, 0).ecx & osxsave) != 0);
    CHECK((cpuid.lookup(7, 0).ecx & ospke) != 0);
    CHECK((cpuid.lookup(1, 0).edx & apic) == 0);
    CHECK((cpuid.lookup(0x8000'0001, 0).edx & apic) == 0);
    CHECK(cpuid.lookup(0xd, 0).ebx == 0x988);
    CHECK(cpuid.lookup(0xd, 1).ebx == 576 + 0x100 + 0x40 + 0x200 + 0x400 + 8);

    cpuid.update({.xcr0 = 7});
    CHECK((cpuid.lookup(1, 0).ecx & osxsave) == 0);
    CHECK((cpuid.lookup(7, 0).ecx & ospke) == 0);
    CHECK(cpuid.lookup(0xd, 0).ebx == 0x340);
    CHECK(cpuid.lookup(0xd, 1).ebx == 0x340);
}

TEST_CASE("CPUID policy: a compacted component is aligned where the CPU says so") {
    auto recording = own_recording("amd_server.txt");
    auto host = [&recording](u32 leaf, u32 subleaf) {
        CpuidRegisters value = recording(leaf, subleaf);
        if (leaf == 0xd && subleaf == 5)
            value.eax = 0x41; // an odd size, so that the next needs its alignment
        if (leaf == 0xd && subleaf == 6)
            value.ecx = 2;
        return value;
    };
    GuestCpuid cpuid = make_guest_cpuid(host, {});
    cpuid.update({.xcr0 = 0xe7});
    CHECK(cpuid.lookup(0xd, 1).ebx == 576 + 0x100 + 0x80 + 0x200 + 0x400);
}

TEST_CASE("CPUID policy: features go with the state and the controls that they need") {
    auto recording = own_recording("amd_server.txt");
    u32 host_xcr0 = 0;
    auto host = [&](u32 leaf, u32 subleaf) {
        CpuidRegisters value = recording(leaf, subleaf);
        if (leaf == 0xd && subleaf == 0)
            value.eax = host_xcr0;
        return value;
    };
    using enum CpuFeature;
    host_xcr0 = 0x267; // the upper ZMM registers' bit is missing: no AVX-512 at all
    GuestCpuid cpuid = make_guest_cpuid(host, {});
    CHECK(cpuid.xcr0_mask == 0x207);
    CHECK_FALSE(cpuid.has(AVX512F));
    CHECK_FALSE(cpuid.has(AVX512_BF16));
    CHECK(cpuid.has(AVX2));
    CHECK(cpuid.has(PKU));
    host_xcr0 = 0xe3; // no AVX
    cpuid = make_guest_cpuid(host, {});
    CHECK(cpuid.xcr0_mask == 3);
    CHECK_FALSE(cpuid.has(AVX512F));
    CHECK_FALSE(cpuid.has(AVX));
    CHECK_FALSE(cpuid.has(VAES));
    CHECK_FALSE(cpuid.has(PKU));
    CHECK(cpuid.has(XSAVE));
    host_xcr0 = 0;
    cpuid = make_guest_cpuid(host, {});
    CHECK_FALSE(cpuid.has(XSAVE));
    host_xcr0 = 7;
    cpuid = make_guest_cpuid(host, {.invpcid_works = false, .rdtscp_works = false});
    CHECK_FALSE(cpuid.has(INVPCID));
    CHECK_FALSE(cpuid.has(RDTSCP));
    CHECK_FALSE(cpuid.has(RDPID));
}

TEST_CASE("CPUID policy: every recorded CPU keeps the rules, for guests of any size") {
    const auto folder = test::recordings_folder();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: the recorded CPUs were not replayed");
    unsigned replayed = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
        test::CpuidRecording host(entry.path());
        INFO(host.name());
        REQUIRE_FALSE(host.empty());
        for (const u32 count : {1u, 2u, 3u, 8u, 64u, 300u}) {
            for (const u32 id : {0u, count - 1})
                test::check_rules(host, build(host, count, id), count, id);
        }
        ++replayed;
    }
    CHECK(replayed > 0);
}
