// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/spsc_ring.hpp"
#include "base/static_vector.hpp"

namespace bulkhead {

using ConsoleOutput = SpscRing<16384>; ///< the failure records of a dozen guests at once fit
using ConsoleInput = SpscRing<256>;

/// The producer's side of a ring: drops and counts when it is full. Once a quarter is free again, a line in its place
/// says what is missing.
class ConsoleWriter {
public:
    /// All of `text`, or nothing.
    void put(ConsoleOutput& ring, std::string_view text);
    [[nodiscard]] u64 dropped() const { return dropped_; } ///< bytes, in all

private:
    u64 dropped_ = 0;
    u64 missing_ = 0; ///< bytes, since the ring became full
    char last_ = '\n';
};

/// A line of a guest's, without its end. What is longer is shown as several.
using ConsoleLine = StaticVector<char, 256>;

/// One guest's part of the shared console. The rings are the guest's; the rest is the multiplexer's.
struct ConsoleSource {
    std::string_view name;
    ConsoleOutput* output = nullptr;
    ConsoleInput* input = nullptr;
    bool apart = false; ///< it has a port of its own: what it prints is not ours, and nobody types into it here
    ConsoleLine line{}; ///< of the guest, not yet printed
    bool line_complete = false;
    bool line_wrapped = false; ///< the line before ended because it was full: its newline is still to come
    u32 shown = 0;   ///< characters of `line` that are on the wire, while the unfinished line there is the guest's
    u32 untaken = 0; ///< typed bytes for which there was no room since the last that had some
};

/// What a typed byte asked for.
struct ConsoleAction {
    enum class Kind : u8 { None, Typed, Focus, Statistics, Help } kind = Kind::None;
    u32 source = 0;  ///< Typed, Focus: whose; of Focus, also one apart, on which it is not then
    u32 dropped = 0; ///< Typed: bytes that were typed before this one and found no room
};

/// Merges the consoles of all guests into one stream of lines, each under its guest's name, and hands what is typed to
/// the guest in focus. Only that guest's unfinished lines are shown at once, so that a prompt appears. Where another
/// line comes in between, the unfinished one is shown again from its start: programs find every line whole. Used by one
/// CPU; the other side of the rings may be any. The last source is the monitor's.
class ConsoleMux {
public:
    static constexpr u8 escape = 0x1d; ///< Ctrl-]
    static constexpr std::string_view own_name = "bulkhead";

    ConsoleMux() = default;
    /// The focus is on the first source that is not apart.
    ConsoleMux(std::span<ConsoleSource> sources, ConsoleOutput& log);

    /// The next byte for the wire, if there is any.
    [[nodiscard]] std::optional<u8> next();
    /// Whether some ring is not empty. Unfinished lines that wait for their end do not count.
    [[nodiscard]] bool has_input() const;
    /// A byte from the wire.
    ConsoleAction type(u8 byte);
    /// A byte for that source, wherever it comes from: Typed or None.
    ConsoleAction put(u32 index, u8 byte);
    [[nodiscard]] u32 focus() const { return focus_; }
    void set_focus(u32 source) { focus_ = source; }

private:
    static constexpr u32 nobody = ~0u;

    void stage_next_line();
    bool stage_log();
    bool stage_complete_line(u32 index);
    void stage_unfinished_line(u32 index);
    void stage_source(u32 index);
    static void pull(ConsoleOutput& ring, ConsoleLine& line, bool& complete, bool& wrapped);
    void stage(std::string_view text);
    void begin_line(u32 owner, std::string_view name, bool brackets);

    std::span<ConsoleSource> sources_;
    ConsoleOutput* log_ = nullptr;
    ConsoleLine log_line_;
    bool log_wrapped_ = false;
    StaticVector<char, 320> staged_; ///< what goes out next
    u32 staged_sent_ = 0;
    u32 line_owner_ = nobody; ///< whose unfinished line is on the wire
    u32 next_source_ = 0;
    u32 focus_ = 0;
    bool escaped_ = false;
};

} // namespace bulkhead
