// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "mm/address.hpp"

namespace bulkhead {

/// A piece of a guest's RAM: `size` bytes at `guest` are backed by the frames at `host`. All three are multiples of
/// 2 MiB, so that every piece can be mapped with 2 MiB pages.
struct MemoryChunk {
    GuestPhysical guest;
    HostPhysical host;
    u64 size = 0;
};

} // namespace bulkhead
