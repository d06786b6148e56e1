// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/transcript.hpp"

#include <utility>

namespace bulkhead::tools {

std::vector<std::string> Transcript::add(std::string_view bytes) {
    constexpr char escape = '\x1b';
    std::vector<std::string> completed;
    for (const char c : bytes) {
        switch (state_) {
        case State::Text:
            if (c == escape)
                state_ = State::Escape;
            else if (c == '\n')
                completed.push_back(std::exchange(unfinished_, {}));
            else if (c == '\t' || static_cast<unsigned char>(c) >= ' ')
                unfinished_.push_back(c);
            break;
        case State::Escape:
            state_ = c == '[' ? State::Sequence : State::Text;
            break;
        case State::Sequence:
            if (c >= '@' && c <= '~')
                state_ = State::Text;
            break;
        }
    }
    lines_.insert(lines_.end(), completed.begin(), completed.end());
    return completed;
}

} // namespace bulkhead::tools
