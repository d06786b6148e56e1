// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// On sets that were made from the manual's rules. Those of emulated and real CPUs: capabilities_recorded_test.cpp.
#include "vmx/capabilities.hpp"

#include <catch2/catch_test_macros.hpp>

#include "unit/vmx/capability_sets.hpp"

using namespace bulkhead;
using namespace bulkhead::msr;
using test::allowed;
using test::is_refused_for;
using test::refusal;
using vmx::Capabilities;
using vmx::CapabilityWords;
using vmx::decide_capabilities;

namespace {

struct Control {
    u32 true_number;
    u32 number; // where IA32_VMX_BASIC bit 55 is 0
    unsigned bit;
    const char* name;
};

// Bits and names once more, from SDM 3C tables 25-5 to 25-7, 25-13, 25-15.
constexpr Control required[] = {
    {0x48d, 0x481, 3, "\"NMI exiting\""},
    {0x48d, 0x481, 5, "\"virtual NMIs\""},
    {0x48d, 0x481, 6, "\"activate VMX-preemption timer\""},
    {0x48e, 0x482, 3, "\"use TSC offsetting\""},
    {0x48e, 0x482, 10, "\"MWAIT exiting\""},
    {0x48e, 0x482, 11, "\"RDPMC exiting\""},
    {0x48e, 0x482, 12, "\"RDTSC exiting\""},
    {0x48e, 0x482, 22, "\"NMI-window exiting\""},
    {0x48e, 0x482, 25, "\"use I/O bitmaps\""},
    {0x48e, 0x482, 28, "\"use MSR bitmaps\""},
    {0x48e, 0x482, 29, "\"MONITOR exiting\""},
    {0x48e, 0x482, 31, "\"activate secondary controls\""},
    {0x48b, 0x48b, 1, "\"enable EPT\""},
    {0x48b, 0x48b, 5, "\"enable VPID\""},
    {0x48b, 0x48b, 6, "\"WBINVD exiting\""},
    {0x48b, 0x48b, 7, "\"unrestricted guest\""},
    {0x48f, 0x483, 2, "\"save debug controls\""},
    {0x48f, 0x483, 9, "\"host address-space size\""},
    {0x48f, 0x483, 18, "\"save IA32_PAT\""},
    {0x48f, 0x483, 19, "\"load IA32_PAT\" on exit"},
    {0x48f, 0x483, 20, "\"save IA32_EFER\""},
    {0x48f, 0x483, 21, "\"load IA32_EFER\" on exit"},
    {0x490, 0x484, 2, "\"load debug controls\""},
    {0x490, 0x484, 9, "\"IA-32e mode guest\""},
    {0x490, 0x484, 14, "\"load IA32_PAT\" on entry"},
    {0x490, 0x484, 15, "\"load IA32_EFER\" on entry"},
};

} // namespace

TEST_CASE("VMX capabilities: the controls of a CPU that has everything") {
    const Result<Capabilities> all = decide_capabilities(test::modern_vmx());
    REQUIRE(all.has_value());
    // What the CPU demands, and: NMI exiting, virtual NMIs; no external-interrupt exiting, no preemption timer yet.
    CHECK(all->pin == (0x16 | 1u << 3 | 1u << 5));
    CHECK(all->primary == (0x0400'6172 | 1u << 3 | 1u << 10 | 1u << 11 | 1u << 25 | 1u << 28 | 1u << 29 | 1u << 31));
    CHECK(all->secondary ==
          (1u << 1 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 12 | 1u << 15 | 1u << 20 | 1u << 28));
    CHECK(all->exit == (0x36dfb | 1u << 2 | 1u << 9 | 1u << 18 | 1u << 19 | 1u << 20 | 1u << 21));
    CHECK(all->entry == (0x11fb | 1u << 2 | 1u << 14 | 1u << 15));
    CHECK(all->revision == 0x12);
    CHECK_FALSE(all->must_unlock);
    CHECK((all->ept_1gib_pages && all->ept_accessed_dirty));
    CHECK_FALSE(all->itlb_multihit);
    CHECK(all->preemption_timer_shift == 5);
    CHECK(all->physical_bits == 46);
    CHECK(all->linear_bits == 48);
    CHECK(all->cr0_fixed0 == 0x8000'0021);
    CHECK(all->cr0_fixed1 == 0xffff'ffff);
    CHECK(all->cr4_fixed0 == 0x2000);
    CHECK(all->cr4_fixed1 == 0x0077'2fff);
}

TEST_CASE("VMX capabilities: the least that is enough") {
    const Result<Capabilities> least = decide_capabilities(test::least_vmx());
    REQUIRE(least.has_value());
    CHECK(least->secondary == 0xe2);
    CHECK_FALSE((least->ept_1gib_pages || least->ept_accessed_dirty));
    CHECK(least->itlb_multihit);
}

TEST_CASE("VMX capabilities: no control exits that a computing guest would meet") {
    const Result<Capabilities> all = decide_capabilities(test::modern_vmx());
    REQUIRE(all.has_value());
    CHECK((all->pin & 1) == 0); // external interrupts
    // Interrupt window, HLT, INVLPG, RDTSC, CR3, CR8, TPR shadow, MOV-DR, monitor trap flag, PAUSE.
    for (const unsigned bit : {2, 7, 9, 12, 15, 16, 19, 20, 21, 22, 23, 24, 27, 30})
        CHECK((all->primary >> bit & 1) == 0);
    // Descriptor tables, RDRAND, VM functions, VMCS shadowing, RDSEED, PML, #VE, TSC scaling, user wait, PCONFIG.
    for (const unsigned bit : {0, 2, 4, 8, 9, 10, 11, 13, 14, 16, 17, 18, 25, 26, 27})
        CHECK((all->secondary >> bit & 1) == 0);
}

TEST_CASE("VMX capabilities: each required control is refused by its name") {
    for (const Control& control : required) {
        CapabilityWords words = test::modern_vmx();
        words.at(control.true_number) &= ~(u64{1} << (32 + control.bit));
        CHECK(is_refused_for(words, control.name));
        // A CPU without the true controls is asked by the other MSR. (Only one that could switch CR3 exiting off
        // there would come so far.)
        words = test::modern_vmx();
        words.at(IA32_VMX_BASIC) &= ~(u64{1} << 55);
        words.at(IA32_VMX_PROCBASED_CTLS) &= ~u64{1u << 15 | 1u << 16};
        CHECK(refusal(words).empty());
        words.at(control.number) &= ~(u64{1} << (32 + control.bit));
        CHECK(is_refused_for(words, control.name));
    }
}

TEST_CASE("VMX capabilities: each optional control is a bit of its own") {
    for (const unsigned bit : {3, 12, 15, 20, 28}) { // RDTSCP, INVPCID, ENCLS, XSAVES, ENCLV
        INFO("secondary control " << bit);
        CapabilityWords words = test::modern_vmx();
        words.at(IA32_VMX_PROCBASED_CTLS2) &= ~(u64{1} << (32 + bit));
        const Result<Capabilities> without = decide_capabilities(words);
        REQUIRE(without.has_value());
        CHECK(without->secondary == (decide_capabilities(test::modern_vmx())->secondary & ~(1u << bit)));
        CHECK_FALSE(without->has(static_cast<vmx::Secondary>(1u << bit)));
        words.at(IA32_VMX_PROCBASED_CTLS2) = allowed(0, 0xe2 | 1u << bit);
        CHECK(decide_capabilities(words)->secondary == (0xe2 | 1u << bit));
    }
}

TEST_CASE("VMX capabilities: a control that cannot be 0 is refused") {
    CapabilityWords words = test::modern_vmx();
    words.at(IA32_VMX_TRUE_PROCBASED_CTLS) |= 1u << 15;
    CHECK(is_refused_for(words, "\"CR3-load exiting\""));
    words = test::modern_vmx();
    words.at(IA32_VMX_TRUE_PROCBASED_CTLS) |= 1u << 16;
    CHECK(is_refused_for(words, "\"CR3-store exiting\""));
    const std::pair<u32, unsigned> others[] = {{IA32_VMX_TRUE_PINBASED_CTLS, 0}, {IA32_VMX_TRUE_PROCBASED_CTLS, 7},
                                               {IA32_VMX_PROCBASED_CTLS2, 2},    {IA32_VMX_TRUE_PINBASED_CTLS, 6},
                                               {IA32_VMX_TRUE_EXIT_CTLS, 15},    {IA32_VMX_TRUE_ENTRY_CTLS, 10}};
    for (const auto& [number, bit] : others) {
        words = test::modern_vmx();
        words.at(number) |= u64{1} << bit;
        CHECK(is_refused_for(words, "demands a control"));
        CHECK(decide_capabilities(words).error().value == words.at(number));
    }
}

TEST_CASE("VMX capabilities: CPUs before Nehalem, and without unrestricted guests") {
    CHECK(is_refused_for(test::first_vmx(), "\"CR3-load exiting\""));
    CapabilityWords nehalem = test::least_vmx();
    nehalem.at(IA32_VMX_PROCBASED_CTLS2) = allowed(0, 0x6e);
    CHECK(is_refused_for(nehalem, "\"unrestricted guest\""));
}

TEST_CASE("VMX capabilities: the feature-control MSR") {
    CapabilityWords words = test::modern_vmx();
    for (const u64 locked_off : {1, 3, 0xff01}) { // 3: within SMX only
        words.feature_control = locked_off;
        CHECK(is_refused_for(words, "disabled and locked by the firmware"));
        CHECK(is_refused_for(words, "Intel Virtualization Technology"));
        CHECK(decide_capabilities(words).error().value == locked_off);
    }
    for (const u64 unlocked : {0, 2, 4}) {
        words.feature_control = unlocked;
        CHECK(decide_capabilities(words)->must_unlock);
    }
    for (const u64 locked_on : {5, 7, 0x10'0005}) {
        words.feature_control = locked_on;
        CHECK_FALSE(decide_capabilities(words)->must_unlock);
    }
}

TEST_CASE("VMX capabilities: what else is missing is refused by its name") {
    CapabilityWords words = test::modern_vmx();
    words.basic_ecx = ~(1u << 5);
    CHECK(is_refused_for(words, "has no VT-x"));

    struct Case {
        u32 number;
        u64 value;
        const char* name;
    };
    const u64 basic = test::modern_vmx().at(IA32_VMX_BASIC);
    const u64 ept = test::modern_vmx().at(IA32_VMX_EPT_VPID_CAP);
    const auto without = [](u64 word, unsigned bit) { return word & ~(u64{1} << bit); };
    for (const Case& c : {
             Case{IA32_VMX_BASIC, basic & ~(u64{0x1fff} << 32), "1 to 4096 bytes"},
             Case{IA32_VMX_BASIC, basic | u64{1} << 32, "1 to 4096 bytes"},
             Case{IA32_VMX_BASIC, basic | u64{1} << 48, "below 4 GiB"},
             Case{IA32_VMX_BASIC, basic & ~(u64{15} << 50), "write-back memory (IA32_VMX_BASIC"},
             Case{IA32_VMX_MISC, 0x2000'0025, "HLT"},
             Case{IA32_VMX_CR0_FIXED0, 0x8001'0021, "bits of CR0"},
             Case{IA32_VMX_CR4_FIXED0, 0x2020, "bits of CR4"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 6), "page-walk length of 4"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 14), "tables in write-back memory"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 16), "2 MiB pages"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 20), "INVEPT"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 25), "INVEPT"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 26), "INVEPT"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 32), "INVVPID"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 41), "INVVPID"},
             Case{IA32_VMX_EPT_VPID_CAP, without(ept, 42), "INVVPID"},
         }) {
        words = test::modern_vmx();
        words.at(c.number) = c.value;
        CHECK(is_refused_for(words, c.name));
        CHECK(decide_capabilities(words).error().value == c.value);
    }
}

TEST_CASE("VMX capabilities: iTLB multihit by model, unless the CPU says that it is mended") {
    struct Case {
        u32 signature;
        bool affected;
    };
    for (const Case& c : {Case{0x00050654, true},    // Skylake-X
                          Case{0x000506e3, true},    // Skylake
                          Case{0x000306c3, true},    // Haswell
                          Case{0x000606a6, true},    // Ice Lake server: such that are mended say so
                          Case{0x000506c9, false},   // Goldmont
                          Case{0x000706a1, false},   // Goldmont Plus
                          Case{0x00030678, false},   // Silvermont
                          Case{0x00080664, false},   // Tremont, server
                          Case{0x00050671, false},   // Knights Landing
                          Case{0x00050f71, true}}) { // the same model number in another family
        INFO(std::hex << c.signature);
        CapabilityWords words = test::modern_vmx();
        words.signature = c.signature;
        words.arch_capabilities = ~u64{0x40};
        CHECK(decide_capabilities(words)->itlb_multihit == c.affected);
        words.arch_capabilities = 0x40;
        CHECK_FALSE(decide_capabilities(words)->itlb_multihit);
    }
}
