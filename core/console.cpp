// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/console.hpp"

#include <optional>

#include "arch/x86_64/hardware.hpp"
#include "base/init.hpp"
#include "base/spinlock.hpp"
#include "core/clock.hpp"
#include "core/journal.hpp"
#include "core/life_cycle.hpp"
#include "core/machine.hpp"
#include "core/monitor.hpp"
#include "drivers/serial.hpp"

namespace bulkhead::console {

namespace {

constinit ConsolePort shared;
constinit drivers::Screen screen; // shows what goes to the shared port, also where there is none

constinit Spinlock log_lock; // of lines of the hypervisor's own: short, rare, and never while a guest waits for input
constinit ConsoleOutput log_ring BULKHEAD_GUARDED_BY(log_lock);
constinit ConsoleWriter log_writer BULKHEAD_GUARDED_BY(log_lock);

/// The last lines, the oldest from log_written on.
constinit std::array<char, BootInfo::log_size> log_memory BULKHEAD_GUARDED_BY(log_lock){};
constinit u32 log_written BULKHEAD_GUARDED_BY(log_lock) = 0;

constinit ConsoleMux mux; // the service CPU's alone
constinit std::atomic<bool> serving{false};

/// Somebody writes: in an emergency that may be any CPU.
constinit std::atomic<bool> wire_taken{false};

/// Not for ever: who has it may have failed.
void take_wire() {
    constexpr u32 long_enough = 10'000'000;
    for (u32 i = 0; i < long_enough && wire_taken.exchange(true); ++i)
        arch::pause();
}
void release_wire() { wire_taken.store(false); }

void write_now(std::string_view text) {
    for (const char c : text) {
        screen.put(c);
        if (shared.present)
            shared.uart.put(c);
    }
}

void write_line(std::string_view before, std::string_view line) {
    take_wire();
    write_now(before);
    write_now(line);
    write_now("\r\n");
    release_wire();
}

void remember(std::string_view text) BULKHEAD_REQUIRES(log_lock) {
    if (machine.boot.keeps_log == 0)
        return;
    copy_around(log_memory, log_written, text);
    log_written = static_cast<u32>((log_written + text.size()) % log_memory.size());
}

void print_help() {
    print("Ctrl-] then 1 to 9, n or p: type into that, the next or the previous guest; m: commands; s: statistics; "
          "Ctrl-] again: the character itself");
}

void on_key(const ConsolePort& port, u8 key) {
    const ConsoleAction action = port.output == nullptr ? mux.type(key) : mux.put(port.source, key);
    switch (action.kind) {
    case ConsoleAction::Kind::None:
        return;
    case ConsoleAction::Kind::Typed:
        if (action.source == machine.guests.size())
            return monitor::type(key);
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

std::optional<u8> next(ConsolePort& port) {
    if (port.output != nullptr)
        return port.output->pop();
    const std::optional<u8> byte = mux.next();
    if (byte)
        screen.put(static_cast<char>(*byte));
    return byte;
}

/// Takes from the rings as much as the UART's FIFO holds, if it has sent all, and sends what there is room for. How
/// much that was, of a screen alone all.
std::size_t transmit(ConsolePort& port) {
    take_wire();
    if (port.sent == port.taken.size()) {
        port.sent = 0;
        port.taken.clear();
        for (std::optional<u8> byte; !port.taken.full() && (byte = next(port));)
            static_cast<void>(port.taken.push_back(static_cast<char>(*byte)));
    }
    const std::string_view rest{port.taken.begin() + port.sent, port.taken.end()};
    const std::size_t count = port.present ? port.uart.transmit(rest) : rest.size();
    port.sent += count;
    release_wire();
    return count;
}

bool has_input(const ConsolePort& port) { return port.output == nullptr ? mux.has_input() : !port.output->empty(); }

[[gnu::noinline]] void serve(ConsolePort& port) {
    if (port.present &&
        port.uart.drain([&](char key) { on_key(port, static_cast<u8>(key)); })) // no pointer: no indirect branch
        Log() << "typed bytes were lost: they came faster than they were taken";
    const bool found = !port.taken.empty() || has_input(port);
    const u64 begin = arch::read_tsc();
    bool has_room = true;
    port.idle.store(false);
    do
        has_room = transmit(port) != 0 || port.taken.empty();
    while (has_room && (!port.taken.empty() || has_input(port)) &&
           arch::read_tsc() - begin < machine.boot.clocks.tsc_khz); // a millisecond
    if (!has_room && port.has_interrupt)
        return port.uart.set_interrupts(true, true); // the next NMI comes when there is room
    if (port.present)
        port.uart.set_interrupts(true, false);
    // Guests may print without end, or what nobody sees: they are not to have this CPU for themselves. So who has found
    // something comes back by the clock; and only who has found nothing, and leaves nothing, is called by the next
    // byte.
    if (!found && port.taken.empty()) {
        port.idle.store(true);
        // Who filled a ring before that store saw "busy" and sent no NMI: look again.
        if (!has_input(port))
            return;
        port.idle.store(false);
    }
    serve_again(begin);
}

void show_states() {
    Line<1024> line;
    for (const bool runs : {false, true}) // there may be more guests than room
        for (Guest& guest : machine.guests) {
            const LockGuard lock(guest.life_lock, lock_owner());
            if ((guest.state == GuestState::Running) == runs)
                line << ' ' << guest.name << ": " << state_of(guest) << "  ";
        }
    screen.show_status(line.view());
}

void wake(ConsolePort& port) {
    if (serving.load(std::memory_order_relaxed) && port.idle.exchange(false))
        kick(machine.cores[machine.service_cpu], request_serve);
}

template <class Do> void for_each_port(Do action) {
    if (shared.present || screen.is_open())
        action(shared);
    for (Guest& guest : machine.guests)
        if (guest.port.present)
            action(guest.port);
}

} // namespace

BULKHEAD_INIT Result<void> open(ConsolePort& port, u16 base, u16 divisor) {
    port.uart = drivers::SerialPort<arch::CpuPorts>(ConsolePort::ports, base);
    return port.uart.init(divisor);
}

BULKHEAD_INIT void start(u16 port, u16 divisor, std::span<const drivers::Screen> of_loader, std::string_view log) {
    shared.present = port != 0 && open(shared, port, divisor).has_value();
    if (!of_loader.empty())
        screen = of_loader[0];
    const LockGuard lock(log_lock, lock_owner());
    remember(log);
}

BULKHEAD_INIT void move_screen() {
    if (screen.is_open())
        screen.move(layout::mmio + machine.boot.framebuffer.address.value);
}

void print(std::string_view line) {
    {
        const LockGuard lock(log_lock, lock_owner());
        remember(line);
        remember("\n");
        if (!serving.load())
            return write_line("bulkhead: ", line);
        log_writer.put(log_ring, line);
        log_writer.put(log_ring, "\n");
    }
    wake(shared);
}

BULKHEAD_INIT void start_service(std::span<ConsoleSource> sources, bool has_interrupt) {
    shared.has_interrupt = has_interrupt && shared.present;
    {
        const LockGuard lock(log_lock, lock_owner());
        mux = ConsoleMux(sources, log_ring);
        serving.store(true);
    }
    serve();
}

void serve() {
    if (!serving.load())
        return;
    for_each_port([](ConsolePort& port) { serve(port); });
    if (screen.is_open())
        show_states();
}

void wake(Guest& guest) { wake(guest.port.present ? guest.port : shared); }

void flush() {
    for_each_port([](ConsolePort& port) {
        do {
            for (; port.sent < port.taken.size(); ++port.sent)
                if (port.present)
                    port.uart.put(port.taken.begin()[port.sent]);
            transmit(port);
        } while (!port.taken.empty() || has_input(port));
    });
}

void repeat_log(ConsoleWriter& writer, ConsoleOutput& ring) {
    const LockGuard lock(log_lock, lock_owner());
    writer.put(ring, {log_memory.data() + log_written, log_memory.size() - log_written});
    writer.put(ring, {log_memory.data(), log_written});
}

void set_focus(u32 source) {
    if (machine.console_sources[source].apart)
        return Log() << "guest " << machine.guests[source].name << " has a serial port of its own", void();
    mux.set_focus(source);
    if (source < machine.guests.size())
        Log() << "typing goes to guest " << machine.guests[source].name;
    else
        Log() << "typing goes to the monitor: help says what it knows";
}

bool give_up_lock() { return log_lock.give_up(lock_owner()); }

void emergency(std::string_view line) {
    journal.add(line);
    write_line("\r\nbulkhead: ", line);
}

} // namespace bulkhead::console

bulkhead::Log::Log() = default;
bulkhead::Log::~Log() { console::print(view()); }
bulkhead::Record::Record() = default;
bulkhead::Record::~Record() { journal.add(view()); }
