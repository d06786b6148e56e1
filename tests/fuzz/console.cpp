// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any bytes that guests print and people type: every line on the wire is of somebody, and nobody's bytes are another's.
#include <array>
#include <memory>

#include "core/console_mux.hpp"
#include "core/monitor_command.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

constexpr std::size_t guests = 3;
constexpr std::array<std::string_view, guests> names{"alpha", "beta", "gamma"};

struct Consoles {
    std::array<ConsoleOutput, guests> outputs;
    std::array<ConsoleInput, guests> inputs;
    ConsoleOutput log;
    std::array<ConsoleWriter, guests> writers;
    std::array<ConsoleSource, guests> sources;
    ConsoleMux mux;
    std::string line; ///< on the wire

    explicit Consoles(u8 apart) {
        for (u32 i = 0; i < guests; ++i)
            sources[i] = {.name = names[i], .output = &outputs[i], .input = &inputs[i], .apart = (apart >> i & 1) != 0};
        mux = ConsoleMux(sources, log);
    }

    static bool begins_well(std::string_view text) {
        for (const std::string_view name : names)
            if (text.starts_with("[" + std::string(name) + "] "))
                return true;
        return text.starts_with("bulkhead: ");
    }
    void drain() {
        for (u32 bytes = 0; const auto byte = mux.next();) {
            require(++bytes < 1u << 20, "the wire never comes to rest");
            line += static_cast<char>(*byte);
            if (*byte != '\n')
                continue;
            require(line == "\r\n" || begins_well(line), "a line of nobody");
            require(line.ends_with("\r\n"), "a line without its end");
            line.clear();
        }
    }
};

void type(Consoles& consoles, u8 byte) {
    const ConsoleAction action = consoles.mux.type(byte);
    require(action.source < guests && consoles.mux.focus() < guests, "a source that there is not");
    if (action.kind == ConsoleAction::Kind::Typed)
        require(!consoles.sources[action.source].apart, "typed into a console that is apart");
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    const auto consoles = std::make_unique<Consoles>(reader.take<u8>() & 5);
    while (!reader.empty()) {
        const u8 what = reader.take<u8>();
        const u32 guest = (what >> 2) % guests;
        switch (what & 3) {
        case 0:
            consoles->writers[guest].put(consoles->outputs[guest], text_of(reader.bytes(what >> 4)));
            break;
        case 1:
            type(*consoles, reader.take<u8>());
            while (const auto byte = consoles->inputs[guest].pop())
                static_cast<void>(*byte);
            break;
        case 2:
            static_cast<void>(consoles->log.push("said\n"));
            break;
        default:
            consoles->drain();
        }
    }
    consoles->drain();
    const MonitorWords words = split_words(text_of(input));
    require(words.command.size() + words.argument.size() <= input.size(), "more words than were typed");
    static_cast<void>(find_monitor_command(words.command));
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Writer seed;
    seed.number(0, 1).number(0x50, 1).bytes(seed_of("one\r\n")).number(0x34, 1).bytes(seed_of("two")).number(3, 1);
    seed.number(2, 1).number(3, 1).number(1, 1).number(0x1d, 1).number(1, 1).number('2', 1).number(3, 1);
    seed.number(0x58, 1).bytes(seed_of("x\x1b[1m")).number(1, 1).number('a', 1);
    return {seed.seed(), seed_of("list"), seed_of(" show  two ")};
}

} // namespace bulkhead
