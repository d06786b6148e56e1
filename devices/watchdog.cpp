// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/watchdog.hpp"

#include <algorithm>

namespace bulkhead {

void Watchdog::reset(u32 timeout, bool expired) {
    timeout_ = timeout == 0 ? standard_timeout : timeout;
    running_ = timeout != 0;
    expired_ = expired;
}

u32 Watchdog::read(u16 port, u32 left) const {
    switch (port) {
    case platform::watchdog_timeout_port:
        return timeout_;
    case platform::watchdog_left_port:
        return running_ ? left : timeout_;
    case platform::watchdog_control_port:
        return (running_ ? RUN : 0) | (expired_ ? EXPIRED : 0);
    default:
        return ~0u;
    }
}

std::optional<u32> Watchdog::write(u16 port, u32 value) {
    if (port == platform::watchdog_timeout_port) {
        timeout_ = std::max(value, 1u); // 0 would be no deadline
        return running_ ? std::optional(timeout_) : std::nullopt;
    }
    if (port != platform::watchdog_control_port)
        return std::nullopt;
    expired_ = expired_ && (value & EXPIRED) == 0;
    running_ = (value & RUN) != 0;
    return running_ ? timeout_ : 0;
}

} // namespace bulkhead
