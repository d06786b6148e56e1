// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

/// A page of code in .rodata (core/parked.S): what a core runs that has no guest to run.
extern "C" const bulkhead::u8 parked_code[];
