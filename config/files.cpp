// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/files.hpp"

#include <algorithm>

namespace bulkhead {
namespace {

/// Bytes of the file; 0 where there is none or it was reported.
u64 check_file(std::string_view key, const Located<std::string_view>& path, Files& files, Diagnostics& diagnostics) {
    if (!path.given())
        return 0;
    const Result<u64> size = files.size(path.value);
    if (!size) {
        diagnostics.error(path.at, "the ", key, ' ', Quoted{path.value}, " cannot be read: ", size.error().what);
        return 0;
    }
    if (*size == 0)
        diagnostics.error(path.at, "the ", key, ' ', Quoted{path.value}, " is an empty file");
    return *size;
}

} // namespace

void check_files(const Configuration& configuration, Files& files, Diagnostics& diagnostics) {
    for (const GuestConfig& guest : configuration.guests) {
        u64 sum = 0;
        for_each_file(guest, [&](const GuestFile& file) {
            sum += std::min(check_file(file.name, file.path, files, diagnostics), max_guest_memory + 1);
        });
        const u64 memory = guest.memory.value; // 0: not known yet
        if (memory != 0 && sum > memory)
            diagnostics.error(guest.memory.at, "the guest's files have ", Size{sum}, "; ", Size{memory},
                              " of memory cannot hold them");
    }
}

} // namespace bulkhead
