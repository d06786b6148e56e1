// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/console_mux.hpp"

namespace bulkhead::monitor {

/// A person's view of the hypervisor, on its console, beside those of the guests: commands, a line each. All on the
/// service CPU. docs/life-cycle.md shows one at work.

/// The console's source that is typed into when the monitor is meant.
ConsoleSource source();

/// A byte was typed there.
void type(u8 byte);

/// State, restarts and counters of every guest, as lines of the log.
void print_statistics();

} // namespace bulkhead::monitor
