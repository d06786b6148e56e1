// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/identity_map.hpp"

#include <algorithm>

namespace bulkhead::boot {

bool IdentityMap::covers(HostPhysical address, u64 size) const {
    constexpr u64 lower_half = u64{1} << 47;
    if (address.value == 0 || address.value >= lower_half || size > lower_half - address.value)
        return false;
    DirectAccess access;
    NoFrames frames;
    const HostPhysical root{HostFormat::Frame::mask & arch::read_cr3()};
    const PageTable<HostFormat, DirectAccess, NoFrames> table(access, frames, root, {});
    for (u64 done = 0; done < size;) {
        const u64 here = address.value + done;
        const auto mapping = table.lookup({here});
        if (!mapping || mapping->physical.value != here)
            return false;
        done += mapping->size - here % mapping->size;
    }
    return true;
}

} // namespace bulkhead::boot
