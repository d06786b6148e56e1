// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <atomic>
#include <span>
#include <string_view>

#include "base/spinlock.hpp"
#include "boot/boot_info.hpp"
#include "core/console_port.hpp"
#include "core/guest_memory.hpp"
#include "core/restart_policy.hpp"
#include "core/vm_exit.hpp"
#include "devices/io_apic.hpp"
#include "devices/pm_timer.hpp"
#include "devices/power.hpp"
#include "devices/pvclock.hpp"
#include "devices/uart16550.hpp"
#include "devices/watchdog.hpp"
#include "mm/frame_allocator.hpp"
#include "mm/guest_memory_map.hpp"

namespace bulkhead {

struct Guest;

/// What another CPU asks of a vCPU's core. A bit is set, then an NMI is sent.
enum VcpuRequest : u32 {
    request_input = 1u << 0,    ///< there is typed input in the guest's ring
    request_stop = 1u << 1,     ///< the guest's life ends
    request_nmi = 1u << 2,      ///< another vCPU of the guest sent it an NMI
    request_serve = 1u << 3,    ///< service CPU: a console ring has something
    request_all_off = 1u << 4,  ///< service CPU: a guest has ended, perhaps the last
    request_init = 1u << 5,     ///< another vCPU of the guest, or this one, sent it an INIT
    request_start_up = 1u << 6, ///< and a start-up IPI, with Vcpu::start_up_vector
    request_eoi = 1u << 7,      ///< Guest::eoi_exits has changed
    request_pause = 1u << 8,    ///< Guest::paused has changed
    request_start = 1u << 9,    ///< first vCPU: its guest's life begins
    request_scrub = 1u << 10,   ///< first vCPU's core: clear the guest's memory
};

/// What a core does for its guest.
enum class Activity : u8 {
    Off,         ///< nothing: the guest has ended, or there is none. The parked context runs
    WaitForSipi, ///< it was reset, and waits for a start-up IPI (SDM 3A 9.4.3). The parked context runs
    Active,      ///< it runs the guest
};

/// The public part of a core: what other CPUs may see. A free core has one too, without a guest.
struct alignas(64) Vcpu {
    /// TSC ticks from exits to the entries behind them. First: svm/enter.S and vmx/enter.S add to it. Written like
    /// `exits` below.
    u64 hypervisor_ticks = 0;
    Guest* guest = nullptr;
    u32 id = 0;      ///< in the guest; its virtual APIC ID
    u32 cpu = 0;     ///< index in BootInfo::cpus
    u32 apic_id = 0; ///< physical
    std::atomic<u32> requests{0};
    std::atomic<bool> present{true}; ///< false: it did not answer, cannot run guests, or has stopped for good
    std::atomic<bool> ready{false};  ///< the core has started and built what it has to, or is not present
    std::atomic<Activity> activity{Activity::Off};
    std::atomic<u8> start_up_vector{0}; ///< of the last start-up IPI: it starts at this page
    std::atomic<u16> xapic_address{0};  ///< VirtualApic::address()
    std::atomic<bool> is_new{false};    ///< it has not run in its guest's present life
    /// Written by its own core only, by plain increments; read by anyone.
    std::array<u64, exit_reason_count> exits{};
    u64 unknown_msrs = 0; ///< accesses refused with #GP
    u64 dropped_ipis = 0; ///< to destinations that are not the guest's
    u64 injected = 0;     ///< exceptions and NMIs
    u64 build_ticks = 0;  ///< TSC ticks spent on zeroing and copying the guest's memory
};

/// Why a guest's life ended. The last three: somebody asked for it.
enum class StopReason : u8 { None, PowerOff, Reset, Failed, Unstartable, Watchdog, Stopped, Restarted, Destroyed };

/// `Loaded`: it has not run, or its memory has been cleared since. `Stopped` and `Failed`: how its last life ended.
enum class GuestState : u8 { Loaded, Running, Paused, Stopped, Failed };

static_assert(offsetof(Vcpu, hypervisor_ticks) == 0);

/// What a guest failed of.
struct GuestFailure {
    std::string_view what; ///< empty: it never did
    u32 vcpu = 0;
    u64 rip = 0;
};

struct Guest {
    const GuestInfo* info = nullptr; ///< in the hand-off area; its segments are mapped on the guest's own CPUs
    std::string_view name;
    std::span<Vcpu* const> vcpus;
    GuestMemoryMap memory_map;
    GuestMemory memory{nullptr, MiB, 0};
    PvClock clock;
    PmTimer pm_timer{0};
    u64 wall_clock_at_start = 0; ///< nanoseconds since 1970 when the guest's clock was 0

    Spinlock devices_lock;
    Uart16550 uart BULKHEAD_GUARDED_BY(devices_lock);
    IoApic io_apic BULKHEAD_GUARDED_BY(devices_lock);
    PowerControl power BULKHEAD_GUARDED_BY(devices_lock);
    /// Tables that second-stage pages become when they are split. Empty where none ever is.
    FrameAllocator spare_tables BULKHEAD_GUARDED_BY(devices_lock);

    ConsoleOutput output;
    ConsoleInput input;
    ConsolePort port; ///< its own, if it is present
    ConsoleWriter output_writer BULKHEAD_GUARDED_BY(devices_lock);

    std::atomic<bool> eoi_exits{false}; ///< the vCPUs' EOIs are to exit: the I/O APIC wants them

    Spinlock life_lock; ///< taken inside of devices_lock, if both
    GuestState state BULKHEAD_GUARDED_BY(life_lock) = GuestState::Loaded;
    StopReason stop_reason BULKHEAD_GUARDED_BY(life_lock) = StopReason::None;
    RestartCount restart_count BULKHEAD_GUARDED_BY(life_lock);
    GuestFailure last_failure BULKHEAD_GUARDED_BY(life_lock);
    Watchdog watchdog BULKHEAD_GUARDED_BY(life_lock);
    u64 started_at BULKHEAD_GUARDED_BY(life_lock) = 0;    ///< TSC, of its last life
    u64 deadline_left BULKHEAD_GUARDED_BY(life_lock) = 0; ///< TSC ticks, while it is paused
    std::atomic<u32> lives{0};                            ///< how often it was started
    std::atomic<u32> running_vcpus{0};                    ///< those that have not left it
    std::atomic<bool> paused{false};
    std::atomic<u64> deadline{
        0}; ///< TSC, of its watchdog or, while it is off, its restart; 0: none. rearm_clock() follows
};

} // namespace bulkhead
