// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "unit/core/machine_world.hpp"

#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "arch/x86_64/hardware.hpp"
#include "core/console.hpp"
#include "core/guest_builder.hpp"
#include "core/handlers.hpp"
#include "core/monitor.hpp"
#include "core/service.hpp"

namespace bulkhead {

constinit Machine machine;

namespace {

test::World* world;
constexpr u64 tsc_khz = 1'000'000;
constexpr u64 ticks_of_counter = 100; // the HPET's has 10 MHz

} // namespace

// What the sources under test call, and what is not theirs.
void kick(Vcpu& core, VcpuRequest request) {
    if (core.present.load())
        core.requests.fetch_or(request);
}
Result<NmiPin> find_nmi_pin(const drivers::IsaInterrupt& interrupt) { return NmiPin{.pin = interrupt.gsi}; }
Result<void> route_nmi(const NmiPin&, u32 apic_id) {
    world->masked = false;
    world->routed_to = apic_id;
    return {};
}
Result<void> mask_nmi(const NmiPin&) {
    world->masked = true;
    return {};
}
Result<EntryState> build_guest_memory(const Guest&, BuildTimes&) {
    if (world->refuses_memory)
        return fail("it is none", 7);
    return EntryState{};
}
void clear_guest_memory(const Guest&) { ++world->cleared; }
void press_power_button(Guest&) { ++world->pressed; }

namespace test {

World::World(std::vector<u32> vcpus_of_guests, bool has_hpet, bool uart_interrupts) : infos(vcpus_of_guests.size()) {
    world = this;
    arch::CpuPorts::uart = &uart;
    journal.attach(records);
    arch::tsc = 1'000'000'000;
    arch::DeviceRegisters::on_read = [this](u32 offset) {
        if (offset == 0xf0) // an access takes a tick of its
            arch::tsc += ticks_of_counter;
        return offset == 0xf0 ? static_cast<u32>(arch::tsc / ticks_of_counter) : hpet.at(offset);
    };
    arch::DeviceRegisters::on_write = [this](u32 offset, u32 value) {
        armed += offset == 0x108 ? 1 : 0;
        hpet.at(offset) = value;
    };
    u32 count = 1;
    for (const u32 number : vcpus_of_guests)
        count += number;
    cores = std::make_unique<Vcpu[]>(count);
    guests = std::make_unique<Guest[]>(vcpus_of_guests.size());
    vcpus.resize(vcpus_of_guests.size());
    u32 next = 0;
    for (u32 i = 0; i < vcpus_of_guests.size(); ++i) {
        Guest& guest = guests[i];
        guest.name = std::string_view("abcdefgh").substr(i, 1);
        sources.push_back({.name = guest.name, .output = &guest.output, .input = &guest.input});
        guest.info = &infos[i];
        infos[i].autostart = 0;
        for (u32 id = 0; id < vcpus_of_guests[i]; ++id, ++next) {
            cores[next].guest = &guest;
            cores[next].id = id;
            vcpus[i].push_back(&cores[next]);
        }
        guest.vcpus = vcpus[i];
    }
    for (u32 i = 0; i < count; ++i) {
        cores[i].cpu = i;
        cores[i].apic_id = 2 * i;
    }
    machine.boot = {};
    machine.boot.clocks.tsc_khz = tsc_khz;
    machine.boot.acpi.hpet = HostPhysical{has_hpet ? 0xfed0'0000 : 0};
    machine.cores = {cores.get(), count};
    machine.guests = {guests.get(), vcpus_of_guests.size()};
    machine.service_cpu = count - 1;
    sources.push_back(monitor::source());
    machine.console_sources = sources;
    console::start(fakes::Uart::base, 1, {}, "");
    start_clock();
    console::start_service(machine.console_sources, uart_interrupts);
    expire_timeouts(machine.cores[machine.service_cpu]); // of the world before
    settle();
}

World::~World() {
    arch::meanwhile = nullptr;
    console::flush();
    journal.attach({});
    arch::CpuPorts::uart = nullptr;
    world = nullptr;
}

std::vector<std::string> World::lines() {
    console::flush();
    std::vector<std::string> lines;
    const std::string before = "bulkhead: ";
    for (std::size_t at = 0, end; (end = uart.sent.find("\r\n", at)) != std::string::npos; at = end + 2)
        if (uart.sent.compare(at, before.size(), before) == 0)
            lines.push_back(uart.sent.substr(at + before.size(), end - at - before.size()));
    return lines;
}

u64 World::rings_at() const {
    if ((hpet.at(0x100) & 4) == 0)
        return 0;
    const u32 counter = static_cast<u32>(arch::tsc / ticks_of_counter);
    const i32 left = static_cast<i32>(hpet.at(0x108) - counter);
    return left <= 0 ? arch::tsc : (arch::tsc / ticks_of_counter + static_cast<u32>(left)) * ticks_of_counter;
}

bool World::rings_now(const Vcpu& core) const {
    return !masked && routed_to == core.apic_id && rings_at() != 0 && rings_at() <= arch::tsc;
}

/// As RunLoop::serve_guest_once, but for what is the vendor's.
void World::serve(Vcpu& core) {
    arch::running_cpu = core.cpu + 1;
    const u32 requests = core.requests.exchange(0);
    if ((requests & request_stop) != 0 && is_to_leave(core))
        leave_guest(core);
    if ((requests & request_scrub) != 0)
        scrub(*core.guest);
    if ((requests & request_input) != 0)
        while (const std::optional<u8> byte = core.guest->input.pop())
            typed += static_cast<char>(*byte);
    if ((requests & request_start) != 0 && core.activity.load() == Activity::WaitForSipi) {
        if (renew(core)) {
            core.activity.store(Activity::Active);
            note_entry(*core.guest);
        } else {
            stop(core, StopReason::Unstartable);
        }
    }
    if (rings_now(core))
        served.push_back(core.cpu);
    serve_others(core);
    if (core.cpu == machine.service_cpu && (requests & request_all_off) != 0)
        all_off = all_guests_off();
}

void World::settle() {
    for (bool again = true; again;) {
        again = false;
        for (Vcpu& core : machine.cores)
            if (core.requests.load() != 0) {
                serve(core);
                again = true;
            }
    }
}

void World::pass(u64 milliseconds) {
    const u64 end = arch::tsc + milliseconds * tsc_khz;
    settle();
    for (u64 at = rings_at(); at != 0 && at <= end; at = rings_at()) {
        REQUIRE_FALSE(masked);
        arch::tsc = std::max(at, arch::tsc);
        const auto core = std::ranges::find(machine.cores, routed_to, &Vcpu::apic_id);
        REQUIRE(core != machine.cores.end());
        const u32 before = armed;
        const std::size_t rung = served.size();
        serve(*core);
        REQUIRE(served.size() == rung + 1);
        REQUIRE((armed != before || rings_at() == 0));
        settle();
    }
    arch::tsc = std::max(arch::tsc, end);
}

void World::start(u32 index) {
    REQUIRE(perform(guest(index), GuestOperation::Start).empty());
    settle();
    for (Vcpu* vcpu : guest(index).vcpus)
        if (vcpu->present.load())
            vcpu->activity.store(Activity::Active);
}

void World::stop(Vcpu& vcpu, StopReason reason) {
    arch::running_cpu = vcpu.cpu + 1;
    begin_stop(*vcpu.guest, reason, &vcpu);
    leave_guest(vcpu);
}

std::string World::state(u32 index) {
    const LockGuard lock(guest(index).life_lock, lock_owner());
    return std::string(state_of(guest(index)));
}

bool World::said(const std::string& text) {
    return std::ranges::any_of(lines(), [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

std::string World::wrong_clock() const {
    u64 first = 0;
    for (const Guest& guest : machine.guests)
        if (const u64 deadline = guest.deadline.load(); deadline != 0 && (first == 0 || deadline < first))
            first = deadline;
    if (first == 0)
        return "";
    if (rings_at() == 0 || masked)
        return "it does not ring at all";
    // Its own ticks, and what reading them took.
    if (rings_at() > std::max(first, arch::tsc) + tsc_khz)
        return "it rings too late";
    const auto core = std::ranges::find(machine.cores, routed_to, &Vcpu::apic_id);
    if (core == machine.cores.end() || !core->present.load())
        return "it rings for nobody";
    return "";
}

} // namespace test
} // namespace bulkhead
