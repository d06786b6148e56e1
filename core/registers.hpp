// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstddef>

#include "base/types.hpp"

namespace bulkhead {

/// A guest's general registers while its vCPU is stopped by an exit, indexed by the manual's register numbers
/// (SDM 2A table 2-4): instruction decoding and both backends' exit information use the same numbers.
/// The entry code of the backends stores by offset: 8 * number. Registers that hardware keeps elsewhere (RSP and, on
/// AMD, RAX) are copied in and out by the backend; handlers see one complete file.
struct Registers {
    static constexpr std::size_t count = 16;
    u64 gpr[count]{};

    constexpr auto& rax(this auto& self) { return self.gpr[0]; }
    constexpr auto& rcx(this auto& self) { return self.gpr[1]; }
    constexpr auto& rdx(this auto& self) { return self.gpr[2]; }
    constexpr auto& rbx(this auto& self) { return self.gpr[3]; }
    constexpr auto& rsp(this auto& self) { return self.gpr[4]; }
    constexpr auto& rbp(this auto& self) { return self.gpr[5]; }
    constexpr auto& rsi(this auto& self) { return self.gpr[6]; }
    constexpr auto& rdi(this auto& self) { return self.gpr[7]; }

    /// The register pair that RDMSR, WRMSR, RDTSC and XSETBV use: EDX is the high half.
    [[nodiscard]] constexpr u64 edx_eax() const { return gpr[2] << 32 | (gpr[0] & 0xffff'ffff); }
    constexpr void set_edx_eax(u64 value) {
        gpr[0] = value & 0xffff'ffff;
        gpr[2] = value >> 32;
    }
};

static_assert(offsetof(Registers, gpr) == 0 && sizeof(Registers) == 16 * 8);

} // namespace bulkhead
