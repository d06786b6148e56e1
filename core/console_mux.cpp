// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/console_mux.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace bulkhead {

void ConsoleWriter::put(ConsoleOutput& ring, std::string_view text) {
    if (text.empty())
        return;
    const u32 room = ConsoleOutput::capacity() - ring.size();
    if (room < text.size() || (missing_ != 0 && room < ConsoleOutput::capacity() / 4)) {
        dropped_ += text.size();
        missing_ += text.size();
        return;
    }
    if (missing_ != 0) {
        Line<48> note;
        note << (last_ == '\n' ? "" : "\n") << "(" << missing_ << " bytes dropped)\n";
        static_cast<void>(ring.push(note.view())); // there is room
        missing_ = 0;
    }
    static_cast<void>(ring.push(text));
    last_ = text.back();
}

ConsoleMux::ConsoleMux(std::span<ConsoleSource> sources, ConsoleOutput& log) : sources_(sources), log_(&log) {
    while (focus_ < sources.size() && sources[focus_].apart)
        ++focus_;
}

std::optional<u8> ConsoleMux::next() {
    if (staged_sent_ == staged_.size()) {
        staged_.clear();
        staged_sent_ = 0;
        stage_next_line();
        if (staged_.empty())
            return std::nullopt;
    }
    return static_cast<u8>(staged_[staged_sent_++]);
}

bool ConsoleMux::has_input() const {
    if (log_ != nullptr && !log_->empty())
        return true;
    for (const ConsoleSource& source : sources_)
        if (!source.apart && !source.output->empty())
            return true;
    return false;
}

void ConsoleMux::stage_next_line() {
    if (log_ == nullptr || stage_log())
        return;
    // Round robin: a guest that never stops printing does not silence the others.
    for (u32 i = 0; i < sources_.size(); ++i) {
        const u32 index = static_cast<u32>((next_source_ + i) % sources_.size());
        if (stage_complete_line(index)) {
            next_source_ = index + 1;
            return;
        }
    }
    if (focus_ < sources_.size())
        stage_unfinished_line(focus_);
}

bool ConsoleMux::stage_log() {
    bool complete = false;
    pull(*log_, log_line_, complete, log_wrapped_);
    if (!complete)
        return false;
    begin_line(nobody, own_name, false);
    stage({log_line_.begin(), log_line_.size()});
    stage("\r\n");
    log_line_.clear();
    return true;
}

bool ConsoleMux::stage_complete_line(u32 index) {
    ConsoleSource& source = sources_[index];
    if (!source.line_complete && !source.apart)
        pull(*source.output, source.line, source.line_complete, source.line_wrapped);
    if (!source.line_complete)
        return false;
    stage_source(index);
    stage("\r\n");
    line_owner_ = nobody;
    source.line.clear();
    source.line_complete = false;
    return true;
}

void ConsoleMux::stage_unfinished_line(u32 index) {
    const ConsoleSource& source = sources_[index];
    if (source.line.size() != (line_owner_ == index ? source.shown : 0))
        stage_source(index);
}

/// What of the source's line is not on the wire yet; all of it if another line came in between.
void ConsoleMux::stage_source(u32 index) {
    ConsoleSource& source = sources_[index];
    if (line_owner_ != index) {
        begin_line(index, source.name, true);
        source.shown = 0;
    }
    // A carriage return that was shown is no longer in the line when its newline has come.
    const std::size_t shown = std::min<std::size_t>(source.shown, source.line.size());
    stage({source.line.begin() + shown, source.line.size() - shown});
    source.shown = static_cast<u32>(source.line.size());
    line_owner_ = index;
}

// Up to the end of a line. A line that is too long ends where the buffer does; a newline right there is its own.
void ConsoleMux::pull(ConsoleOutput& ring, ConsoleLine& line, bool& complete, bool& wrapped) {
    while (!complete) {
        const std::optional<u8> byte = ring.pop();
        if (!byte)
            return;
        if (*byte == 0 || (wrapped && *byte == '\r'))
            continue;
        if (*byte == '\n') {
            if (!line.empty() && line.back() == '\r')
                line.pop_back();
            complete = !wrapped;
            wrapped = false;
        } else {
            complete = !line.push_back(static_cast<char>(*byte)) || line.full();
            wrapped = complete;
        }
    }
}

void ConsoleMux::begin_line(u32 owner, std::string_view name, bool brackets) {
    if (line_owner_ != nobody && line_owner_ != owner)
        stage("\r\n");
    line_owner_ = nobody;
    stage(brackets ? "[" : "");
    stage(name);
    stage(brackets ? "] " : ": ");
}

void ConsoleMux::stage(std::string_view text) {
    for (char c : text)
        static_cast<void>(staged_.push_back(c)); // name, line and ends together always fit
}

ConsoleAction ConsoleMux::type(u8 byte) {
    using Kind = ConsoleAction::Kind;
    if (!escaped_ && byte == escape) {
        escaped_ = true;
        return {};
    }
    if (escaped_ && byte != escape) {
        escaped_ = false;
        const u32 count = static_cast<u32>(sources_.size());
        u32 wanted = byte <= '9' ? u32{byte} - '1' : count; // what is below '1' becomes a large number
        if (byte == 'm')
            wanted = count - 1;
        if ((byte == 'n' || byte == 'p') && focus_ < count) {
            wanted = focus_;
            do
                wanted = (wanted + (byte == 'n' ? 1 : count - 1)) % count;
            while (sources_[wanted].apart);
        }
        if (wanted < count) {
            if (!sources_[wanted].apart)
                focus_ = wanted;
            return {Kind::Focus, wanted, 0};
        }
        return {byte == 's' ? Kind::Statistics : Kind::Help, 0, 0};
    }
    escaped_ = false;
    return focus_ < sources_.size() ? put(focus_, byte) : ConsoleAction();
}

ConsoleAction ConsoleMux::put(u32 index, u8 byte) {
    ConsoleSource& source = sources_[index];
    if (const char c = static_cast<char>(byte); !source.input->push({&c, 1})) {
        ++source.untaken;
        return {};
    }
    return {ConsoleAction::Kind::Typed, index, std::exchange(source.untaken, 0)};
}

} // namespace bulkhead
