// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/result.hpp"

namespace bulkhead {

/// Which CPU drains the consoles: the one that the configuration names, else one that no guest owns, else the first
/// guest's first. Guests that share the machine fully lose a little of that core.
u32 choose_service_cpu();

/// On the service CPU, once all is built: from here on the console is served by interrupts.
void start_service();

} // namespace bulkhead
