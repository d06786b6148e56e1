// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a boot's recording is worth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "integration/boot.hpp"
#include "integration/recording.hpp"

namespace bulkhead::integration {

/// The cases of `boot` that hold on `machine`, end_case first.
[[nodiscard]] std::vector<std::string> case_names(const Boot& boot, tools::MachineKind machine);

/// What is wrong with the case of this name: sentences. Throws tools::Failure where the boot has no such case.
[[nodiscard]] std::vector<std::string> complaints(const Boot& boot, const Recording& recording, std::string_view name);

} // namespace bulkhead::integration
