// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "base/spinlock.hpp"

#include <thread>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

TEST_CASE("Spinlock: held by who took it, and by nobody else") {
    Spinlock lock;
    CHECK_FALSE(lock.is_held_by(1));
    {
        const LockGuard guard(lock, 1);
        CHECK(lock.is_held_by(1));
        CHECK_FALSE(lock.is_held_by(2));
    }
    CHECK_FALSE(lock.is_held_by(1));
}

TEST_CASE("Spinlock: who holds it can give it up, and nobody else; then others have it") {
    Spinlock lock;
    lock.lock(1);
    CHECK_FALSE(lock.give_up(2));
    CHECK(lock.is_held_by(1));
    CHECK(lock.give_up(1));
    CHECK_FALSE(lock.give_up(1));
    const LockGuard guard(lock, 2);
    CHECK(lock.is_held_by(2));
}

TEST_CASE("Spinlock: one at a time, and the owner is the one inside") {
    constexpr u32 rounds = 20'000;
    Spinlock lock;
    u64 shared = 0;
    bool right = true;
    const auto work = [&](u64 owner) {
        for (u32 i = 0; i < rounds; ++i) {
            const LockGuard guard(lock, owner);
            right = right && lock.is_held_by(owner);
            shared = shared + 1;
        }
    };
    std::thread other(work, 2);
    work(1);
    other.join();
    CHECK(right);
    CHECK(shared == 2 * rounds);
}
