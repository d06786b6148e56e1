// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/instructions.hpp"
#include "base/types.hpp"

namespace bulkhead::boot {

/// Adds the ticks of its scope to a sum.
class Stopwatch {
public:
    explicit Stopwatch(u64& sum) : sum_(sum), start_(arch::read_tsc()) {}
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;
    ~Stopwatch() { sum_ += arch::read_tsc() - start_; }

private:
    u64& sum_;
    u64 start_;
};

} // namespace bulkhead::boot
