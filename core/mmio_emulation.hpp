// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/guest_operand.hpp"

namespace bulkhead {

/// A guest's access to a device in memory that its CPU could not make, and where the instruction works.
struct DeviceAccess {
    const Instruction& instruction;
    const GuestView& view;
    Registers& registers;
    u64& rflags;
    u64 rip = 0;           // of the instruction
    GuestPhysical address; // where the second-stage fault was, to the byte
    bool write = true;     // it was of a store, which the guest's paging allows there, then
};

/// What an instruction does to the device: a load of `size` bytes, a store, both in this order, or neither (a repeated
/// instruction whose count is 0).
struct MmioPlan {
    u8 size = 0;
    bool loads = false;
    bool stores = false;
    bool absent = false;                          // no device: reads give all ones, writes vanish
    std::optional<RamOperand> ram = std::nullopt; // the other side of MOVS
};

/// Decides what to do, without any effect. `not_emulable`: the instruction is not one on data in memory; its operand
/// crosses a page (unless neither page is RAM), is not at the address that faulted, or is a store where the
/// guest allows none (another CPU has changed the code); or both sides of MOVS are devices. Faults are those of the
/// RAM side of MOVS, and of a store to what can only be read, by an instruction whose load has faulted.
[[nodiscard]] std::expected<MmioPlan, EmulationResult> plan_mmio(const DeviceAccess& access);

/// Completes registers, flags and RAM with what the device gave (the low `plan.size` bytes of `loaded`), and returns
/// what to store to it. With LOCK, only this vCPU's accesses are ordered: the device's load and store stay two.
[[nodiscard]] u64 complete_mmio(const DeviceAccess& access, const MmioPlan& plan, u64 loaded);

/// Emulates the access, one element of a repeated string instruction at a time. `device` has
///     u64 read(GuestPhysical address, unsigned size);
///     void write(GuestPhysical address, unsigned size, u64 value);
/// and sees naturally sized accesses (1, 2, 4 or 8 bytes) inside one page, aligned or not.
template <class Device> [[nodiscard]] EmulationResult emulate_mmio(const DeviceAccess& access, Device& device) {
    const std::expected<MmioPlan, EmulationResult> plan = plan_mmio(access);
    if (!plan)
        return plan.error();
    if (!plan->loads && !plan->stores)
        return {EmulationResult::Kind::advance};
    const u64 read = plan->loads && !plan->absent ? device.read(access.address, plan->size) : ~u64{0};
    const u64 loaded = read & size_mask(plan->size);
    const u64 stored = complete_mmio(access, *plan, loaded);
    if (plan->stores && !plan->absent)
        device.write(access.address, plan->size, stored);
    if (access.instruction.form != Form::string)
        return {EmulationResult::Kind::advance};
    return {finish_element(access.instruction, access.registers, access.rflags)};
}

} // namespace bulkhead
