// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

extern "C" {
/// The hypervisor's ELF file, a part of this program: hypervisor_image.S.
extern const bulkhead::u8 hypervisor_elf[];
extern const bulkhead::u8 hypervisor_elf_end[];
}
