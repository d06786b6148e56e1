// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/journal.hpp"

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "core/journal.hpp"

using namespace bulkhead;

namespace {

constexpr std::size_t size = 8;
using Ring = std::array<JournalEntry, size>;
using Lines = std::vector<std::string>;

/// What the next boot finds in `ring`.
Lines found_in(std::span<const JournalEntry> ring) {
    std::vector<JournalEntry> entries(ring.size());
    const u64 count = boot::read_journal(ring, entries);
    REQUIRE(count <= ring.size());
    Lines lines;
    for (u64 i = 0; i < count; ++i)
        lines.emplace_back(entries[i].line());
    return lines;
}

void add(Ring& ring, const Lines& lines) {
    Journal journal;
    journal.attach(ring);
    for (const std::string& line : lines)
        journal.add(line);
}

Lines numbers(int first, int end) {
    Lines lines;
    for (int i = first; i < end; ++i)
        lines.push_back(std::to_string(i));
    return lines;
}

} // namespace

TEST_CASE("Journal: the next boot finds the lines in their order") {
    Ring ring{};
    CHECK(found_in(ring).empty());
    const Lines lines{"one", "", std::string(239, 'x')};
    add(ring, lines);
    CHECK(found_in(ring) == lines);
    CHECK(found_in(ring) == lines); // looking changes nothing
}

TEST_CASE("Journal: a line that is too long is cut") {
    Ring ring{};
    add(ring, {std::string(300, 'x')});
    CHECK(found_in(ring) == Lines{std::string(239, 'x')});
}

TEST_CASE("Journal: a line without a zero behind it ends with its entry") {
    Ring ring{};
    std::memset(ring[0].text, 'x', sizeof ring[0].text);
    ring[0].checksum = ring[0].right_checksum();
    CHECK(found_in(ring) == Lines{std::string(sizeof ring[0].text, 'x')});
}

TEST_CASE("Journal: the newest lines stay when it wraps") {
    for (int count = 1; count < 40; ++count) {
        Ring ring{};
        add(ring, numbers(0, count));
        CHECK(found_in(ring) == numbers(std::max(0, count - static_cast<int>(size)), count));
    }
}

TEST_CASE("Journal: each bit of an entry counts, and the others do not suffer") {
    Ring ring{};
    add(ring, numbers(0, 12));
    JournalEntry& torn = ring[9 % size];
    Lines rest = numbers(4, 12);
    std::erase(rest, "9");
    u8 bytes[sizeof torn];
    std::memcpy(bytes, &torn, sizeof torn);
    for (std::size_t bit = 0; bit < sizeof torn * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<u8>(1u << bit % 8);
        std::memcpy(&torn, bytes, sizeof torn);
        if (found_in(ring) != rest)
            FAIL("bit " << bit);
        bytes[bit / 8] ^= static_cast<u8>(1u << bit % 8);
    }
}

TEST_CASE("Journal: half of a newer entry in the place of an older one is neither") {
    Ring ring{};
    add(ring, numbers(0, 8));
    Ring later{};
    add(later, numbers(0, 9));
    std::memcpy(&ring[0], &later[0], sizeof(JournalEntry) / 2);
    std::memcpy(ring[0].text + 200, "old", 3);
    CHECK(found_in(ring) == numbers(1, 8));
}

TEST_CASE("Journal: an entry in another's place is none") {
    Ring ring{};
    add(ring, numbers(0, 3));
    ring[5] = ring[2];
    ring[2] = {};
    CHECK(found_in(ring) == Lines{"0", "1"});
}

TEST_CASE("Journal: what was never ours is nothing") {
    std::mt19937_64 random(20241105); // its sequence is part of the standard
    Ring ring{};
    for (int i = 0; i < 100; ++i) {
        for (std::size_t at = 0; at < sizeof ring; at += sizeof(u64)) {
            const u64 word = random();
            std::memcpy(reinterpret_cast<u8*>(&ring) + at, &word, sizeof word);
        }
        CHECK(found_in(ring).empty());
    }
    for (const int byte : {0x00, 0x55, 0xaa, 0xff}) {
        std::memset(&ring, byte, sizeof ring);
        CHECK(found_in(ring).empty());
    }
    add(ring, {"ours"}); // amid them
    CHECK(found_in(ring) == Lines{"ours"});
}

TEST_CASE("Journal: a new boot begins with an empty one") {
    Ring ring{};
    add(ring, numbers(0, 20));
    boot::clear_journal(ring);
    CHECK(found_in(ring).empty());
    add(ring, {"first"});
    CHECK(found_in(ring) == Lines{"first"});
}

TEST_CASE("Journal: without memory nothing is kept, and nothing is touched") {
    Journal none;
    none.add("lost");
    boot::clear_journal({});
    CHECK(found_in({}).empty());
}

TEST_CASE("Journal: several CPUs at a time") {
    static std::array<JournalEntry, 256> ring{};
    Journal journal;
    journal.attach(ring);
    std::vector<std::thread> cpus;
    for (int cpu = 0; cpu < 4; ++cpu)
        cpus.emplace_back([&, cpu] {
            for (int i = 0; i < 64; ++i)
                journal.add(std::to_string(cpu));
        });
    for (std::thread& cpu : cpus)
        cpu.join();
    std::array<int, 4> count{};
    for (const std::string& line : found_in(ring))
        ++count[static_cast<std::size_t>(line.at(0) - '0')];
    CHECK(count == std::array{64, 64, 64, 64});
}
