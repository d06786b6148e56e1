// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a person sees on the screen of QEMU's machine, as text.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::integration {

/// Has the machine that runs in `folder` write what its screen shows to the file NAME.ppm there. Throws tools::Failure.
void photograph(const std::filesystem::path& folder, const std::string& name);

/// The lines of text on such a picture, of the hypervisor's font only, without blanks at their ends; what is no letter
/// of it is '\x7f'. Throws tools::Failure where there is no picture.
[[nodiscard]] std::vector<std::string> text_of(const std::filesystem::path& picture);

} // namespace bulkhead::integration
