// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "mm/format_long_mode.hpp"

namespace bulkhead {

/// The hypervisor's own tables: supervisor pages, canonical addresses. SDM 3A 4.5, APM 2 5.3
using HostFormat = LongModeFormat<HostVirtual, false, true>;

static_assert(HostFormat::leaf({0x1000}, 0, {read_only}) == 0x8000'0000'0000'1021);
static_assert(HostFormat::leaf({0x200000}, 1, {read_execute}) == 0x2000a1);
static_assert(HostFormat::leaf({0x1000}, 0, {read_write, MemoryKind::Uncached}) == 0x8000'0000'0000'107b);
static_assert(HostFormat::table({0x1000}, 1) == 0x1023);

} // namespace bulkhead
