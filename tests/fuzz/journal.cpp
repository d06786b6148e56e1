// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any memory as what the boot before left in it: only whole entries in their order are shown, and a new boot's lines
// are found amid it.
#include "boot/journal.hpp"
#include "base/hash.hpp"
#include "core/journal.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

constexpr std::size_t size = 8;

/// A checksum that is right is seldom met by chance.
void mend(std::span<JournalEntry> ring, u8 which) {
    for (std::size_t i = 0; i < ring.size(); ++i)
        if ((which >> i & 1) != 0)
            ring[i].checksum = ring[i].right_checksum();
}

void check(std::span<const JournalEntry> ring) {
    std::vector<JournalEntry> lines(ring.size());
    const u64 count = boot::read_journal(ring, lines);
    fuzz::require(count <= ring.size(), "more lines than entries");
    for (u64 i = 0; i < count; ++i) {
        fuzz::require(lines[i].checksum == lines[i].right_checksum(), "a damaged line");
        fuzz::require(i == 0 || lines[i].sequence > lines[i - 1].sequence, "lines out of order");
        fuzz::require(lines[i].line().size() <= sizeof lines[i].text, "a line that is too long");
    }
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    const u8 whole = reader.take<u8>();
    std::array<JournalEntry, size> ring{};
    const Bytes garbage = reader.bytes(sizeof ring);
    std::memcpy(static_cast<void*>(&ring), garbage.data(), garbage.size());
    mend(ring, whole);
    check(ring);
    Journal journal;
    journal.attach(ring);
    journal.add(text_of(garbage).substr(0, 300));
    check(ring);
    boot::clear_journal(ring);
    std::vector<JournalEntry> lines(size);
    require(boot::read_journal(ring, lines) == 0, "what was cleared is there");
    journal.attach(ring);
    journal.add("ours");
    require(boot::read_journal(ring, lines) == 1 && lines[0].line() == "ours", "a line was lost");
}

std::vector<fuzz::Seed> fuzz::seeds() {
    std::array<JournalEntry, size> ring{};
    Journal journal;
    journal.attach(ring);
    std::vector<Seed> seeds;
    for (int i = 0; i < 12; ++i) {
        journal.add("line " + std::to_string(i));
        if (i % 5 == 1)
            seeds.push_back(Writer().number(0xff, 1).bytes({reinterpret_cast<const u8*>(&ring), sizeof ring}).seed());
    }
    return seeds;
}

} // namespace bulkhead
