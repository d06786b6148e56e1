// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/console_mux.hpp"

#include <array>
#include <string>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

using Kind = ConsoleAction::Kind;

/// A multiplexer of three guests: alpha, beta and gamma.
struct Consoles {
    std::array<ConsoleOutput, 3> outputs;
    std::array<ConsoleInput, 3> inputs;
    ConsoleOutput log;
    std::array<ConsoleSource, 3> sources{ConsoleSource{.name = "alpha", .output = &outputs[0], .input = &inputs[0]},
                                         ConsoleSource{.name = "beta", .output = &outputs[1], .input = &inputs[1]},
                                         ConsoleSource{.name = "gamma", .output = &outputs[2], .input = &inputs[2]}};
    ConsoleMux mux{sources, log};

    static void put(ConsoleOutput& ring, std::string_view text) { REQUIRE(ring.push(text)); }
    void print(u32 guest, std::string_view text) { put(outputs[guest], text); }
    void print_log(std::string_view text) { put(log, text); }
    ConsoleAction command(u8 byte) {
        CHECK(mux.type(ConsoleMux::escape).kind == Kind::None);
        return mux.type(byte);
    }
    std::string wire() {
        std::string result;
        while (const std::optional<u8> byte = mux.next())
            result += static_cast<char>(*byte);
        return result;
    }
    std::string typed(u32 guest) {
        std::string result;
        while (const std::optional<u8> byte = inputs[guest].pop())
            result += static_cast<char>(*byte);
        return result;
    }
};

} // namespace

TEST_CASE("console: lines come under their guest's name, the hypervisor's own first") {
    Consoles c;
    CHECK(c.wire().empty());
    CHECK_FALSE(c.mux.has_input());
    c.print(0, "one\n");
    c.print(1, "two\n");
    c.print_log("three\n");
    CHECK(c.mux.has_input());
    CHECK(c.wire() == "bulkhead: three\r\n[alpha] one\r\n[beta] two\r\n");
    CHECK_FALSE(c.mux.has_input());
}

TEST_CASE("console: a multiplexer without sources and one not connected have nothing to send") {
    ConsoleMux unconnected;
    CHECK_FALSE(unconnected.next());
    CHECK_FALSE(unconnected.has_input());
    CHECK(unconnected.type('a').kind == Kind::None);

    ConsoleOutput log;
    ConsoleMux mux({}, log);
    CHECK_FALSE(mux.next());
    CHECK(mux.type('a').kind == Kind::None);
    for (const u8 byte : {u8{'1'}, u8{'n'}, u8{'p'}}) {
        CHECK(mux.type(ConsoleMux::escape).kind == Kind::None);
        CHECK(mux.type(byte).kind == Kind::Help);
    }
}

TEST_CASE("console: who is not in focus prints whole lines only") {
    Consoles c;
    c.print(1, "busy");
    CHECK(c.wire().empty());
    CHECK_FALSE(c.mux.has_input()); // what waits for its end does not count: it would keep the service CPU awake
    c.print(1, " done\n");
    CHECK(c.wire() == "[beta] busy done\r\n");
}

TEST_CASE("console: the prompt of the guest in focus is shown, nobody else's") {
    Consoles c;
    c.print(0, "login: ");
    c.print(1, "password: ");
    CHECK(c.wire() == "[alpha] login: ");
    c.print(0, "root");
    CHECK(c.wire() == "root"); // the line goes on: no second name
    c.print(0, "\r\nwelcome\r\n");
    CHECK(c.wire() == "\r\n[alpha] welcome\r\n");
}

TEST_CASE("console: an unfinished line that another one ended is shown again from its start") {
    Consoles c;
    c.print(0, "half");
    CHECK(c.wire() == "[alpha] half");
    c.print(1, "whole\n");
    CHECK(c.wire() == "\r\n[beta] whole\r\n[alpha] half");
    c.print(0, " and half\n");
    CHECK(c.wire() == " and half\r\n");

    c.print(0, "half");
    CHECK(c.wire() == "[alpha] half");
    c.print_log("record\n");
    CHECK(c.wire() == "\r\nbulkhead: record\r\n[alpha] half");
    c.print_log("record\n");
    c.print(0, " rest\n");
    CHECK(c.wire() == "\r\nbulkhead: record\r\n[alpha] half rest\r\n");
}

TEST_CASE("console: a carriage return may have been shown before its newline comes") {
    Consoles c;
    c.print(0, "one\r");
    CHECK(c.wire() == "[alpha] one\r");
    c.print(0, "\ntwo\n");
    CHECK(c.wire() == "\r\n[alpha] two\r\n");
}

TEST_CASE("console: focus moves with the escape key and a digit") {
    Consoles c;
    CHECK(c.mux.focus() == 0);
    c.print(1, "beta's prompt> ");
    CHECK(c.wire().empty());
    const ConsoleAction action = c.command('2');
    CHECK(action.kind == Kind::Focus);
    CHECK(action.source == 1);
    CHECK(c.mux.focus() == 1);
    CHECK(c.wire() == "[beta] beta's prompt> "); // what waited is shown at once
    CHECK(c.mux.type('y').kind == Kind::Typed);
    CHECK(c.typed(1) == "y");
    CHECK(c.typed(0).empty());
    // A guest that there is not: help, and the focus stays.
    for (const u8 byte : {u8{'0'}, u8{'4'}, u8{'9'}, u8{'?'}, u8{'\r'}, u8{0xff}}) {
        CHECK(c.command(byte).kind == Kind::Help);
        CHECK(c.mux.focus() == 1);
    }
    CHECK(c.command('s').kind == Kind::Statistics);
    CHECK(c.typed(1).empty());
}

TEST_CASE("console: the escape key and n or p move the focus to the next or the previous guest, in a ring") {
    Consoles c;
    for (const u32 expected : {1u, 2u, 0u, 1u}) {
        const ConsoleAction action = c.command('n');
        CHECK(action.kind == Kind::Focus);
        CHECK(action.source == expected);
    }
    for (const u32 expected : {0u, 2u, 1u, 0u}) {
        const ConsoleAction action = c.command('p');
        CHECK(action.kind == Kind::Focus);
        CHECK(action.source == expected);
    }
}

TEST_CASE("console: of a guest with a port of its own nothing is seen, and nobody types into it") {
    Consoles c;
    c.sources[0].apart = true;
    c.mux = ConsoleMux(c.sources, c.log);
    CHECK(c.mux.focus() == 1); // the first that is not apart
    c.print(0, "apart\nprompt> ");
    CHECK_FALSE(c.mux.has_input());
    CHECK(c.wire().empty());
    CHECK(c.outputs[0].size() == 14); // its port takes that
    c.print(1, "shared\n");
    CHECK(c.wire() == "[beta] shared\r\n");

    const ConsoleAction action = c.command('1'); // who asked for it is told, and the focus stays
    CHECK(action.kind == Kind::Focus);
    CHECK(action.source == 0);
    CHECK(c.mux.focus() == 1);
    CHECK(c.mux.type('x').source == 1);
    for (const u32 expected : {2u, 1u, 2u})
        CHECK(c.command('n').source == expected);
    for (const u32 expected : {1u, 2u, 1u})
        CHECK(c.command('p').source == expected);
    CHECK(c.typed(0).empty());

    // What comes from its port.
    CHECK(c.mux.put(0, ConsoleMux::escape).kind == Kind::Typed);
    CHECK(c.mux.put(0, '1').source == 0);
    CHECK(c.typed(0) == "\x1d"
                        "1");
    while (c.inputs[0].push("."))
        continue;
    CHECK(c.mux.put(0, 'a').kind == Kind::None);
    CHECK(c.typed(0).size() == 256);
    CHECK(c.mux.put(0, 'b').dropped == 1);

    c.sources[1].apart = c.sources[2].apart = true;
    c.mux = ConsoleMux(c.sources, c.log);
    CHECK(c.mux.type('a').kind == Kind::None);
    for (const u8 byte : {u8{'n'}, u8{'p'}})
        CHECK(c.command(byte).kind == Kind::Help);
}

TEST_CASE("console: of 64 guests each can be typed into") {
    static std::array<ConsoleInput, 64> inputs;
    static std::array<ConsoleOutput, 64> outputs;
    std::array<ConsoleSource, 64> sources;
    for (u32 i = 0; i < sources.size(); ++i)
        sources[i] = {.name = "guest", .output = &outputs[i], .input = &inputs[i]};
    ConsoleOutput log;
    ConsoleMux mux(sources, log);
    for (u32 i = 0; i < sources.size(); ++i) {
        CHECK(mux.type('x').source == i);
        CHECK(inputs[i].pop() == u8{'x'});
        static_cast<void>(mux.type(ConsoleMux::escape));
        CHECK(mux.type('n').source == (i + 1) % 64);
    }
    for (const u8 byte : {u8{':'}, u8{'@'}, u8{'0'}}) { // neither digits nor keys, though there are so many guests
        static_cast<void>(mux.type(ConsoleMux::escape));
        CHECK(mux.type(byte).kind == Kind::Help);
    }
}

TEST_CASE("console: the escape key twice is the character itself") {
    Consoles c;
    const ConsoleAction action = c.command(ConsoleMux::escape);
    CHECK(action.kind == Kind::Typed);
    CHECK(action.source == 0);
    CHECK(c.typed(0) == "\x1d");
    CHECK(c.mux.type('1').kind == Kind::Typed); // the command is over
    CHECK(c.typed(0) == "1");
}

TEST_CASE("console: any byte can be typed, and a full ring drops") {
    Consoles c;
    std::string expected;
    for (u32 byte = 0; byte < 256; ++byte) {
        if (byte == ConsoleMux::escape)
            continue;
        CHECK(c.mux.type(static_cast<u8>(byte)).kind == Kind::Typed);
        expected += static_cast<char>(byte);
    }
    CHECK(c.mux.type('+').kind == Kind::Typed);
    CHECK(c.mux.type('-').kind == Kind::None); // 256 are in the ring
    CHECK(c.mux.type('-').kind == Kind::None);
    CHECK(c.typed(0) == expected + "+");
    CHECK(c.mux.type('a').dropped == 2); // said once
    CHECK(c.mux.type('b').dropped == 0);
    CHECK(c.typed(0) == "ab");
}

TEST_CASE("console: carriage returns and zeros") {
    Consoles c;
    c.print(0, "dos\r\n");
    c.print(0, "unix\n");
    c.print(0, "\r\n\n");
    c.print(0, std::string_view("a\0b\n", 4));
    c.print(0, "10%\r20%\n"); // one within a line is the guest's own
    CHECK(c.wire() == "[alpha] dos\r\n[alpha] unix\r\n[alpha] \r\n[alpha] \r\n[alpha] ab\r\n[alpha] 10%\r20%\r\n");
}

TEST_CASE("console: a line that is too long ends where the buffer does") {
    Consoles c;
    c.print(1, std::string(400, 'x') + "\n");
    CHECK(c.wire() == "[beta] " + std::string(256, 'x') + "\r\n[beta] " + std::string(144, 'x') + "\r\n");
    c.print_log(std::string(296, 'y') + "\n");
    CHECK(c.wire() == "bulkhead: " + std::string(256, 'y') + "\r\nbulkhead: " + std::string(40, 'y') + "\r\n");
}

TEST_CASE("console: the newline of a line that just fills the buffer is not another line") {
    for (const std::string end : {"\n", "\r\n"}) {
        Consoles c;
        c.print(0, std::string(256, 'x') + end + "next" + end);
        c.print_log(std::string(256, 'y') + end + "next" + end);
        CHECK(c.wire() == "bulkhead: " + std::string(256, 'y') + "\r\nbulkhead: next\r\n[alpha] " +
                              std::string(256, 'x') + "\r\n[alpha] next\r\n");
        // Also where the newline comes later, and empty lines behind it stay what they are.
        c.print(0, std::string(256, 'x'));
        CHECK(c.wire() == "[alpha] " + std::string(256, 'x') + "\r\n");
        c.print(0, end);
        CHECK(c.wire().empty());
        c.print(0, end + "prompt");
        CHECK(c.wire() == "[alpha] \r\n[alpha] prompt");
    }
}

TEST_CASE("console: what found no room is counted, and said once where it is missing") {
    Consoles c;
    ConsoleWriter writer;
    const std::string line = "0123456789abcde\n"; // 16 bytes
    const u32 fitting = ConsoleOutput::capacity() / 16;
    for (u32 i = 0; i < fitting + 10; ++i)
        writer.put(c.outputs[0], line);
    CHECK(writer.dropped() == 160);

    // A little room does not end the burst: there would be a note for every few bytes.
    for (u32 i = 0; i < 64; ++i)
        static_cast<void>(c.outputs[0].pop());
    writer.put(c.outputs[0], "lost too\n");
    CHECK(c.wire().find("dropped") == std::string::npos);

    writer.put(c.outputs[0], "again\n");
    writer.put(c.outputs[0], "");
    writer.put(c.outputs[0], "and on\n");
    CHECK(c.wire() == "[alpha] (169 bytes dropped)\r\n[alpha] again\r\n[alpha] and on\r\n");
    CHECK(writer.dropped() == 169);
}

TEST_CASE("console: the note of what is missing is a line of its own") {
    Consoles c;
    ConsoleWriter writer;
    writer.put(c.outputs[0], "\n");
    for (u32 i = 0; i < ConsoleOutput::capacity(); ++i)
        writer.put(c.outputs[0], "x");
    static_cast<void>(c.wire());
    writer.put(c.outputs[0], "y\n");
    CHECK(c.wire() == "\r\n[alpha] (1 bytes dropped)\r\n[alpha] y\r\n");
}

TEST_CASE("console: the longest name, the longest line and somebody's unfinished line fit together") {
    Consoles c;
    const std::string name(31, 'n'); // BootInfo: max_guest_name
    c.sources[1].name = name;
    c.print(0, "half");
    CHECK(c.wire() == "[alpha] half");
    c.print(1, std::string(256, 'z'));
    CHECK(c.wire() == "\r\n[" + name + "] " + std::string(256, 'z') + "\r\n[alpha] half");
}

TEST_CASE("console: who never stops printing silences nobody") {
    Consoles c;
    for (int i = 0; i < 50; ++i)
        c.print(0, "alpha alpha alpha\n");
    c.print(1, "b1\nb2\n");
    c.print(2, "c1\n");
    const std::string wire = c.wire();
    CHECK(wire.starts_with("[alpha] alpha alpha alpha\r\n[beta] b1\r\n[gamma] c1\r\n[alpha] alpha alpha alpha\r\n"
                           "[beta] b2\r\n[alpha] "));

    // Neither does the one in focus with a line that never ends.
    for (int i = 0; i < 10; ++i) {
        c.print(0, "...");
        c.print(2, "line\n");
        CHECK(c.wire().find("[gamma] line\r\n") != std::string::npos);
    }
}

TEST_CASE("console: a full ring keeps what it has, and all of that is printed") {
    Consoles c;
    const std::string line = "0123456789abcde\n"; // 16 bytes
    u32 stored = 0;
    for (u32 i = 0; i < 2 * ConsoleOutput::capacity(); ++i)
        stored += c.outputs[0].push(std::string_view(&line[i % line.size()], 1)) ? 1 : 0;
    CHECK(stored == ConsoleOutput::capacity());
    std::string expected;
    for (u32 i = 0; i < ConsoleOutput::capacity() / line.size(); ++i)
        expected += "[alpha] 0123456789abcde\r\n";
    CHECK(c.wire() == expected);
    CHECK(c.outputs[0].push("a"));
}
