// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/console.hpp"

#include <optional>

#include "arch/x86_64/hardware.hpp"
#include "base/init.hpp"
#include "base/spinlock.hpp"
#include "core/journal.hpp"
#include "core/machine.hpp"
#include "core/monitor.hpp"
#include "drivers/serial.hpp"

namespace bulkhead::console {

namespace {

constinit arch::CpuPorts ports;
constinit drivers::SerialPort<arch::CpuPorts> serial(ports, 0);
constinit bool present = false;

constinit Spinlock log_lock; // of lines of the hypervisor's own: short, rare, and never while a guest waits for input
constinit ConsoleOutput log_ring BULKHEAD_GUARDED_BY(log_lock);
constinit ConsoleWriter log_writer BULKHEAD_GUARDED_BY(log_lock);

/// The last lines, the oldest from log_written on.
constinit std::array<char, 8192> log_memory BULKHEAD_GUARDED_BY(log_lock){};
constinit u32 log_written BULKHEAD_GUARDED_BY(log_lock) = 0;

constinit ConsoleMux mux; // the service CPU's alone
constinit std::optional<char> unsent;
constinit std::atomic<bool> serving{false};
/// Whether the service CPU has said that it found all rings empty: who fills one then sends it an NMI.
constinit std::atomic<bool> idle{false};

void write_now(std::string_view text) {
    for (const char c : text)
        serial.put(c);
}

void remember(std::string_view text) BULKHEAD_REQUIRES(log_lock) {
    for (const char c : text) {
        log_memory[log_written] = c;
        log_written = (log_written + 1) % log_memory.size();
    }
}

void print_help() {
    print("Ctrl-] then 1 to 9, n or p: type into that, the next or the previous guest; m: commands; s: statistics; "
          "Ctrl-] again: the character itself");
}

void on_key(char key) {
    const ConsoleAction action = mux.type(static_cast<u8>(key));
    switch (action.kind) {
    case ConsoleAction::Kind::None:
        return;
    case ConsoleAction::Kind::Typed:
        if (action.source == machine.guests.size())
            return monitor::type(static_cast<u8>(key));
        if (action.dropped != 0)
            Log() << "guest " << machine.guests[action.source].name << ": (" << action.dropped
                  << " typed bytes dropped)";
        return kick(*machine.guests[action.source].vcpus[0], request_input);
    case ConsoleAction::Kind::Focus:
        return set_focus(action.source);
    case ConsoleAction::Kind::Statistics:
        return monitor::print_statistics();
    case ConsoleAction::Kind::Help:
        return print_help();
    }
}

/// Sends what the UART has room for. False when there is nothing more to send.
bool transmit() {
    for (;;) {
        if (!unsent)
            if (const std::optional<u8> byte = mux.next())
                unsent = static_cast<char>(*byte);
        if (!unsent)
            return false;
        if (serial.transmit({&*unsent, 1}) == 0)
            return true;
        unsent.reset();
    }
}

} // namespace

BULKHEAD_INIT void start(u16 port, u32 baud) {
    if (port == 0)
        return;
    serial = drivers::SerialPort<arch::CpuPorts>(ports, port);
    present = serial.init(baud).has_value();
}

void print(std::string_view line) {
    if (!present)
        return;
    {
        const LockGuard lock(log_lock, lock_owner());
        remember(line);
        remember("\n");
        if (!serving.load()) {
            write_now(ConsoleMux::own_name);
            write_now(": ");
            write_now(line);
            write_now("\r\n");
            return;
        }
        log_writer.put(log_ring, line);
        log_writer.put(log_ring, "\n");
    }
    wake();
}

BULKHEAD_INIT void start_service(std::span<ConsoleSource> sources) {
    {
        const LockGuard lock(log_lock, lock_owner());
        mux = ConsoleMux(sources, log_ring);
        serving.store(true);
    }
    if (present)
        serial.set_interrupts(true, false);
    serve();
}

void serve() {
    if (!present || !serving.load())
        return;
    serial.drain([](char key) { on_key(key); }); // no pointer: no indirect branch after an exit
    for (;;) {
        idle.store(false);
        if (transmit()) {
            serial.set_interrupts(true, true); // the next NMI comes when there is room
            return;
        }
        idle.store(true);
        // Who filled a ring before that store saw "busy" and sent no NMI: look again.
        if (!mux.has_input())
            break;
    }
    serial.set_interrupts(true, false);
}

void wake() {
    if (serving.load(std::memory_order_relaxed) && idle.exchange(false))
        kick(machine.cores[machine.service_cpu], request_serve);
}

void flush() {
    if (!present)
        return;
    while (const std::optional<u8> byte = unsent ? std::optional(static_cast<u8>(*unsent)) : mux.next()) {
        unsent.reset();
        serial.put(static_cast<char>(*byte));
    }
}

void repeat_log(ConsoleWriter& writer, ConsoleOutput& ring) {
    const LockGuard lock(log_lock, lock_owner());
    writer.put(ring, {log_memory.data() + log_written, log_memory.size() - log_written});
    writer.put(ring, {log_memory.data(), log_written});
}

void set_focus(u32 source) {
    mux.set_focus(source);
    if (source < machine.guests.size())
        Log() << "typing goes to guest " << machine.guests[source].name;
    else
        Log() << "typing goes to the monitor: help says what it knows";
}

bool holds_lock() { return log_lock.is_held_by(lock_owner()); }

void emergency(std::string_view line) {
    journal.add(line);
    if (!present)
        return;
    write_now("\r\nbulkhead: ");
    write_now(line);
    write_now("\r\n");
}

} // namespace bulkhead::console

bulkhead::Log::Log() = default;
bulkhead::Log::~Log() { console::print(view()); }
bulkhead::Record::Record() = default;
bulkhead::Record::~Record() { journal.add(view()); }
