// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "integration/boot.hpp"

namespace bulkhead::integration {

/// What a boot left for its cases.
struct Recording {
    std::filesystem::path serial_log;
    std::map<std::string, std::vector<std::string>> lines; ///< of each console, as in Case
    std::string end;                                       ///< tools::describe() of the run's end
    unsigned typed = 0;                                    ///< how many of Boot::typing came to be typed
    bool wrote_disk = false;                               ///< the disk is not what it was before; on QEMU
};

/// build/integration/MACHINE/NAME
[[nodiscard]] std::filesystem::path recording_folder(const Boot& boot, tools::MachineKind machine);

/// Runs `boot` on `machine` and records it in recording_folder(). Throws tools::Failure if the machine
/// cannot be started.
void record(const Boot& boot, tools::MachineKind machine);

/// Throws tools::Failure where there is no recording.
[[nodiscard]] Recording read_recording(const Boot& boot, tools::MachineKind machine);

/// The case that every boot has: it came to its end in the way it should, all was typed, and the disk is
/// as it was.
inline constexpr std::string_view end_case = "ends as it should";

/// What is wrong with how the run ended: a sentence, or "".
[[nodiscard]] std::string judge_end(const Boot& boot, const Recording& recording);

} // namespace bulkhead::integration
