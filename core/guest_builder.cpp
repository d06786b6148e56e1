// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/guest_builder.hpp"

#include <algorithm>
#include <cstring>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "base/hash.hpp"
#include "core/clock.hpp"
#include "core/console.hpp"
#include "core/machine.hpp"

namespace bulkhead {

// By memset(), which is REP STOSQ: what the compiler makes of std::ranges::fill here is a loop over bytes. Says how
// far it is while that takes long: some seconds a GiB where the machine is emulated.
void clear_guest_memory(const Guest& guest) {
    constexpr u64 at_once = 16 * MiB;
    constexpr u64 milliseconds = 2000;
    u64 done = 0;
    u64 reported = arch::read_tsc();
    for (const auto& [start, size, usable] : guest.memory_map.ranges())
        for (u64 offset = 0; offset < size; offset += at_once) {
            const u64 part = std::min(size - offset, at_once);
            std::memset(guest.memory.ram(start + offset, part).data(), 0, part);
            done += part;
            serve_others(*guest.vcpus[0]);
            const u64 now = arch::read_tsc();
            if (now - reported < milliseconds * machine.boot.clocks.tsc_khz)
                continue;
            reported = now;
            Log() << "guest " << guest.name << ": " << done / MiB << " MiB zeroed";
        }
}

namespace {

std::span<const u8> pristine(const GuestSegment& segment) {
    return {reinterpret_cast<const u8*>(layout::pristine + segment.from.value), segment.size};
}

u64 pristine_hash(const Guest& guest) {
    Hash hash;
    for (const GuestSegment& segment : handed(guest.info->segments))
        hash.add_segment(segment.to.value, pristine(segment));
    return hash.value();
}

Result<void> copy_segments(const Guest& guest) {
    for (const GuestSegment& segment : handed(guest.info->segments)) {
        const std::span<u8> to = guest.memory.ram(segment.to, segment.size);
        if (to.empty())
            return fail("what the guest's memory is to hold lies outside of its RAM", segment.to.value);
        std::memcpy(to.data(), pristine(segment).data(), to.size());
    }
    return {};
}

} // namespace

Result<EntryState> build_guest_memory(const Guest& guest, BuildTimes& times) {
    const GuestInfo& info = *guest.info;
    if (info.refusal.count != 0)
        return fail(Literal::copied(handed(info.refusal).data()), info.refusal_value);
    // While booting the loader has just hashed it.
    if (const u64 hash = machine.go.load() ? pristine_hash(guest) : info.hash; hash != info.hash)
        return fail("what the guest starts from has changed in memory since the boot", hash);
    const u64 start = arch::read_tsc();
    clear_guest_memory(guest);
    const u64 zeroed = arch::read_tsc();
    const Result<void> copied = copy_segments(guest);
    times = {.zeroing = zeroed - start, .copying = arch::read_tsc() - zeroed};
    if (!copied)
        return std::unexpected(copied.error());
    return info.entry;
}

} // namespace bulkhead
