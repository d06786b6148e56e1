// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// Why an access that the hypervisor makes in a guest's place cannot be made. All but `not_ram` are exceptions that
/// the guest's own CPU would have raised: inject them. `not_ram` is a page table or an operand outside of the guest's
/// RAM, which only a broken or hostile guest has: refuse the exit.
struct GuestFault {
    enum class Kind : u8 { page_fault, general_protection, stack_fault, not_ram };
    Kind kind;
    u32 error_code = 0; // of the exception; 0 where it has none
    u64 address = 0;    // page_fault: the linear address, for CR2; not_ram: the guest-physical one
};

} // namespace bulkhead
