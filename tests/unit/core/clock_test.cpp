// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/clock.hpp"

#include <csetjmp>

#include <catch2/catch_test_macros.hpp>

#include "arch/x86_64/hardware.hpp"
#include "devices/watchdog.hpp"
#include "unit/core/machine_world.hpp"

using namespace bulkhead;
using test::World;

namespace {

constexpr u16 watchdog_control = platform::watchdog_port + 8;

} // namespace

TEST_CASE("Clock: it rings for the first that waits, on its first core or, where that cannot be, on the service CPU") {
    World world({1, 1, 1});
    for (u32 i = 0; i < 3; ++i)
        world.start(i);
    const auto set = [&](u32 index, u32 milliseconds) {
        write_watchdog(world.guest(index), platform::watchdog_port, milliseconds);
        write_watchdog(world.guest(index), watchdog_control, Watchdog::RUN);
    };
    CHECK(world.masked);
    set(0, 3000);
    CHECK(world.routed_to == world.core(0).apic_id);
    set(1, 1000);
    CHECK(world.routed_to == world.core(1).apic_id);
    set(2, 2000);
    CHECK(world.routed_to == world.core(1).apic_id);
    SECTION("each in its turn") {
        world.pass(1001);
        CHECK(world.state(1) == "failed");
        CHECK(world.state(2) == "running");
        CHECK(world.routed_to == world.core(2).apic_id);
        world.pass(1001);
        CHECK(world.state(2) == "failed");
        world.pass(1001);
        CHECK(world.state(0) == "failed");
        CHECK(world.served == std::vector<u32>{1, 2, 0});
        CHECK(world.masked);
    }
    SECTION("a core that an I/O APIC does not reach, and one that is gone") {
        world.core(0).apic_id = 255;
        world.core(2).present.store(false);
        world.pass(1001);
        CHECK(world.routed_to == world.core(3).apic_id);
        world.pass(2001);
        CHECK(world.served == std::vector<u32>{1, 3, 3});
        CHECK(world.state(0) == "failed");
    }
    SECTION("who changes a later one does not set it again") {
        const u32 armed = world.armed;
        for (u32 i = 0; i < 100; ++i) {
            write_watchdog(world.guest(0), watchdog_control, 0);
            write_watchdog(world.guest(0), watchdog_control, Watchdog::RUN);
        }
        CHECK(world.armed == armed);
        CHECK(world.wrong_clock().empty());
    }
    SECTION("a long time is done in steps") {
        set(1, 20'000);
        set(2, 20'000);
        world.pass(3001);
        world.pass(16'990);
        CHECK(world.state(1) == "running");
        world.pass(20);
        CHECK(world.state(1) == "failed");
        CHECK(world.served.size() > 5);
    }
}

TEST_CASE("Clock: the service CPU comes back to what it has to serve, when its guest has had as long") {
    World world({1, 1});
    for (u32 i = 0; i < 2; ++i)
        world.start(i);
    SECTION("no guest has it") {
        serve_again(arch::tsc);
        CHECK((world.core(2).requests.load() & request_serve) != 0);
        CHECK(world.masked);
    }
    SECTION("a guest has it") {
        machine.service_cpu = 0;
        serve_again(arch::tsc - 5'000'000);
        CHECK(world.core(0).requests.load() == 0);
        world.pass(5);
        CHECK(world.served.empty());
        world.pass(2);
        CHECK(world.served == std::vector<u32>{0});
        CHECK(world.masked);
    }
    SECTION("others' timeouts come meanwhile") {
        machine.service_cpu = 0;
        write_watchdog(world.guest(1), platform::watchdog_port, 10);
        write_watchdog(world.guest(1), watchdog_control, Watchdog::RUN);
        serve_again(arch::tsc - 20'000'000);
        world.pass(15);
        CHECK(world.state(1) == "failed");
        world.pass(10);
        CHECK(world.served == std::vector<u32>{1, 0});
    }
}

TEST_CASE("Clock: without one who waits for it is served at once") {
    World world({1}, false);
    CHECK(world.said("timeouts do not work"));
    CHECK_FALSE(rearm_clock());
    world.start(0);
    machine.service_cpu = 0;
    serve_again(arch::tsc);
    CHECK((world.core(0).requests.load() & request_serve) != 0);
}

TEST_CASE("Clock: who fails while it is armed gives it up, and then it is armed anew") {
    World world({1});
    world.start(0);
    write_watchdog(world.guest(0), platform::watchdog_port, 100);
    CHECK_FALSE(give_up_clock_lock());
    static std::jmp_buf fault; // what an exception of the CPU does: nothing is unwound
    const auto write = arch::DeviceRegisters::on_write;
    if (setjmp(fault) == 0) {
        arch::DeviceRegisters::on_write = [](u32, u32) { std::longjmp(fault, 1); };
        const LockGuard lock(world.guest(0).life_lock, lock_owner());
        world.guest(0).deadline.store(arch::tsc + 100'000'000);
        rearm_clock();
    }
    arch::DeviceRegisters::on_write = write;
    CHECK(world.guest(0).life_lock.give_up(lock_owner()));
    CHECK(give_up_clock_lock());
    CHECK(rearm_clock());
    CHECK(world.wrong_clock() == "");
    world.pass(101);
    CHECK(world.state(0) == "failed");
}
