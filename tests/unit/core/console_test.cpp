// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/console.hpp"

#include <random>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "arch/x86_64/instructions.hpp"
#include "unit/core/machine_world.hpp"

using namespace bulkhead;
using test::World;

namespace {

constexpr u64 microsecond = 1000;              // ticks of the world's TSC
constexpr u64 fifo_takes = 1389 * microsecond; // 16 bytes at 115200 baud

/// A line that takes its time, beside guests that print while the service CPU is at work.
class Wire {
public:
    /// `step`: microseconds between two looks of the service CPU at the clock or a port. Few are a PC's, many an
    /// emulator's.
    Wire(World& world, u32 seed, u32 step) : world_(world), random_(seed), expected_(machine.guests.size()) {
        world.uart.transmits = false;
        arch::meanwhile = [this, step] {
            for (u32 i = 0; i < step; ++i)
                pass_microsecond();
        };
    }
    ~Wire() { arch::meanwhile = nullptr; }

    /// How much each guest may still print, in bytes, and how many of a million microseconds one of them does.
    void let_print(u32 bytes, u32 often) {
        left_ = bytes;
        often_ = often;
    }

    /// What a CPU that runs its guest sees of it: NMIs, of which the service CPU's are served.
    void run(u64 microseconds) {
        for (u64 i = 0; i < microseconds; ++i) {
            pass_microsecond();
            Vcpu& service = world_.core(machine.service_cpu);
            if (world_.uart.edges != edges_seen_ || service.requests.load() != 0 || world_.rings_now(service)) {
                edges_seen_ = world_.uart.edges;
                const u64 begin = arch::tsc;
                world_.serve(service);
                longest_visit = std::max(longest_visit, arch::tsc - begin);
            }
        }
    }

    /// The lines that guest `index` has printed so far are on the wire, each whole and under its name.
    [[nodiscard]] bool has_shown_all(u32 index) const {
        std::string lines;
        const std::string before = "[" + std::string(machine.guests[index].name) + "] ";
        const std::string& sent = world_.uart.sent;
        for (std::size_t at = 0, end; (end = sent.find("\r\n", at)) != std::string::npos; at = end + 2)
            if (sent.compare(at, before.size(), before) == 0)
                lines += sent.substr(at + before.size(), end - at - before.size()) + "\n";
        return lines == expected_[index].substr(0, expected_[index].rfind('\n') + 1);
    }

    u64 longest_visit = 0; ///< of the service CPU, ticks

private:
    void pass_microsecond() {
        arch::tsc += microsecond;
        if (world_.uart.in_fifo == 0)
            empty_at_ = arch::tsc + fifo_takes;
        else if (arch::tsc >= empty_at_)
            world_.uart.transmitted();
        if (left_ != 0 && random_() % 1'000'000 < often_)
            print();
    }

    /// A byte of one of them, as its UART's emulation does it (core/handlers.cpp).
    void print() {
        Guest& guest = machine.guests[random_() % machine.guests.size()];
        std::string& all = expected_[static_cast<std::size_t>(&guest - machine.guests.data())];
        // The last byte ends a line: what comes behind it would call the service CPU once more.
        const char c = --left_ == 0 || random_() % 20 == 0 ? '\n' : static_cast<char>('a' + random_() % 26);
        all += c;
        guest.output_writer.put(guest.output, {&c, 1});
        console::wake(guest);
    }

    World& world_;
    std::minstd_rand random_;
    std::vector<std::string> expected_; ///< by guest
    u64 empty_at_ = 0;
    u32 edges_seen_ = 0;
    u32 left_ = 0, often_ = 0;
};

} // namespace

TEST_CASE("Console: all that guests print comes out, however it falls into the service CPU's visits") {
    const u32 seed = GENERATE(range(0u, 48u));
    CAPTURE(seed);
    const bool has_interrupt = seed % 2 == 0, has_guest = seed % 4 < 2, has_hpet = seed % 8 < 6;
    const u32 step = std::array{1, 10, 60}[seed % 3];
    World world({1, 1, 1}, has_hpet, has_interrupt);
    if (has_guest) {
        machine.service_cpu = 0;
        world.start(0);
    }
    console::set_focus(3); // of which an unfinished line would be shown before its end
    Wire wire(world, seed, step);
    // From a byte now and then to more than the line takes, of which a ring holds what it does not take at once.
    for (const u32 often : {5000u, 20'000u, 200'000u})
        for (const u32 bytes : {5, 10, 15, 20, 25, 30, 35, 40, 300}) {
            wire.let_print(bytes, often);
            wire.run(u64{bytes} * (1'000'000 / often + 500) + 50'000);
            for (u32 i = 0; i < 3; ++i)
                CHECK(wire.has_shown_all(i));
        }
    // A millisecond, and what is begun in it: a FIFO's bytes, and its registers.
    CHECK(wire.longest_visit < (1000 + 24 * step) * microsecond);
}

TEST_CASE("Console: what is typed goes to who is in focus, and what was lost on the way is said") {
    World world({1, 1});
    world.start(0);
    world.start(1);
    const std::string escape(1, ConsoleMux::escape);
    const auto type = [&](const std::string& text) {
        for (const char c : text)
            world.uart.receive(c);
        world.serve(world.core(machine.service_cpu));
        world.settle();
    };
    type("first");
    CHECK(world.typed == "first");
    type(escape + "2");
    CHECK(world.said("typing goes to guest b"));
    type("behind");
    CHECK(world.typed == "firstbehind");
    type("more than a FIFO holds");
    CHECK(world.said("typed bytes were lost"));
    type(escape + "mlist\r");
    CHECK(world.said("guest b: running"));
    type(escape + "s");
    CHECK(world.said("memory in use"));
    type(escape + "?");
    CHECK(world.said("Ctrl-] then 1 to 9"));
}
