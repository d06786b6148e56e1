// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// MSR numbers and bits by the manuals' names (SDM 4, APM 2 Appendix A). What a guest may do with them is
// core/msr_policy.
#pragma once

#include "base/types.hpp"

namespace bulkhead::msr {

inline constexpr u32 IA32_P5_MC_ADDR = 0x0;
inline constexpr u32 IA32_P5_MC_TYPE = 0x1;
inline constexpr u32 IA32_TIME_STAMP_COUNTER = 0x10;
inline constexpr u32 IA32_PLATFORM_ID = 0x17;
inline constexpr u32 IA32_APIC_BASE = 0x1b;
inline constexpr u32 EBL_CR_POWERON = 0x2a;
inline constexpr u32 TEST_CTRL = 0x33;
inline constexpr u32 SMI_COUNT = 0x34;
inline constexpr u32 IA32_FEATURE_CONTROL = 0x3a;
inline constexpr u32 IA32_TSC_ADJUST = 0x3b;
inline constexpr u32 IA32_SPEC_CTRL = 0x48;
inline constexpr u32 IA32_PRED_CMD = 0x49;
inline constexpr u32 PPIN_CTL = 0x4e;
inline constexpr u32 PPIN = 0x4f;
inline constexpr u32 IA32_BIOS_UPDT_TRIG = 0x79;
inline constexpr u32 IA32_BIOS_SIGN_ID = 0x8b; ///< AMD: PATCH_LEVEL
inline constexpr u32 FSB_FREQ = 0xcd;
inline constexpr u32 PLATFORM_INFO = 0xce;
inline constexpr u32 IA32_CORE_CAPABILITIES = 0xcf;
inline constexpr u32 PKG_CST_CONFIG_CONTROL = 0xe2;
inline constexpr u32 IA32_MPERF = 0xe7;
inline constexpr u32 IA32_APERF = 0xe8;
inline constexpr u32 IA32_MTRRCAP = 0xfe;
inline constexpr u32 IA32_ARCH_CAPABILITIES = 0x10a;
inline constexpr u32 IA32_FLUSH_CMD = 0x10b;
inline constexpr u32 IA32_TSX_CTRL = 0x122;
inline constexpr u32 MISC_FEATURES_ENABLES = 0x140;
inline constexpr u32 IA32_SYSENTER_CS = 0x174;
inline constexpr u32 IA32_SYSENTER_ESP = 0x175;
inline constexpr u32 IA32_SYSENTER_EIP = 0x176;
inline constexpr u32 IA32_MCG_CAP = 0x179;
inline constexpr u32 IA32_MCG_STATUS = 0x17a;
inline constexpr u32 IA32_MCG_CTL = 0x17b;
inline constexpr u32 IA32_PERFEVTSEL0 = 0x186;
inline constexpr u32 IA32_PERF_STATUS = 0x198;
inline constexpr u32 IA32_PERF_CTL = 0x199;
inline constexpr u32 IA32_THERM_INTERRUPT = 0x19b;
inline constexpr u32 IA32_THERM_STATUS = 0x19c;
inline constexpr u32 IA32_MISC_ENABLE = 0x1a0;
inline constexpr u32 IA32_ENERGY_PERF_BIAS = 0x1b0;
inline constexpr u32 IA32_PACKAGE_THERM_STATUS = 0x1b1;
inline constexpr u32 IA32_DEBUGCTL = 0x1d9; ///< AMD: DBG_CTL
inline constexpr u32 LASTBRANCHFROMIP = 0x1db;
inline constexpr u32 LASTINTTOIP = 0x1de;
inline constexpr u32 POWER_CTL = 0x1fc;
inline constexpr u32 IA32_MTRR_FIX64K_00000 = 0x250;
inline constexpr u32 IA32_MTRR_FIX4K_F8000 = 0x26f;
inline constexpr u32 IA32_PAT = 0x277;
inline constexpr u32 IA32_MTRR_DEF_TYPE = 0x2ff;
inline constexpr u32 IA32_MC0_STATUS = 0x401; ///< four numbers a bank
inline constexpr u32 RAPL_POWER_UNIT = 0x606;
inline constexpr u32 PP1_POLICY = 0x642;
// What VT-x can do: SDM 3C appendix A.
inline constexpr u32 IA32_VMX_BASIC = 0x480;
inline constexpr u32 IA32_VMX_PINBASED_CTLS = 0x481;
inline constexpr u32 IA32_VMX_PROCBASED_CTLS = 0x482;
inline constexpr u32 IA32_VMX_EXIT_CTLS = 0x483;
inline constexpr u32 IA32_VMX_ENTRY_CTLS = 0x484;
inline constexpr u32 IA32_VMX_MISC = 0x485;
inline constexpr u32 IA32_VMX_CR0_FIXED0 = 0x486;
inline constexpr u32 IA32_VMX_CR0_FIXED1 = 0x487;
inline constexpr u32 IA32_VMX_CR4_FIXED0 = 0x488;
inline constexpr u32 IA32_VMX_CR4_FIXED1 = 0x489;
inline constexpr u32 IA32_VMX_PROCBASED_CTLS2 = 0x48b;
inline constexpr u32 IA32_VMX_EPT_VPID_CAP = 0x48c;
inline constexpr u32 IA32_VMX_TRUE_PINBASED_CTLS = 0x48d;
inline constexpr u32 IA32_VMX_TRUE_PROCBASED_CTLS = 0x48e;
inline constexpr u32 IA32_VMX_TRUE_EXIT_CTLS = 0x48f;
inline constexpr u32 IA32_VMX_TRUE_ENTRY_CTLS = 0x490;

inline constexpr u32 IA32_TSC_DEADLINE = 0x6e0;
inline constexpr u32 IA32_L3_QOS_CFG = 0xc81;
inline constexpr u32 IA32_L3_MASK_0 = 0xc90;
inline constexpr u32 IA32_XSS = 0xda0;

// x2APIC: 0x800 and the register's xAPIC offset divided by 16 (SDM 3A 11.12.1.2).
inline constexpr u32 x2apic_first = 0x800;
inline constexpr u32 x2apic_last = 0x8ff;
inline constexpr u32 IA32_X2APIC_TPR = 0x808;
inline constexpr u32 IA32_X2APIC_PPR = 0x80a;
inline constexpr u32 IA32_X2APIC_EOI = 0x80b;
inline constexpr u32 IA32_X2APIC_ISR0 = 0x810;
inline constexpr u32 IA32_X2APIC_IRR7 = 0x827;
inline constexpr u32 IA32_X2APIC_LVT_TIMER = 0x832;
inline constexpr u32 IA32_X2APIC_INIT_COUNT = 0x838;
inline constexpr u32 IA32_X2APIC_CUR_COUNT = 0x839;
inline constexpr u32 IA32_X2APIC_DIV_CONF = 0x83e;
inline constexpr u32 IA32_X2APIC_SELF_IPI = 0x83f;

// What KVM calls MSR_KVM_WALL_CLOCK_NEW and MSR_KVM_SYSTEM_TIME_NEW (Linux, Documentation/virt/kvm/x86/msr.rst).
inline constexpr u32 KVM_WALL_CLOCK_NEW = 0x4b56'4d00;
inline constexpr u32 KVM_SYSTEM_TIME_NEW = 0x4b56'4d01;

inline constexpr u32 EFER = 0xc000'0080;
inline constexpr u32 STAR = 0xc000'0081;
inline constexpr u32 LSTAR = 0xc000'0082;
inline constexpr u32 CSTAR = 0xc000'0083;
inline constexpr u32 SFMASK = 0xc000'0084;
inline constexpr u32 FS_BASE = 0xc000'0100;
inline constexpr u32 GS_BASE = 0xc000'0101;
inline constexpr u32 KernelGSbase = 0xc000'0102;
inline constexpr u32 TSC_AUX = 0xc000'0103;
inline constexpr u32 TSC_RATIO = 0xc000'0104;

inline constexpr u32 PERF_CTL0 = 0xc001'0000;
inline constexpr u32 PERF_CTR3 = 0xc001'0007;
inline constexpr u32 SYSCFG = 0xc001'0010;
inline constexpr u32 HWCR = 0xc001'0015;
inline constexpr u32 NB_CFG = 0xc001'001f;
inline constexpr u32 PATCH_LOADER = 0xc001'0020;
inline constexpr u32 MC0_CTL_MASK = 0xc001'0044;
inline constexpr u32 MC5_CTL_MASK = 0xc001'0049;
inline constexpr u32 INT_PENDING = 0xc001'0055;
inline constexpr u32 MMIO_CFG_BASE = 0xc001'0058;
inline constexpr u32 PSTATE_CUR_LIMIT = 0xc001'0061;
inline constexpr u32 PSTATE_7 = 0xc001'006b;
inline constexpr u32 SMM_ADDR = 0xc001'0112;
inline constexpr u32 SMM_MASK = 0xc001'0113;
inline constexpr u32 VM_CR = 0xc001'0114;
inline constexpr u32 VM_HSAVE_PA = 0xc001'0117;
inline constexpr u32 VIRT_SPEC_CTRL = 0xc001'011f;
inline constexpr u32 SEV_STATUS = 0xc001'0131;
inline constexpr u32 OSVW_ID_LENGTH = 0xc001'0140;
inline constexpr u32 OSVW_STATUS = 0xc001'0141;
inline constexpr u32 AMD_RAPL_PWR_UNIT = 0xc001'0299;
inline constexpr u32 AMD_PKG_ENERGY_STAT = 0xc001'029b;
inline constexpr u32 CPUID_7_Features = 0xc001'1002;
inline constexpr u32 CPUID_ExtFeatures = 0xc001'1005;
inline constexpr u32 LS_CFG = 0xc001'1020;
inline constexpr u32 IC_CFG = 0xc001'1021;
inline constexpr u32 DC_CFG = 0xc001'1022;
inline constexpr u32 TW_CFG = 0xc001'1023;
inline constexpr u32 FP_CFG = 0xc001'1028;
inline constexpr u32 DE_CFG = 0xc001'1029;
inline constexpr u32 BU_CFG2 = 0xc001'102a;
inline constexpr u32 BP_CFG = 0xc001'102e;

namespace vm_cr { // APM 2 15.30.1
inline constexpr u64 LOCK = 1u << 3;
inline constexpr u64 SVMDIS = 1u << 4;
} // namespace vm_cr

namespace feature_control { // SDM 4, IA32_FEATURE_CONTROL
inline constexpr u64 lock = 1u << 0;
inline constexpr u64 vmx_outside_smx = 1u << 2;
} // namespace feature_control

namespace apic_base { // SDM 3A 11.4.4, 11.12.1
inline constexpr u64 BSP = 1u << 8;
inline constexpr u64 EXTD = 1u << 10;
inline constexpr u64 EN = 1u << 11;
} // namespace apic_base

} // namespace bulkhead::msr
