// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

namespace bulkhead::guest {

/// Turns the machine off through the FADT's sleep control register, or the PM1a one on a bare machine that has those.
[[noreturn]] void power_off();

/// Resets the machine through the FADT's reset register.
[[noreturn]] void reset();

} // namespace bulkhead::guest
