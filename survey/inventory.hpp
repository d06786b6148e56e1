// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a machine is made of, as plain data: found by the loader (boot/survey*.cpp) or by `bulkhead probe` on a running
// Linux, written as TOML by survey/write_inventory.*. docs/hardware.md describes the file.
//
// Whatever has no room, or cannot be understood, is an Unknown with its name: nothing here ever fails. All is zeros at
// first.
#pragma once

#include "base/static_vector.hpp"
#include "boot/boot_info.hpp"
#include "config/placement.hpp"
#include "survey/fixed_text.hpp"

namespace bulkhead::survey {

/// Of the file's format. A reader of version n reads files of version n; a new key alone makes no new version.
inline constexpr u32 inventory_schema = 1;

enum class Source : u8 { Loader, Linux, Recording };

/// Of the processor that was asked; on a machine whose processors differ the others are not known.
struct Processor {
    FixedText<12> vendor;
    FixedText<48> name;
    u32 signature = 0; ///< CPUID 1 EAX
    u32 family = 0;
    u32 model = 0;
    u32 stepping = 0;
    u32 physical_bits = 0;
    u32 linear_bits = 0;
    bool hypervisor = false; ///< it says that it is a virtual one
    FixedText<12> hypervisor_name;
    u64 features = 0; ///< a bit for each of listed_features (survey/processor.hpp)
};

struct Cache {
    u32 level = 0;
    u32 type = 0;    ///< 1 data, 2 instructions, 3 unified
    u64 bytes = 0;   ///< of one
    u32 ways = 0;    ///< 0: fully associative
    u32 line = 0;    ///< bytes
    u32 threads = 0; ///< APIC IDs that share one
};

/// What of VT-x or AMD-V there is.
struct Virtualization {
    bool has_vmx = false;
    bool has_svm = false;
    bool msrs_known = false; ///< the words of MSRs below were read
    u32 asids = 0;
    u32 svm_edx = 0;           ///< CPUID 8000_000Ah EDX
    u64 vm_cr = 0;             ///< MSR C001_0114h
    u64 feature_control = 0;   ///< MSR 3Ah
    std::array<u64, 17> vmx{}; ///< MSR 480h to 490h
};

enum class MemoryKind : u8 {
    Free,
    BootServices, ///< the firmware's until the hypervisor starts
    Loader,
    Reserved,
    Acpi,
    AcpiNvs,
    Runtime, ///< the firmware's for ever
    Mmio,
    Unusable,
    Persistent,
    Unaccepted,
};

struct MemoryPiece {
    PhysicalRange range;
    MemoryKind kind{};
};

struct PciAddress {
    u16 segment = 0;
    u8 bus = 0;
    u8 device = 0;
    u8 function = 0;
    friend constexpr bool operator==(const PciAddress&, const PciAddress&) = default;
};

struct Bar {
    u8 index = 0;
    bool io = false;
    bool is_64_bit = false;
    bool prefetchable = false;
    u64 address = 0; ///< 0: not assigned
    u64 size = 0;    ///< 0: not known
};

/// How a function can be reset.
struct Resets {
    bool flr = false;        ///< PCIe 6.0 6.6.2
    bool af = false;         ///< the conventional FLR of "Advanced Features"
    bool pm = false;         ///< by D3hot and back: PMCSR.No_Soft_Reset is 0
    bool bus = false;        ///< by its bridge's Secondary Bus Reset, which is its alone
    bool bus_shared = false; ///< by that, with its neighbours
};

inline constexpr u8 not_pcie = 0xff;

struct PciFunction {
    PciAddress at{};
    u16 vendor = 0;
    u16 id = 0;
    u16 subsystem_vendor = 0;
    u16 subsystem_id = 0;
    u32 class_code = 0; ///< class, subclass, interface
    u8 revision = 0;
    u8 header = 0; ///< 0: device, 1: bridge, 2: CardBus
    bool multi_function = false;
    u8 pcie_type = 0;     ///< Device/Port Type of the PCIe capability, or not_pcie
    u8 secondary_bus = 0; ///< of a bridge; 0: none
    u8 subordinate_bus = 0;
    bool has_acs = false;
    u16 acs = 0; ///< ACS capability register
    Resets resets{};
    u32 group = 0; ///< isolation group
    u32 msi_vectors = 0;
    u32 msix_vectors = 0;
    u32 virtual_functions = 0; ///< SR-IOV TotalVFs
    StaticVector<Bar, 6> bars{};
    StaticVector<u8, 16> capabilities{};
    StaticVector<u16, 24> extended{};
    FixedText<64> problem{};
};

struct Iommu {
    bool amd = false; ///< else VT-d
    HostPhysical base;
    u16 segment = 0;
    bool all_devices = false; ///< VT-d: INCLUDE_PCI_ALL
    u32 scopes = 0;           ///< devices or ranges that the firmware lists with it
    bool has_address = false; ///< amd: it is a PCI function, here
    PciAddress at{};
};

/// Memory that the firmware goes on using by DMA: RMRR (VT-d), IVMD (AMD).
struct DmaReserve {
    PhysicalRange range;
    bool amd = false;
};

enum class SerialSource : u8 { Ports, Spcr, Dbg2, Pci, Linux };

struct SerialPort {
    SerialSource source{};
    bool io = false; ///< `address` is an I/O port
    u64 address = 0;
    u32 irq = 0; ///< ISA; 0: not known
    bool is_16550 = false;
    bool has_pci = false;
    PciAddress at{};
};

struct AcpiTable {
    FixedText<4> signature;
    u32 length = 0;
    u32 revision = 0;
    FixedText<6> oem;
    FixedText<8> oem_table;
    bool right = false; ///< length and checksum
};

/// A property that is not always known.
enum class Known : u8 { NotKnown, No, Yes };

struct FirmwareFacts {
    FixedText<48> vendor;
    u32 revision = 0;
    u32 uefi = 0; ///< 0x00020046 for 2.70; 0: not known
    Known is_uefi{};
    Known secure_boot{};
    FramebufferInfo screen;         ///< address 0: none
    bool can_show_text = false;     ///< on that screen
    bool five_level_paging = false; ///< it left LA57 on
    bool has_8259 = false;
    u32 io_apics = 0;
    u32 pci_segments = 0; ///< that ACPI describes
};

/// SMBIOS types 0, 1 and 2.
struct Board {
    FixedText<48> bios_vendor, bios_version, bios_date;
    FixedText<64> system_vendor, system_product, system_version, system_serial;
    FixedText<36> system_uuid;
    FixedText<64> board_vendor, board_product, board_version, board_serial;
};

/// A part that was not understood, or not read, and why.
struct Unknown {
    FixedText<32> part;
    FixedText<160> problem;
    u64 value = 0; ///< the number that was wrong
};

enum class Verdict : u8 { Unknown, No, Yes };

struct Inventory {
    Source source{};
    Processor processor;
    StaticVector<Cache, 8> caches;
    Virtualization virtualization;
    StaticVector<CpuInfo, max_cpus> cpus;
    StaticVector<NodeMemory, 128> nodes;
    StaticVector<MemoryPiece, 512> memory; ///< in the order of their addresses, neighbours of a kind merged
    StaticVector<PciFunction, 512> pci;    ///< in the order of their addresses
    u32 groups = 0;
    StaticVector<Iommu, 32> iommus;
    StaticVector<DmaReserve, 32> dma_reserves;
    StaticVector<SerialPort, 16> serial;
    StaticVector<AcpiTable, 96> tables;
    FirmwareFacts firmware;
    Board board;
    Verdict verdict{};
    StaticVector<FixedText<160>, 8> reasons;  ///< why it cannot run Bulkhead, or why that is not known
    StaticVector<FixedText<160>, 8> warnings; ///< what will be missed
    StaticVector<Unknown, 64> unknown;
    u64 more_unknown = 0; ///< that had no room

    void note(std::string_view part, std::string_view problem, u64 value = 0) {
        if (!unknown.push_back({.part = part, .problem = problem, .value = value}))
            ++more_unknown;
    }
    /// Where the list is full, that is an Unknown, once.
    template <class T, std::size_t Capacity>
    bool add(StaticVector<T, Capacity>& list, const T& item, std::string_view part) {
        if (list.push_back(item))
            return true;
        for (Unknown& one : unknown)
            if (one.part.view() == part && one.problem.view() == no_room) {
                ++one.value;
                return false;
            }
        note(part, no_room, 1);
        return false;
    }
    static constexpr std::string_view no_room = "more than there is room for; left out, as many as the value says";
};

} // namespace bulkhead::survey
