// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Sets of VMX capability MSRs, made up from the manual's rules (SDM 3C appendix A): no CPU was asked.
#pragma once

#include <string>

#include <catch2/catch_test_macros.hpp>

#include "vmx/capabilities.hpp"

namespace bulkhead::test {

inline u64 allowed(u32 must, u32 may) { return u64{may} << 32 | must; }

/// Everything that the appendix describes, with the controls that later CPUs let be 0.
inline vmx::CapabilityWords modern_vmx() {
    using namespace msr;
    vmx::CapabilityWords words{.signature = 0x000606a6,
                               .basic_ecx = 1u << 5 | 1u << 21,
                               .address_sizes = 0x302e,
                               .arch_capabilities = 1u << 6,
                               .feature_control = 5};
    // Revision 0x12, 4096 bytes, write-back, INS and OUTS information, true controls.
    words.at(IA32_VMX_BASIC) = 0x00d8'1000'0000'0012;
    words.at(IA32_VMX_PINBASED_CTLS) = allowed(0x16, 0xff);
    words.at(IA32_VMX_PROCBASED_CTLS) = allowed(0x0401'e172, 0xfff9'fffe);
    words.at(IA32_VMX_EXIT_CTLS) = allowed(0x0003'6dff, 0x7fff'ffff);
    words.at(IA32_VMX_ENTRY_CTLS) = allowed(0x0000'11ff, 0x0003'ffff);
    words.at(IA32_VMX_MISC) = 0x2000'4060 | 5; // all activity states, the timer at TSC / 32
    words.at(IA32_VMX_CR0_FIXED0) = 0x8000'0021;
    words.at(IA32_VMX_CR0_FIXED1) = 0xffff'ffff;
    words.at(IA32_VMX_CR4_FIXED0) = 0x2000;
    words.at(IA32_VMX_CR4_FIXED1) = 0x0077'2fff;
    words.at(IA32_VMX_PROCBASED_CTLS2) = allowed(0, 0x7fff'ffff);
    words.at(IA32_VMX_EPT_VPID_CAP) = 0x0000'0f01'0673'4141;
    words.at(IA32_VMX_TRUE_PINBASED_CTLS) = words.at(IA32_VMX_PINBASED_CTLS);
    words.at(IA32_VMX_TRUE_PROCBASED_CTLS) = allowed(0x0400'6172, 0xfff9'fffe);
    words.at(IA32_VMX_TRUE_EXIT_CTLS) = allowed(0x0003'6dfb, 0x7fff'ffff);
    words.at(IA32_VMX_TRUE_ENTRY_CTLS) = allowed(0x0000'11fb, 0x0003'ffff);
    return words;
}

/// The least that is accepted: none of what came with Haswell or later, and no 1 GiB pages.
inline vmx::CapabilityWords least_vmx() {
    using namespace msr;
    vmx::CapabilityWords words = modern_vmx();
    words.arch_capabilities = 0;
    words.signature = 0x000206a7; // Sandy Bridge
    words.basic_ecx = 1u << 5;
    words.at(IA32_VMX_PROCBASED_CTLS2) = allowed(0, 0xe2); // EPT, VPID, WBINVD exiting, unrestricted guest
    words.at(IA32_VMX_EPT_VPID_CAP) = 0x0000'0f01'0611'4140;
    return words;
}

/// As before Nehalem: the default-1 controls cannot be 0, and there is no second stage.
inline vmx::CapabilityWords first_vmx() {
    using namespace msr;
    vmx::CapabilityWords words = modern_vmx();
    words.signature = 0x000006f6; // Merom
    words.at(IA32_VMX_BASIC) &= ~(u64{1} << 55);
    for (const u32 number : {IA32_VMX_PROCBASED_CTLS2, IA32_VMX_EPT_VPID_CAP, IA32_VMX_TRUE_PINBASED_CTLS,
                             IA32_VMX_TRUE_PROCBASED_CTLS, IA32_VMX_TRUE_EXIT_CTLS, IA32_VMX_TRUE_ENTRY_CTLS})
        words.at(number) = 0;
    words.at(IA32_VMX_PROCBASED_CTLS) = allowed(0x0401'e172, 0x77b9'fffe);
    return words;
}

/// Empty where the set is taken.
inline std::string refusal(const vmx::CapabilityWords& words) {
    const Result<vmx::Capabilities> decided = vmx::decide_capabilities(words);
    return decided ? "" : std::string(decided.error().what);
}

inline bool is_refused_for(const vmx::CapabilityWords& words, const std::string& name) {
    UNSCOPED_INFO("refused for: " << refusal(words));
    return refusal(words).find(name) != std::string::npos;
}

} // namespace bulkhead::test
