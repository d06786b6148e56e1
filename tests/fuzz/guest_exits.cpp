// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any sequence of a guest's exits to its devices: ports, device memory, interrupts, hypercalls and clock pages. What
// reaches the machine is for the guest's own CPUs, and legal there.
#include <memory>

#include "core/console.hpp"
#include "core/handlers.hpp"
#include "core/life_cycle.hpp"
#include "core/local_apic_of_cpu.hpp"
#include "core/machine.hpp"
#include "fuzz/fuzz.hpp"
#include "unit/core/guest_ram.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

constexpr u32 vcpus = 3;
constexpr std::array memory_chunks{MemoryChunk{{0}, {0x4000'0000}, test::GuestRam::low_end}};

struct World {
    std::array<Vcpu, vcpus + 1> cores; ///< the last is another guest's
    std::array<Vcpu*, vcpus> pointers{&cores[0], &cores[1], &cores[2]};
    Guest guest;
    VcpuState state;
    bool stopped = false;
    /// The hardware's.
    u64 lvt_timer = 0, initial_count = 0, divide = 0;

    explicit World(test::GuestRam& ram) {
        for (u32 i = 0; i < cores.size(); ++i) {
            cores[i].guest = &guest;
            cores[i].id = i;
            cores[i].apic_id = 16 + 2 * i;
            cores[i].activity = i == 1 ? Activity::WaitForSipi : Activity::Active;
        }
        guest.vcpus = pointers;
        guest.memory_map = GuestMemoryMap::create(memory_chunks).value();
        guest.memory = ram.memory();
        guest.clock.scale = pvclock_scale(2'500'000);
        guest.pm_timer = PmTimer(2'500'000);
        state.apic = VirtualApic(0, true);
    }
    [[nodiscard]] bool owns(const Vcpu& core) const { return &core < &cores[vcpus]; }
    [[nodiscard]] bool has_apic(u32 id) const { return id >= 16 && id < 16 + 2 * vcpus && id % 2 == 0; }
};
World* world;

} // namespace

// What core/handlers.cpp calls, and is not the target's.
void kick(Vcpu& core, VcpuRequest request) {
    require(world->owns(core), "another guest's core is asked for something");
    core.requests.fetch_or(request);
}
u64* timer_register(u32 number) {
    switch (number) {
    case drivers::apic::LVT_TIMER:
        return &world->lvt_timer;
    case drivers::apic::INITIAL_COUNT:
        return &world->initial_count;
    case drivers::apic::DIVIDE_CONFIGURATION:
        return &world->divide;
    default:
        return nullptr;
    }
}
u64 ObservedApic::read(u32 number) {
    require(number >= 0x800 && number <= 0x83f, "no register of the APIC");
    if (const u64* const timer = timer_register(number))
        return *timer;
    return number == 0x811 ? 0x8000'0000 : 0;
}
void ObservedApic::write(u32 number, u64 value) {
    require(number >= 0x800 && number <= 0x83f && number != drivers::apic::ICR, "no register for a guest");
    require(value <= 0xffff'ffff, "bits that no register has");
    if (u64* const timer = timer_register(number))
        *timer = value;
    // A periodic timer has 100 us, or stands still, behind each write.
    constexpr u64 most_hz = 10'000;
    const u64 counts = world->initial_count * drivers::apic::divider(world->divide);
    const bool is_long = counts * most_hz >= machine.boot.clocks.apic_timer_hz;
    require((world->lvt_timer & 0x20000) == 0 || counts == 0 || is_long, "a short period");
}
Result<void> ObservedApic::send_ipi(u32 destination, drivers::IpiMode mode, u8 vector) {
    require(world->has_apic(destination), "an IPI to another guest");
    require(mode == drivers::IpiMode::Fixed && vector >= 16, "an IPI that may stop or reset a CPU");
    return {};
}
ObservedApic& local_apic() {
    static ObservedApic one;
    return one;
}
void begin_stop(Guest& guest, StopReason, const Vcpu*) {
    require(&guest == &world->guest, "another guest is stopped");
    world->stopped = true;
}
u32 read_watchdog(Guest& guest, u16 port) { return guest.watchdog.read(port, 5); }
void write_watchdog(Guest& guest, u16 port, u32 value) { static_cast<void>(guest.watchdog.write(port, value)); }
void console::wake(Guest&) {}

namespace {

GuestPhysical device_address(fuzz::Reader& reader, unsigned size) {
    constexpr u64 pages[] = {guest_layout::io_apic.value, guest_layout::local_apic.value, 0xa'0000, 0xe000'0000};
    const u16 bits = reader.take<u16>();
    return {pages[bits >> 12 & 3] + std::min<u64>(bits & 0xfff, page_size - size)};
}

void access_port(fuzz::Reader& reader, u8 what) {
    constexpr u16 bases[] = {platform::uart_port, platform::power_port, platform::pm_timer_port,
                             platform::watchdog_port};
    const u8 where = reader.take<u8>();
    const u16 port = (what & 0x80) != 0 ? reader.take<u16>() : static_cast<u16>(bases[where & 3] + (where >> 2) % 12);
    const u32 size = 1u << (what >> 3) % 3;
    if ((what & 0x40) != 0)
        require(write_device_port(world->guest, port, size, reader.take<u32>()) <= PowerRequest::Reset, "no request");
    else
        require(size == 4 || read_device_port(world->guest, port, size) >> 8 * size == 0, "more bits than were read");
}

void access_memory(fuzz::Reader& reader, u8 what) {
    const unsigned size = 1u << (what >> 3 & 3);
    const GuestPhysical address = device_address(reader, size);
    DeviceMemory memory(world->cores[0], world->state.apic);
    if ((what & 0x40) != 0)
        memory.write(address, size, reader.take<u32>());
    else
        static_cast<void>(memory.read(address, size));
}

void access_apic(fuzz::Reader& reader, u8 what) {
    VirtualApic& apic = world->state.apic;
    const u32 number = (what & 0x80) != 0 ? msr::IA32_APIC_BASE : 0x800 + reader.take<u8>() % 0x40;
    const u64 value = number == msr::IA32_APIC_BASE ? 0xfee0'0100 | (reader.take<u16>() & 0xc00) : reader.take<u64>();
    const ApicAccess access = apic.write(number, value);
    if (access.kind == ApicAccess::Kind::Mode && access.value != 0) // RunLoop resets the hardware, too
        world->lvt_timer = world->initial_count = world->divide = 0;
    static_cast<void>(carry_out(world->cores[0], apic, number, access));
    world->cores[0].xapic_address.store(apic.address());
}

void call(fuzz::Reader& reader) {
    Registers registers;
    registers.rax() = 0x424b'0000 + reader.take<u8>();
    registers.rbx() = static_cast<u64>(static_cast<i64>(reader.take<i16>()));
    const u64 result = hypercall(world->cores[0], registers);
    const bool known = registers.rax() == 0x424b'0001 || registers.rax() == 0x424b'0002;
    require(known || result == ~u64{0} - 37, "a hypercall that there is not");
}

/// Hostile addresses: whatever they are, nothing but RAM is written, or the test's memory would fault.
void give_clock(fuzz::Reader& reader) {
    constexpr u64 bases[] = {0, 0xa'0000, test::GuestRam::low_end, 4 * GiB, ~u64{0} - 63};
    const u16 bits = reader.take<u16>();
    const u64 address = bases[(bits >> 12) % std::size(bases)] + (bits & 0xfff) - ((bits & 0x800) != 0 ? 0x1000 : 0);
    const bool given = set_system_time(world->guest, world->state, address, reader.take<u16>());
    require(!given || (address & 1) == 0 || world->guest.memory.contains({address & ~u64{1}}, 32), "a clock in no RAM");
    static_cast<void>(set_wall_clock(world->guest, address));
}

} // namespace

void fuzz::try_input(Bytes input) {
    static test::GuestRam ram;
    ram.clear();
    const auto one = std::make_unique<World>(ram);
    world = one.get();
    Reader reader(input);
    while (!reader.empty()) {
        const u8 what = reader.take<u8>();
        switch (what & 7) {
        case 0:
        case 1:
            access_port(reader, what);
            break;
        case 2:
        case 3:
            access_memory(reader, what);
            break;
        case 4:
            access_apic(reader, what);
            break;
        case 5:
            call(reader);
            break;
        case 6:
            give_clock(reader);
            break;
        default:
            static_cast<void>(one->guest.input.push(std::string_view(reinterpret_cast<const char*>(&what), 1)));
            (what & 8) != 0 ? take_input(one->guest) : press_power_button(one->guest);
            if ((what & 16) != 0)
                end_interrupt(one->guest);
        }
        require(((one->lvt_timer & 0x20000) != 0) == one->state.apic.is_periodic(), "another mode of the timer");
        while (one->guest.output.pop())
            ;
        for (Vcpu& core : one->cores)
            core.requests.store(0);
    }
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Writer seed;
    const auto io_apic = [&](u32 index, u32 value) {
        seed.number(2 | 0x40 | 2 << 3, 1).number(0, 2).number(index, 4);
        seed.number(2 | 0x40 | 2 << 3, 1).number(0x10, 2).number(value, 4);
    };
    io_apic(0x19, 0);
    io_apic(0x18, 0x31);
    io_apic(0x1a, 0x804d);
    seed.number(0x40, 1).number(4 << 2, 1).number(8, 4).number(0x40, 1).number(1 << 2, 1).number(3, 4); // MCR, IER
    seed.number(0x40, 1).number(0, 1).number('x', 4).number(0, 1).number(2 << 2, 1).number(7 | 8, 1).number(7 | 16, 1);
    seed.number(4, 1).number(0x30, 1).number(u64{2} << 32 | 0x40, 8).number(4, 1).number(0x30, 1).number(0xc0500, 8);
    seed.number(4, 1).number(0x3f, 1).number(0x41, 8).number(5, 1).number(1, 1).number(0, 2).number(5, 1).number(2, 3);
    seed.number(4, 1).number(0x38, 1).number(1, 8).number(4, 1).number(0x32, 1).number(0x20040, 8);
    seed.number(4, 1).number(0x3e, 1).number(0xb, 8).number(4, 1).number(0x38, 1).number(9, 8);
    seed.number(6, 1).number(0x101, 2).number(0, 2).number(0x84, 1).number(0, 2).number(0x84, 1).number(0x800, 2);
    seed.number(2 | 0x40 | 2 << 3, 1).number(0x1300, 2).number(0xc4041, 4); // the ICR in the page of an xAPIC
    seed.number(0x40 | 2 << 3, 1).number(3 | 2 << 4, 1).number(3, 4).number(0x40, 1).number(1, 1).number(0x34, 4);
    return {seed.seed()};
}

} // namespace bulkhead
