// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/figure.hpp"

#include <algorithm>

namespace bulkhead::tools {

const Figure* find_figure(const std::vector<Figure>& figures, std::string_view name) {
    const auto found = std::ranges::find(figures, name, &Figure::name);
    return found == figures.end() ? nullptr : &*found;
}

const std::vector<PeerFigures>& peers() {
    constexpr auto none = std::nullopt;
    static const std::vector<PeerFigures> all{
        {"cpuid-0", 122, 3062, 5420, 5705}, // Jailhouse assumes a length of 2
        {"hypercall-unknown", 162, 3451, 6265, 6550},
        {"in-absent-port", 0, 1677, 1170, 1152},
        {"in-uart", 0, 5567, 1175, 70896},
        {"in-pci-config", 149, 5572, 1211, 70559},
        {"rdmsr-pat", 111, 3335, 0, 0},
        {"wrmsr-eoi", 2378, 3218, 5470, 5755}, // Jailhouse's is an xAPIC
        {"self-ipi", 4818, 4958, 11435, 12038},
        {"read-ioapic", 2934, 4342, none, 17470},
        {"idle-exits", 260, 250, 370, none},         // in 10 s
        {"computing-exits", 5000, 7250, 8750, none}, // likewise: 2.0, 2.9 and 3.5 a tick, of 250 a second
        // What each of them took bare is subtracted: it is not what ours is, on another model of CPU.
        {"more-lost-ppm", 1204, 3089, 39'852, none},
        {"more-first-touch", 10, 1090, 178, none},
        {"more-sleep-overshoot", 11'800, 18'300, 58'200, none},
        {"more-fork", 1900, 600, -200, none},
        {"text-kib", 69, 873, 2662, none},
        {"memory-kib", 6144, 201'728, 33'792, none}, // KVM's of host and VMM, Xen's beside its dom0
        {"code-lines", 13'600, 51'000, 267'000, none},
    };
    return all;
}

} // namespace bulkhead::tools
