// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "config/diagnostics.hpp"
#include "config/files.hpp"
#include "tools/image.hpp"
#include "tools/machine.hpp"

namespace bulkhead::tools {

/// A configuration as the host command needs it. It is read by the loader's own code (config/).
struct CheckedConfiguration {
    std::filesystem::path path;
    std::vector<std::string> errors; ///< "file:line:column: error: sentence", in the order of the file
    u64 errors_lost = 0;             ///< for which there was no room: the last of `errors` counts them
    std::vector<std::string> guests; ///< their names
    std::vector<ImageFile> files;    ///< what the guests need
    unsigned cpus = 0;               ///< how many the machine must have
    u64 memory = 0;                  ///< bytes of all guests
    bool reboots = false;            ///< it may want the machine to reset
    bool takes_inventory = false;    ///< and starts no guest
    std::vector<GuestPort> ports{};  ///< of the guests that have one of their own
};

/// The files of a folder of the host.
class FolderFiles final : public Files {
public:
    explicit FolderFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
    [[nodiscard]] Result<u64> size(std::string_view path) override;

private:
    std::filesystem::path folder_;
};

/// Throws Failure if it cannot be read.
[[nodiscard]] std::string read_configuration_text(const std::filesystem::path& path);

/// As CheckedConfiguration has them.
[[nodiscard]] std::vector<std::string> errors_of(const std::filesystem::path& path, const Diagnostics& diagnostics);

/// What the hypervisor would find when it starts the guest, with so many bytes of memory; 0: how many is not known yet.
void check_kernel(const GuestConfig& guest, u64 memory, const std::filesystem::path& folder, Diagnostics& diagnostics);

/// Throws Failure if the file itself cannot be read.
[[nodiscard]] CheckedConfiguration read_configuration(const std::filesystem::path& path);

/// As read_configuration(), but throws Failure with all errors where there are any.
[[nodiscard]] CheckedConfiguration require_configuration(const std::filesystem::path& path);

/// `configuration`, its files and the product.
/// \param addition as firmware_addition() says; none for a real machine
[[nodiscard]] ImageContents contents_of_volume(const CheckedConfiguration& configuration,
                                               const std::optional<std::filesystem::path>& addition);

/// Writes that as a disk image.
void write_image(const std::filesystem::path& image, const CheckedConfiguration& configuration,
                 const std::optional<std::filesystem::path>& addition);

/// A machine that is large enough for `configuration`, with a CPU and memory to spare for the hypervisor and the
/// firmware.
[[nodiscard]] MachineOptions fitting_machine(const CheckedConfiguration& configuration);

} // namespace bulkhead::tools
