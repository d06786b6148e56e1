// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// What a guest's kernel is, in the order of the configuration's words (config/schema.hpp). Auto: what its file says.
enum class KernelFormat : u8 { Auto, BzImage, Pvh, Multiboot, Flat };

/// The files that are loaded with a kernel, an initrd among them.
inline constexpr u32 max_loaded_files = 17;

} // namespace bulkhead
