// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/last_configuration.hpp"

#include <string>

#include <catch2/catch_test_macros.hpp>

#include "fakes/firmware_variables.hpp"

using namespace bulkhead;
using boot::BootRecord;
using boot::LastConfiguration;

namespace {

struct Variables : test::FirmwareVariables {
    Variables() { largest = 100; }

    /// A boot that is given `text`, as the loader does it. Returns what it used.
    std::string boot(std::string_view given, bool succeeds) {
        LastConfiguration last(*this);
        std::string used(given);
        if (const std::string_view other = last.other_than(given); !other.empty() && last.failures_of(given) != 0)
            used = other;
        kept = last.begin(used);
        if (succeeds && writable)
            record = last.after_success();
        return used;
    }
    bool kept = false;
};

} // namespace

TEST_CASE("Last configuration: what works is used again and again") {
    Variables variables;
    for (int i = 0; i < 5; ++i) {
        CHECK(variables.boot("a", true) == "a");
        CHECK(variables.kept);
        CHECK(variables.record->failures == 0);
    }
    CHECK(LastConfiguration(variables).other_than("a").empty());
    CHECK(LastConfiguration(variables).other_than("b") == "a");
}

TEST_CASE("Last configuration: without one that worked, the given one is tried for ever") {
    Variables variables;
    for (u32 i = 0; i < 300; ++i) {
        CHECK(LastConfiguration(variables).failures_of("a") == std::min(i, 255u));
        CHECK(variables.boot("a", false) == "a");
    }
    CHECK(variables.boot("b", false) == "b");
}

TEST_CASE("Last configuration: after a failure the one before takes over, and the new one gets another chance") {
    Variables variables;
    variables.boot("good", true);
    CHECK(variables.boot("bad", false) == "bad");
    CHECK(variables.boot("bad", true) == "good");
    CHECK(variables.boot("bad", false) == "bad");
    CHECK(variables.boot("bad", false) == "good"); // the power failed, say
    CHECK(variables.boot("bad", false) == "bad");
    CHECK(variables.boot("mended", true) == "mended");
    CHECK(variables.boot("bad", false) == "bad");
    CHECK(variables.boot("bad", true) == "mended");
    CHECK(variables.boot("good", true) == "good");
}

TEST_CASE("Last configuration: what works is not overwritten by what is tried") {
    Variables variables;
    variables.boot("good", true);
    for (const std::string text : {"b", "c", "d", "e"})
        CHECK(variables.boot(text, false) == text);
    CHECK(variables.boot("e", true) == "good");
}

TEST_CASE("Last configuration: one that firmware cannot keep is used, and said to be none to fall back to") {
    Variables variables;
    const std::string large(101, 'x');
    CHECK(variables.boot(large, true) == large);
    CHECK_FALSE(variables.kept);
    CHECK(LastConfiguration(variables).other_than("b").empty());
    variables.boot("small", true);
    CHECK(variables.boot(large, false) == large);
    CHECK(variables.boot(large, true) == "small");
    variables.boot(large, true);
    CHECK(LastConfiguration(variables).other_than(large) == "small");
}

TEST_CASE("Last configuration: firmware without variables costs nothing but the fallback") {
    Variables variables;
    variables.writable = false;
    for (int i = 0; i < 3; ++i) {
        CHECK(variables.boot("a", false) == "a");
        CHECK_FALSE(variables.kept);
    }
}

TEST_CASE("Last configuration: a record that is not ours is none") {
    Variables variables;
    variables.texts = {"one", "two"};
    variables.record = BootRecord{.magic = 1, .good = 0, .failures = 9, .tried = boot::hash_of("a")};
    CHECK(LastConfiguration(variables).other_than("a").empty());
    CHECK(LastConfiguration(variables).failures_of("a") == 0);
    variables.record = BootRecord{.good = 2};
    CHECK(LastConfiguration(variables).other_than("a").empty());
    variables.record = BootRecord{.good = 1};
    CHECK(LastConfiguration(variables).other_than("a") == "two");
}
