// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/quiesce.hpp"

#include "arch/x86_64/instructions.hpp"
#include "boot/clocks.hpp"
#include "boot/iommu.hpp"
#include "boot/pci_access.hpp"
#include "boot/usb_ownership.hpp"

namespace bulkhead::boot {

namespace {

template <pci::Config Config> void silence_segment(const Config& config, u32 first_bus, u32 last_bus) {
    const MappedRegisters memory;
    pci::for_each_function(config, first_bus, last_bus, [&](pci::Function function, u32 class_code) {
        if (class_code == pci::usb_xhci)
            take_xhci(config, memory, function);
        else if (class_code == pci::usb_ehci)
            take_ehci(config, memory, function);
        pci::stop_dma(config, function, class_code);
    });
}

void silence_pci(const MachineFacts& facts) {
    silence_segment(PortConfig{}, 0, 255);
    for (const EcamInfo& range : facts.ecam)
        if (range.segment != 0)
            silence_segment(MappedConfig(range.address), range.start_bus, range.end_bus);
}

void mask_pic() {
    arch::out8(0x21, 0xff);
    arch::out8(0xa1, 0xff);
}

/// 82093AA 3.2: an index register and a data window.
void mask_io_apic(const MappedRegisters& memory, HostPhysical base) {
    constexpr u64 window = 0x10;
    constexpr u32 version = 1;
    constexpr u32 first_entry = 0x10;
    constexpr u32 masked = 1u << 16;
    memory.write(base, version);
    const u32 last_entry = (memory.read(base + window) >> 16) & 0xff;
    for (u32 i = 0; i <= last_entry; ++i) {
        memory.write(base, first_entry + 2 * i);
        memory.write(base + window, masked);
    }
}

/// IA-PC HPET 1.0a 2.3: the counter and its interrupts stop.
void stop_hpet(const MappedRegisters& memory, HostPhysical base) {
    constexpr u64 capabilities = 0x00;
    constexpr u64 configuration = 0x10;
    constexpr u64 first_timer = 0x100;
    constexpr u64 timer_stride = 0x20;
    constexpr u32 enable_and_legacy_route = 3;
    constexpr u32 interrupt_enable = 1u << 2;
    memory.write(base + configuration, memory.read(base + configuration) & ~enable_and_legacy_route);
    const u32 last_timer = (memory.read(base + capabilities) >> 8) & 0x1f;
    for (u32 i = 0; i <= last_timer; ++i) {
        const HostPhysical timer = base + first_timer + i * timer_stride;
        if (timer - base < page_size / 4)
            memory.write(timer, memory.read(timer) & ~interrupt_enable);
    }
}

Result<void> switch_off_iommus(const MachineFacts& facts) {
    const MappedRegisters memory;
    for (const HostPhysical base : facts.vtd_iommus)
        if (const auto done = switch_off_vtd(memory, base); !done)
            return done;
    for (const HostPhysical base : facts.amd_iommus)
        if (const auto done = switch_off_amd(memory, base); !done)
            return done;
    return {};
}

} // namespace

void disconnect_dma_drivers(const Firmware& firmware) {
    EFI_GUID guid = EFI_PCI_IO_PROTOCOL_GUID;
    EFI_HANDLE* handles = nullptr;
    UINTN count = 0;
    if (failed(firmware.boot->LocateHandleBuffer(ByProtocol, &guid, nullptr, &count, &handles)))
        return;
    for (UINTN i = 0; i < count; ++i) {
        auto* device = protocol_on<EFI_PCI_IO_PROTOCOL>(firmware, handles[i], guid);
        UINT32 class_and_revision = 0;
        if (device != nullptr &&
            !failed(device->Pci.Read(device, EfiPciIoWidthUint32, pci::class_offset, 1, &class_and_revision)) &&
            pci::has_dma_driver(class_and_revision >> 8))
            firmware.boot->DisconnectController(handles[i], nullptr, nullptr);
    }
    firmware.boot->FreePool(handles);
}

Result<void> check_registers(const MachineFacts& facts) {
    const IdentityMap memory;
    for (const IoApicInfo& io_apic : facts.io_apics)
        if (!memory.covers(io_apic.address, 0x20))
            return fail("the firmware does not map the registers of an I/O APIC, at", io_apic.address.value);
    for (const std::span<const HostPhysical> iommus : {facts.vtd_iommus, facts.amd_iommus})
        for (const HostPhysical base : iommus)
            if (!memory.covers(base, page_size))
                return fail("the firmware does not map the registers of an IOMMU, at", base.value);
    if (facts.acpi.hpet.value != 0 && !memory.covers(facts.acpi.hpet, page_size / 4))
        return fail("the firmware does not map the registers of the HPET, at", facts.acpi.hpet.value);
    if (!has_x2apic() && !memory.covers(facts.acpi.local_apic, page_size))
        return fail("the firmware does not map the registers of the local APIC, at", facts.acpi.local_apic.value);
    for (const EcamInfo& range : facts.ecam)
        if (const auto registers = registers_of(range);
            range.segment != 0 && !memory.covers(registers.start, registers.size))
            return fail("the firmware does not map the configuration space of PCI segment", range.segment);
    return {};
}

Result<void> silence_hardware(const MachineFacts& facts) {
    const MappedRegisters memory;
    silence_pci(facts);
    mask_pic();
    for (const IoApicInfo& io_apic : facts.io_apics)
        mask_io_apic(memory, io_apic.address);
    if (facts.acpi.hpet.value != 0)
        stop_hpet(memory, facts.acpi.hpet);
    return switch_off_iommus(facts);
}

} // namespace bulkhead::boot
