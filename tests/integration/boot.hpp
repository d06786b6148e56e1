// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Integration tests: the product boots in an emulated machine, and what it says is compared with what it should say.
//
// A Boot is one run of a machine: a configuration, the files on its disk, what is typed, how it should end. Its cases
// are what the run must show. For CTest the run itself is a fixture, "boot NAME on MACHINE", that records the serial
// port; each case is a test of its own, "NAME on MACHINE: CASE", that reads the recording; so one boot, which takes
// long, serves many tests. A fixture fails only if no machine could be started.
//
// To add a case: add it to a Boot in a boots_*.cpp file. To add a boot: write a function that returns a Boot, and name
// it in that file's list; CTest finds it at the next build. To add a machine: give it a name and a place in
// tools/machine.* (docs/debugging.md), and name it in `machines` below, or in some boots' `on`. By hand:
//
//     ctest --test-dir build -R 'shell on qemu-amd'                     the boot and its cases
//     build/tests/integration/integration boot shell qemu-amd           the boot alone
//     build/tests/integration/integration case shell qemu-amd "typing reaches alpha"
//     less build/integration/qemu-amd/shell/serial.log                  what it said
//
// Every regex (std::regex, ECMAScript) is searched in one line of output, without its line end.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "integration/expectation.hpp"
#include "tools/image.hpp"
#include "tools/machine.hpp"
#include "tools/session.hpp"

namespace bulkhead::integration {

inline const std::vector<tools::MachineKind> everywhere(tools::all_machines.begin(), tools::all_machines.end());

struct Case {
    std::string name;
    std::vector<Expectation> expectations;
    /// Where it holds, of the machines of its boot. Where an emulator cannot do what a case wants, another case says
    /// exactly what it does instead.
    std::vector<tools::MachineKind> on = everywhere;
    std::string
        console{}; ///< of a guest that has a serial port of its own: what is said there; or of a Photograph; "": COM1
};

/// When a line, or the unfinished last line, has `after`, `keys` are typed. One after the other, at each port.
struct Typing {
    std::string after;
    std::string keys;
    std::string console{}; ///< as in Case
    /// Not before each of these was in a line, however long ago: what several guests do has no order. Then `after` may
    /// be "".
    std::vector<std::string> once{};
};

/// When a line has `after`, the screen is photographed. On QEMU. Its text is the console "screen NAME" of cases.
struct Photograph {
    std::string name;
    std::string after;
    std::string console{}; ///< where that line is; as in Case
};

/// When a line on COM1 has `after`, the machine's memory is looked at from outside (outside.hpp). On QEMU, or where the
/// options name a debugger; the boot says how much memory there is. What is found is the console "outside NAME" of
/// cases.
struct Look {
    std::string name;
    std::string after;
    /// Instead: what is done to the machine that runs in this folder; it returns what came of it, as lines.
    std::function<std::vector<std::string>(const std::filesystem::path& folder)> instead{};
};

/// A file that is not on the disk, or not all of it. Runs before the last have it whole.
struct Damage {
    std::string file;        ///< as in Boot::files
    std::uintmax_t size = 0; ///< it ends there; 0: its chain of clusters ends with the first
    bool is_absent = false;
};

/// A guest in a configuration that configuration_of() writes.
struct Guest {
    std::string name;
    std::string kernel; ///< as in Boot::files
    std::string initrd{};
    std::string cmdline{};
    unsigned cpus = 1;
    unsigned memory_mib = 64;
    std::string more{}; ///< further lines of its table
};

/// Where every boot runs.
inline const std::vector<tools::MachineKind> machines{tools::MachineKind::QemuAmd, tools::MachineKind::BochsIntel};

struct Boot {
    std::string name{};
    std::vector<tools::MachineKind> on = machines;
    std::filesystem::path efi{}; ///< what the firmware starts in the product's place; "": the product
    std::string configuration{};
    /// Of runs before this one, on the same machine: what its firmware remembers stays. Each must power off. What the
    /// first one said is the console "run 1" of cases. On QEMU.
    std::vector<std::string> earlier{};
    std::vector<tools::ImageFile> files{};
    std::vector<std::pair<std::string, std::string>> texts{}; ///< further files: name and contents
    tools::MachineOptions options{};
    std::vector<Typing> typing{};
    std::vector<Photograph> photographs{};
    std::vector<Look> looks{};
    std::vector<Damage> damages{};
    /// Runs before this one, each on a machine whose CPU lacks one of these features, until it powers off
    /// or says that it does not start. What it said, and how it ended, is the console "without FEATURE" of cases.
    std::vector<std::string> without_each{};
    bool lists_absent_cpus = false; ///< the firmware's tables have CPUs that are not there (tests/firmware)
    /// There is no configuration: the machine first takes inventory, and then boots with what it proposed. What it said
    /// then is on the console "survey", what it wrote on "inventory.toml" and "bulkhead.toml", what the host command
    /// thinks of these on "check".
    bool takes_inventory = false;
    bool without_configuration = false; ///< there is none, and what is asked for is the survey alone
    /// The boot writes files. With any other, its disk must be after it, bit for bit, what it was before,
    /// where the firmware does not write there (on QEMU).
    bool writes_disk = false;
    std::string until{};             ///< the machine is ended at a line that has this; for one that does not power off
    std::chrono::seconds quiet{120}; ///< no output for so long, on QEMU: nothing will come any more
    std::vector<Case> cases{};
};

/// The first guest is on CPU 1, which does the service as well.
[[nodiscard]] Boot first_on_service_cpu(Boot boot);

/// Where some boots run besides: a second opinion on AMD-V, stricter than QEMU's and slower. Which ones is up to their
/// functions.
[[nodiscard]] Boot also_on_bochs_amd(Boot boot);

/// Why a boot that is not on `machine` is not: part of a sentence.
[[nodiscard]] std::string_view why_not_all_on(tools::MachineKind machine);

/// Every boot of every boots_*.cpp. Names are unique, and those of the cases within a boot.
[[nodiscard]] std::vector<Boot> all_boots();

[[nodiscard]] std::vector<Boot> linux_boots();
[[nodiscard]] std::vector<Boot> own_guest_boots();
[[nodiscard]] std::vector<Boot> console_boots();
[[nodiscard]] std::vector<Boot> configuration_boots();
[[nodiscard]] std::vector<Boot> intent_boots();
[[nodiscard]] std::vector<Boot> life_boots();
[[nodiscard]] std::vector<Boot> survey_boots();
[[nodiscard]] std::vector<Boot> attack_boots();
[[nodiscard]] std::vector<Boot> fault_boots();

/// A guest whose kernel has its name.
[[nodiscard]] Guest guest_named(const std::string& name, const std::string& cmdline = "");

/// The text of a configuration with these guests.
[[nodiscard]] std::string configuration_of(const std::vector<Guest>& guests);

/// A boot with these guests on a machine that is large enough: one more CPU than they have.
[[nodiscard]] Boot boot_of(const std::string& name, const std::vector<Guest>& guests,
                           std::vector<tools::ImageFile> files);

/// Files for Boot::files: build/guests/NAME.bzimage, several of these, a stock kernel of a Debian release, the demo's
/// initramfs.
[[nodiscard]] tools::ImageFile own_guest(const std::string& name);
[[nodiscard]] std::vector<tools::ImageFile> images_of(const std::vector<std::string>& own_guests);
[[nodiscard]] tools::ImageFile debian_kernel(const std::string& release);
[[nodiscard]] tools::ImageFile demo_initramfs();

/// The hypervisor's own line about a guest that has come to its end, for `how` "powered off", "reset" or "failed".
[[nodiscard]] std::string is_off(const std::string& guest, const std::string& how);

/// The own guest of this name says that it has passed, and comes to its end as it should.
[[nodiscard]] Case passes(const std::string& guest, const std::string& how = "powered off");

/// The guest "neighbour" says that it took so much of its timer's ticks at least; it looks itself for too many.
[[nodiscard]] Case neighbour_takes(const std::string& share, long least_of_thousand, tools::MachineKind machine);

} // namespace bulkhead::integration
