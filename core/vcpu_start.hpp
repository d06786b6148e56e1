// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <type_traits>

#include "core/msr_emulation.hpp"

namespace bulkhead {

/// What a vCPU sees of its CPU when it starts, as the loader hands it over (boot/vcpus.hpp).
struct VcpuStart {
    GuestCpuid cpuid;
    MsrState msrs;
};
static_assert(std::is_trivially_copyable_v<VcpuStart>);

} // namespace bulkhead
