// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "mm/format_long_mode.hpp"

namespace bulkhead {

/// AMD's nested tables: every access through them is a user access (APM 2 15.25.5), and their cache bits select from
/// the hypervisor's PAT, not the guest's (APM 2 15.25.8).
using NptFormat = LongModeFormat<GuestPhysical, true, false>;

static_assert(NptFormat::leaf({0x40000000}, 2, {all_rights}) == 0x400000e7);
static_assert(NptFormat::leaf({0x1000}, 0, {read_write, MemoryKind::WriteCombining}) == 0x8000'0000'0000'106f);
static_assert(NptFormat::table({0x1000}, 3) == 0x1027);

} // namespace bulkhead
