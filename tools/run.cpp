// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/run.hpp"

#include <iostream>
#include <termios.h>
#include <unistd.h>

#include "tools/configuration.hpp"
#include "tools/folders.hpp"
#include "tools/session.hpp"

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
        return 1;
    case SessionEnd::Interrupted:
        return 130;
    }
    return 1;
}

} // namespace

int run_configuration(const std::filesystem::path& file, MachineKind machine, MachineOptions options) {
    const CheckedConfiguration configuration = require_configuration(file);
    const MachineOptions fitting = fitting_machine(configuration);
    options.cpus = options.cpus == 0 ? fitting.cpus : options.cpus;
    options.memory_mib = options.memory_mib == 0 ? fitting.memory_mib : options.memory_mib;

    const TemporaryFolder folder;
    SessionPlan plan;
    plan.machine = machine;
    plan.options = options;
    plan.image = folder.path() / "disk.img";
    plan.folder = folder.path();
    plan.quiet = std::chrono::seconds(0);
    plan.keyboard = STDIN_FILENO;
    plan.on_output = [](std::string_view bytes) {
        std::cout << bytes << std::flush;
        return Reaction{};
    };
    write_image(plan.image, configuration);
    std::cout << "Booting on " << name_of(machine) << ". " << keys_help << std::endl;

    SessionEnd end{};
    {
        const RawTerminal raw;
        end = run_session(plan);
    }
    std::cout << '\n' << describe(end) << std::endl;
    if (end == SessionEnd::Failed || end == SessionEnd::Reset) {
        const std::filesystem::path kept = build_folder() / "run";
        std::filesystem::create_directories(kept);
        for (const char* log : {"serial.log", "errors.log"})
            std::filesystem::copy_file(plan.folder / log, kept / log,
                                       std::filesystem::copy_options::overwrite_existing);
        std::cout << where_to_look(kept) << std::endl;
    }
    return exit_status(end);
}

} // namespace bulkhead::tools
