// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <atomic>

#include "base/types.hpp"

namespace bulkhead {

// Clang's thread-safety annotations: -Wthread-safety proves that guarded data is touched under its lock only.
#define BULKHEAD_GUARDED_BY(lock) __attribute__((guarded_by(lock)))
#define BULKHEAD_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))

/// A ticket lock: first come, first served, so no CPU starves. For short sections that call nothing that waits.
class __attribute__((capability("mutex"))) Spinlock {
public:
    /// `owner`: not 0, and another one for each CPU.
    void lock(u64 owner) __attribute__((acquire_capability())) {
        const u32 ticket = next_.fetch_add(1, std::memory_order_relaxed);
        while (serving_.load(std::memory_order_acquire) != ticket)
            __builtin_ia32_pause();
        owner_.store(owner, std::memory_order_relaxed);
    }
    void unlock() __attribute__((release_capability())) {
        owner_.store(0, std::memory_order_relaxed);
        serving_.store(serving_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    /// Reliable for `owner` itself.
    [[nodiscard]] bool is_held_by(u64 owner) const { return owner_.load(std::memory_order_relaxed) == owner; }
    /// After a fault of `owner`, who does not come back to what it did: others would wait for ever. True: it held it.
    bool give_up(u64 owner) __attribute__((no_thread_safety_analysis)) {
        const bool held = is_held_by(owner);
        if (held)
            unlock();
        return held;
    }

private:
    std::atomic<u32> next_{0};
    std::atomic<u32> serving_{0};
    std::atomic<u64> owner_{0};
};

class __attribute__((scoped_lockable)) LockGuard {
public:
    LockGuard(Spinlock& lock, u64 owner) __attribute__((acquire_capability(lock))) : lock_(lock) { lock_.lock(owner); }
    ~LockGuard() __attribute__((release_capability())) { lock_.unlock(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

private:
    Spinlock& lock_;
};

} // namespace bulkhead
