// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/transcript.hpp"

#include <catch2/catch_test_macros.hpp>

namespace bulkhead::tools {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("Transcript: lines come complete, however the bytes are cut") {
    Transcript transcript;
    CHECK(transcript.add("bulk").empty());
    CHECK(transcript.unfinished() == "bulk");
    CHECK(transcript.add("head: one\r") == Lines{});
    CHECK(transcript.add("\ntwo\r\n[a] / # ") == Lines{"bulkhead: one", "two"});
    CHECK(transcript.unfinished() == "[a] / # ");
    CHECK(transcript.lines() == Lines{"bulkhead: one", "two"});
}

TEST_CASE("Transcript: a terminal's control sequences are no text, even when they come in pieces") {
    Transcript transcript;
    CHECK(transcript.add("\x1b[2J\x1b[01;01Hone\x1b[0") == Lines{});
    CHECK(transcript.add("m two\x1b(\n") == Lines{"one two"});
}

} // namespace
} // namespace bulkhead::tools
