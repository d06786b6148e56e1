// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/session.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <optional>
#include <poll.h>
#include <system_error>
#include <unistd.h>

#include "tools/ending_signals.hpp"
#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// A write to an emulator that has just ended must be an error, not a signal.
class NoPipeSignal {
public:
    NoPipeSignal() : previous_(std::signal(SIGPIPE, SIG_IGN)) {}
    NoPipeSignal(const NoPipeSignal&) = delete;
    NoPipeSignal& operator=(const NoPipeSignal&) = delete;
    ~NoPipeSignal() { std::signal(SIGPIPE, previous_); }

private:
    void (*previous_)(int);
};

class Session {
public:
    explicit Session(const SessionPlan& plan)
        : plan_(plan), log_(plan.folder / "serial.log", std::ios::binary), child_(start(plan)),
          keyboard_(plan.keyboard) {
        if (!log_)
            throw Failure("cannot write " + (plan.folder / "serial.log").string());
        for (const GuestPort& port : plan.options.guest_ports)
            port_logs_.emplace_back((plan.port_folder.empty() ? plan.folder : plan.port_folder) / port_log(port),
                                    std::ios::binary);
    }

    SessionEnd run() {
        std::optional<SessionEnd> end;
        while (!end)
            end = step();
        for (std::size_t i = 0; i < port_logs_.size(); ++i)
            while (is_readable(child_.port(i)) && take_port_output(i))
                continue;
        child_.terminate();
        return *end;
    }

private:
    static Child start(const SessionPlan& plan) {
        const EmulatorCommand emulator = emulator_command(plan.machine, plan.options, plan.image, plan.folder);
        return {emulator.command, emulator.com1, plan.folder / "errors.log", plan.options.guest_ports.size()};
    }

    static bool is_readable(int file) {
        pollfd waiting{.fd = file, .events = POLLIN, .revents = 0};
        return poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLIN) != 0;
    }

    std::optional<SessionEnd> step() {
        const std::size_t ports = port_logs_.size();
        std::vector<pollfd> waiting;
        const auto wait_for = [&](int file) { waiting.push_back({.fd = file, .events = POLLIN, .revents = 0}); };
        for (const int file : {child_.output(), signals_.descriptor(), keyboard_})
            wait_for(file);
        for (std::size_t i = 0; i < ports; ++i)
            wait_for(child_.port(i));
        for (const int file : plan_.port_keyboards)
            wait_for(file);
        constexpr int milliseconds = 500;
        if (poll(waiting.data(), waiting.size(), milliseconds) < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "poll");
        signals_.check();
        std::optional<SessionEnd> end;
        if (waiting[0].revents != 0)
            end = take_output();
        if (!end && waiting[2].revents != 0)
            end = take_keys();
        for (std::size_t i = 0; i < ports; ++i) {
            if (waiting[3 + i].revents != 0)
                take_port_output(i);
            if (i < plan_.port_keyboards.size() && waiting[3 + ports + i].revents != 0)
                take_port_keys(i);
        }
        if (!end && plan_.keys && !escaped_)
            child_.write(plan_.keys());
        constexpr std::chrono::seconds last_words(1);
        if (!end && waits_for_key_ && keyboard_ < 0 && Clock::now() - last_output_ > last_words)
            end = SessionEnd::NoKeyboard;
        if (!end && has_reset_meanwhile())
            end = SessionEnd::Reset;
        if (end)
            return end;
        end = overdue();
        if (end && plan_.on_overdue)
            plan_.on_overdue();
        return end;
    }

    /// Now and then: for some machines a log has to be read.
    bool has_reset_meanwhile() {
        constexpr std::chrono::seconds interval(2);
        if (plan_.options.goes_on_after_reset || Clock::now() - last_look_ < interval)
            return false;
        last_look_ = Clock::now();
        return has_reset(plan_.machine, plan_.folder);
    }

    std::optional<SessionEnd> take_output() {
        std::array<char, 4096> buffer{};
        const ssize_t size = read(child_.output(), buffer.data(), buffer.size());
        if (size <= 0)
            return ended();
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
        log_ << bytes << std::flush;
        last_output_ = Clock::now();
        if (!plan_.on_output)
            return std::nullopt;
        const Reaction reaction = plan_.on_output(bytes);
        child_.write(reaction.type);
        waits_for_key_ = waits_for_key_ || reaction.wait_for_key;
        return reaction.stop ? std::optional(SessionEnd::Stopped) : std::nullopt;
    }

    /// Whether there was some.
    bool take_port_output(std::size_t port) {
        std::array<char, 4096> buffer{};
        const ssize_t size = read(child_.port(port), buffer.data(), buffer.size());
        if (size <= 0)
            return false;
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
        port_logs_[port] << bytes << std::flush;
        last_output_ = Clock::now();
        if (plan_.on_port_output)
            child_.write_to_port(port, plan_.on_port_output(port, bytes));
        return true;
    }

    void take_port_keys(std::size_t port) {
        std::array<char, 256> buffer{};
        const ssize_t size = read(plan_.port_keyboards[port], buffer.data(), buffer.size());
        if (size > 0)
            child_.write_to_port(port, {buffer.data(), static_cast<std::size_t>(size)});
    }

    std::optional<SessionEnd> take_keys() {
        std::array<char, 256> buffer{};
        const ssize_t size = read(keyboard_, buffer.data(), buffer.size());
        if (size <= 0) {
            keyboard_ = -1; // no more input: the guests may still have much to say
            return std::nullopt;
        }
        const std::string_view keys(buffer.data(), static_cast<std::size_t>(size));
        const std::size_t quit = keys.find(quit_key);
        child_.write(keys.substr(0, quit));
        for (const char key : keys.substr(0, quit))
            escaped_ = key == escape_key && !escaped_;
        return quit == std::string_view::npos ? std::nullopt : std::optional(SessionEnd::Stopped);
    }

    SessionEnd ended() {
        switch (machine_end(plan_.machine, child_.wait(), plan_.folder)) {
        case MachineEnd::PoweredOff:
            return SessionEnd::PoweredOff;
        case MachineEnd::Reset:
            return SessionEnd::Reset;
        case MachineEnd::Other:
            break;
        }
        return SessionEnd::Failed;
    }

    [[nodiscard]] std::optional<SessionEnd> overdue() const {
        const Clock::time_point now = Clock::now();
        const unsigned slow = slowness(plan_.machine);
        if (plan_.quiet.count() > 0 && now - last_output_ > slow * plan_.quiet)
            return SessionEnd::Quiet;
        if (plan_.total.count() > 0 && now - start_ > slow * plan_.total)
            return SessionEnd::TooLong;
        return std::nullopt;
    }

    const SessionPlan& plan_;
    EndingSignals signals_;
    NoPipeSignal no_pipe_signal_;
    std::ofstream log_;
    std::vector<std::ofstream> port_logs_; ///< of options.guest_ports
    Child child_;
    int keyboard_;
    bool escaped_ = false; ///< the next key of the keyboard is the hypervisor's
    bool waits_for_key_ = false;
    Clock::time_point start_ = Clock::now();
    Clock::time_point last_output_ = start_;
    Clock::time_point last_look_ = start_;
};

} // namespace

std::string_view describe(SessionEnd end) {
    switch (end) {
    case SessionEnd::PoweredOff:
        return "the machine powered itself off";
    case SessionEnd::Reset:
        return "the machine reset itself";
    case SessionEnd::Failed:
        return "the emulator failed";
    case SessionEnd::Quiet:
        return "the machine said nothing for too long";
    case SessionEnd::TooLong:
        return "the machine took too long";
    case SessionEnd::Stopped:
        return "the machine was stopped";
    case SessionEnd::NoKeyboard:
        return "the machine waits for a key, and there is no more input: it was stopped";
    }
    return "";
}

std::string port_log(const GuestPort& port) { return "console-" + port.guest + ".log"; }

SessionEnd run_session(const SessionPlan& plan) {
    std::filesystem::create_directories(plan.folder);
    return Session(plan).run();
}

std::string where_to_look(MachineKind machine, const std::filesystem::path& folder) {
    return complaints(machine, folder) + "The serial port's output is in " + (folder / "serial.log").string() +
           ", what the emulator says of itself in emulator.log beside it";
}

} // namespace bulkhead::tools
