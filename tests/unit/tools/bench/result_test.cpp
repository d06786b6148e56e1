// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/result.hpp"

#include <fstream>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "tools/failure.hpp"

using namespace bulkhead::tools;

namespace {

const BenchResult now{"0.2.0",
                      "qemu-amd",
                      {{"cpuid-0", "CPUID leaf 0", 163, 200},
                       {"in-uart", "IN & more <16550>", 310, 300},
                       {"idle-exits", "exits, idle", 0, 0, true}}};

/// A folder that goes with the test.
struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("bulkhead-result-" + std::to_string(getpid()));
    Folder() {
        std::filesystem::remove_all(path);
        std::filesystem::create_directories(path);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& text) const { std::ofstream(path / name) << text; }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("bench: a result is read back as it was written") {
    const Folder folder;
    folder.write("0.2.0-qemu-amd.json", to_json(now));
    const BenchResult read = read_result(folder.path / "0.2.0-qemu-amd.json");
    CHECK(read.version == now.version);
    CHECK(read.machine == now.machine);
    REQUIRE(read.figures.size() == now.figures.size());
    for (std::size_t i = 0; i < now.figures.size(); ++i) {
        const Figure* figure = find_figure(read.figures, now.figures[i].name);
        REQUIRE(figure != nullptr);
        CHECK(figure->what == now.figures[i].what);
        CHECK(figure->value == now.figures[i].value);
        CHECK(figure->has_budget() == now.figures[i].has_budget());
        CHECK(figure->is_over() == now.figures[i].is_over());
    }
}

TEST_CASE("bench: what is no result is refused with its name") {
    const Folder folder;
    folder.write("a.json", "{\"version\": 3}");
    folder.write("b.json", "no JSON");
    CHECK_THROWS_AS(read_result(folder.path / "a.json"), Failure);
    CHECK_THROWS_AS(read_result(folder.path / "b.json"), Failure);
    CHECK_THROWS_AS(read_result(folder.path / "none.json"), Failure);
}

TEST_CASE("bench: the latest release is found by its numbers, on its own machine") {
    const Folder folder;
    CHECK(!latest_result(folder.path, "qemu-amd"));
    CHECK(!latest_result(folder.path / "none", "qemu-amd"));
    for (const std::string version : {"0.9.2", "0.10.1", "0.2.0"})
        folder.write(version + "-qemu-amd.json", to_json({version, "qemu-amd", {}}));
    folder.write("1.0.0-bochs-intel.json", to_json({"1.0.0", "bochs-intel", {}}));
    CHECK(latest_result(folder.path, "qemu-amd")->version == "0.10.1");
}

TEST_CASE("bench: the table shows budgets, changes and peers") {
    BenchResult before = now;
    before.version = "0.1.0";
    before.figures = {{"cpuid-0", "CPUID leaf 0", 160, 200}, {"idle-exits", "exits, idle", 0, 0, true}};
    const std::string text = to_text(now, before);
    CHECK(has(text, "since 0.1.0"));
    CHECK(has(text, "+3"));
    CHECK(has(text, "new"));
    CHECK(has(text, "5420")); // Xen's CPUID
    CHECK(has(text, "310          300          new"));
    CHECK(has(text, "  OVER\n"));
    CHECK(!has(to_text(now, std::nullopt), "new"));
}

TEST_CASE("bench: the picture has a bar for each party, and no figure that peers lack") {
    BenchResult result = now;
    result.figures.push_back({"boot-all-else", "boot", 1});
    const std::string svg = to_svg(result);
    CHECK(has(svg, "IN &amp; more &lt;16550&gt;"));
    CHECK(has(svg, ">163</text>"));
    CHECK(has(svg, ">5420</text>"));
    CHECK(!has(svg, ">boot</text>"));
    CHECK(svg.ends_with("</svg>\n"));
}
