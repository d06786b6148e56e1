// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/validate.hpp"

#include "config/placement.hpp"

namespace bulkhead {
namespace {

void check_name(std::span<const GuestConfig> earlier_guests, const GuestConfig& guest, Diagnostics& diagnostics) {
    if (!guest.name.given())
        return;
    if (guest.name.value == "monitor") {
        diagnostics.error(guest.name.at, "the name ", Quoted{guest.name.value},
                          " is the hypervisor's own on the console");
        return;
    }
    for (const GuestConfig& earlier : earlier_guests) {
        if (earlier.name.given() && earlier.name.value == guest.name.value) {
            diagnostics.error(guest.name.at, "there already is a guest ", Quoted{guest.name.value}, ", in line ",
                              earlier.name.at.line);
            return;
        }
    }
}

const Located<u64>* find_cpu(std::span<const Located<u64>> list, u64 number) {
    for (const Located<u64>& cpu : list)
        if (cpu.value == number)
            return &cpu;
    return nullptr;
}

/// The `index`-th CPU of a guest's list: nobody listed it before.
void check_cpu(std::span<const GuestConfig> earlier_guests, const GuestConfig& guest, std::size_t index,
               Diagnostics& diagnostics) {
    const Located<u64>& cpu = guest.cpus.list[index];
    if (const auto* first = find_cpu(guest.cpus.list.first(index), cpu.value)) {
        diagnostics.error(cpu.at, "CPU ", cpu.value, " is listed twice; the first one is in line ", first->at.line,
                          ", column ", first->at.column);
        return;
    }
    for (const GuestConfig& earlier : earlier_guests) {
        if (const auto* first = find_cpu(earlier.cpus.list, cpu.value)) {
            diagnostics.error(cpu.at, "CPU ", cpu.value, " already belongs to the guest ", Quoted{shown_name(earlier)},
                              ", in line ", first->at.line);
            return;
        }
    }
}

/// Two 16550s, of 8 ports each, cannot overlap.
bool share_ports(u64 a, u64 b) { return a < b + 8 && b < a + 8; }

/// The serial port of a guest's own is nobody else's.
void check_console(const Configuration& configuration, std::size_t index, Diagnostics& diagnostics) {
    const std::span<const GuestConfig> guests = configuration.guests.span();
    const Located<u64>& port = guests[index].console_port;
    const u64 shared = configuration.hypervisor.console_port.value;
    if (!port.given())
        return;
    if (shared != 0 && share_ports(shared, port.value)) {
        diagnostics.error(port.at, "the port ", Hex{port.value}, " is that of the hypervisor's console, ", Hex{shared},
                          "; for a guest that shares it leave 'console-port' out");
        return;
    }
    for (const GuestConfig& earlier : guests.first(index)) {
        if (earlier.console_port.given() && share_ports(earlier.console_port.value, port.value)) {
            diagnostics.error(port.at, "the port ", Hex{port.value}, " already belongs to the guest ",
                              Quoted{shown_name(earlier)}, ", in line ", earlier.console_port.at.line);
            return;
        }
    }
}

/// Its interrupt is an edge, which two 16550s cannot share: the second one's would be lost while the first one's lasts.
void check_console_irq(const Configuration& configuration, std::size_t index, Diagnostics& diagnostics) {
    const std::span<const GuestConfig> guests = configuration.guests.span();
    const GuestConfig& guest = guests[index];
    if (!guest.console_port.given())
        return;
    const u64 irq = guest.console_irq.value;
    const Position at = guest.console_irq.given() ? guest.console_irq.at : guest.console_port.at;
    if (irq == 0) {
        diagnostics.error(at, "which interrupt the port ", Hex{guest.console_port.value},
                          " has is not known: write 'console-irq'");
        return;
    }
    if (configuration.hypervisor.console_port.value != 0 && configuration.hypervisor.console_irq.value == irq) {
        diagnostics.error(at, "the interrupt ", irq, " is that of the hypervisor's console, and cannot be shared");
        return;
    }
    for (const GuestConfig& earlier : guests.first(index)) {
        if (earlier.console_port.given() && earlier.console_irq.value == irq) {
            diagnostics.error(at, "the interrupt ", irq, " already belongs to the console of the guest ",
                              Quoted{shown_name(earlier)}, ", in line ", earlier.console_port.at.line);
            return;
        }
    }
}

/// More than any machine has that the hypervisor runs on.
void check_cpu_count(std::span<const GuestConfig> guests, Diagnostics& diagnostics) {
    u64 count = 0;
    for (const GuestConfig& guest : guests) {
        count += guest.cpus.count;
        if (count > max_cpus)
            return diagnostics.error(guest.cpus.at.line != 0 ? guest.cpus.at : guest.name.at,
                                     "with this one the guests have ", count, " CPUs; at most ", max_cpus,
                                     " can be used");
    }
}

/// What no machine can give.
void check_shares(const Configuration& configuration, Diagnostics& diagnostics) {
    u64 percent = 0;
    for (const GuestConfig& guest : configuration.guests.span()) {
        percent += guest.memory.percent;
        if (percent > 100 && guest.memory.percent != 0)
            return diagnostics.error(guest.memory.at, "with this one the guests' shares of the memory are ", percent,
                                     "%");
    }
    for (const GuestConfig& guest : configuration.guests.span())
        if (percent == 100 && guest.memory.percent == 0 && (guest.memory.at.line != 0 || guest.rest.given()))
            return diagnostics.error(guest.memory.at.line != 0 ? guest.memory.at : guest.rest.at,
                                     "the other guests' shares are 100% of the memory: nothing is left");
}

} // namespace

void validate(const Configuration& configuration, Diagnostics& diagnostics) {
    const std::span<const GuestConfig> guests = configuration.guests.span();
    for (std::size_t i = 0; i < guests.size(); ++i) {
        check_name(guests.first(i), guests[i], diagnostics);
        for (std::size_t j = 0; j < guests[i].cpus.list.size(); ++j)
            check_cpu(guests.first(i), guests[i], j, diagnostics);
        check_console(configuration, i, diagnostics);
        check_console_irq(configuration, i, diagnostics);
    }
    validate_claims(configuration, diagnostics);
    check_cpu_count(guests, diagnostics);
    check_shares(configuration, diagnostics);
    if (guests.empty() && diagnostics.empty() && !configuration.hypervisor.survey.value)
        diagnostics.error({1, 1}, "there is no guest: write [[guest]], and below it at least name, memory and kernel");
    // 16550: the speed is 115200 divided by a whole number.
    const Located<u64>& baud = configuration.hypervisor.console_baud;
    if (baud.value == 1 || (baud.value != 0 && 115200 % baud.value != 0)) // the divisor has 16 bits
        diagnostics.error(baud.at, "'console-baud' must divide 115200 at most 65535 times, which ", baud.value,
                          " does not");
}

} // namespace bulkhead
