// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/power.hpp"

#include "guests/lib/guest.hpp"

// A guest can reset itself through the FADT's reset register. What follows shows in the hypervisor's record.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

void run() {
    print("PASS ", name, ": about to reset");
    reset();
}

} // namespace bulkhead::guest
