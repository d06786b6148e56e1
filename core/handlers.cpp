// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/handlers.hpp"

#include <bit>

#include "core/console.hpp"
#include "core/life_cycle.hpp"
#include "core/local_apic_of_cpu.hpp"
#include "core/machine.hpp"
#include "devices/port_map.hpp"

namespace bulkhead {

namespace {

// Hypercall ABI, docs/guests.md: number in RAX, arguments in RBX, RCX, RDX.
constexpr u64 hypercall_exit_count = 0x424b0001;
constexpr u64 hypercall_life = 0x424b0002;
constexpr u64 hypercall_fault = 0x424b0003;
constexpr u64 unknown_hypercall = ~u64{0} - 37; // -ENOSYS, as KVM answers

/// What the I/O APIC sends is an IPI, which sets no bit of TMR: the hardware's EOI message never comes back.
void update_eoi_exits(Guest& guest) BULKHEAD_REQUIRES(guest.devices_lock) {
    const bool wanted = guest.io_apic.wants_eoi();
    if (guest.eoi_exits.exchange(wanted) == wanted)
        return;
    for (Vcpu* vcpu : guest.vcpus)
        if (vcpu->activity.load() == Activity::Active)
            kick(*vcpu, request_eoi); // an NMI comes before the interrupt that is sent behind it
}

/// Not inlined: what reads a device's register seldom has anything to send.
[[gnu::noinline]] void deliver(Guest& guest, const InterruptMessage& message) {
    // An APIC's own messages have no sender that a shorthand could mean: the first vCPU stands for it, and its mode
    // for that of all.
    Vcpu& first = *guest.vcpus[0];
    const InterruptCommand command{.vector = message.vector,
                                   .mode = static_cast<InterruptCommand::Mode>(message.delivery_mode),
                                   .logical = message.logical,
                                   .destination = message.destination == 0xff ? ~0u : message.destination,
                                   .xapic = (first.xapic_address.load() & xapic_address::xapic_mode) != 0};
    if (send_command(first, command))
        kick(first, request_nmi);
}

/// Sends what the I/O APIC has to send. The receiver takes it without an exit.
void deliver_messages(Guest& guest) BULKHEAD_REQUIRES(guest.devices_lock) {
    while (const std::optional<InterruptMessage> message = guest.io_apic.next_message())
        deliver(guest, *message);
}

void put_output(Guest& guest, u8 byte) BULKHEAD_REQUIRES(guest.devices_lock) {
    const char c = static_cast<char>(byte);
    guest.output_writer.put(guest.output, {&c, 1});
    console::wake(guest);
}

u8 read_byte(Guest& guest, u16 port) BULKHEAD_REQUIRES(guest.devices_lock) {
    switch (find_port_device(port)) {
    case PortDevice::None:
    case PortDevice::Watchdog: // has no bytes
        return 0xff;
    case PortDevice::Uart: {
        const Uart16550::Read read = guest.uart.read(port);
        guest.io_apic.signal(platform::uart_pin, read.line);
        return read.value;
    }
    case PortDevice::Power:
        return guest.power.read(port);
    case PortDevice::PmTimer:
        return static_cast<u8>(guest.pm_timer.count(arch::read_tsc()) >> 8 * (port & 3));
    }
    __builtin_unreachable();
}

PowerRequest write_byte(Guest& guest, u16 port, u8 value) BULKHEAD_REQUIRES(guest.devices_lock) {
    switch (find_port_device(port)) {
    case PortDevice::None:
    case PortDevice::PmTimer:
    case PortDevice::Watchdog:
        return PowerRequest::None;
    case PortDevice::Uart: {
        const Uart16550::Write write = guest.uart.write(port, value);
        if (write.emits)
            put_output(guest, write.byte);
        guest.io_apic.signal(platform::uart_pin, write.line);
        return PowerRequest::None;
    }
    case PortDevice::Power: {
        const PowerControl::Write write = guest.power.write(port, value);
        guest.io_apic.signal(platform::button_pin, write.line);
        return write.request;
    }
    }
    __builtin_unreachable();
}

/// What the UART has room for. What remains in the ring follows when the guest has read.
void feed_uart(Guest& guest) BULKHEAD_REQUIRES(guest.devices_lock) {
    while (!guest.input.empty() && guest.uart.can_receive())
        if (const std::optional<u8> byte = guest.input.pop())
            guest.io_apic.signal(platform::uart_pin, guest.uart.receive(*byte));
}

/// For tests. With a lock held, something shared may be half changed.
[[gnu::noinline]] void fail_on_purpose(Guest& guest, bool with_lock) {
    if (!with_lock)
        __builtin_trap();
    const LockGuard lock(guest.devices_lock, lock_owner());
    __builtin_trap();
}

/// The first vCPU of a machine goes through the firmware then (SDM 3A 9.4.4.1): that resets this one.
void send_init(Vcpu& target) {
    target.requests.fetch_and(~u32{request_start_up}); // an INIT ends what was before it
    if (target.id != 0)
        return kick(target, request_init);
    begin_stop(*target.guest, StopReason::Reset, nullptr);
}

/// SDM 3A 11.4.1: registers of 32 bits, 16 bytes apart; other accesses do nothing here.
bool is_register(GuestPhysical address, unsigned size) { return address.value % 16 == 0 && size == 4; }
u32 register_number(GuestPhysical address) { return 0x800 + static_cast<u32>(address - guest_layout::local_apic) / 16; }

[[gnu::noinline]] u64 read_apic_page(const VirtualApic& apic, GuestPhysical address, unsigned size) {
    if (!is_register(address, size))
        return apic.mode() == ApicMode::XApic ? 0 : ~u64{0};
    const u32 number = register_number(address);
    const ApicAccess access = apic.read_page(number);
    return access.kind == ApicAccess::Kind::Hardware ? local_apic().read(number) : access.value;
}

/// Each interrupt of a timer that is software, as QEMU's, costs all CPUs' time, even where nobody takes it: a period of
/// a few counts, if only for a moment, is for good.
[[gnu::noinline]] void write_timer(VirtualApic& apic, u32 number, u64 value) {
    using namespace drivers::apic;
    constexpr u64 most_hz = 10'000;
    const auto then = [=](u32 other) { return static_cast<u32>(other == number ? value : local_apic().read(other)); };
    const u64 most = most_hz * divider(then(DIVIDE_CONFIGURATION));
    const u64 least = (machine.boot.clocks.apic_timer_hz + most - 1) / most;
    const u32 count = then(INITIAL_COUNT);
    const u32 limited = apic.limited_count(number, count, static_cast<u32>(least));
    if (limited != count)
        local_apic().write(INITIAL_COUNT, 0); // it stands still
    if (number != INITIAL_COUNT)
        local_apic().write(number, value);
    if (number == INITIAL_COUNT || limited != count)
        local_apic().write(INITIAL_COUNT, limited);
}

/// True if the vCPU is to get an NMI.
[[gnu::noinline]] bool write_apic_page(Vcpu& vcpu, VirtualApic& apic, GuestPhysical address, unsigned size, u64 value) {
    if (!is_register(address, size))
        return false;
    const u32 number = register_number(address);
    const bool nmi = carry_out(vcpu, apic, number, apic.write_page(number, static_cast<u32>(value)));
    vcpu.xapic_address.store(apic.address());
    return nmi;
}

[[gnu::noinline]] u32 read_device_bytes(Guest& guest, u16 port, u32 size) {
    const LockGuard lock(guest.devices_lock, lock_owner());
    if (size == 4 && find_port_device(port) == PortDevice::Watchdog)
        return read_watchdog(guest, port);
    u32 value = 0;
    for (u32 i = 0; i < size; ++i)
        value |= u32{read_byte(guest, static_cast<u16>(port + i))} << 8 * i;
    feed_uart(guest);
    deliver_messages(guest);
    return value;
}

} // namespace

u32 read_device_port(Guest& guest, u16 port, u32 size) {
    // The timer is one register of 32 bits: its bytes must be of one moment. It has no state that a lock would keep.
    if (size == 4 && port == platform::pm_timer_port)
        return guest.pm_timer.count(arch::read_tsc());
    return read_device_bytes(guest, port, size);
}

PowerRequest write_device_port(Guest& guest, u16 port, u32 size, u32 value) {
    const LockGuard lock(guest.devices_lock, lock_owner());
    if (size == 4 && find_port_device(port) == PortDevice::Watchdog)
        write_watchdog(guest, port, value);
    PowerRequest request = PowerRequest::None;
    for (u32 i = 0; i < size; ++i) {
        const PowerRequest wanted = write_byte(guest, static_cast<u16>(port + i), static_cast<u8>(value >> 8 * i));
        if (wanted != PowerRequest::None)
            request = wanted;
    }
    feed_uart(guest);
    deliver_messages(guest);
    return request;
}

// Where a PC has devices and this machine has none, reads give all ones and writes vanish.
u64 DeviceMemory::read(GuestPhysical address, unsigned size) {
    const GuestAddressClass where = guest_.memory_map.classify(address);
    if (where == GuestAddressClass::LocalApic)
        return read_apic_page(apic_, address, size);
    if (where != GuestAddressClass::IoApic)
        return ~u64{0};
    const LockGuard lock(guest_.devices_lock, lock_owner());
    return guest_.io_apic.read(static_cast<u32>(address - IoApic::base));
}

void DeviceMemory::write(GuestPhysical address, unsigned size, u64 value) {
    const GuestAddressClass where = guest_.memory_map.classify(address);
    if (where == GuestAddressClass::LocalApic)
        nmi_ = write_apic_page(vcpu_, apic_, address, size, value);
    if (where != GuestAddressClass::IoApic)
        return;
    const LockGuard lock(guest_.devices_lock, lock_owner());
    guest_.io_apic.write(static_cast<u32>(address - IoApic::base), static_cast<u32>(value));
    update_eoi_exits(guest_);
    deliver_messages(guest_);
}

void end_interrupt(Guest& guest) {
    u32 vector = 0; // the highest in service is the one that ends
    for (u32 i = 0; i < 256; i += 32)
        if (const u32 bits = static_cast<u32>(local_apic().read(msr::IA32_X2APIC_ISR0 + i / 32)); bits != 0)
            vector = i + static_cast<u32>(std::bit_width(bits)) - 1;
    local_apic().eoi();
    const LockGuard lock(guest.devices_lock, lock_owner());
    guest.io_apic.end_of_interrupt(static_cast<u8>(vector));
    update_eoi_exits(guest);
    deliver_messages(guest);
}

void press_power_button(Guest& guest) {
    const LockGuard lock(guest.devices_lock, lock_owner());
    guest.io_apic.signal(platform::button_pin, guest.power.press_button());
    deliver_messages(guest);
}

void take_input(Guest& guest) {
    const LockGuard lock(guest.devices_lock, lock_owner());
    feed_uart(guest);
    deliver_messages(guest);
}

bool send_command(Vcpu& sender, const InterruptCommand& command) {
    using Mode = InterruptCommand::Mode;
    bool nmi_to_sender = false;
    bool found = false;
    for (Vcpu* target : sender.guest->vcpus) {
        const u16 address = target->xapic_address.load();
        if (!command.addresses(target->id, sender.id, address))
            continue;
        found = true;
        const bool is_active = target->activity.load() == Activity::Active;
        switch (command.mode) {
        case Mode::Fixed:
        case Mode::LowestPriority:
            if (command.vector < 16) // SDM 3A 11.5.2: illegal, and not sent
                break;
            // A core that runs no guest must not collect interrupts.
            if (is_active && (address & xapic_address::disabled) == 0)
                static_cast<void>(local_apic().send_ipi(target->apic_id, drivers::IpiMode::Fixed, command.vector));
            break;
        case Mode::Nmi:
            if (target == &sender)
                nmi_to_sender = true;
            else if (is_active)
                kick(*target, request_nmi);
            break;
        case Mode::Init:
            if (command.assert_level)
                send_init(*target);
            break;
        case Mode::StartUp:
            target->start_up_vector.store(command.vector);
            kick(*target, request_start_up);
            break;
        case Mode::Smi:
            break;
        }
        if (command.mode == Mode::LowestPriority && is_active)
            break;
    }
    if (!found)
        ++sender.dropped_ipis;
    return nmi_to_sender;
}

bool carry_out(Vcpu& vcpu, VirtualApic& apic, u32 number, const ApicAccess& access) {
    if (access.kind == ApicAccess::Kind::Interrupt)
        return send_command(vcpu, access.command);
    if (access.kind != ApicAccess::Kind::Hardware)
        return false;
    if (number == drivers::apic::EOI && vcpu.guest->eoi_exits.load())
        end_interrupt(*vcpu.guest);
    else if (number == drivers::apic::LVT_TIMER || number == drivers::apic::INITIAL_COUNT ||
             number == drivers::apic::DIVIDE_CONFIGURATION)
        write_timer(apic, number, access.value);
    else
        local_apic().write(number, access.value);
    return false;
}

u64 hypercall(const Vcpu& vcpu, const Registers& registers) {
    if (registers.rax() == hypercall_life)
        return vcpu.guest->lives.load();
    if (registers.rax() == hypercall_fault && machine.boot.debug_faults != 0)
        fail_on_purpose(*vcpu.guest, registers.rbx() != 0);
    if (registers.rax() != hypercall_exit_count)
        return unknown_hypercall;
    const u64 index = registers.rbx();
    if (index < vcpu.exits.size())
        return vcpu.exits[index];
    if (index != ~u64{0})
        return unknown_hypercall;
    u64 total = 0;
    for (const u64 count : vcpu.exits)
        total += count;
    return total;
}

bool set_system_time(const Guest& guest, VcpuState& state, u64 value, u64 tsc_offset, bool was_paused) {
    const std::optional<GuestPhysical> address = pvclock_time_address(value);
    if (!address)
        return true; // switched off
    if (!pvclock_address_valid(*address, sizeof(PvClockVcpuTimeInfo)))
        return false;
    const std::span<u8> page = guest.memory.ram(*address, sizeof(PvClockVcpuTimeInfo));
    if (page.empty())
        return false;
    PvClock clock = guest.clock;
    clock.tsc_timestamp += tsc_offset;
    write_vcpu_time(page.first<sizeof(PvClockVcpuTimeInfo)>(), state.clock_version, clock, was_paused);
    return true;
}

bool set_wall_clock(const Guest& guest, u64 value) {
    const GuestPhysical address{value};
    if (!pvclock_address_valid(address, sizeof(PvClockWallClock)))
        return false;
    const std::span<u8> page = guest.memory.ram(address, sizeof(PvClockWallClock));
    if (page.empty())
        return false;
    u32 version = 0;
    write_wall_clock(page.first<sizeof(PvClockWallClock)>(), version, guest.wall_clock_at_start);
    return true;
}

} // namespace bulkhead
