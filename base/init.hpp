// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

/// A function of a source that outlives booting, but which only booting runs: its code is in .init, which no CPU has
/// mapped any more when it enters its first guest (linker.ld). Modules named *_boot are in it as a whole.
#define BULKHEAD_INIT [[gnu::section(".init.text")]]
