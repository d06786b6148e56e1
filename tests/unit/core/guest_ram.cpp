// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "unit/core/guest_ram.hpp"

#include <sys/mman.h>

#include <stdexcept>

namespace bulkhead::test {

namespace {
constexpr u64 reserved = 4 * GiB + 2 * MiB;

void open(u8* address, u64 size) {
    if (mprotect(address, size, PROT_READ | PROT_WRITE) != 0)
        throw std::runtime_error("mprotect");
}
} // namespace

GuestRam::GuestRam(bool high) : high_(high) {
    void* mapping = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        throw std::runtime_error("mmap");
    window_ = static_cast<u8*>(mapping);
    open(window_, 0xA0000);
    open(window_ + 0xE0000, low_end - 0xE0000);
    if (high)
        open(window_ + 4 * GiB, MiB);
}

void GuestRam::clear() {
    if (madvise(window_, reserved, MADV_DONTNEED) != 0)
        throw std::runtime_error("madvise");
}

GuestRam::~GuestRam() { munmap(window_, reserved); }

} // namespace bulkhead::test
