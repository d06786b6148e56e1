// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The documentation says what the program does: its examples are right, its reference is that of the tables.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch_test_macros.hpp>

#include "config/reference.hpp"
#include "config/schema.hpp"
#include "loaded.hpp"

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

const std::filesystem::path docs = std::filesystem::path(TEST_DATA) / "../../docs";

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    INFO(path);
    REQUIRE(file);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Has every file.
class AnyFile : public Files {
public:
    Result<u64> size(std::string_view) override { return MiB; }
};

std::string faults_of(const std::string& text) {
    const FakeMachine fake = FakeMachine::with_cores({2, 2, 2, 2}, {{{16 * MiB}, 2 * GiB}, {{4 * GiB}, 6 * GiB}});
    const Machine machine = fake.view();
    const auto storage = std::make_unique<ConfigurationStorage>();
    LoadedConfiguration loaded(*storage);
    AnyFile files;
    (void)load_configuration(text, files, &machine, loaded);
    return Faults::print(loaded.diagnostics);
}

/// What stands between two texts, from `position` on, which goes behind it; empty at the end.
std::string_view next_between(std::string_view text, std::string_view open, std::string_view close,
                              std::size_t& position) {
    const std::size_t start = text.find(open, position);
    const std::size_t end = text.find(close, start + open.size());
    if (start == std::string_view::npos || end == std::string_view::npos)
        return {};
    position = end;
    return text.substr(start + open.size(), end - start - open.size());
}

u64 place_of(std::string_view word, std::span<const std::string_view> words) {
    return static_cast<u64>(std::ranges::find(words, word) - words.begin());
}

template <class Section> void check_standard(const Key<Section>& key) {
    const Section standard{};
    const Parsed parsed("a = " + std::string(key.rule.standard));
    INFO(key.rule.name);
    REQUIRE(parsed.diagnostics.empty());
    const toml::Value& value = parsed.entries[0].value;
    if (const auto* number = std::get_if<Located<u64> Section::*>(&key.target))
        CHECK((standard.*(*number)).value == (key.rule.type == ValueType::Word ? place_of(value.string, key.rule.words)
                                                                               : static_cast<u64>(value.integer)));
    if (const auto* flag = std::get_if<Located<bool> Section::*>(&key.target))
        CHECK((standard.*(*flag)).value == (value.integer != 0));
    if (const auto* text = std::get_if<Located<std::string_view> Section::*>(&key.target))
        CHECK((standard.*(*text)).value == value.string);
    if (const auto* cpus = std::get_if<CpuRequest Section::*>(&key.target))
        CHECK((standard.*(*cpus)).count == static_cast<u64>(value.integer));
}

} // namespace

TEST_CASE("Configuration documentation: every example is right") {
    int examples = 0;
    for (const auto& entry : std::filesystem::directory_iterator(docs / "examples")) {
        if (entry.path().extension() != ".toml")
            continue;
        INFO(entry.path());
        CHECK(faults_of(read(entry.path())).empty());
        ++examples;
    }
    CHECK(examples >= 3);
}

TEST_CASE("Configuration documentation: every configuration in a text is right") {
    std::vector<std::filesystem::path> texts{docs / "../README.md", docs / "../CONTRIBUTING.md"};
    for (const auto& entry : std::filesystem::directory_iterator(docs))
        if (entry.path().extension() == ".md")
            texts.push_back(entry.path());
    int examples = 0;
    for (const std::filesystem::path& path : texts) {
        INFO(path);
        const std::string text = read(path);
        std::size_t position = 0;
        for (std::string_view example; !(example = next_between(text, "```toml\n", "```", position)).empty();
             ++examples)
            CHECK(faults_of(std::string(example)).empty());
        // One that is set off in another way would not be looked at.
        CHECK(text.find("\n    [[guest]]") == std::string::npos);
    }
    CHECK(examples >= 3);
}

TEST_CASE("Configuration documentation: the reference is that of the tables") {
    const std::string text = read(docs / "configuration.md");
    std::size_t position = 0;
    const std::string_view written =
        next_between(text, "<!-- reference: from config/schema.hpp; a test compares -->\n", "<!-- end", position);
    std::vector<char> buffer(16 * KiB);
    Text out(buffer);
    write_reference(out);
    CHECK_FALSE(out.cut());
    if (written != out.view()) {
        std::ofstream("configuration-reference.md") << out.view();
        FAIL("docs/configuration.md is out of date: configuration-reference.md, written here, is what belongs there");
    }
}

TEST_CASE("Configuration documentation: defaults are those of the model") {
    for (const auto& key : hypervisor_keys)
        if (key.rule.name != "console-irq" && !key.rule.standard.empty()) // that one depends on the port
            check_standard(key);
    for (const auto& key : guest_keys)
        if (!key.rule.standard.empty())
            check_standard(key);
}
