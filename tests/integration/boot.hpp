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
// it in that file's list; CTest finds it at the next build. To add a machine: name it in `machines` (here, or in one
// boot's). By hand:
//
//     ctest --test-dir build -R 'shell on qemu-amd'                     the boot and its cases
//     build/tests/integration/integration boot shell qemu-amd           the boot alone
//     build/tests/integration/integration case shell qemu-amd "typing reaches alpha"
//     less build/integration/qemu-amd/shell/serial.log                  what it said
//
// Every regex (std::regex, ECMAScript) is searched in one line of output, without its line end.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "integration/expectation.hpp"
#include "tools/image.hpp"
#include "tools/machine.hpp"
#include "tools/session.hpp"

namespace bulkhead::integration {

struct Case {
    std::string name;
    std::vector<Expectation> expectations;
};

/// When a line, or the unfinished last line, has `after`, `keys` are typed. One after the other.
struct Typing {
    std::string after;
    std::string keys;
};

/// A guest in a configuration that configuration_of() writes.
struct Guest {
    std::string name;
    std::string kernel; ///< as in Boot::files
    std::string initrd{};
    std::string cmdline{};
    unsigned cpus = 1;
    unsigned memory_mib = 64;
};

/// Where the machines are, for boots that do not name their own.
inline const std::vector<tools::MachineKind> machines{tools::MachineKind::QemuAmd};

struct Boot {
    std::string name{};
    std::vector<tools::MachineKind> on = machines;
    std::string configuration{};
    std::vector<tools::ImageFile> files{};
    tools::MachineOptions options{};
    std::vector<Typing> typing{};
    std::string until{};             ///< the machine is ended at a line that has this; for one that does not power off
    std::chrono::seconds quiet{120}; ///< no output for so long: nothing will come any more
    std::vector<Case> cases{};
};

/// Every boot of every boots_*.cpp. Names are unique, and those of the cases within a boot.
[[nodiscard]] std::vector<Boot> all_boots();

[[nodiscard]] std::vector<Boot> linux_boots();
[[nodiscard]] std::vector<Boot> own_guest_boots();
[[nodiscard]] std::vector<Boot> configuration_boots();

/// The text of a configuration with these guests.
[[nodiscard]] std::string configuration_of(const std::vector<Guest>& guests);

/// A boot with these guests on a machine that is large enough: one more CPU than they have.
[[nodiscard]] Boot boot_of(const std::string& name, const std::vector<Guest>& guests,
                           std::vector<tools::ImageFile> files);

/// Files for Boot::files: build/guests/NAME.bzimage, a stock kernel of a Debian release, the demo's initramfs.
[[nodiscard]] tools::ImageFile own_guest(const std::string& name);
[[nodiscard]] tools::ImageFile debian_kernel(const std::string& release);
[[nodiscard]] tools::ImageFile demo_initramfs();

/// The hypervisor's own line about a guest that has come to its end, for `how` "powered off", "reset" or "failed".
[[nodiscard]] std::string is_off(const std::string& guest, const std::string& how);

} // namespace bulkhead::integration
