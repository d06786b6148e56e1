// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Whether the guests' files are those that the configuration means.
#include "arch/x86_64/instructions.hpp"
#include "boot/loader.hpp"
#include "config/sha256.hpp"

namespace bulkhead::boot {

/// Says so where the file has another SHA-256 than its guest wants.
bool Loader::is_wanted_file(const GuestConfig& guest, const GuestFile& file) const {
    const Located<std::string_view>& wanted = file.digest;
    if (!wanted.given())
        return true;
    const Sha256::Digest digest = sha256(bytes_of(file.path.value));
    if (is_digest(wanted.value, digest))
        return true;
    Line<512> line;
    line << "guest " << guest.name.value << ": the " << file.name << ' ' << Quoted{file.path.value}
         << " has the SHA-256 " << digest << ", not " << wanted.value << " (line " << wanted.at.line << ')';
    firmware_.console.say(line.view());
    return false;
}

/// A file that is another costs the guests that want it their start, and no other guest.
void Loader::verify_files() {
    const u64 start = arch::read_tsc();
    for (u64 i = 0; i < loaded_.configuration.guests.size(); ++i)
        for_each_file(loaded_.configuration.guests[i], [&](const GuestFile& file) {
            if (!is_wanted_file(loaded_.configuration.guests[i], file))
                has_wrong_file_[i] = true;
        });
    times_.hashing = arch::read_tsc() - start;
}

} // namespace bulkhead::boot
