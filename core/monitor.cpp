// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/monitor.hpp"

#include "core/console.hpp"
#include "core/failure.hpp"
#include "core/life_cycle.hpp"
#include "core/machine.hpp"
#include "core/monitor_command.hpp"

namespace bulkhead::monitor {

namespace {

constinit ConsoleOutput output;
constinit ConsoleInput input; // nobody waits in it: the byte's receiver is the caller
constinit ConsoleWriter writer;
constinit StaticVector<char, 80> typed;

void put(std::string_view text) { writer.put(output, text); }

Guest* find_guest(std::string_view name) {
    for (Guest& guest : machine.guests)
        if (guest.name == name)
            return &guest;
    return nullptr;
}

void list(Guest& guest) {
    const LockGuard lock(guest.life_lock, lock_owner());
    const u64 seconds = (arch::read_tsc() - guest.started_at) / (machine.boot.clocks.tsc_khz * 1000);
    Log line;
    line << "guest " << guest.name << ": " << state_of(guest) << ", " << guest.vcpus.size() << " vCPUs, "
         << Size{align_up(guest.memory_map.total(), MiB)} << ", started " << guest.lives.load() << " times";
    if (is_alive(guest))
        line << ", last " << seconds << " s ago";
    if (!guest.last_failure.what.empty())
        line << "; failed last on vCPU " << guest.last_failure.vcpu << " at RIP " << Hex{guest.last_failure.rip} << ": "
             << guest.last_failure.what;
}

void show(Guest& guest) {
    list(guest);
    for (const Vcpu* vcpu : guest.vcpus) {
        Log() << "guest " << guest.name << ": vCPU " << vcpu->id << " on CPU " << vcpu->cpu << " (APIC ID "
              << vcpu->apic_id << ")" << (vcpu->activity.load() == Activity::Active ? "" : ", does not run");
        print_counters(*vcpu);
    }
    const GuestInfo& info = *guest.info;
    Log() << "guest " << guest.name << ": on-crash " << (info.restart_on_crash != 0 ? "restart" : "stop")
          << ", on-reboot " << (info.restart_on_reboot != 0 ? "restart" : "stop") << ", restart-limit "
          << info.restart_limit << ", restart-delay " << info.restart_delay << " ms, watchdog " << info.watchdog
          << " s";
}

void help() {
    for (const MonitorCommand& command : monitor_commands)
        Log() << command.name << (command.takes_guest ? " GUEST: " : ": ") << command.help;
}

void execute(const MonitorCommand& command, Guest* guest) {
    switch (command.kind) {
    case MonitorCommand::Kind::Operate:
        if (const std::string_view refusal = perform(*guest, command.operation); !refusal.empty())
            Log() << "guest " << guest->name << ": no " << command.name << ": " << refusal;
        else
            Log() << "guest " << guest->name << ": " << command.name << " asked for";
        return;
    case MonitorCommand::Kind::List:
        for (Guest& each : machine.guests)
            list(each);
        return;
    case MonitorCommand::Kind::Show:
        return show(*guest);
    case MonitorCommand::Kind::Console:
        return console::set_focus(static_cast<u32>(guest - machine.guests.data()));
    case MonitorCommand::Kind::Statistics:
        return print_statistics();
    case MonitorCommand::Kind::Log:
        if (machine.boot.keeps_log == 0)
            return Log() << "the configuration has 'log = false'", void();
        return console::repeat_log(writer, output);
    case MonitorCommand::Kind::Help:
        return help();
    }
}

void execute_line(std::string_view line) {
    const auto [name, argument] = split_words(line);
    if (name.empty())
        return;
    const MonitorCommand* command = find_monitor_command(name);
    Guest* guest = find_guest(argument);
    if (command == nullptr)
        Log() << "no command '" << name << "': type help";
    else if (command->takes_guest && guest == nullptr)
        Log() << "no guest '" << argument << "': type list, then " << name << " and a guest's name";
    else if (!command->takes_guest && !argument.empty())
        Log() << name << " takes nothing behind it";
    else
        execute(*command, guest);
}

} // namespace

ConsoleSource source() { return {.name = "monitor", .output = &output, .input = &input}; }

void type(u8 byte) {
    static_cast<void>(input.pop());
    const char c = static_cast<char>(byte);
    constexpr char ctrl_u = 0x15, backspace = 0x08, del = 0x7f;
    if (c == '\r' || c == '\n') {
        put("\n");
        execute_line({typed.begin(), typed.size()});
        typed.clear();
    } else if (c == backspace || c == del || c == ctrl_u) {
        for (bool all = c == ctrl_u; !typed.empty(); typed.pop_back()) {
            put("\b \b");
            if (!all)
                return typed.pop_back();
        }
    } else if (c >= ' ' && c < del && typed.push_back(c)) {
        put({&c, 1});
    }
}

void print_statistics() {
    for (Guest& guest : machine.guests)
        list(guest);
    for (const Vcpu& core : machine.cores)
        if (core.guest != nullptr)
            print_counters(core);
    u64 tables = 0; // all that may change after the boot
    for (Guest& guest : machine.guests) {
        const LockGuard lock(guest.devices_lock, lock_owner());
        tables += guest.spare_tables.used();
    }
    Log() << "memory in use: " << machine.memory_kept / KiB << " KiB, and " << tables / KiB
          << " KiB of tables of pages that were split";
}

} // namespace bulkhead::monitor
