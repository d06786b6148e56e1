// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <csignal>

#include "tools/process.hpp"

namespace bulkhead::tools {

/// While it lives, SIGINT, SIGTERM and SIGHUP come as bytes of a descriptor, so that everything is cleaned up in the
/// ordinary way. Commands that are started meanwhile are not protected from them. May be nested.
class EndingSignals {
public:
    EndingSignals();
    EndingSignals(const EndingSignals&) = delete;
    EndingSignals& operator=(const EndingSignals&) = delete;
    ~EndingSignals();

    /// To be read, for poll(2), when a signal has come.
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }
    /// Throws Failure, with the shell's status for it, if a signal has come.
    void check() const;

private:
    sigset_t previous_{};
    Descriptor descriptor_;
};

} // namespace bulkhead::tools
