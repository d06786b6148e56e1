// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"

// Makes the hypervisor fail while it serves this guest: with `machine=1` so that it cannot go on. `debug-faults = true`
// is part of the test; without it the hypercall does not exist, and the guest passes.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

void run() {
    print("now");
    check_equal(hypercall(hypercall_fault, command_line_number("machine", 0)), not_implemented, "the hypercall");
}

} // namespace bulkhead::guest
