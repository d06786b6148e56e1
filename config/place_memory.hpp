// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "config/placement.hpp"

namespace bulkhead {

/// Gives every guest its memory, in the order of the file. Parts that begin at a multiple of 1 GiB get frames that do
/// so too, as far as there are; everything else goes where it breaks up the fewest 1 GiB frames.
void place_memory(const Configuration& configuration, const Machine& machine, PlacementStorage& storage, Plan& plan,
                  Diagnostics& diagnostics);

} // namespace bulkhead
