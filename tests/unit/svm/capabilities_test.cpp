// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "svm/capabilities.hpp"

#include <string>

#include <catch2/catch_test_macros.hpp>

#include "arch/x86_64/msr_numbers.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"
#include "unit/boot/guest/cpuid_rules.hpp"

using namespace bulkhead;
using svm::Capabilities;
using svm::CapabilityWords;
using svm::decide_capabilities;

namespace {

/// A CPU with AMD-V and everything that was ever added to it.
constexpr CapabilityWords everything{
    .max_extended_leaf = 0x8000'0028, .extended_ecx = 1u << 2, .svm_ebx = 0x8000, .svm_edx = 0x1fbf'bcff, .vm_cr = 0};

std::string refusal(const CapabilityWords& words) {
    const Result<Capabilities> decided = decide_capabilities(words);
    return decided ? "" : std::string(decided.error().what);
}

/// As svm::Backend::detect reads them.
CapabilityWords words_of(CpuidSource cpuid, u64 vm_cr = 0) {
    CapabilityWords words{.max_extended_leaf = cpuid(0x8000'0000).eax, .extended_ecx = cpuid(0x8000'0001).ecx};
    if (words.max_extended_leaf >= 0x8000'000a && (words.extended_ecx & 4) != 0) {
        words.svm_ebx = cpuid(0x8000'000a).ebx;
        words.svm_edx = cpuid(0x8000'000a).edx;
        words.vm_cr = vm_cr;
    }
    return words;
}

} // namespace

TEST_CASE("SVM capabilities: a CPU that has everything") {
    const Result<Capabilities> all = decide_capabilities(everything);
    REQUIRE(all.has_value());
    CHECK((all->nrip_save && all->decode_assists && all->flush_by_asid && all->vmcb_clean));
    CHECK(all->asids == 0x8000);
}

TEST_CASE("SVM capabilities: nested paging and three ASIDs are enough") {
    CapabilityWords words = everything;
    words.svm_edx = 1; // QEMU's TCG has little more
    words.svm_ebx = 3;
    const Result<Capabilities> least = decide_capabilities(words);
    REQUIRE(least.has_value());
    CHECK_FALSE((least->nrip_save || least->decode_assists || least->flush_by_asid || least->vmcb_clean));
    CHECK(least->asids == 3);
}

TEST_CASE("SVM capabilities: each is a bit of its own") {
    struct Row {
        u32 bit;
        bool Capabilities::* member;
    };
    for (const Row& row : {Row{3, &Capabilities::nrip_save}, Row{5, &Capabilities::vmcb_clean},
                           Row{6, &Capabilities::flush_by_asid}, Row{7, &Capabilities::decode_assists}}) {
        INFO("EDX bit " << row.bit);
        CapabilityWords words = everything;
        words.svm_edx = 1 | 1u << row.bit;
        CHECK((*decide_capabilities(words)).*row.member);
        words.svm_edx = ~(1u << row.bit);
        CHECK_FALSE((*decide_capabilities(words)).*row.member);
    }
}

TEST_CASE("SVM capabilities: what is missing is refused by its name") {
    CapabilityWords words = everything;
    words.extended_ecx = ~4u;
    CHECK(refusal(words).find("has no AMD-V") != std::string::npos);
    words = everything;
    words.max_extended_leaf = 0x8000'0009; // then leaf 8000_000Ah says nothing
    CHECK(refusal(words).find("has no AMD-V") != std::string::npos);
    words = everything;
    words.svm_edx &= ~1u;
    CHECK(refusal(words).find("nested paging") != std::string::npos);
    words = everything;
    words.svm_ebx = 2; // the host, a guest and the parked context
    CHECK(refusal(words).find("fewer than 3 address-space identifiers") != std::string::npos);
}

TEST_CASE("SVM capabilities: switched off by the firmware") {
    CapabilityWords words = everything;
    words.vm_cr = msr::vm_cr::SVMDIS | msr::vm_cr::LOCK;
    CHECK(refusal(words).find("disabled and locked by the firmware") != std::string::npos);
    CHECK(refusal(words).find("SVM Mode") != std::string::npos);
    // A CPU without SVM lock cannot be locked; who switched it off has to switch it on all the same.
    words.svm_edx &= ~4u;
    CHECK(refusal(words).find("disabled by the firmware") != std::string::npos);
    CHECK(refusal(words).find("SVM Mode") != std::string::npos);
    words.vm_cr = msr::vm_cr::LOCK; // locked on
    CHECK(refusal(words).empty());
}

TEST_CASE("SVM capabilities: CPUs made up for the tests") {
    auto server = test::own_recording("amd_server.txt");
    CHECK(refusal(words_of(server)).empty());
    CHECK(refusal(words_of(server, msr::vm_cr::SVMDIS)).find("SVMDIS") != std::string::npos);
    auto old = test::own_recording("amd_old.txt");
    const Result<Capabilities> of_old = decide_capabilities(words_of(old));
    REQUIRE(of_old.has_value());
    CHECK((of_old->nrip_save && !of_old->decode_assists));
    for (const char* name : {"amd_no_svm.txt", "intel_client.txt", "intel_no_vmx.txt", "other_vendor.txt"}) {
        INFO(name);
        auto host = test::own_recording(name);
        CHECK(refusal(words_of(host)).find("has no AMD-V") != std::string::npos);
    }
}

TEST_CASE("SVM capabilities: every recorded CPU is taken or refused by name") {
    const auto folder = test::recordings_folder();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: the recorded CPUs were not replayed");
    unsigned taken = 0, refused = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
        test::CpuidRecording host(entry.path());
        INFO(host.name());
        const std::string why = refusal(words_of(host));
        const bool amd = host.name().starts_with("AuthenticAMD") || host.name().starts_with("HygonGenuine");
        if (amd && (host(0x8000'0001, 0).ecx >> 2 & 1) != 0) { // all that are recorded have nested paging
            CHECK(why == "");
            ++taken;
        } else {
            CHECK(why.find("has no AMD-V") != std::string::npos);
            ++refused;
        }
    }
    CHECK(taken > 0);
    CHECK(refused > 0);
}
