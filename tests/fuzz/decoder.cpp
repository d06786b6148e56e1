// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any bytes as an instruction of each mode, beside Zydis: what ours decodes it decodes to the same, and of what Zydis
// knows ours decodes what it promises to.
#include <algorithm>

#include "fuzz/fuzz.hpp"
#include "unit/core/decoder_comparison.hpp"

namespace bulkhead {

void fuzz::try_input(Bytes input) {
    static test::DecoderComparison comparisons[] = {test::DecoderComparison(CpuMode::bits16),
                                                    test::DecoderComparison(CpuMode::bits32),
                                                    test::DecoderComparison(CpuMode::bits64)};
    test::Code code{};
    std::ranges::copy(input.first(std::min(input.size(), code.size())), code.begin());
    for (test::DecoderComparison& comparison : comparisons) {
        comparison.check(code);
        if (!comparison.failures.empty())
            fail(comparison.failures.front().c_str());
    }
    for (const CpuMode mode : {CpuMode::bits16, CpuMode::bits32, CpuMode::bits64}) // cut off anywhere
        if (const auto instruction = decode(input, mode))
            require(instruction->length <= input.size() && instruction->length != 0, "longer than its bytes");
}

std::vector<fuzz::Seed> fuzz::seeds() {
    return {{0x89, 0x43, 0x10},
            {0x48, 0x0f, 0xbe, 0x03},
            {0xf0, 0x66, 0x0f, 0xba, 0x6c, 0x24, 0x08, 0x05},
            {0xf3, 0x67, 0x48, 0xa5},
            {0x64, 0xc7, 0x84, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8},
            {0x0f, 0x01, 0xd9},
            {0x44, 0x0f, 0x20, 0xc0},
            {0x66, 0xe5, 0x60},
            {0xa2, 1, 2, 3, 4, 5, 6, 7, 8}};
}

} // namespace bulkhead
