// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A container image as a folder: an "image layout" of the OCI Image Format Specification 1.1, as `skopeo copy` and
// `docker buildx` write one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tools/root_tree.hpp"

namespace bulkhead::tools {

/// What a program is started with.
struct StartOfProgram {
    std::vector<std::string> arguments;   ///< the first is the program
    std::vector<std::string> environment; ///< NAME=VALUE
    std::string folder = "/";
    std::string user; ///< name or number, perhaps with ":" and that of a group; "": root
};

struct OciImage {
    RootTree root;
    StartOfProgram start;
};

/// The image for linux/amd64 in the layout, all layers on top of each other. Nothing in it is trusted: digests are
/// compared, and names stay inside. `tag`, unless empty: which one, where there are several (the annotation
/// org.opencontainers.image.ref.name). Throws Failure.
[[nodiscard]] OciImage read_oci_image(const std::filesystem::path& layout, std::string_view tag);

/// Adds a layer, a tar archive, perhaps compressed, with its whiteouts. `room`: bytes that it may still unpack to,
/// names included; less afterwards. Throws Failure. `what`: for messages.
void add_layer(RootTree& root, const std::filesystem::path& archive, const std::string& what, std::uint64_t& room);

} // namespace bulkhead::tools
