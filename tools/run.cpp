// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/run.hpp"

#include <fcntl.h>
#include <iostream>
#include <optional>
#include <termios.h>
#include <unistd.h>

#include "tools/configuration.hpp"
#include "tools/ending_signals.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/session.hpp"
#include "tools/statistics.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::tools {
namespace {

/// While it lives each key comes at once, without echo and without signals: all of them are the guest's.
class RawTerminal {
public:
    RawTerminal() : active_(isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!active_)
            return;
        termios raw = before_;
        cfmakeraw(&raw);
        raw.c_oflag = before_.c_oflag; // our own lines end in a bare newline
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    ~RawTerminal() {
        if (active_)
            tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    }

private:
    termios before_{};
    bool active_;
};

int exit_status(SessionEnd end) {
    switch (end) {
    case SessionEnd::PoweredOff:
    case SessionEnd::Stopped:
        return 0;
    case SessionEnd::Reset:
    case SessionEnd::Failed:
    case SessionEnd::Quiet:
    case SessionEnd::TooLong:
    case SessionEnd::NoKeyboard:
        return 1;
    }
    return 1;
}

/// A terminal for each guest that has a serial port of its own: a person's program can open it.
class GuestConsoles {
public:
    explicit GuestConsoles(const std::vector<GuestPort>& ports) : ports_(ports), terminals_(ports.size()) {
        std::filesystem::create_directories(folder_);
        for (const Terminal& terminal : terminals_) // where nobody reads, the log alone has it
            fcntl(terminal.ours.get(), F_SETFL, fcntl(terminal.ours.get(), F_GETFL) | O_NONBLOCK);
    }

    void announce() const {
        for (std::size_t i = 0; i < ports_.size(); ++i)
            std::cout << "The console of guest " << ports_[i].guest << " is " << terminals_[i].name
                      << " (for example: screen " << terminals_[i].name << "), and is kept in "
                      << (folder_ / port_log(ports_[i])).string() << std::endl;
    }

    /// Must outlive the session.
    void connect(SessionPlan& plan) const {
        plan.port_folder = folder_;
        for (const Terminal& terminal : terminals_)
            plan.port_keyboards.push_back(terminal.ours.get());
        plan.on_port_output = [this](std::size_t port, std::string_view bytes) {
            static_cast<void>(!write(terminals_[port].ours.get(), bytes.data(), bytes.size()));
            return std::string();
        };
    }

private:
    std::filesystem::path folder_ = build_folder() / "run";
    std::vector<GuestPort> ports_;
    std::vector<Terminal> terminals_;
};

/// A machine that takes no guests: after this line it waits for a key, or halts. Lines of the hypervisor's own as
/// below.
bool is_refusal(std::string_view line) { return line.starts_with("bulkhead: not started: "); }

/// A guest that failed or could not be started, or a machine that takes none. Only the hypervisor's own lines begin so:
/// a guest's have its name in front.
bool is_failure(std::string_view line) {
    constexpr std::string_view own = "bulkhead: ";
    if (is_refusal(line))
        return true;
    if (!line.starts_with(own))
        return false;
    line.remove_prefix(own.size());
    return line.starts_with("guest ") && line.contains(" is off: failed");
}

/// In MiB.
unsigned memory_of_this_computer() {
    return static_cast<unsigned>(static_cast<u64>(sysconf(_SC_PHYS_PAGES)) * static_cast<u64>(sysconf(_SC_PAGESIZE)) /
                                 MiB);
}

} // namespace

int run_configuration(const std::filesystem::path& file, MachineKind machine, MachineOptions options,
                      const std::filesystem::path& statistics) {
    const CheckedConfiguration configuration = require_configuration(file);
    const MachineOptions fitting = fitting_machine(configuration);
    options.cpus = options.cpus == 0 ? fitting.cpus : options.cpus;
    if (options.memory_mib == 0 && fitting.memory_mib > memory_of_this_computer())
        throw Failure("the guests of '" + file.string() + "' need a machine with " +
                      std::to_string(fitting.memory_mib) + " MiB of memory, and this computer has " +
                      std::to_string(memory_of_this_computer()) +
                      ". Give them less, or say by --memory how much the emulated machine is to have");
    options.memory_mib = options.memory_mib == 0 ? fitting.memory_mib : options.memory_mib;
    options.goes_on_after_reset = fitting.goes_on_after_reset;
    options.guest_ports = fitting.guest_ports;

    std::optional<StatisticsWatch> watch;
    if (!statistics.empty())
        watch.emplace(statistics);

    const EndingSignals signals; // the folder must not outlive us
    const TemporaryFolder folder;
    SessionPlan plan;
    plan.machine = machine;
    plan.options = options;
    plan.image = folder.path() / "disk.img";
    plan.folder = folder.path();
    plan.quiet = std::chrono::seconds(0);
    plan.keyboard = STDIN_FILENO;
    Transcript transcript;
    bool guest_failed = false;
    plan.on_output = [&](std::string_view bytes) {
        std::cout << (watch ? watch->take(bytes) : std::string(bytes)) << std::flush;
        Reaction reaction;
        for (const std::string& line : transcript.add(bytes)) {
            guest_failed = guest_failed || is_failure(line);
            reaction.wait_for_key = reaction.wait_for_key || is_refusal(line);
        }
        return reaction;
    };
    if (watch)
        plan.keys = [&] {
            const auto now = std::chrono::steady_clock::now();
            std::cout << watch->late(now) << std::flush;
            return watch->keys(now);
        };
    const GuestConsoles consoles(options.guest_ports);
    consoles.connect(plan);
    write_image(plan.image, configuration, firmware_addition(machine));
    signals.check();
    std::cout << "Booting on " << name_of(machine) << ". " << keys_help << std::endl;
    consoles.announce();

    SessionEnd end{};
    {
        const RawTerminal raw;
        end = run_session(plan);
    }
    if (watch) {
        std::cout << watch->flush();
        watch->write();
    }
    std::cout << '\n' << describe(end) << std::endl;
    if (end == SessionEnd::Failed || end == SessionEnd::Reset) {
        const std::filesystem::path kept = build_folder() / "run";
        std::filesystem::create_directories(kept);
        for (const char* log : {"serial.log", "errors.log", "emulator.log"})
            std::filesystem::copy_file(plan.folder / log, kept / log,
                                       std::filesystem::copy_options::overwrite_existing);
        std::cout << where_to_look(machine, kept) << std::endl;
    }
    if (guest_failed)
        std::cout << "a guest failed, or could not be started: see above" << std::endl;
    return guest_failed ? 1 : exit_status(end);
}

} // namespace bulkhead::tools
