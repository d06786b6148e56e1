// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The instructions of virtualization, of system management, and others that make a CPU something else.
#pragma once

#include <array>
#include <initializer_list>

#include "guests/attack/attack.hpp"

namespace bulkhead::guest::attack {

struct Instruction {
    std::string_view what;
    std::array<u8, 6> bytes;
    u8 size;
    Ends kernel;
};
constexpr Instruction instruction(std::string_view what, Ends kernel, std::initializer_list<u8> bytes) {
    Instruction row{what, {}, static_cast<u8>(bytes.size()), kernel};
    u8* to = row.bytes.data();
    for (const u8 byte : bytes)
        *to++ = byte;
    return row;
}

/// #UD where the CPU or the guest's CPUID has no such thing.
inline constexpr auto instructions = std::to_array<Instruction>({
    instruction("VMRUN", undefined, {0x0f, 0x01, 0xd8}),
    instruction("VMMCALL", undefined | ignored, {0x0f, 0x01, 0xd9}),
    instruction("VMLOAD", undefined, {0x0f, 0x01, 0xda}),
    instruction("VMSAVE", undefined, {0x0f, 0x01, 0xdb}),
    instruction("STGI", undefined, {0x0f, 0x01, 0xdc}),
    instruction("CLGI", undefined, {0x0f, 0x01, 0xdd}),
    instruction("SKINIT", undefined, {0x0f, 0x01, 0xde}),
    instruction("INVLPGA", undefined, {0x0f, 0x01, 0xdf}),
    instruction("VMCALL", undefined | ignored, {0x0f, 0x01, 0xc1}),
    instruction("VMLAUNCH", undefined, {0x0f, 0x01, 0xc2}),
    instruction("VMRESUME", undefined, {0x0f, 0x01, 0xc3}),
    instruction("VMXOFF", undefined, {0x0f, 0x01, 0xc4}),
    instruction("VMFUNC", undefined, {0x0f, 0x01, 0xd4}),
    instruction("VMXON", undefined, {0xf3, 0x0f, 0xc7, 0x30}),
    instruction("VMPTRLD", undefined, {0x0f, 0xc7, 0x30}),
    instruction("VMPTRST", undefined, {0x0f, 0xc7, 0x38}),
    instruction("VMCLEAR", undefined, {0x66, 0x0f, 0xc7, 0x30}),
    instruction("VMREAD", undefined, {0x0f, 0x78, 0xc8}),
    instruction("VMWRITE", undefined, {0x0f, 0x79, 0xc8}),
    instruction("INVEPT", undefined, {0x66, 0x0f, 0x38, 0x80, 0x08}),
    instruction("INVVPID", undefined, {0x66, 0x0f, 0x38, 0x81, 0x08}),
    instruction("INVPCID", undefined | refused | ignored, {0x66, 0x0f, 0x38, 0x82, 0x08}),
    instruction("GETSEC", undefined | refused, {0x0f, 0x37}),
    instruction("RSM", undefined, {0x0f, 0xaa}),
    instruction("ENCLS", undefined, {0x0f, 0x01, 0xcf}),
    instruction("ENCLU", undefined, {0x0f, 0x01, 0xd7}),
    instruction("ENCLV", undefined, {0x0f, 0x01, 0xc0}),
    instruction("PCONFIG", undefined, {0x0f, 0x01, 0xc5}),
    instruction("TDCALL", undefined, {0x66, 0x0f, 0x01, 0xcc}),
    instruction("SEAMRET", undefined, {0x66, 0x0f, 0x01, 0xcd}),
    instruction("SEAMOPS", undefined, {0x66, 0x0f, 0x01, 0xce}),
    instruction("SEAMCALL", undefined, {0x66, 0x0f, 0x01, 0xcf}),
    instruction("PSMASH", undefined, {0xf3, 0x0f, 0x01, 0xff}),
    instruction("PVALIDATE", undefined, {0xf2, 0x0f, 0x01, 0xff}),
    instruction("RMPADJUST", undefined, {0xf3, 0x0f, 0x01, 0xfe}),
    instruction("INVLPGB", undefined, {0x0f, 0x01, 0xfe}),
    instruction("TLBSYNC", undefined, {0x0f, 0x01, 0xff}),
    instruction("RDPRU", undefined | refused, {0x0f, 0x01, 0xfd}),
    instruction("MCOMMIT", undefined, {0xf3, 0x0f, 0x01, 0xfa}),
    instruction("MONITOR", undefined | ignored, {0x0f, 0x01, 0xc8}),
    instruction("MWAIT", undefined | ignored, {0x0f, 0x01, 0xc9}),
    instruction("MONITORX", undefined | ignored, {0x0f, 0x01, 0xfa}),
    instruction("MWAITX", undefined | ignored, {0x0f, 0x01, 0xfb}),
    instruction("TPAUSE", undefined | refused, {0x66, 0x0f, 0xae, 0xf1}),
    instruction("UMWAIT", undefined | refused, {0xf2, 0x0f, 0xae, 0xf1}),
    instruction("ENQCMDS", undefined | refused, {0xf3, 0x0f, 0x38, 0xf8, 0x01}),
    instruction("XGETBV", undefined | refused | ignored, {0x0f, 0x01, 0xd0}),
    instruction("XSETBV", undefined | refused, {0x0f, 0x01, 0xd1}),
    instruction("RDPMC", undefined | refused, {0x0f, 0x33}),
    instruction("INVD", ignored, {0x0f, 0x08}),
    instruction("WBINVD", ignored, {0x0f, 0x09}),
    instruction("WBNOINVD", ignored, {0xf3, 0x0f, 0x09}),
    instruction("CLTS", ignored, {0x0f, 0x06}),
    instruction("MOV from CR1", undefined | refused, {0x0f, 0x20, 0xc8}),
    instruction("MOV to CR1", undefined | refused, {0x0f, 0x22, 0xc8}),
    instruction("MOV to CR5", undefined | refused, {0x0f, 0x22, 0xe8}),
    instruction("MOV to CR15", undefined | refused, {0x44, 0x0f, 0x22, 0xf8}),
    instruction("MOV to DR8", undefined | refused, {0x44, 0x0f, 0x23, 0xc0}),
    instruction("MOV to TR6", undefined, {0x0f, 0x26, 0xf0}),
    instruction("UD0", undefined, {0x0f, 0xff, 0xc0}),
    instruction("UD1", undefined, {0x0f, 0xb9, 0xc0}),
    instruction("UD2", undefined, {0x0f, 0x0b}),
});

} // namespace bulkhead::guest::attack
