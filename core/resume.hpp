// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// A core whose hypervisor code failed goes on in its run loop without its guest, on an empty stack. `index`: the
/// CPU's.
[[noreturn]] void resume_without_guest(u32 index);

/// An NMI came to the hypervisor itself, anywhere in it. In core/main.cpp, as only one vendor has to do something.
void nmi_outside_of_guest();

} // namespace bulkhead
