// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/cpuid_policy_support.hpp"

#include <string>

#include <catch2/catch_test_macros.hpp>

#include "arch/x86_64/msr_numbers.hpp"
#include "unit/core/cpuid_recording.hpp"
#include "unit/core/cpuid_rules.hpp"

using namespace bulkhead;
using test::own_recording;

namespace {

std::string refusal(const char* recording) {
    auto host = own_recording(recording);
    const auto found = detect_virtualization(host);
    return found ? "" : std::string(found.error().what);
}

std::string refusal(CpuidSource host, Virtualization kind, const VirtualizationLocks& locks) {
    const auto checked = check_virtualization(host, kind, locks);
    return checked ? "" : std::string(checked.error().what);
}

} // namespace

TEST_CASE("virtualization: which the CPU has") {
    auto amd = own_recording("amd_server.txt");
    auto intel = own_recording("intel_client.txt");
    CHECK(detect_virtualization(amd).value() == Virtualization::Svm);
    CHECK(detect_virtualization(intel).value() == Virtualization::Vmx);
    CHECK(refusal("amd_old.txt").empty());
    CHECK(refusal("amd_no_svm.txt").starts_with("AMD-V: the CPU does not have it"));
    CHECK(refusal("intel_no_vmx.txt").starts_with("VT-x: the CPU does not have it"));
    CHECK(refusal("other_vendor.txt").find("vendor") != std::string::npos);
}

TEST_CASE("virtualization: locked off by the firmware") {
    auto amd = own_recording("amd_server.txt");
    using enum Virtualization;
    CHECK(refusal(amd, Svm, {}).empty());
    CHECK(refusal(amd, Svm, {.vm_cr = msr::vm_cr::LOCK}).empty());
    CHECK(refusal(amd, Svm, {.vm_cr = msr::vm_cr::SVMDIS}).find("SVMDIS") != std::string::npos);
    CHECK(refusal(amd, Svm, {.vm_cr = msr::vm_cr::SVMDIS | msr::vm_cr::LOCK}).find("setup") != std::string::npos);
    auto intel = own_recording("intel_client.txt");
    CHECK(refusal(intel, Vmx, {.feature_control = 0}).empty());
    CHECK(refusal(intel, Vmx, {.feature_control = 5}).empty());
    CHECK(refusal(intel, Vmx, {.feature_control = 4}).empty());
    CHECK(refusal(intel, Vmx, {.feature_control = 1}).find("locked off") != std::string::npos);
    CHECK(refusal(intel, Vmx, {.feature_control = 3}).find("locked off") != std::string::npos); // inside SMX only
}

TEST_CASE("virtualization: what else the CPU must have") {
    auto recording = own_recording("amd_server.txt");
    CpuFeature missing = CpuFeature::NP;
    auto host = [&](u32 leaf, u32 subleaf) {
        CpuidRegisters value = recording(leaf, subleaf);
        const CpuidLocation at = location(word_of(missing));
        if (at.leaf == leaf && at.subleaf == subleaf)
            value.*at.reg &= ~bit_of(missing);
        return value;
    };
    CHECK(refusal(host, Virtualization::Svm, {}).find("nested paging") != std::string::npos);
    missing = CpuFeature::NX;
    CHECK(refusal(host, Virtualization::Svm, {}).find("no-execute") != std::string::npos);
    missing = CpuFeature::APIC;
    CHECK(refusal(host, Virtualization::Svm, {}).find("APIC") != std::string::npos);
}

TEST_CASE("virtualization: every recorded CPU is taken or refused with the right words") {
    const auto folder = test::recordings_folder();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: the recorded CPUs were not replayed");
    unsigned amd = 0, intel = 0, refused = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
        test::CpuidRecording host(entry.path());
        INFO(host.name());
        const auto found = detect_virtualization(host);
        const std::string& name = host.name(); // the vendor's own word for itself is in the file's name
        const bool svm = (host(0x8000'0001, 0).ecx >> 2 & 1) != 0;
        const bool vmx = (host(1, 0).ecx >> 5 & 1) != 0;
        if (name.starts_with("AuthenticAMD") || name.starts_with("HygonGenuine")) {
            CHECK(found.has_value() == svm);
            CHECK((found ? *found == Virtualization::Svm : found.error().what.starts_with("AMD-V")));
            amd += found.has_value();
        } else if (name.starts_with("GenuineIntel") || name.starts_with("CentaurHauls")) {
            CHECK(found.has_value() == vmx);
            CHECK((found ? *found == Virtualization::Vmx : found.error().what.starts_with("VT-x")));
            intel += found.has_value();
        } else {
            CHECK_FALSE(found.has_value());
        }
        refused += !found.has_value();
    }
    CHECK(amd > 0);
    CHECK(intel > 0);
    CHECK(refused > 0);
}
