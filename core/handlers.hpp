// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What the hypervisor does for a guest's exits, beyond the vendor: plain functions on values and on the guest's
// devices.
#pragma once

#include "core/cpu.hpp"
#include "core/guest.hpp"
#include "core/virtual_apic.hpp"

namespace bulkhead {

/// Merges what a port read gives into RAX: an access of 4 bytes clears the upper half, others leave the rest as it was
/// (SDM 1 3.4.1.1). `size` is 1, 2 or 4.
constexpr u64 merge_port_value(u64 rax, u32 value, u32 size) {
    if (size == 4)
        return value;
    const u64 mask = size == 1 ? 0xff : 0xffff;
    return (rax & ~mask) | (value & mask);
}

/// A port that a device answers. Wider accesses reach byte registers one by one, as on an 8-bit bus.
u32 read_device_port(Guest& guest, u16 port, u32 size);
/// The same for a write; what the guest wants of its power supply, if that is what it wrote.
PowerRequest write_device_port(Guest& guest, u16 port, u32 size, u32 value);

/// The places in a guest's physical memory where devices are, or none: for emulate_mmio. The running vCPU's.
class DeviceMemory {
public:
    DeviceMemory(Vcpu& vcpu, VirtualApic& apic) : vcpu_(vcpu), guest_(*vcpu.guest), apic_(apic) {}
    u64 read(GuestPhysical address, unsigned size);
    void write(GuestPhysical address, unsigned size, u64 value);
    /// Whether the vCPU has sent itself an NMI.
    [[nodiscard]] bool nmi() const { return nmi_; }

private:
    Vcpu& vcpu_;
    Guest& guest_;
    VirtualApic& apic_;
    bool nmi_ = false;
};

/// A guest's ports, for emulate_string_io.
class DevicePorts {
public:
    explicit DevicePorts(Guest& guest) : guest_(guest) {}
    u32 read(u16 port, unsigned size) { return read_device_port(guest_, port, size); }
    void write(u16 port, unsigned size, u32 value) {
        const PowerRequest request = write_device_port(guest_, port, size, value);
        if (request != PowerRequest::None)
            power_ = request;
    }
    /// What the guest wants of its power supply, if it wrote that.
    [[nodiscard]] PowerRequest power() const { return power_; }

private:
    Guest& guest_;
    PowerRequest power_ = PowerRequest::None;
};

/// The running vCPU's EOI while Guest::eoi_exits is set: to its APIC, and to the guest's I/O APIC.
void end_interrupt(Guest& guest);

/// Asks the guest to shut down.
void press_power_button(Guest& guest);

/// Brings typed input from the guest's ring to its UART.
void take_input(Guest& guest);

/// Carries out what a vCPU wrote to its ICR, clipped to its own guest: by physical IPIs with the guest's vector,
/// without an exit at the receiver. True if the sender itself is to get an NMI.
bool send_command(Vcpu& sender, const InterruptCommand& command);

/// Carries out what the running vCPU wrote to the register `number` of its APIC. True if it is to get an NMI itself.
bool carry_out(Vcpu& vcpu, VirtualApic& apic, u32 number, const ApicAccess& access);

/// Hypercalls (docs/guests.md). The result for RAX.
u64 hypercall(const Vcpu& vcpu, const Registers& registers);

/// The guest wrote MSR_KVM_SYSTEM_TIME_NEW or MSR_KVM_WALL_CLOCK_NEW: fills the page. False if the address is not one.
/// `tsc_offset`: guest's TSC minus host's. `was_paused`: the guest is told so.
bool set_system_time(const Guest& guest, VcpuState& state, u64 value, u64 tsc_offset, bool was_paused = false);
bool set_wall_clock(const Guest& guest, u64 value);

} // namespace bulkhead
