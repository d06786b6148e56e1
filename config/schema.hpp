// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Every key of a configuration: its type, range, default and documentation, as data. The interpreter checks files
// against it, and the reference in docs/configuration.md is compared with it by a test.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <variant>

#include "base/types.hpp"
#include "config/model.hpp"

namespace bulkhead {

enum class ValueType : u8 { Number, Port, Flag, Name, Memory, Path, Text, Cpus, Word, Modules, Digest, Digests };

/// How a value of a type is described to a person, in ValueType's order.
inline constexpr std::array<std::string_view, 12> value_descriptions{
    "a whole number",
    "an I/O port such as 0x3f8",
    "true or false",
    "a name in quotes",
    "a size such as \"512 MiB\", a share such as \"50%\", or a list of ranges such as [\"1 GiB at 0x100000000\"]",
    "a path in quotes",
    "a text in quotes",
    "a number of CPUs, or a list of CPU numbers such as [2, 3]",
    "a word in quotes:", // KeyRule::words
    "a list of files such as [\"one\", \"two with words\"]",
    "a SHA-256 in quotes, 64 hexadecimal digits",
    "a list of SHA-256 in quotes, of 64 hexadecimal digits each",
};

constexpr std::string_view describe(ValueType type) { return value_descriptions[static_cast<std::size_t>(type)]; }

struct KeyRule {
    std::string_view name;
    ValueType type{};
    bool required = false;
    u64 minimum = 0; ///< of a number: its value; of a size or text: its bytes; of a list: how many
    u64 maximum = 0;
    std::string_view standard; ///< the default as it would be written; empty: there is none
    std::string_view help;
    std::span<const std::string_view> words{}; ///< of a word: which there are; its value is the place in here
};

inline constexpr std::string_view stop_or_restart[] = {"stop", "restart"};
inline constexpr std::string_view when_off_words[] = {"power-off", "reboot", "stay"}; // as WhenOff
inline constexpr std::string_view on_panic_words[] = {"halt", "reboot"};              // as OnPanic
inline constexpr std::string_view kernel_format_words[] = {"auto", "bzimage", "pvh", "multiboot",
                                                           "flat"}; // as KernelFormat

template <class Section>
using Target = std::variant<Located<u64> Section::*, Located<bool> Section::*, Located<std::string_view> Section::*,
                            CpuRequest Section::*, std::span<const ModuleConfig> Section::*, MemoryRequest Section::*,
                            std::span<const Located<std::string_view>> Section::*>;

/// A key, and where its value is kept.
template <class Section> struct Key {
    KeyRule rule;
    Target<Section> target;
};

/// Above all tables.
inline constexpr auto root_keys = std::to_array<Key<Configuration>>({
    {{.name = "schema",
      .type = ValueType::Number,
      .minimum = 1,
      .maximum = 1'000'000,
      .standard = "1",
      .help = "The version of these keys that the file is written for. A program that knows another one refuses the "
              "file, and says so."},
     &Configuration::schema},
});

inline constexpr auto hypervisor_keys = std::to_array<Key<HypervisorConfig>>({
    {{.name = "console-port",
      .type = ValueType::Port,
      .maximum = 0xfff8,
      .standard = "0x3f8",
      .help = "I/O port of the serial console, a 16550; 0 for none."},
     &HypervisorConfig::console_port},
    {{.name = "console-irq",
      .type = ValueType::Number,
      .maximum = 15,
      .standard = "4",
      .help = "ISA interrupt of the serial console; 0 for none, then nothing can be typed. The default is 4 for the "
              "ports 0x3f8 and 0x3e8, 3 for 0x2f8 and 0x2e8, and 0 for others."},
     &HypervisorConfig::console_irq},
    {{.name = "console-baud",
      .type = ValueType::Number,
      .maximum = 115200,
      .standard = "115200",
      .help = "Speed of the serial console; it must divide 115200. 0 leaves it as the firmware set it."},
     &HypervisorConfig::console_baud},
    {{.name = "screen",
      .type = ValueType::Flag,
      .standard = "true",
      .help = "Whether the console is shown on the machine's screen too, where the firmware has set one up."},
     &HypervisorConfig::screen},
    {{.name = "log",
      .type = ValueType::Flag,
      .standard = "true",
      .help = "Whether the hypervisor's lines are kept: the last 15 KiB for the monitor's command `log`, and guests' "
              "failures and faults for the boot after a warm reset."},
     &HypervisorConfig::log},
    {{.name = "service-cpu",
      .type = ValueType::Number,
      .maximum = 1023,
      .standard = {},
      .help = "Number of the CPU that does the hypervisor's own work, such as taking what is typed. Without it: a CPU "
              "that no guest has, where there is one."},
     &HypervisorConfig::service_cpu},
    {{.name = "debug-needless-intercept",
      .type = ValueType::Flag,
      .standard = "false",
      .help = "For tests only: intercepts one event more than is needed, which the exit counters must show."},
     &HypervisorConfig::debug_needless_intercept},
    {{.name = "debug-faults",
      .type = ValueType::Flag,
      .standard = "false",
      .help =
          "For tests only: a guest's hypercall 0x424b0003 makes the hypervisor fail, which costs that guest, or, with "
          "RBX 1, the machine."},
     &HypervisorConfig::debug_faults},
    {{.name = "fallback",
      .type = ValueType::Flag,
      .standard = "true",
      .help = "Whether a boot with this configuration that does not get to its guests makes the next one use the last "
              "configuration that worked. Firmware variables remember which that is."},
     &HypervisorConfig::fallback},
    {{.name = "when-off",
      .type = ValueType::Word,
      .standard = "\"power-off\"",
      .help = "What the machine does when every guest is off. With \"stay\" it waits for somebody to start one.",
      .words = when_off_words},
     &HypervisorConfig::when_off},
    {{.name = "on-panic",
      .type = ValueType::Word,
      .standard = "\"halt\"",
      .help = "What the machine does when a fault of the hypervisor's own leaves it unable to go on. What happened is "
              "printed, and again at the next boot.",
      .words = on_panic_words},
     &HypervisorConfig::on_panic},
    {{.name = "allow-split-cores",
      .type = ValueType::Flag,
      .standard = "false",
      .help = "Whether two guests may have sibling threads of one core, which share its caches and execution units: "
              "each can slow the other, and learn from it."},
     &HypervisorConfig::allow_split_cores},
    {{.name = "survey",
      .type = ValueType::Flag,
      .standard = "false",
      .help = "Take inventory of the machine and write it to the stick, instead of starting the guests."},
     &HypervisorConfig::survey},
});

inline constexpr auto guest_keys = std::to_array<Key<GuestConfig>>({
    {{.name = "name",
      .type = ValueType::Name,
      .required = true,
      .minimum = 1,
      .maximum = max_guest_name,
      .standard = {},
      .help = "What the guest is called; unique. A small letter, then small letters, digits, '_' and '-'."},
     &GuestConfig::name},
    {{.name = "cpus",
      .type = ValueType::Cpus,
      .minimum = 1,
      .maximum = 1024,
      .standard = "1",
      .help = "How many CPUs the guest gets, or a list of their numbers, as printed at boot. The n-th of a list is the "
              "guest's CPU n."},
     &GuestConfig::cpus},
    {{.name = "cpus-share-cache",
      .type = ValueType::Flag,
      .standard = "false",
      .help = "Whether all of the guest's CPUs must share one last level of cache."},
     &GuestConfig::cpus_share_cache},
    {{.name = "memory",
      .type = ValueType::Memory,
      .required = true,
      .minimum = 2 * MiB,
      .maximum = max_guest_memory,
      .standard = {},
      .help = "How much memory the guest gets: a size in KiB, MiB or GiB, or a number of bytes; a multiple of 2 MiB. A "
              "share is of all memory that the machine has for guests. Ranges are the machine's own addresses, "
              "multiples of 2 MiB. Not with `rest`."},
     &GuestConfig::memory},
    {{.name = "rest",
      .type = ValueType::Flag,
      .standard = "false",
      .help = "Whether the guest gets every core and all memory that the other guests do not claim. One guest at most; "
              "it has no `cpus`, `cpus-share-cache` and `memory`."},
     &GuestConfig::rest},
    {{.name = "kernel",
      .type = ValueType::Path,
      .required = true,
      .minimum = 1,
      .maximum = 255,
      .standard = {},
      .help = "File of the kernel, relative to the configuration's folder."},
     &GuestConfig::kernel},
    {{.name = "kernel-format",
      .type = ValueType::Word,
      .standard = "\"auto\"",
      .help = "What the kernel is, and so how it starts. By itself a Linux bzImage is known, an ELF file with a PVH "
              "note, and one with a multiboot header, in this order; \"flat\" has to be said.",
      .words = kernel_format_words},
     &GuestConfig::kernel_format},
    {{.name = "kernel-sha256",
      .type = ValueType::Digest,
      .standard = {},
      .help = "SHA-256 that the kernel's file must have, as sha256sum prints it. With another one the guest does not "
              "start."},
     &GuestConfig::kernel_sha256},
    {{.name = "initrd",
      .type = ValueType::Path,
      .minimum = 1,
      .maximum = 255,
      .standard = {},
      .help = "File of the initial RAM disk, relative to the configuration's folder."},
     &GuestConfig::initrd},
    {{.name = "initrd-sha256",
      .type = ValueType::Digest,
      .standard = {},
      .help = "The same for the initial RAM disk's file."},
     &GuestConfig::initrd_sha256},
    {{.name = "modules",
      .type = ValueType::Modules,
      .maximum = max_modules,
      .standard = {},
      .help = "Files that are loaded with a kernel that is no bzImage, after the initrd if there is one: each a path "
              "and, after a space, words for the kernel."},
     &GuestConfig::modules},
    {{.name = "modules-sha256",
      .type = ValueType::Digests,
      .maximum = max_modules,
      .standard = {},
      .help = "The same for the modules: one for each of them."},
     &GuestConfig::modules_sha256},
    {{.name = "cmdline",
      .type = ValueType::Text,
      .maximum = max_cmdline,
      .standard = "\"\"",
      .help = "Command line of the kernel."},
     &GuestConfig::cmdline},
    {{.name = "autostart",
      .type = ValueType::Flag,
      .standard = "true",
      .help = "Whether the guest starts with the machine. One that does not waits for somebody to start it."},
     &GuestConfig::autostart},
    {{.name = "on-crash",
      .type = ValueType::Word,
      .standard = "\"stop\"",
      .help = "What follows when the guest fails, or its watchdog ends it.",
      .words = stop_or_restart},
     &GuestConfig::restart_on_crash},
    {{.name = "on-reboot",
      .type = ValueType::Word,
      .standard = "\"restart\"",
      .help = "What follows when the guest reboots itself.",
      .words = stop_or_restart},
     &GuestConfig::restart_on_reboot},
    {{.name = "restart-limit",
      .type = ValueType::Number,
      .maximum = 1'000'000,
      .standard = "10",
      .help = "How often the guest is restarted by itself in a row, each life shorter than a minute, before it stays "
              "off; 0 for no limit."},
     &GuestConfig::restart_limit},
    {{.name = "restart-delay",
      .type = ValueType::Number,
      .maximum = 60'000,
      .standard = "1000",
      .help = "Milliseconds. The first restart in such a row comes at once, the second after this time, each further "
              "one after twice the time of the one before, at most a minute."},
     &GuestConfig::restart_delay},
    {{.name = "watchdog",
      .type = ValueType::Number,
      .maximum = 3600,
      .standard = "0",
      .help = "Seconds that the guest has from its start on until it first feeds its watchdog, which else ends it; 0: "
              "the watchdog does not run until the guest starts it."},
     &GuestConfig::watchdog},
    {{.name = "console-port",
      .type = ValueType::Port,
      .minimum = 0x100, // below is what a PC's board needs
      .maximum = 0xfff8,
      .standard = {},
      .help = "I/O port of a 16550 of the machine for this guest's console alone, at the speed of [hypervisor]'s. "
              "Without it the guest shares the hypervisor's."},
     &GuestConfig::console_port},
    {{.name = "console-irq",
      .type = ValueType::Number,
      .minimum = 1,
      .maximum = 15,
      .standard = {},
      .help = "ISA interrupt of that port, which no other console has. The default is 4 for the ports 0x3f8 and 0x3e8, "
              "3 for 0x2f8 and 0x2e8; other ports need it."},
     &GuestConfig::console_irq},
});

/// Whether the value of a type is kept in the alternative of a Target that is `index`.
consteval bool fits(ValueType type, std::size_t index) {
    switch (type) {
    case ValueType::Number:
    case ValueType::Port:
    case ValueType::Word:
        return index == 0;
    case ValueType::Flag:
        return index == 1;
    case ValueType::Name:
    case ValueType::Path:
    case ValueType::Text:
    case ValueType::Digest:
        return index == 2;
    case ValueType::Cpus:
        return index == 3;
    case ValueType::Modules:
        return index == 4;
    case ValueType::Memory:
        return index == 5;
    case ValueType::Digests:
        return index == 6;
    }
    return false;
}

static_assert(std::ranges::all_of(root_keys, [](auto& key) { return fits(key.rule.type, key.target.index()); }));
static_assert(std::ranges::all_of(hypervisor_keys, [](auto& key) { return fits(key.rule.type, key.target.index()); }));
static_assert(std::ranges::all_of(guest_keys, [](auto& key) { return fits(key.rule.type, key.target.index()); }));

} // namespace bulkhead
