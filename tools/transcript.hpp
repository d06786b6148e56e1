// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::tools {

/// What a serial console said, as lines of text: without carriage returns and without a terminal's control sequences
/// (ECMA-48 5.4: ESC [ ... final byte).
class Transcript {
public:
    /// Takes the bytes as they come. Returns the lines that they completed.
    std::vector<std::string> add(std::string_view bytes);

    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
    /// The line that has no end yet: a prompt, maybe.
    [[nodiscard]] const std::string& unfinished() const { return unfinished_; }

private:
    enum class State { Text, Escape, Sequence };

    std::vector<std::string> lines_;
    std::string unfinished_;
    State state_ = State::Text;
};

} // namespace bulkhead::tools
