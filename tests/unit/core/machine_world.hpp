// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A machine for what otherwise only runs on one: cores that do what they are asked, an HPET, and a UART for what the
// hypervisor says.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/journal.hpp"
#include "core/life_cycle.hpp"
#include "core/machine.hpp"
#include "fakes/uart.hpp"

namespace bulkhead::test {

/// A guest has as many cores as it has vCPUs, the first guest the first ones; the core behind them is nobody's and the
/// service CPU. One at a time.
class World {
public:
    explicit World(std::vector<u32> vcpus_of_guests, bool has_hpet = true, bool uart_interrupts = true);
    ~World();

    Guest& guest(u32 index) { return machine.guests[index]; }
    GuestInfo& info(u32 index) { return infos[index]; }
    Vcpu& core(u32 index) { return machine.cores[index]; }

    /// Every core serves what it is asked, until none is asked for anything.
    void settle();
    /// So many milliseconds go by. When the clock rings, the core to which it is routed serves.
    void pass(u64 milliseconds);
    /// Somebody starts it, and its other vCPUs start, too.
    void start(u32 index);
    /// The guest's own doing, on one of its cores.
    void stop(Vcpu& vcpu, StopReason reason);

    [[nodiscard]] std::string state(u32 index);
    /// What the hypervisor has said.
    [[nodiscard]] std::vector<std::string> lines();
    [[nodiscard]] bool said(const std::string& text);
    /// Something is wrong with the clock: it does not ring in time for the first that waits, or for a core that it
    /// cannot reach. Nothing: all is well.
    [[nodiscard]] std::string wrong_clock() const;

    /// The core serves what it is asked, the clock, if that has rung for it, and the consoles, if they are its.
    void serve(Vcpu& core);
    [[nodiscard]] bool rings_now(const Vcpu& core) const;

    fakes::Uart uart;
    std::string typed;                      ///< what guests have got of it
    std::array<JournalEntry, 16> records{}; ///< what the next boot is to see
    std::map<u32, u32> hpet{{0x00, 0x8086'a001}, {0x04, 100'000'000}, {0x10, 0},
                            {0x100, 0},          {0x104, 0x10'0000},  {0x108, ~0u}};
    bool masked = true;
    u32 routed_to = ~0u;         ///< APIC ID
    u32 armed = 0;               ///< how often
    u32 cleared = 0;             ///< memories of guests
    u32 pressed = 0;             ///< power buttons
    bool all_off = false;        ///< as the service CPU saw it last
    bool refuses_memory = false; ///< of a guest, when it is built
    std::vector<u32> served;     ///< cores for which the clock has rung

private:
    [[nodiscard]] u64 rings_at() const; ///< TSC; 0: not armed

    std::unique_ptr<Guest[]> guests;
    std::unique_ptr<Vcpu[]> cores;
    std::vector<std::vector<Vcpu*>> vcpus;
    std::vector<GuestInfo> infos;
    std::vector<ConsoleSource> sources;
};

} // namespace bulkhead::test
