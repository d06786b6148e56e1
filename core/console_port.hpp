// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/hardware.hpp"
#include "core/console_mux.hpp"
#include "drivers/serial.hpp"

namespace bulkhead {

/// A 16550 of the machine, which the service CPU alone uses once service has started.
struct ConsolePort {
    static constinit inline arch::CpuPorts ports;
    drivers::SerialPort<arch::CpuPorts> uart{ports, 0};
    bool present = false;
    bool has_interrupt = false;    ///< else it is looked at again and again while there is something to send
    std::atomic<bool> idle{false}; ///< nothing was left to send: who has something then sends the service CPU an NMI
    /// Taken from the rings, as many as a FIFO has room for: fewer, and each would cost an interrupt.
    StaticVector<char, drivers::uart_fifo_size> taken;
    std::size_t sent = 0;            ///< of `taken`
    ConsoleOutput* output = nullptr; ///< the guest's whose alone it is, as it is; null: what all share
    u32 source = 0;                  ///< of what comes in there, if it is a guest's
};

} // namespace bulkhead
