// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <stdexcept>
#include <string>

namespace bulkhead::tools {

/// What the host command says before it ends, and its exit status: 1, the thing failed; 2, it was asked for wrongly;
/// 128 and a signal's number: that signal ended it.
class Failure : public std::runtime_error {
public:
    explicit Failure(const std::string& text, int status = 1) : std::runtime_error(text), status_(status) {}
    [[nodiscard]] int status() const { return status_; }

private:
    int status_;
};

} // namespace bulkhead::tools
