// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The first and only program of a Linux, bare or a guest's: what there is to lose to a hypervisor, in ticks of the TSC.
// Each result is a line "BENCH name N". With the argument "windows" it idles and computes instead, for somebody who
// counts exits meanwhile.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using u64 = std::uint64_t;

u64 ticks() {
    unsigned low = 0, high = 0;
    asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
    return u64{high} << 32 | low;
}

u64 nanoseconds(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<u64>(now.tv_sec) * 1'000'000'000 + static_cast<u64>(now.tv_nsec);
}

void report(const char* name, u64 value) {
    std::printf("BENCH %s %llu\n", name, static_cast<unsigned long long>(value));
    std::fflush(stdout);
}

u64 median(std::vector<u64>& samples) {
    std::ranges::sort(samples);
    return samples[samples.size() / 2];
}

/// Mean of fresh 4 KiB pages: what the second stage costs is in it.
void touch_memory() {
    constexpr std::size_t page = 4096, size = std::size_t{32} << 20;
    auto* memory =
        static_cast<volatile char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory == MAP_FAILED)
        return;
    madvise(const_cast<char*>(memory), size, MADV_NOHUGEPAGE);
    u64 sum = 0;
    for (std::size_t at = 0; at < size; at += page) {
        const u64 start = ticks();
        memory[at] = 1;
        sum += ticks() - start;
    }
    munmap(const_cast<char*>(memory), size);
    report("first-touch", sum / (size / page));
}

void sleep_often() {
    constexpr u64 wanted = 10'000'000; // ns
    std::vector<u64> over;
    for (int i = 0; i < 50; ++i) {
        const timespec time{.tv_sec = 0, .tv_nsec = wanted};
        const u64 start = nanoseconds(CLOCK_MONOTONIC);
        nanosleep(&time, nullptr);
        over.push_back(nanoseconds(CLOCK_MONOTONIC) - start - wanted);
    }
    report("sleep-overshoot", median(over));
}

void fork_often() {
    std::vector<u64> samples;
    for (int i = 0; i < 50; ++i) {
        const u64 start = ticks();
        const pid_t child = fork();
        if (child == 0)
            _exit(0);
        waitpid(child, nullptr, 0);
        samples.push_back(ticks() - start);
    }
    report("fork", median(samples));
}

/// Gaps in a row of readings are interrupts, and what a hypervisor took.
void compute() {
    constexpr u64 duration = 400'000'000, usual = 150; // ticks; of instructions between two readings
    u64 least = ~u64{0}, lost = 0;
    u64 before = ticks();
    for (int i = 0; i < 1000; ++i) {
        const u64 now = ticks();
        least = std::min(least, now - before);
        before = now;
    }
    const u64 start = before = ticks();
    while (before - start < duration) {
        const u64 now = ticks();
        if (now - before > least + usual)
            lost += now - before;
        before = now;
    }
    report("lost-ppm", lost * 1'000'000 / (before - start));
}

void be_watched() {
    constexpr unsigned seconds = 14; // of each; a window within is looked at
    std::puts("BENCH window idle");
    std::fflush(stdout);
    sleep(seconds);
    std::puts("BENCH window computing");
    std::fflush(stdout);
    const u64 start = nanoseconds(CLOCK_MONOTONIC);
    while (nanoseconds(CLOCK_MONOTONIC) - start < seconds * 1'000'000'000ULL)
        ;
}

} // namespace

int main(int count, char** arguments) {
    report("start", nanoseconds(CLOCK_BOOTTIME));
    if (std::strcmp(arguments[count - 1], "windows") == 0) { // behind what Linux did not know
        be_watched();
    } else {
        sleep(1); // the kernel's own work of its first second
        touch_memory();
        sleep_often();
        fork_often();
        sleep(1); // and what it does behind forks: freeing is not the timer's
        compute();
    }
    std::puts("BENCH end");
    std::fflush(stdout);
    reboot(RB_POWER_OFF);
    return 1;
}
