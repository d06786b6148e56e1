// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/linux_figures.hpp"

#include <catch2/catch_test_macros.hpp>

#include "tools/failure.hpp"

using namespace bulkhead::tools;
using Lines = std::vector<std::string>;

namespace {

Lines said(const std::string& start, const std::string& fork) {
    return {"BENCH start " + start, "BENCH first-touch 6927", "noise BENCH sleep-overshoot 56000",
            "[linux] BENCH fork " + fork, "BENCH lost-ppm 1000"};
}

const Figure& in(const std::vector<Figure>& figures, std::string_view name) {
    const Figure* found = find_figure(figures, name);
    REQUIRE(found != nullptr);
    return *found;
}

} // namespace

TEST_CASE("bench: each of Linux' figures is bare's, the guest's, and the difference, which has the budget") {
    const std::vector<Figure> all = linux_figures(said("1000", "200000"), said("900", "201001"));
    CHECK(all.size() == 15);
    CHECK(in(all, "bare-fork").value == 200'000);
    CHECK_FALSE(in(all, "bare-fork").has_budget());
    CHECK(in(all, "fork").value == 201'001);
    CHECK_FALSE(in(all, "fork").has_budget());
    CHECK(in(all, "more-fork").value == 1'001);
    CHECK(in(all, "more-fork").budget == 1'000);
    CHECK(in(all, "more-fork").is_over());
    CHECK(in(all, "start").budget == 1'280'000'000);
    CHECK(in(all, "more-start").value == -100);
    CHECK_FALSE(in(all, "more-start").is_over());
    CHECK(in(all, "more-first-touch").value == 0);
}

TEST_CASE("bench: what Linux did not say is an error") {
    CHECK_THROWS_AS(linux_figures(said("1000", "none"), said("900", "200000")), Failure);
    CHECK_THROWS_AS(linux_figures(said("1000", "200000"), {}), Failure);
}

TEST_CASE("bench: a window's exits are between the first counters in it and the next") {
    const auto counters = [](int total) {
        return "bulkhead: exits of linux vCPU 0: total " + std::to_string(total) + ", cpuid 3";
    };
    const Lines lines{
        counters(1),   "[linux] BENCH window idle",      counters(100), "bulkhead: exits of x vCPU 0: total 9",
        counters(100), "[linux] BENCH window computing", counters(100), counters(107),
        counters(200)};
    const std::vector<Figure> all = window_figures(lines, 10);
    REQUIRE(all.size() == 3); // and CPUID of the start
    CHECK(in(all, "idle-exits").value == 0);
    CHECK_FALSE(in(all, "idle-exits").is_over());
    CHECK(in(all, "computing-exits").value == 7);
    CHECK(in(all, "computing-exits").is_over());
    CHECK_THROWS_AS(window_figures({lines.begin(), lines.begin() + 6}, 10), Failure);
}

TEST_CASE("bench: exits of a start and of a window, by reason") {
    const auto counters = [](const std::string& reasons) {
        return "bulkhead: exits of linux vCPU 0: total 700, " + reasons + "; hypervisor microseconds 431; injected 4";
    };
    const std::vector<Figure> all =
        window_figures({"[linux] BENCH window idle", counters("cpuid 300, second-stage-fault 2, io 390"),
                        counters("cpuid 300, second-stage-fault 2, io 390, nmi 8"), "[linux] BENCH window computing",
                        counters("cpuid 300, io 400"), counters("cpuid 301, io 400")},
                       10);
    REQUIRE(all.size() == 7);
    CHECK(in(all, "start-exits-cpuid").value == 300);
    CHECK(in(all, "start-exits-second-stage-fault").value == 2);
    CHECK(in(all, "start-exits-io").what == "Linux: exits until it idles, io");
    CHECK(in(all, "idle-exits-nmi").value == 8);
    CHECK(in(all, "computing-exits-cpuid").value == 1);
    CHECK_FALSE(in(all, "computing-exits-cpuid").is_over());
}
