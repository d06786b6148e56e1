// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// How a vCPU looks to its guest, where that differs from what the hardware has.
#pragma once

#include "core/backend.hpp"
#include "core/control_registers.hpp"
#include "core/cpu.hpp"
#include "core/instruction_decoder.hpp"
#include "core/instruction_fetch.hpp"

namespace bulkhead {

/// The control registers as the guest wrote them.
template <class B> GuestControls guest_controls(const B& backend, const VcpuState& state) {
    const ControlState real = backend.controls();
    return {.cr0 = real.cr0 | state.cr0_guest_bits,
            .cr3 = backend.cr3(),
            .cr4 = state.cr4_mce ? real.cr4 : real.cr4 & ~cr4::MCE,
            .efer = real.efer};
}

template <class B> CodeLocation code_location(const B& backend) {
    const CpuMode mode = backend.code_mode();
    return {.rip = backend.rip(), .cs_base = mode == CpuMode::bits64 ? 0 : backend.cs_base(), .mode = mode};
}

/// For an instruction with operands in memory. The segments are collected only where it depends on one.
template <class B> [[clang::minsize]] GuestView guest_view(const GuestMemory& memory, const B& backend, const Instruction& instruction) {
    GuestView view{.memory = memory, .paging = backend.paging(), .mode = backend.code_mode()};
    if (view.mode != CpuMode::bits64 || instruction.segment == SegmentName::FS ||
        instruction.segment == SegmentName::GS)
        view.segments = backend.segments();
    return view;
}

/// The instruction at RIP, whatever it is.
template <class B> [[clang::minsize]] Result<Instruction> fetch_and_decode(const GuestMemory& memory, const B& backend) {
    if (backend.is_common_code())
        if (const FetchedCode bytes = fetch_instruction_fast(memory, backend.cr3(), backend.rip()); bytes.size != 0)
            return decode(bytes.span(), CpuMode::bits64);
    const CodeLocation code = code_location(backend);
    const FetchedCode bytes = fetch_instruction(memory, backend.paging(), code);
    return decode(bytes.span(), code.mode);
}

} // namespace bulkhead
