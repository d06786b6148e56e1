// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "config/placement.hpp"

namespace bulkhead {

/// Gives every guest its CPUs and chooses the service CPU. Guests with a list come first; then those with a number of
/// CPUs, in the order of the file, get whole cores: no other guest ever runs on a sibling thread. The cores of CPU 0
/// and of `service-cpu` are given away only where the others do not suffice.
void place_cpus(const Configuration& configuration, const Machine& machine, PlacementStorage& storage, Plan& plan,
                Diagnostics& diagnostics);

} // namespace bulkhead
