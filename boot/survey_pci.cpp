// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/pci_access.hpp"
#include "boot/survey.hpp"
#include "survey/pci.hpp"

namespace bulkhead::boot {

namespace {

using survey::Inventory;

/// What the firmware's PCI driver knows: the sizes of BARs, without writing to them. UEFI 2.10 14.4.
class FirmwarePci {
public:
    explicit FirmwarePci(const Firmware& firmware) : firmware_(firmware) {
        EFI_GUID guid = EFI_PCI_IO_PROTOCOL_GUID;
        if (failed(firmware_.boot->LocateHandleBuffer(ByProtocol, &guid, nullptr, &count_, &handles_)))
            count_ = 0;
    }
    FirmwarePci(const FirmwarePci&) = delete;
    FirmwarePci& operator=(const FirmwarePci&) = delete;
    ~FirmwarePci() {
        if (handles_ != nullptr)
            firmware_.boot->FreePool(handles_);
    }

    /// Of the BAR of this function that begins at `address`; 0: not known.
    [[nodiscard]] u64 bar_size(u32 segment, pci::Function function, u64 address) const {
        EFI_GUID guid = EFI_PCI_IO_PROTOCOL_GUID;
        for (UINTN i = 0; i < count_; ++i) {
            auto* device = protocol_on<EFI_PCI_IO_PROTOCOL>(firmware_, handles_[i], guid);
            UINTN at[4]{};
            if (device == nullptr || failed(device->GetLocation(device, &at[0], &at[1], &at[2], &at[3])))
                continue;
            if (at[0] == segment && at[1] == function.bus && at[2] == function.device && at[3] == function.function)
                return size_at(device, address);
        }
        return 0;
    }

private:
    /// The firmware numbers BARs in a way of its own: by addresses they are found. ACPI 6.5 6.4.3.5.1, QWord Address
    /// Space Descriptor.
    [[nodiscard]] u64 size_at(EFI_PCI_IO_PROTOCOL* device, u64 address) const {
        constexpr u8 qword_address_space = 0x8a;
        constexpr u64 minimum_at = 14, length_at = 38, descriptor_size = 46;
        for (u8 bar = 0; bar < 6; ++bar) {
            void* resources = nullptr;
            if (failed(device->GetBarAttributes(device, bar, nullptr, &resources)) || resources == nullptr)
                continue;
            u64 minimum = 0, length = 0;
            const auto* bytes = static_cast<const u8*>(resources);
            if (bytes[0] == qword_address_space) {
                const std::span<const u8> descriptor(bytes, descriptor_size);
                minimum = read64(descriptor.subspan(minimum_at));
                length = read64(descriptor.subspan(length_at));
            }
            firmware_.boot->FreePool(resources);
            if (length != 0 && minimum == address)
                return length;
        }
        return 0;
    }

    static u64 read64(std::span<const u8> bytes) {
        u64 value = 0;
        for (unsigned i = 0; i < 8; ++i)
            value |= u64{bytes[i]} << (8 * i);
        return value;
    }

    const Firmware& firmware_;
    EFI_HANDLE* handles_ = nullptr;
    UINTN count_ = 0;
};

/// A survey::PciSpace.
template <pci::Config Config> struct Space {
    const Config& config;
    const FirmwarePci& known;
    u16 segment = 0;
    u32 size = 0;

    [[nodiscard]] u32 read(pci::Function function, u16 offset) const { return config.read(function, offset); }
    [[nodiscard]] u32 readable(pci::Function /*any*/) const { return size; }
    [[nodiscard]] u64 bar_size(pci::Function function, u32 /*index*/, u64 address) const {
        return address == 0 ? 0 : known.bar_size(segment, function, address);
    }
};

template <pci::Config Config>
void survey_segment(Inventory& inventory, const Space<Config>& space, u32 first_bus, u32 last_bus) {
    pci::for_each_function(space.config, first_bus, last_bus, [&](pci::Function at, u32 /*class code*/) {
        survey::survey_function(inventory,
                                {.segment = space.segment, .bus = at.bus, .device = at.device, .function = at.function},
                                survey::PciRegisters(space, at));
    });
}

} // namespace

void survey_pci(const Firmware& firmware, Inventory& inventory, std::span<const EcamInfo> ecam) {
    const IdentityMap memory;
    const FirmwarePci known(firmware);
    bool has_segment_0 = false;
    for (const EcamInfo& range : ecam) {
        const PhysicalRange registers = registers_of(range);
        if (!memory.covers(registers.start, registers.size)) {
            inventory.note("PCI", "the firmware does not map the configuration space of a segment, at",
                           registers.start.value);
            continue;
        }
        const MappedConfig config(range.address);
        survey_segment(inventory, Space<MappedConfig>{config, known, range.segment, 4096}, range.start_bus,
                       range.end_bus);
        has_segment_0 = has_segment_0 || range.segment == 0;
    }
    const PortConfig ports;
    if (!has_segment_0)
        survey_segment(inventory, Space<PortConfig>{ports, known, 0, 256}, 0, 255);
    survey::survey_groups(inventory);
}

} // namespace bulkhead::boot
