// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What contradicts itself without any machine: `rest`, ranges of memory, digests of files that are not there.
#include "config/validate.hpp"

namespace bulkhead {
namespace {

/// One guest gets the rest, and says nothing else about what it gets.
void check_rest(std::span<const GuestConfig> earlier_guests, const GuestConfig& guest, Diagnostics& diagnostics) {
    if (!guest.rest.value)
        return;
    for (const GuestConfig& earlier : earlier_guests) {
        if (earlier.rest.value) {
            diagnostics.error(guest.rest.at, "only one guest can have the rest; the guest ",
                              Quoted{shown_name(earlier)}, " has it, in line ", earlier.rest.at.line);
            break;
        }
    }
    struct Other {
        std::string_view name;
        Position at;
    };
    for (const Other& other : {Other{"cpus", guest.cpus.at}, Other{"cpus-share-cache", guest.cpus_share_cache.at},
                               Other{"memory", guest.memory.at}})
        if (other.at.line != 0)
            diagnostics.error(other.at, Quoted{other.name}, " contradicts 'rest' in line ", guest.rest.at.line,
                              ": that guest gets every core and all memory that the others leave");
}

bool overlap(const PhysicalRange& a, const PhysicalRange& b) { return a.start < b.end() && b.start < a.end(); }

const Located<PhysicalRange>* find_overlap(std::span<const Located<PhysicalRange>> list, const PhysicalRange& range) {
    for (const Located<PhysicalRange>& other : list)
        if (overlap(other.value, range))
            return &other;
    return nullptr;
}

/// The `index`-th range of a guest's list: nobody listed any of it before.
void check_range(std::span<const GuestConfig> earlier_guests, const GuestConfig& guest, std::size_t index,
                 Diagnostics& diagnostics) {
    const Located<PhysicalRange>& range = guest.memory.ranges[index];
    if (const auto* first = find_overlap(guest.memory.ranges.first(index), range.value)) {
        diagnostics.error(range.at, "this range of memory overlaps the one in line ", first->at.line, ", column ",
                          first->at.column);
        return;
    }
    for (const GuestConfig& earlier : earlier_guests) {
        if (const auto* first = find_overlap(earlier.memory.ranges, range.value)) {
            diagnostics.error(range.at, "this range of memory overlaps one of the guest ", Quoted{shown_name(earlier)},
                              ", in line ", first->at.line);
            return;
        }
    }
}

void check_digests(const GuestConfig& guest, Diagnostics& diagnostics) {
    for_each_file(guest, [&](const GuestFile& file) {
        if (file.digest.given() && !file.path.given())
            diagnostics.error(file.digest.at, "there is no ", Quoted{file.name}, " whose SHA-256 this could be");
    });
    const auto digests = guest.modules_sha256;
    if (!digests.empty() && digests.size() != guest.modules.size())
        diagnostics.error(digests.front().at, "there are ", u64{guest.modules.size()}, " modules, and ",
                          u64{digests.size()}, " SHA-256 for them");
}

} // namespace

void validate_claims(const Configuration& configuration, Diagnostics& diagnostics) {
    const std::span<const GuestConfig> guests = configuration.guests.span();
    for (std::size_t i = 0; i < guests.size(); ++i) {
        check_rest(guests.first(i), guests[i], diagnostics);
        for (std::size_t j = 0; j < guests[i].memory.ranges.size(); ++j)
            check_range(guests.first(i), guests[i], j, diagnostics);
        check_digests(guests[i], diagnostics);
    }
}

} // namespace bulkhead
