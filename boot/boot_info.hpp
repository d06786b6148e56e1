// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What the loader hands to the hypervisor: the machine as the firmware described it, the guests as the configuration
// described them and placement decided, and what their memory holds at their start. The loader parses; the hypervisor
// only reads. Plain data of fixed layout, as two compilers' targets (PE and ELF) share it.
#pragma once

#include <type_traits>

#include "base/journal_entry.hpp"
#include "base/text.hpp"
#include "base/types.hpp"
#include "mm/memory_chunk.hpp"
#include "mm/physical_range.hpp"

namespace bulkhead {

/// An array in the handoff area: physical address and number of elements.
template <class T> struct PhysicalArray {
    HostPhysical address;
    u64 count = 0;
};

enum class MemoryType : u32 { Usable, Reserved, AcpiReclaim, AcpiNvs, RuntimeCode, RuntimeData, Mmio, Unusable };

struct MemoryRange {
    PhysicalRange range;
    MemoryType type = MemoryType::Reserved;
    u32 reserved = 0;
};

/// A logical processor out of the MADT (types 0 and 9) that firmware says is enabled.
struct CpuInfo {
    u32 apic_id = 0;
    u32 acpi_uid = 0;
    u32 core = 0;    ///< Equal for sibling threads of one core: the APIC ID shifted right by CPUID 0xb's SMT width.
    u32 package = 0; ///< Equal for processors of one package.
    u32 cache = 0;   ///< Equal for processors that share the last level of cache.
    u32 node = 0; ///< Its proximity domain (SRAT types 0 and 2): whose memory is near; 0 where firmware says nothing.
};

struct IoApicInfo {
    HostPhysical address;
    u32 id = 0;
    u32 gsi_base = 0;
};

/// MADT type 2: an ISA interrupt that is not identity-mapped, or not edge and active high.
struct InterruptOverride {
    u32 isa_irq = 0;
    u32 gsi = 0;
    u32 active_low = 0;
    u32 level = 0;
};

/// MCFG: one ECAM range.
struct EcamInfo {
    HostPhysical address; ///< of bus 0, also where start_bus is not 0
    u16 segment = 0;
    u8 start_bus = 0;
    u8 end_bus = 0;
    u32 reserved = 0;
};

struct FramebufferInfo {
    HostPhysical address; ///< 0: there is none
    u64 size = 0;
    u32 width = 0;
    u32 height = 0;
    u32 pixels_per_line = 0;
    u32 format = 0; ///< EFI_GRAPHICS_PIXEL_FORMAT
};

/// What of ACPI matters to the hypervisor.
struct AcpiInfo {
    HostPhysical rsdp;
    HostPhysical hpet;       ///< 0: none
    u32 has_8259 = 0;        ///< MADT flag PCAT_COMPAT
    u32 has_dmar = 0;        ///< a DMAR table is present
    u32 has_ivrs = 0;        ///< an IVRS table is present
    u16 reset_port = 0;      ///< I/O port by which the machine is reset,
    u16 reset_value = 0;     ///< by writing this, one byte; its memory stays
    HostPhysical local_apic; ///< MADT, with its address override applied
};

/// A part of what a guest's memory holds at its start: `size` bytes (not 0) at `from`, which stay as they are, belong
/// at `to`. `from` is below layout::pristine_size, neither needs any alignment.
struct GuestSegment {
    GuestPhysical to;
    HostPhysical from;
    u64 size = 0;
};

/// How a vCPU begins to run: in 64-bit mode, paging on, flat segments, interrupts off.
struct EntryState {
    u64 rip = 0;
    u64 rsi = 0;
    u64 rsp = 0;
    u64 cr3 = 0;
    u64 gdt_base = 0;
    u16 gdt_limit = 0;
    u16 code_selector = 0x10;
    u16 data_selector = 0x18;
    u16 reserved = 0;
};

inline constexpr u32 max_guest_name = 31;

struct VcpuStart; // core/vcpu_start.hpp
namespace drivers {
class Screen; // drivers/screen.hpp
}

struct GuestInfo {
    char name[max_guest_name + 1]{}; ///< zero-terminated, unique
    PhysicalArray<u32> cpus;         ///< indices into BootInfo::cpus; the n-th is vCPU n
    PhysicalArray<VcpuStart> vcpus;  ///< what each vCPU starts with
    PhysicalArray<MemoryChunk> memory;
    PhysicalArray<GuestSegment> segments; ///< all in the guest's RAM, without overlap; the rest of it is zeros
    EntryState entry;                     ///< of vCPU 0
    PhysicalArray<char> refusal;          ///< why it cannot be started, zero-terminated; empty: it can
    u64 refusal_value = 0;                ///< the number that was wrong
    u64 hash = 0;                         ///< of the segments in their order: Hash::add_segment() of each
    u32 autostart = 1;                    ///< 0: it waits for somebody to start it
    u32 restart_on_crash = 0;             ///< 1: starts again after a failure; 0: stays off
    u32 restart_on_reboot = 1;            ///< the same after a reboot of its own
    u32 restart_limit = 0; ///< restarts in a row, each life shorter than a minute, before it stays off; 0: no limit
    u32 restart_delay = 0; ///< milliseconds before the second restart in such a row; doubles, to at most a minute
    u32 watchdog = 0;      ///< seconds that the guest has from its start on to feed its watchdog; 0: it starts it
    u16 console_port = 0;  ///< I/O base of a 16550 of its own for its console; 0: it shares the hypervisor's
    u16 console_irq = 0;   ///< the ISA interrupt of that
    u32 reserved = 0;
};

/// Instruction counts (TSC ticks) of the loader's stages, printed apart.
struct LoaderTimes {
    u64 start = 0;   ///< TSC at efi_main
    u64 reading = 0; ///< ticks the firmware spent reading files, and on its variables
    u64 hashing = 0; ///< ticks spent on GuestInfo::hash, and on SHA-256 where the configuration has some
    u64 copying = 0; ///< ticks spent copying the image and zeroing the pool
    u64 ending = 0;  ///< ticks the firmware spent stopping its drivers, waiting for devices and processors
    u64 waiting = 0; ///< ticks spent measuring Clocks
    u64 exit = 0;    ///< TSC after ExitBootServices
};

/// What is done one after the other from efi_main to the first guest, by the loader and then by the hypervisor.
struct BootStages {
    static constexpr u64 of_loader = 13, of_hypervisor = 5;
    struct Stage {
        char name[24]{}; ///< zero-terminated
        u64 start = 0;   ///< TSC
    };
    Stage list[of_loader + of_hypervisor];
    u64 count = 0; ///< those that have begun

    /// The next one begins: a line for a person, who sees which it was if the machine stands still in it.
    void begin(std::string_view name, u64 tsc, Text& line) {
        if (count == of_loader + of_hypervisor)
            return;
        name.copy(list[count].name, sizeof list[count].name - 1);
        list[count++].start = tsc;
        line << "stage " << count << " of " << of_loader + of_hypervisor << ": " << name;
    }
};

/// What time is measured by, on all CPUs.
struct Clocks {
    u64 tsc_khz = 0;
    u64 apic_timer_hz = 0;    ///< what the local APIC's timer counts before its divider
    char tsc_reference[16]{}; ///< who says what the TSC's frequency is: zero-terminated, to be printed
};

struct WallClock {
    u64 unix_seconds = 0; ///< UTC at `tsc`; 0: the firmware has no clock
    u64 tsc = 0;
};

/// What UEFI's SetVariable (UEFI 2.10 8.2.3) is called with; all in the hand-off area.
struct FirmwareVariable {
    HostPhysical name; ///< 0: nothing is to be set
    HostPhysical vendor;
    HostPhysical data;
    u64 size = 0;
    u32 attributes = 0;
    u32 reserved = 0;
};

/// What the machine does when every guest is off.
enum class WhenOff : u32 { PowerOff, Reboot, Stay };

/// What the machine does when the hypervisor cannot go on.
enum class OnPanic : u32 { Halt, Reboot };

struct BootInfo {
    static constexpr u64 expected_magic = 0x4f464e4942484b42; // "BKHBINFO"
    static constexpr u32 expected_version = 7;

    u64 magic = expected_magic;
    u32 version = expected_version;
    u32 size = 0; ///< sizeof(BootInfo), as the loader knew it

    PhysicalRange handoff; ///< this struct and every array it points to; page-aligned
    PhysicalRange image;   ///< the hypervisor's loaded segments, 2 MiB aligned, laid out as in linker.ld
    PhysicalRange pool;    ///< for the hypervisor's tables, stacks and per-CPU data; 2 MiB aligned, zeroed, < 4 GiB
    HostPhysical ap_trampoline; ///< a free page below 1 MiB, not 0

    PhysicalArray<MemoryRange> memory_map;
    PhysicalArray<CpuInfo> cpus; ///< the first is the bootstrap processor
    PhysicalArray<IoApicInfo> io_apics;
    PhysicalArray<InterruptOverride> overrides;
    PhysicalArray<EcamInfo> ecam;
    PhysicalArray<GuestInfo> guests;

    HostPhysical msr_maps; ///< those of core/msr_policy.hpp, page-aligned, in the format of the CPU's vendor
    HostPhysical io_map;   ///< io_map_size ones, page-aligned: no port is a guest's own (SDM 3C 25.6.4, APM 2 15.10.1)
    static constexpr u64 io_map_size = 3 * page_size;

    AcpiInfo acpi;
    HostPhysical smbios; ///< entry point (3.x preferred), 0: none
    FramebufferInfo framebuffer;
    PhysicalArray<drivers::Screen> screen; ///< the console on it: one, or none
    PhysicalArray<char> log;               ///< the last that the loader has said, at most log_size
    static constexpr std::size_t log_size = 15 * KiB; ///< less than a ConsoleOutput, in which it is repeated
    WallClock wall_clock;
    Clocks clocks;
    LoaderTimes times;
    BootStages stages;

    HostPhysical efi_system_table;
    HostPhysical
        efi_reset_system; ///< EFI_RUNTIME_SERVICES.ResetSystem, callable with RuntimeCode/Data ranges mapped 1:1
    HostPhysical efi_set_variable; ///< likewise
    FirmwareVariable success;      ///< when each guest that starts by itself runs (boot/last_configuration.hpp)

    u16 console_port = 0;             ///< 16550 I/O base of the hypervisor's console; 0: none
    u16 console_irq = 0;              ///< its ISA interrupt
    u16 console_divisor = 0;          ///< 115200 by its rate in baud; 0: leave as firmware set it
    u16 keeps_log = 1;                ///< 0: what was said is not kept
    u32 service_cpu = ~0u;            ///< index into cpus; ~0: the hypervisor chooses
    u32 debug_needless_intercept = 0; ///< for the test that proves that exit counters can fail
    u32 debug_faults = 0;             ///< for the tests of what a fault of the hypervisor's own costs
    WhenOff when_off = WhenOff::PowerOff;
    OnPanic on_panic = OnPanic::Halt;
    PhysicalRange journal; ///< a ring of JournalEntry that a warm reset leaves alone, zeroed; size 0: there is none
    PhysicalArray<JournalEntry> last_records; ///< what the boot before left there, the oldest first

    u64 reserved[8]{};
};

/// Bytes of the pool: 4 MiB, 128 KiB for each CPU, and what second-stage tables and the windows onto guests' memory
/// need of tables, 1 MiB a guest and 16 KiB for each GiB of RAM. `guest_memory` is the RAM of all guests together.
/// `spare_tables`: one for each of its 2 MiB as well (arch/x86_64/arch_capabilities.hpp).
constexpr u64 pool_size(u64 cpus, u64 guests, u64 guest_memory, bool spare_tables) {
    return align_up(4 * MiB + cpus * 128 * KiB + guests * MiB + (guest_memory / GiB + guests) * 16 * KiB +
                        (spare_tables ? guest_memory / large_page_size * page_size : 0),
                    large_page_size);
}

static_assert(std::is_trivially_copyable_v<BootInfo>);
static_assert(sizeof(PhysicalArray<u32>) == 16);
static_assert(sizeof(CpuInfo) == 24);
static_assert(sizeof(MemoryRange) == 24);
static_assert(sizeof(MemoryChunk) == 24);
static_assert(sizeof(GuestSegment) == 24);
static_assert(sizeof(EntryState) == 48);
static_assert(sizeof(GuestInfo) == 32 + 4 * 16 + 48 + 16 + 2 * 8 + 8 * 4);

} // namespace bulkhead
