// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a configuration says, as plain data. The keys, their types, ranges and documentation are in config/schema.hpp.
#pragma once

#include <span>
#include <string_view>

#include "base/static_vector.hpp"
#include "base/types.hpp"
#include "boot/boot_info.hpp"
#include "config/position.hpp"
#include "mm/physical_range.hpp"

namespace bulkhead {

inline constexpr u32 max_guests = 64;
inline constexpr u64 schema_version = 1; ///< of the keys that this program knows
inline constexpr u64 max_guest_memory =
    511 * GiB;                           ///< with the hole below 4 GiB, what the hypervisor maps of a guest: 512 GiB
inline constexpr u32 max_cmdline = 2047; ///< bytes; what a Linux kernel for x86 takes
inline constexpr u32 max_modules = 16;   ///< of a guest

/// [hypervisor]
struct HypervisorConfig {
    Located<u64> console_port{.value = 0x3f8, .at = {}};  ///< I/O port of a 16550; 0: none
    Located<u64> console_irq;                             ///< its ISA interrupt; 0: none, nothing can be typed
    Located<u64> console_baud{.value = 115200, .at = {}}; ///< 0: leave it as the firmware set it
    Located<bool> screen{.value = true, .at = {}};
    Located<bool> log{.value = true, .at = {}};
    Located<u64> service_cpu; ///< CPU number, only where given()
    Located<bool> debug_needless_intercept;
    Located<bool> debug_faults;
    Located<bool> fallback{.value = true, .at = {}};
    Located<u64> when_off; ///< a WhenOff
    Located<u64> on_panic; ///< an OnPanic
    Located<bool> allow_split_cores;
    Located<bool> survey; ///< the loader takes inventory, and starts nothing
};

/// `cpus`: how many, or which.
struct CpuRequest {
    u64 count = 1;                      ///< 0: was refused
    std::span<const Located<u64>> list; ///< CPU numbers; empty: any `count` CPUs
    Position at;
};

/// A file that is loaded with a kernel.
struct ModuleConfig {
    Located<std::string_view> file; ///< path, relative to the configuration's folder
    std::string_view text;          ///< what the kernel is told of it: the path, and what follows it
};

/// `memory`: how much, or where. `value` is bytes, a multiple of 2 MiB; 0 where only the machine tells: for a share.
struct MemoryRequest : Located<u64> {
    u64 percent = 0;                                ///< 1 to 100: of what the machine has for guests; 0: not a share
    std::span<const Located<PhysicalRange>> ranges; ///< of the machine, in the guest's order; else anywhere
};

/// [[guest]]
struct GuestConfig {
    Position at; ///< of its header
    Located<std::string_view> name;
    CpuRequest cpus;
    Located<bool> cpus_share_cache;
    MemoryRequest memory;
    Located<bool> rest;                      ///< true: every core and all memory that the others do not claim
    Located<std::string_view> kernel;        ///< path, relative to the configuration's folder
    Located<std::string_view> kernel_sha256; ///< 64 hexadecimal digits, only where given(); so are those below
    Located<std::string_view> initrd;        ///< path, only where given()
    Located<std::string_view> initrd_sha256;
    std::span<const ModuleConfig> modules;
    std::span<const Located<std::string_view>> modules_sha256; ///< one for each module, or none
    Located<u64> kernel_format;                                ///< a KernelFormat (boot/guest/kernel_format.hpp)
    Located<std::string_view> cmdline;
    Located<bool> autostart{.value = true, .at = {}};
    Located<u64> restart_on_crash;                        ///< 1: yes
    Located<u64> restart_on_reboot{.value = 1, .at = {}}; ///< 1: yes
    Located<u64> restart_limit{.value = 10, .at = {}};    ///< 0: none
    Located<u64> restart_delay{.value = 1000, .at = {}};  ///< milliseconds
    Located<u64> watchdog;                                ///< seconds; 0: the guest starts it
    Located<u64> console_port;                            ///< I/O port of a 16550, only where given()
    Located<u64> console_irq; ///< its ISA interrupt; 0: not known, an error if it has a port
};

/// A file of a guest: what it is called in messages, where it is, and its SHA-256, where those are given().
struct GuestFile {
    std::string_view name;
    Located<std::string_view> path;
    Located<std::string_view> digest;
};

/// Calls `visit` with each GuestFile that a guest can have.
template <class Visit> void for_each_file(const GuestConfig& guest, Visit visit) {
    visit(GuestFile{"kernel", guest.kernel, guest.kernel_sha256});
    visit(GuestFile{"initrd", guest.initrd, guest.initrd_sha256});
    for (std::size_t i = 0; i < guest.modules.size(); ++i)
        visit(GuestFile{"module", guest.modules[i].file,
                        i < guest.modules_sha256.size() ? guest.modules_sha256[i] : Located<std::string_view>{}});
}

/// For messages, also about a guest whose name was refused.
constexpr std::string_view shown_name(const GuestConfig& guest) {
    return guest.name.given() ? guest.name.value : std::string_view("?");
}

/// Strings point into the file's text or into the storage that it was parsed with.
struct Configuration {
    Located<u64> schema{.value = schema_version, .at = {}};
    HypervisorConfig hypervisor;
    StaticVector<GuestConfig, max_guests> guests;
};

} // namespace bulkhead
