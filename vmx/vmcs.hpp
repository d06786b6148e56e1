// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Fields of the virtual-machine control structure (SDM 3C appendix B) and the bits of its controls (SDM 3C 25.6 to
// 25.8). Names are the manual's, as Linux and KVM abbreviate them.
#pragma once

#include "base/types.hpp"

namespace bulkhead::vmx {

/// Encodings for VMREAD and VMWRITE.
enum class Field : u32 {
    // 16 bits
    VIRTUAL_PROCESSOR_ID = 0x0000,
    GUEST_ES_SELECTOR = 0x0800,
    GUEST_CS_SELECTOR = 0x0802,
    GUEST_SS_SELECTOR = 0x0804,
    GUEST_DS_SELECTOR = 0x0806,
    GUEST_FS_SELECTOR = 0x0808,
    GUEST_GS_SELECTOR = 0x080a,
    GUEST_LDTR_SELECTOR = 0x080c,
    GUEST_TR_SELECTOR = 0x080e,
    HOST_ES_SELECTOR = 0x0c00,
    HOST_CS_SELECTOR = 0x0c02,
    HOST_SS_SELECTOR = 0x0c04,
    HOST_DS_SELECTOR = 0x0c06,
    HOST_FS_SELECTOR = 0x0c08,
    HOST_GS_SELECTOR = 0x0c0a,
    HOST_TR_SELECTOR = 0x0c0c,
    // 64 bits
    IO_BITMAP_A = 0x2000,
    IO_BITMAP_B = 0x2002,
    MSR_BITMAP = 0x2004,
    TSC_OFFSET = 0x2010,
    EPT_POINTER = 0x201a,
    XSS_EXITING_BITMAP = 0x202c,
    ENCLS_EXITING_BITMAP = 0x202e,
    GUEST_PHYSICAL_ADDRESS = 0x2400,
    VMCS_LINK_POINTER = 0x2800,
    GUEST_IA32_DEBUGCTL = 0x2802,
    GUEST_IA32_PAT = 0x2804,
    GUEST_IA32_EFER = 0x2806,
    GUEST_PDPTE0 = 0x280a,
    GUEST_PDPTE1 = 0x280c,
    GUEST_PDPTE2 = 0x280e,
    GUEST_PDPTE3 = 0x2810,
    HOST_IA32_PAT = 0x2c00,
    HOST_IA32_EFER = 0x2c02,
    // 32 bits
    PIN_BASED_VM_EXEC_CONTROL = 0x4000,
    CPU_BASED_VM_EXEC_CONTROL = 0x4002,
    EXCEPTION_BITMAP = 0x4004,
    PAGE_FAULT_ERROR_CODE_MASK = 0x4006,
    PAGE_FAULT_ERROR_CODE_MATCH = 0x4008,
    CR3_TARGET_COUNT = 0x400a,
    VM_EXIT_CONTROLS = 0x400c,
    VM_EXIT_MSR_STORE_COUNT = 0x400e,
    VM_EXIT_MSR_LOAD_COUNT = 0x4010,
    VM_ENTRY_CONTROLS = 0x4012,
    VM_ENTRY_MSR_LOAD_COUNT = 0x4014,
    VM_ENTRY_INTR_INFO = 0x4016,
    VM_ENTRY_EXCEPTION_ERROR_CODE = 0x4018,
    VM_ENTRY_INSTRUCTION_LEN = 0x401a,
    SECONDARY_VM_EXEC_CONTROL = 0x401e,
    VM_INSTRUCTION_ERROR = 0x4400,
    VM_EXIT_REASON = 0x4402,
    VM_EXIT_INTR_INFO = 0x4404,
    IDT_VECTORING_INFO = 0x4408,
    IDT_VECTORING_ERROR_CODE = 0x440a,
    VM_EXIT_INSTRUCTION_LEN = 0x440c,
    GUEST_ES_LIMIT = 0x4800,
    GUEST_CS_LIMIT = 0x4802,
    GUEST_SS_LIMIT = 0x4804,
    GUEST_DS_LIMIT = 0x4806,
    GUEST_FS_LIMIT = 0x4808,
    GUEST_GS_LIMIT = 0x480a,
    GUEST_LDTR_LIMIT = 0x480c,
    GUEST_TR_LIMIT = 0x480e,
    GUEST_GDTR_LIMIT = 0x4810,
    GUEST_IDTR_LIMIT = 0x4812,
    GUEST_ES_AR_BYTES = 0x4814,
    GUEST_CS_AR_BYTES = 0x4816,
    GUEST_SS_AR_BYTES = 0x4818,
    GUEST_DS_AR_BYTES = 0x481a,
    GUEST_FS_AR_BYTES = 0x481c,
    GUEST_GS_AR_BYTES = 0x481e,
    GUEST_LDTR_AR_BYTES = 0x4820,
    GUEST_TR_AR_BYTES = 0x4822,
    GUEST_INTERRUPTIBILITY_STATE = 0x4824,
    GUEST_ACTIVITY_STATE = 0x4826,
    GUEST_IA32_SYSENTER_CS = 0x482a,
    VMX_PREEMPTION_TIMER_VALUE = 0x482e,
    HOST_IA32_SYSENTER_CS = 0x4c00,
    // natural width
    CR0_GUEST_HOST_MASK = 0x6000,
    CR4_GUEST_HOST_MASK = 0x6002,
    CR0_READ_SHADOW = 0x6004,
    CR4_READ_SHADOW = 0x6006,
    EXIT_QUALIFICATION = 0x6400,
    GUEST_CR0 = 0x6800,
    GUEST_CR3 = 0x6802,
    GUEST_CR4 = 0x6804,
    GUEST_ES_BASE = 0x6806,
    GUEST_CS_BASE = 0x6808,
    GUEST_SS_BASE = 0x680a,
    GUEST_DS_BASE = 0x680c,
    GUEST_FS_BASE = 0x680e,
    GUEST_GS_BASE = 0x6810,
    GUEST_LDTR_BASE = 0x6812,
    GUEST_TR_BASE = 0x6814,
    GUEST_GDTR_BASE = 0x6816,
    GUEST_IDTR_BASE = 0x6818,
    GUEST_DR7 = 0x681a,
    GUEST_RSP = 0x681c,
    GUEST_RIP = 0x681e,
    GUEST_RFLAGS = 0x6820,
    GUEST_PENDING_DBG_EXCEPTIONS = 0x6822,
    GUEST_IA32_SYSENTER_ESP = 0x6824,
    GUEST_IA32_SYSENTER_EIP = 0x6826,
    HOST_CR0 = 0x6c00,
    HOST_CR3 = 0x6c02,
    HOST_CR4 = 0x6c04,
    HOST_FS_BASE = 0x6c06,
    HOST_GS_BASE = 0x6c08,
    HOST_TR_BASE = 0x6c0a,
    HOST_GDTR_BASE = 0x6c0c,
    HOST_IDTR_BASE = 0x6c0e,
    HOST_IA32_SYSENTER_ESP = 0x6c10,
    HOST_IA32_SYSENTER_EIP = 0x6c12,
    HOST_RSP = 0x6c14,
    HOST_RIP = 0x6c16,
};

/// A field that each segment register has: `index` 0 to 7 is ES, CS, SS, DS, FS, GS, LDTR, TR.
constexpr Field of_segment(Field first, unsigned index) {
    return static_cast<Field>(static_cast<u32>(first) + 2 * index);
}

/// Pin-based VM-execution controls: SDM 3C table 25-5.
enum PinBased : u32 {
    PIN_NMI_EXITING = 1u << 3,
    PIN_VIRTUAL_NMIS = 1u << 5,
    PIN_VMX_PREEMPTION_TIMER = 1u << 6,
};

/// Primary processor-based VM-execution controls: SDM 3C table 25-6.
enum CpuBased : u32 {
    CPU_USE_TSC_OFFSETTING = 1u << 3,
    CPU_MWAIT_EXITING = 1u << 10,
    CPU_RDPMC_EXITING = 1u << 11,
    CPU_RDTSC_EXITING = 1u << 12,
    CPU_CR3_LOAD_EXITING = 1u << 15,
    CPU_CR3_STORE_EXITING = 1u << 16,
    CPU_NMI_WINDOW_EXITING = 1u << 22,
    CPU_USE_IO_BITMAPS = 1u << 25,
    CPU_USE_MSR_BITMAPS = 1u << 28,
    CPU_MONITOR_EXITING = 1u << 29,
    CPU_ACTIVATE_SECONDARY_CONTROLS = 1u << 31,
};

/// Secondary processor-based VM-execution controls: SDM 3C table 25-7.
enum Secondary : u32 {
    SECONDARY_ENABLE_EPT = 1u << 1,
    SECONDARY_ENABLE_RDTSCP = 1u << 3,
    SECONDARY_ENABLE_VPID = 1u << 5,
    SECONDARY_WBINVD_EXITING = 1u << 6,
    SECONDARY_UNRESTRICTED_GUEST = 1u << 7,
    SECONDARY_ENABLE_INVPCID = 1u << 12,
    SECONDARY_ENCLS_EXITING = 1u << 15,
    SECONDARY_ENABLE_XSAVES = 1u << 20,
    SECONDARY_ENABLE_ENCLV_EXITING = 1u << 28,
};

/// Primary VM-exit controls: SDM 3C table 25-13.
enum ExitControl : u32 {
    EXIT_SAVE_DEBUG_CONTROLS = 1u << 2,
    EXIT_HOST_ADDRESS_SPACE_SIZE = 1u << 9,
    EXIT_SAVE_IA32_PAT = 1u << 18,
    EXIT_LOAD_IA32_PAT = 1u << 19,
    EXIT_SAVE_IA32_EFER = 1u << 20,
    EXIT_LOAD_IA32_EFER = 1u << 21,
};

/// VM-entry controls: SDM 3C table 25-15.
enum EntryControl : u32 {
    ENTRY_LOAD_DEBUG_CONTROLS = 1u << 2,
    ENTRY_IA32E_MODE_GUEST = 1u << 9,
    ENTRY_LOAD_IA32_PAT = 1u << 14,
    ENTRY_LOAD_IA32_EFER = 1u << 15,
};

/// Guest activity state: SDM 3C 25.4.2.
enum class Activity : u32 { Active = 0, Hlt = 1, Shutdown = 2, WaitForSipi = 3 };

/// Guest interruptibility state: SDM 3C table 25-3.
enum Interruptibility : u32 {
    BLOCKING_BY_STI = 1u << 0,
    BLOCKING_BY_MOV_SS = 1u << 1,
    BLOCKING_BY_NMI = 1u << 3,
};

/// Bit of the pending debug exceptions: a single step is to trap (SDM 3C table 25-4).
inline constexpr u64 PENDING_DBG_BS = 1u << 14;

/// Interruption type, bits 10:8 of the VM-entry and VM-exit interruption information and of the IDT-vectoring
/// information: SDM 3C tables 25-17, 25-19, 25-20.
enum class InterruptionType : u32 {
    ExternalInterrupt = 0,
    Nmi = 2,
    HardwareException = 3,
    SoftwareInterrupt = 4,
    PrivilegedSoftwareException = 5, ///< INT1
    SoftwareException = 6,           ///< INT3, INTO
    Other = 7,
};

inline constexpr u32 interruption_valid = 1u << 31;
inline constexpr u32 interruption_has_error_code = 1u << 11;
/// Of VM-exit interruption information and of some exit qualifications: the IRET that faulted had ended the blocking
/// of NMIs (SDM 3C 28.2.3).
inline constexpr u32 nmi_unblocking_due_to_iret = 1u << 12;
constexpr u32 interruption_vector(u32 info) { return info & 0xff; }
constexpr InterruptionType interruption_type(u32 info) { return static_cast<InterruptionType>(info >> 8 & 7); }
constexpr u32 interruption(u32 vector, InterruptionType type) {
    return interruption_valid | static_cast<u32>(type) << 8 | vector;
}

/// Access rights of a segment: descriptor bits 47:40 and 55:52, and bit 16 for "unusable" (SDM 3C table 25-2).
inline constexpr u32 segment_unusable = 1u << 16;

} // namespace bulkhead::vmx
