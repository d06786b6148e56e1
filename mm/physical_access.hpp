// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <concepts>

#include "base/result.hpp"
#include "mm/address.hpp"

namespace bulkhead {

/// How code that works on tables in physical memory reaches it. Addresses are multiples of 8. write() is one 64-bit
/// store that becomes visible after all earlier ones: hardware may be walking the table at the same time.
template <class T>
concept PhysicalAccess = requires(T& access, HostPhysical address, u64 value) {
    { access.read(address) } -> std::same_as<u64>;
    access.write(address, value);
};

/// Where tables come from: one 4 KiB frame per call, with any contents.
template <class T>
concept FrameSource = requires(T& source) {
    { source.allocate() } -> std::same_as<Result<HostPhysical>>;
};

} // namespace bulkhead
