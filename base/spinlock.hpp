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
    void lock() __attribute__((acquire_capability())) {
        const u32 ticket = next_.fetch_add(1, std::memory_order_relaxed);
        while (serving_.load(std::memory_order_acquire) != ticket)
            __builtin_ia32_pause();
    }
    void unlock() __attribute__((release_capability())) {
        serving_.store(serving_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    [[nodiscard]] bool is_locked() const {
        return serving_.load(std::memory_order_relaxed) != next_.load(std::memory_order_relaxed);
    }

private:
    std::atomic<u32> next_{0};
    std::atomic<u32> serving_{0};
};

class __attribute__((scoped_lockable)) LockGuard {
public:
    explicit LockGuard(Spinlock& lock) __attribute__((acquire_capability(lock))) : lock_(lock) { lock_.lock(); }
    ~LockGuard() __attribute__((release_capability())) { lock_.unlock(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

private:
    Spinlock& lock_;
};

} // namespace bulkhead
