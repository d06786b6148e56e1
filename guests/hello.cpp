// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/guest.hpp"

// A guest starts at the 64-bit entry of the boot protocol, has a console and can turn itself off.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

void run() {
    print("hello from a guest, command line \"", command_line(), "\"");
    finish("powering off");
}

} // namespace bulkhead::guest
