// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/ending_signals.hpp"

#include <cstring>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/failure.hpp"

namespace bulkhead::tools {

EndingSignals::EndingSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, &previous_);
    descriptor_ = Descriptor(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

EndingSignals::~EndingSignals() {
    signalfd_siginfo information{};
    while (read(descriptor_.get(), &information, sizeof information) > 0) {
    }
    sigprocmask(SIG_SETMASK, &previous_, nullptr);
}

void EndingSignals::check() const {
    signalfd_siginfo information{};
    if (read(descriptor_.get(), &information, sizeof information) <= 0)
        return; // none has come
    const int signal = static_cast<int>(information.ssi_signo);
    throw Failure(std::string("ended by the signal SIG") + sigabbrev_np(signal), 128 + signal);
}

} // namespace bulkhead::tools
