// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What Bochs' CPU models answer to RDMSR (tests/data/vmx_msrs, an emulator's sets, not hardware's); and, where
// $BULKHEAD_RECORDINGS names a folder, CPUID of real CPUs (cpuid/), with MSRs made from the manual's rules.
#include <set>

#include <catch2/catch_test_macros.hpp>

#include "unit/boot/guest/cpuid_recording.hpp"
#include "unit/boot/guest/cpuid_rules.hpp"
#include "unit/vmx/capability_sets.hpp"

using namespace bulkhead;
using namespace bulkhead::msr;
using test::allowed;
using test::is_refused_for;
using test::refusal;
using vmx::Capabilities;
using vmx::CapabilityWords;
using vmx::decide_capabilities;

TEST_CASE("VMX capabilities: only MSRs that exist are read") {
    test::CpuidRecording intel = test::own_recording("intel_client.txt");
    const auto read_from = [](CpuidSource cpuid, CapabilityWords words, std::set<u32>& read) {
        return vmx::read_capability_words(cpuid, [&, words](u32 number) {
            CHECK(read.insert(number).second);
            return number == IA32_FEATURE_CONTROL     ? words.feature_control
                   : number == IA32_ARCH_CAPABILITIES ? words.arch_capabilities
                                                      : words.at(number);
        });
    };
    const std::set<u32> always{0x3a, 0x10a, 0x480, 0x481, 0x482, 0x483, 0x484, 0x485, 0x486, 0x487, 0x488, 0x489};
    std::set<u32> numbers, expected = always;
    expected.insert({0x48b, 0x48c, 0x48d, 0x48e, 0x48f, 0x490});
    const CapabilityWords all = read_from(intel, test::modern_vmx(), numbers);
    CHECK(numbers == expected);
    CHECK(all.vmx == test::modern_vmx().vmx);
    CHECK(all.feature_control == 5);
    CHECK(all.arch_capabilities == 0x40);
    CHECK(all.signature == 0x000b0671);
    CHECK(all.basic_ecx == 0x7ffafbbf);
    CHECK(all.address_sizes == intel(0x8000'0008, 0).eax);

    numbers.clear(); // no secondary controls, no true ones
    CapabilityWords words = test::first_vmx();
    read_from(intel, words, numbers);
    CHECK(numbers == always);
    numbers.clear(); // neither EPT nor VPID
    words = test::modern_vmx();
    words.at(IA32_VMX_PROCBASED_CTLS2) = allowed(0, 0x1);
    read_from(intel, words, numbers);
    expected.erase(0x48c);
    CHECK(numbers == expected);
    for (const char* name : {"intel_no_vmx.txt", "amd_server.txt"}) {
        test::CpuidRecording other = test::own_recording(name);
        numbers.clear();
        CHECK(is_refused_for(read_from(other, test::modern_vmx(), numbers), "has no VT-x"));
        numbers.erase(0x10a);
        CHECK(numbers.empty());
    }
}

TEST_CASE("VMX capabilities: Bochs' CPU models are taken") {
    unsigned taken = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(TEST_DATA) / "vmx_msrs")) {
        INFO(entry.path().filename());
        CapabilityWords words{.signature = 0x00050654, .basic_ecx = 1u << 5};
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) {
            u32 number = 0;
            unsigned long long value = 0;
            if (std::sscanf(line.c_str(), "%x=%llx", &number, &value) != 2)
                continue;
            if (number == IA32_FEATURE_CONTROL)
                words.feature_control = value;
            else if (number <= IA32_VMX_TRUE_ENTRY_CTLS)
                words.at(number) = value;
        }
        const Result<Capabilities> decided = decide_capabilities(words);
        CHECK(refusal(words) == "");
        if (!decided)
            continue;
        ++taken;
        CHECK(decided->must_unlock);
        CHECK(decided->revision == (words.at(IA32_VMX_BASIC) & 0x7fff'ffff));
        CHECK(decided->pin == 0x3e);
        CHECK(decided->primary == 0xb600'6d7a);
        // Haswell and later have INVPCID and 1 GiB pages, Sandy Bridge has neither.
        const bool old = entry.path().filename().string().find("sandy_bridge") != std::string::npos;
        CHECK(decided->has(vmx::SECONDARY_ENABLE_INVPCID) == !old);
        CHECK(decided->ept_1gib_pages == !old);
        CHECK(decided->has(vmx::SECONDARY_ENABLE_RDTSCP));
    }
    CHECK(taken == 8);
}

TEST_CASE("VMX capabilities: every recorded CPU is taken or refused by its CPUID") {
    const auto folder = test::recordings_folder();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: the recorded CPUs were not replayed");
    unsigned taken = 0, refused = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
        test::CpuidRecording host(entry.path());
        INFO(host.name());
        // Their MSRs are not recorded: the manual's set stands in for them.
        const CapabilityWords words = vmx::read_capability_words(host, [](u32 number) {
            return number == IA32_FEATURE_CONTROL     ? u64{5}
                   : number == IA32_ARCH_CAPABILITIES ? u64{0}
                                                      : test::modern_vmx().at(number);
        });
        if ((host(1, 0).ecx >> 5 & 1) != 0) {
            CHECK(refusal(words) == "");
            CHECK(decide_capabilities(words)->itlb_multihit ==
                  (host.name().find("KnightsLanding") == std::string::npos));
            ++taken;
        } else {
            CHECK(is_refused_for(words, "has no VT-x"));
            ++refused;
        }
    }
    CHECK(taken > 0);
    CHECK(refused > 0);
}
