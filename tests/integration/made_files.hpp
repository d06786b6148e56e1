// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Files of boots that the build does not make. Another boot may be reading one, so each appears whole.
#pragma once

#include "tools/image.hpp"

namespace bulkhead::integration {

/// The initrd that `bulkhead guest linux` packs out of the container image of oci_layout.sh.
[[nodiscard]] tools::ImageFile container_initrd();
void make_container_initrd();

/// The ELF file inside of trixie's stock kernel, which has a PVH note.
[[nodiscard]] tools::ImageFile debian_elf();
void make_debian_elf();

} // namespace bulkhead::integration
