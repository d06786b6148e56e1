// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/text.hpp"
#include "boot/boot_info.hpp"
#include "core/console_port.hpp"
#include "drivers/screen.hpp"

namespace bulkhead {

struct Guest;

/// The hypervisor's console: the physical UART, and the screen, which shows the same. While booting, a line goes out at
/// once. Once service starts, a line goes into a ring, and the service CPU brings rings and guests' consoles to the
/// wire, without anybody waiting for it. A guest may have a UART of its own, served likewise.
namespace console {

/// `port`: I/O base of a 16550, 0 for none. `divisor`: 115200 by the rate in baud; 0 leaves the line as the firmware set it. `of_loader`: the
/// screen, or none; it goes on there. `log`: what the loader has said, for repeat_log().
void start(u16 port, u16 divisor, std::span<const drivers::Screen> of_loader, std::string_view log);
/// The screen is reached through layout::mmio from now on.
void move_screen();

/// The 16550 at `base` becomes `port`, with `divisor` as above; it is not served before it is present, too. Errors:
/// drivers::SerialPort::init()'s.
Result<void> open(ConsolePort& port, u16 base, u16 divisor);

/// One line, without its end; "bulkhead: " comes before it. Any CPU.
void print(std::string_view line);

/// From now on this CPU serves the consoles. Their UARTs interrupt it by NMI; `has_interrupt`: the shared one, too.
void start_service(std::span<ConsoleSource> sources, bool has_interrupt);

/// On the service CPU: takes what was typed and sends what can be sent. Never waits.
void serve();

/// Tells the service CPU that the guest's ring has something. Any CPU.
void wake(Guest& guest);

/// On the service CPU: the lines that were printed last, as much as is kept of them, into another ring.
void repeat_log(ConsoleWriter& writer, ConsoleOutput& ring);

/// On the service CPU: typing goes to that source, unless it has a port of its own.
void set_focus(u32 source);

/// For a CPU that will not return: brings everything out, waiting for the wire. Only when nothing else may run.
void flush();

/// After a failure on this CPU: its lock. Whether it had it, and has left a line half written.
bool give_up_lock();

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
