// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/text.hpp"
#include "core/console_mux.hpp"

namespace bulkhead {

/// The hypervisor's console: the physical UART. While booting, a line goes out at once. Once service starts, a line
/// goes into a ring, and the service CPU brings rings and guests' consoles to the wire, without anybody waiting for it.
namespace console {

/// `port`: I/O base of a 16550, 0 for none. `baud`: 0 leaves the line as the firmware set it.
void start(u16 port, u32 baud);

/// One line, without its end; "bulkhead: " comes before it. Any CPU.
void print(std::string_view line);

/// From now on this CPU serves the console. The UART interrupts it by NMI.
void start_service(std::span<ConsoleSource> sources);

/// On the service CPU: takes what was typed and sends what can be sent. Never waits.
void serve();

/// Tells the service CPU that a ring has something. Any CPU.
void wake();

/// On the service CPU: the lines that were printed last, as much as is kept of them, into another ring.
void repeat_log(ConsoleWriter& writer, ConsoleOutput& ring);

/// On the service CPU: typing goes to that source.
void set_focus(u32 source);

/// For a CPU that will not return: brings everything out, waiting for the wire. Only when nothing else may run.
void flush();

/// Whether this CPU is writing a line: a failure then has left one half written.
bool holds_lock();

/// Last words of a broken hypervisor: past all locks and rings.
void emergency(std::string_view line);

} // namespace console

/// A line for the console, printed where its scope ends.
class Log : public Line<255> {
public:
    Log();
    ~Log();
};

/// A line that the next boot prints again (core/journal.hpp).
class Record : public Log {
public:
    Record();
    ~Record();
};

} // namespace bulkhead
