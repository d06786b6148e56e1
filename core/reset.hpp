// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

namespace bulkhead {

/// Resets the machine without the firmware's help, and without anything that a broken hypervisor might not have any
/// more. Memory keeps what it holds.
[[noreturn]] void reset_machine();

} // namespace bulkhead
