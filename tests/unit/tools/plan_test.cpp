// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Who would get what, as a picture; the plan itself is config/'s, whose tests are there.
#include "tools/plan.hpp"

#include <set>
#include <sstream>

#include <catch2/catch_test_macros.hpp>

namespace bulkhead::tools {
namespace {

std::size_t count(const std::string& text, std::string_view what) {
    std::size_t number = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        ++number;
    return number;
}

/// Two packages of two cores of two threads.
PlannedMachine two_packages() {
    PlannedMachine plan;
    plan.machine = "Maker's <Box> & \"more\"";
    for (u32 i = 0; i < 8; ++i)
        plan.cpus.push_back({.apic_id = i, .acpi_uid = i, .core = i / 2, .package = i / 4, .cache = i / 4});
    plan.free_memory = {{{MiB}, MiB}, {{16 * MiB}, 3 * GiB}, {{4 * GiB}, 8 * GiB}};
    plan.guests = {{.name = "one", .cpus = {2, 3}, .memory = {{{0}, {16 * MiB}, GiB}}, .console = "serial port 0x3f8"},
                   {.name = "two",
                    .cpus = {6},
                    .memory = {{{0}, {4 * GiB}, GiB}, {{GiB}, {2 * GiB}, 2 * MiB}},
                    .console = "no serial port",
                    .far = true}};
    plan.service_cpu = 0;
    return plan;
}

std::string picture_of(const PlannedMachine& plan) {
    std::ostringstream out;
    write_plan_svg(out, plan);
    return out.str();
}

TEST_CASE("Plan: a picture has every CPU and every piece of memory, in the colour of whose it is") {
    const std::string svg = picture_of(two_packages());
    CHECK(svg.starts_with("<svg xmlns="));
    CHECK(svg.ends_with("</svg>\n"));
    CHECK(svg.contains("Plan for Maker's &lt;Box&gt; &amp; &quot;more&quot;"));
    CHECK(count(svg, ">Package ") == 2);
    CHECK(count(svg, "<title>core ") == 4);
    CHECK(count(svg, "<title>CPU ") == 8);
    CHECK(count(svg, ": nobody&") + count(svg, ": nobody's<") == 5);
    CHECK(count(svg, ">service<") == 1);
    CHECK(svg.contains("one: 2 CPUs, 1 GiB, serial port 0x3f8<"));
    CHECK(svg.contains("two: 1 CPU, 1026 MiB, no serial port; not all of it is near<"));
    CHECK(count(svg, "<title>free<") == 2); // what is smaller than a large page is not drawn
    CHECK(svg.contains("<title>one: 1 GiB at 0x1000000<"));
    CHECK(svg.contains("<title>two: 1 GiB at 0x100000000<"));
    CHECK(svg.contains("<title>two: 2 MiB at 0x80000000<"));
    CHECK(count(svg, "fill=\"#56b4e9\"") == 1 + 2 + 1); // legend, CPUs, memory
    CHECK(count(svg, "fill=\"#e69f00\"") == 1 + 1 + 2);
}

TEST_CASE("Plan: however many threads a core has, they stay in the picture") {
    PlannedMachine plan;
    for (u32 i = 0; i < 256; ++i)
        plan.cpus.push_back({.apic_id = i, .acpi_uid = i, .core = 0, .package = 0});
    const std::string svg = picture_of(plan);
    CHECK(count(svg, "<title>CPU ") == 256);
    CHECK(count(svg, "<title>core ") == 1);
    double width = 0;
    for (std::size_t at = 0; (at = svg.find("<rect x=\"", at)) != std::string::npos; ++at) {
        const double x = std::stod(svg.substr(at + 9));
        width = std::max(width, x + std::stod(svg.substr(svg.find(" width=\"", at) + 8)));
    }
    CHECK(width > 900);
    CHECK(width <= 940); // of 960
}

TEST_CASE("Plan: cores that have no room in a line go on in the next, and each guest has a colour of its own") {
    PlannedMachine plan;
    for (u32 i = 0; i < 64; ++i)
        plan.cpus.push_back({.apic_id = i, .acpi_uid = i, .core = i, .package = 0});
    for (u32 i = 0; i < 64; ++i)
        plan.guests.push_back({.name = "guest" + std::to_string(i), .cpus = {i}, .memory = {}, .console = "none"});
    const std::string svg = picture_of(plan);
    CHECK(count(svg, "<title>CPU ") == 64);
    std::set<std::string> colours;
    for (std::size_t at = 0; (at = svg.find("fill=\"", at)) != std::string::npos; ++at)
        colours.insert(svg.substr(at, svg.find('"', at + 6) - at));
    CHECK(colours.size() == 64 + 2); // the background's, and that of what is free
}

} // namespace
} // namespace bulkhead::tools
