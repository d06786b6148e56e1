// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/life_cycle.hpp"

#include <algorithm>
#include <random>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "devices/watchdog.hpp"
#include "unit/core/machine_world.hpp"

using namespace bulkhead;
using test::World;

namespace {

constexpr u16 watchdog_control = platform::watchdog_port + 8;

} // namespace

TEST_CASE("Life: a guest is off when its last vCPU has left it") {
    World world({3});
    world.start(0);
    CHECK(world.state(0) == "running");
    world.stop(world.core(1), StopReason::PowerOff);
    CHECK(world.state(0) == "running");
    CHECK_FALSE(world.said("is off"));
    world.settle();
    CHECK(world.state(0) == "stopped");
    CHECK(world.said("guest a is off: powered off"));
    CHECK(world.all_off);
    for (u32 i = 0; i < 3; ++i)
        CHECK(world.core(i).activity.load() == Activity::Off);
}

TEST_CASE("Life: the first reason counts") {
    World world({2});
    world.info(0).restart_on_reboot = 0;
    world.start(0);
    begin_stop(world.guest(0), StopReason::Reset, nullptr);
    world.stop(world.core(1), StopReason::Failed);
    world.settle();
    CHECK(world.state(0) == "stopped");
    CHECK(world.said("guest a is off: reset"));
}

TEST_CASE("Life: what is set for a crash and a reboot follows it") {
    World world({1});
    SECTION("neither") {
        world.info(0).restart_on_reboot = 0;
        world.start(0);
        world.stop(world.core(0), GENERATE(StopReason::Reset, StopReason::Failed));
        world.settle();
        CHECK(world.guest(0).lives.load() == 1);
        CHECK(world.all_off);
    }
    SECTION("a reboot") {
        world.start(0);
        world.stop(world.core(0), StopReason::Reset);
        world.settle();
        CHECK(world.guest(0).lives.load() == 2);
        CHECK(world.state(0) == "running");
        world.stop(world.core(0), StopReason::Failed);
        world.settle();
        CHECK(world.state(0) == "failed");
    }
    SECTION("crashes, later and later, and not without end") {
        world.info(0).restart_on_crash = 1;
        world.info(0).restart_delay = 100;
        world.info(0).restart_limit = 3;
        world.start(0);
        for (const u64 delay : {0u, 100u, 200u}) {
            const u32 lives = world.guest(0).lives.load();
            world.stop(world.core(0), StopReason::Failed);
            world.settle();
            if (delay != 0) {
                CHECK(world.state(0) == "failed, restarts soon");
                CHECK(world.wrong_clock().empty());
                world.pass(delay - 2);
                CHECK(world.guest(0).lives.load() == lives);
                world.pass(3);
            }
            CHECK(world.guest(0).lives.load() == lives + 1);
            CHECK(world.state(0) == "running");
        }
        world.stop(world.core(0), StopReason::Failed);
        world.settle();
        CHECK(world.said("guest a stays off: it was restarted 3 times in a row"));
        CHECK(world.all_off);
    }
    SECTION("a long life begins anew") {
        world.info(0).restart_on_crash = 1;
        world.info(0).restart_limit = 1;
        world.start(0);
        for (u32 i = 0; i < 5; ++i) {
            world.pass(60'001);
            world.stop(world.core(0), StopReason::Failed);
            world.settle();
        }
        CHECK(world.guest(0).lives.load() == 6);
    }
    SECTION("what cannot be started is not tried again") {
        world.info(0).restart_on_crash = 1;
        world.refuses_memory = true;
        REQUIRE(perform(world.guest(0), GuestOperation::Start).empty());
        world.settle();
        CHECK(world.state(0) == "failed");
        CHECK(world.guest(0).lives.load() == 1);
        CHECK(world.said("guest a not started: it is none"));
    }
}

TEST_CASE("Life: a watchdog that is not fed") {
    World world({2});
    Guest& guest = world.guest(0);
    world.start(0);
    write_watchdog(guest, platform::watchdog_port, 1000);
    CHECK(guest.deadline.load() == 0);
    write_watchdog(guest, watchdog_control, Watchdog::RUN);
    SECTION("ends its guest, on the core that the clock rings for") {
        CHECK(world.wrong_clock().empty());
        world.pass(998);
        CHECK(world.state(0) == "running");
        CHECK(read_watchdog(guest, platform::watchdog_port + 4) <= 2);
        world.pass(3);
        CHECK(world.state(0) == "failed");
        CHECK(world.said("guest a is off: failed: its watchdog was not fed"));
        CHECK(guest.last_failure.what == "its watchdog was not fed");
        CHECK(world.served.back() == 0);
        world.start(0);
        CHECK((read_watchdog(guest, watchdog_control) & Watchdog::EXPIRED) != 0);
    }
    SECTION("and one that is") {
        for (u32 i = 0; i < 10; ++i) {
            world.pass(600);
            write_watchdog(guest, watchdog_control, Watchdog::RUN);
        }
        CHECK(world.state(0) == "running");
        write_watchdog(guest, watchdog_control, 0);
        CHECK(guest.deadline.load() == 0);
        world.pass(10'000);
        CHECK(world.state(0) == "running");
    }
    SECTION("waits while the guest is paused") {
        world.pass(700);
        REQUIRE(perform(guest, GuestOperation::Pause).empty());
        CHECK(world.state(0) == "paused");
        world.pass(60'000);
        CHECK(world.state(0) == "paused");
        REQUIRE(perform(guest, GuestOperation::Resume).empty());
        world.pass(250);
        CHECK(world.state(0) == "running");
        world.pass(100);
        CHECK(world.state(0) == "failed");
    }
    SECTION("stays off over a pause") {
        write_watchdog(guest, watchdog_control, 0);
        REQUIRE(perform(guest, GuestOperation::Pause).empty());
        REQUIRE(perform(guest, GuestOperation::Resume).empty());
        CHECK(guest.deadline.load() == 0);
        world.pass(10'000);
        CHECK(world.state(0) == "running");
    }
    SECTION("is fed by a vCPU that has not heard of the pause yet") {
        world.pass(700);
        REQUIRE(perform(guest, GuestOperation::Pause).empty());
        write_watchdog(guest, watchdog_control, Watchdog::RUN);
        REQUIRE(perform(guest, GuestOperation::Resume).empty());
        world.pass(900);
        CHECK(world.state(0) == "running");
        world.pass(200);
        CHECK(world.state(0) == "failed");
    }
    SECTION("does not ring for a guest that ends") {
        begin_stop(guest, StopReason::PowerOff, nullptr);
        write_watchdog(guest, watchdog_control, Watchdog::RUN);
        world.pass(2000);
        CHECK(world.said("guest a is off: powered off"));
        CHECK(guest.deadline.load() == 0);
        CHECK(world.masked);
    }
}

TEST_CASE("Life: a watchdog that runs from the start, by whom the configuration says so") {
    World world({1});
    world.info(0).watchdog = 2;
    world.start(0);
    world.pass(1990);
    CHECK(world.state(0) == "running");
    world.pass(20);
    CHECK(world.state(0) == "failed");
}

TEST_CASE("Life: what a person asks, and why not") {
    using enum GuestOperation;
    constexpr GuestOperation all[]{Start, Pause, Resume, Shutdown, Stop, Restart, Destroy};
    World world({2});
    Guest& guest = world.guest(0);
    const auto answers = [&](const std::vector<GuestOperation>& allowed, const std::string& otherwise) {
        for (const GuestOperation each : all)
            if (std::ranges::find(allowed, each) == std::end(allowed))
                CHECK(perform(guest, each) == otherwise);
    };
    answers({Start, Stop, Restart, Destroy}, "it is off");
    world.start(0);
    answers({Pause, Shutdown, Stop, Restart, Destroy}, "it runs");
    CHECK(perform(guest, Shutdown).empty());
    CHECK(world.pressed == 1);
    REQUIRE(perform(guest, Pause).empty());
    CHECK((world.core(0).requests.load() & world.core(1).requests.load() & request_pause) != 0);
    answers({Resume, Stop, Restart, Destroy}, "it is paused");
    REQUIRE(perform(guest, Stop).empty());
    answers({}, "it is being stopped");
    world.settle();
    CHECK(world.state(0) == "stopped");

    world.start(0);
    REQUIRE(perform(guest, Restart).empty());
    world.settle();
    CHECK(world.guest(0).lives.load() == 3);
    CHECK(world.said("guest a is off: stopped, to be restarted"));

    world.stop(world.core(0), StopReason::PowerOff);
    world.settle();
    world.core(0).present.store(false);
    answers({}, "its first CPU is not there");
}

TEST_CASE("Life: what is destroyed is cleared, once it has ended, and only then is all off") {
    World world({2});
    world.start(0);
    REQUIRE(perform(world.guest(0), GuestOperation::Destroy).empty());
    CHECK(world.cleared == 0);
    world.settle();
    CHECK(world.cleared == 1);
    CHECK(world.state(0) == "loaded");
    CHECK(world.all_off);
    world.start(0);
    CHECK(world.state(0) == "running");
    world.stop(world.core(0), StopReason::PowerOff);
    world.settle();
    REQUIRE(perform(world.guest(0), GuestOperation::Destroy).empty());
    CHECK_FALSE(all_guests_off());
    world.settle();
    CHECK(world.cleared == 2);
    CHECK(all_guests_off());
}

TEST_CASE("Life: requests of an old life are not for the next") {
    World world({2});
    world.start(0);
    world.stop(world.core(0), StopReason::Reset);
    kick(world.core(1), request_nmi);
    world.settle(); // the other leaves, and both are in the next life
    CHECK(world.guest(0).lives.load() == 2);
    CHECK(world.guest(0).running_vcpus.load() == 2);
    CHECK(world.core(1).activity.load() == Activity::WaitForSipi);
    CHECK(world.core(1).requests.load() == 0);
}

TEST_CASE("Life: a core that is gone takes no part") {
    World world({2, 1});
    world.core(1).present.store(false);
    world.start(0);
    CHECK(world.guest(0).running_vcpus.load() == 1);
    world.stop(world.core(0), StopReason::PowerOff);
    world.settle();
    CHECK(world.state(0) == "stopped");
}

TEST_CASE("Life: anything in any order, and nobody waits in vain") {
    const u32 seed = GENERATE(range(1u, 9u));
    std::mt19937 random(seed);
    const auto pick = [&](u32 below) { return static_cast<u32>(random() % below); };
    World world({1, 2, 3});
    for (u32 i = 0; i < 3; ++i) {
        world.info(i).restart_on_crash = pick(2);
        world.info(i).restart_on_reboot = pick(2);
        world.info(i).restart_delay = pick(3) * 50;
        world.info(i).restart_limit = pick(4);
        world.info(i).watchdog = pick(2);
    }
    for (u32 step = 0; step < 3000; ++step) {
        const u32 index = pick(3);
        Guest& guest = world.guest(index);
        Vcpu& vcpu = *guest.vcpus[pick(static_cast<u32>(guest.vcpus.size()))];
        const bool runs = vcpu.activity.load() == Activity::Active;
        switch (pick(7)) {
        case 0:
        case 1:
            static_cast<void>(perform(guest, static_cast<GuestOperation>(pick(7))));
            break;
        case 2:
            if (runs)
                world.stop(vcpu, std::array{StopReason::PowerOff, StopReason::Reset, StopReason::Failed}[pick(3)]);
            break;
        case 3:
            if (runs)
                write_watchdog(guest, static_cast<u16>(platform::watchdog_port + 4 * pick(3)), pick(200));
            break;
        case 4:
            world.settle();
            break;
        case 5:
            if (vcpu.activity.load() == Activity::WaitForSipi && vcpu.id != 0)
                vcpu.activity.store(Activity::Active);
            break;
        case 6:
            world.pass(pick(120));
            break;
        }
        INFO("seed " << seed << ", step " << step);
        REQUIRE(world.wrong_clock() == "");
        for (u32 i = 0; i < 3; ++i) {
            u32 active = 0;
            for (const Vcpu* each : world.guest(i).vcpus)
                active += each->activity.load() != Activity::Off ? 1 : 0;
            REQUIRE(world.guest(i).running_vcpus.load() == active);
            const LockGuard lock(world.guest(i).life_lock, lock_owner());
            REQUIRE(is_alive(world.guest(i)) == (active != 0));
        }
    }
    for (u32 i = 0; i < 3; ++i)
        static_cast<void>(perform(world.guest(i), GuestOperation::Stop));
    world.pass(1000);
    for (u32 i = 0; i < 3; ++i)
        static_cast<void>(perform(world.guest(i), GuestOperation::Stop)); // those that were to restart
    world.pass(70'000);
    CHECK(all_guests_off());
    CHECK(world.masked);
}

TEST_CASE("Life cycle: a guest whose first core is gone has failed, whatever was asked for") {
    World world({1, 1});
    SECTION("a restart") {
        world.start(0);
        REQUIRE(perform(world.guest(0), GuestOperation::Restart).empty());
    }
    SECTION("its destruction") {
        world.start(0);
        REQUIRE(perform(world.guest(0), GuestOperation::Destroy).empty());
    }
    SECTION("a restart that waits") {
        world.info(0).restart_on_crash = 1;
        world.info(0).restart_delay = 100;
        world.start(0);
        for (int i = 0; i < 2; ++i) {
            world.stop(world.core(0), StopReason::Failed);
            world.settle();
        }
        REQUIRE(world.state(0) == "failed, restarts soon");
    }
    world.core(0).present.store(false); // as after a failure of the hypervisor on it
    if (world.core(0).activity.load() != Activity::Off)
        world.stop(world.core(0), StopReason::Failed);
    rearm_clock();
    world.pass(200);
    CHECK(world.state(0) == "failed");
    CHECK(all_guests_off());
}
