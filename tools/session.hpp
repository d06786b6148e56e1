// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tools/machine.hpp"

namespace bulkhead::tools {

enum class SessionEnd {
    PoweredOff, ///< the machine switched itself off
    Reset,      ///< the machine reset itself (or its CPU did: a triple fault)
    Failed,     ///< the emulator ended in another way
    Quiet,      ///< nothing came out of the serial port for too long
    TooLong,    ///< it took too long in all
    Stopped,    ///< on_output or the keyboard asked for it
    NoKeyboard, ///< it goes on only when somebody presses a key, and there is nobody
};

[[nodiscard]] std::string_view describe(SessionEnd end);

/// What to do after some output.
struct Reaction {
    std::string type;          ///< to be typed into the serial port
    bool stop = false;         ///< end the machine
    bool wait_for_key = false; ///< from now on the machine does nothing before a key is pressed
};

struct SessionPlan {
    MachineKind machine = MachineKind::QemuAmd;
    MachineOptions options;
    std::filesystem::path image;
    std::filesystem::path folder;    ///< takes serial.log, errors.log, port_log()s and the machine's own files
    std::chrono::seconds quiet{120}; ///< longest time without output, on QEMU: slowness(); 0: any
    std::chrono::seconds total{0};   ///< longest time in all, on QEMU; 0: any
    int keyboard = -1;               ///< what is read here is typed into the serial port, up to its end; < 0: nothing
    std::function<Reaction(std::string_view bytes)> on_output;
    /// Asked twice a second or more often: what to type besides. Never between the hypervisor's escape key and the key
    /// that belongs to it, out of `keyboard`.
    std::function<std::string()> keys{};
    /// Of each of options.guest_ports: what is read here is typed there. Without it: nothing.
    std::vector<int> port_keyboards{};
    /// What came from that one of options.guest_ports; it returns what is to be typed there.
    std::function<std::string(std::size_t port, std::string_view bytes)> on_port_output{};
    /// Called when the machine has been quiet or running for too long, before it is ended.
    std::function<void()> on_overdue{};
    std::filesystem::path port_folder{}; ///< takes port_log()s instead of `folder`
};

/// Ends the machine when it comes in from `keyboard`: Ctrl-\.
inline constexpr char quit_key = '\x1c';
/// The hypervisor's own: Ctrl-].
inline constexpr char escape_key = '\x1d';

/// What came out of a guest's own serial port: console-NAME.log.
[[nodiscard]] std::string port_log(const GuestPort& port);

/// Boots the machine and stays with it to its end. The serial port's output is kept in `folder`/serial.log. Nothing of
/// the machine is left when this returns. Throws Failure if it cannot be started, and, with the shell's status for it,
/// when SIGINT, SIGTERM or SIGHUP comes.
[[nodiscard]] SessionEnd run_session(const SessionPlan& plan);

/// The sentence to print when a run did not end as hoped for: what the emulator itself complained of, and where the
/// logs are.
[[nodiscard]] std::string where_to_look(MachineKind machine, const std::filesystem::path& folder);

} // namespace bulkhead::tools
