// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <termios.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "tools/failure.hpp"

extern char** environ;

namespace bulkhead::tools {
namespace {

struct Pipe {
    Descriptor read;
    Descriptor write;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "pipe2");
    return {Descriptor(ends[0]), Descriptor(ends[1])};
}

int decode_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

void write_all(int file, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t size = write(file, bytes.data(), bytes.size());
        if (size > 0)
            bytes.remove_prefix(static_cast<std::size_t>(size));
        else if (errno != EINTR)
            return;
    }
}

std::vector<char*> pointers(const Command& strings) {
    std::vector<char*> result;
    for (const std::string& string : strings)
        result.push_back(const_cast<char*>(string.c_str())); // the exec family takes char*, and does not write
    result.push_back(nullptr);
    return result;
}

/// Starts `command` with the given standard streams and `ports`. Signals that we block are not blocked in it.
pid_t spawn(const Command& command, const Command& environment, int input, int output, int errors,
            const std::vector<Terminal>& ports = {}) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    std::vector<Descriptor> copies; // behind all numbers that one of them gets
    for (const Terminal& port : ports) {
        const int number = Child::first_port + static_cast<int>(copies.size());
        copies.emplace_back(
            fcntl(port.theirs.get(), F_DUPFD_CLOEXEC, Child::first_port + static_cast<int>(ports.size())));
        posix_spawn_file_actions_adddup2(&actions, copies.back().get(), number);
    }

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    Command variables;
    for (char** variable = environ; *variable != nullptr; ++variable)
        variables.emplace_back(*variable);
    // Of two entries of one name the first counts.
    variables.insert(variables.begin(), environment.begin(), environment.end());

    pid_t pid = -1;
    const int error = posix_spawnp(&pid, command.front().c_str(), &actions, &attributes, pointers(command).data(),
                                   pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
        throw std::system_error(error, std::generic_category(), command.front());
    return pid;
}

} // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        reset();
        number_ = other.release();
    }
    return *this;
}

Terminal::Terminal() : ours(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (ours.get() < 0 || grantpt(ours.get()) != 0 || unlockpt(ours.get()) != 0)
        throw std::system_error(errno, std::generic_category(), "posix_openpt");
    std::array<char, 64> buffer{};
    if (ptsname_r(ours.get(), buffer.data(), buffer.size()) != 0)
        throw std::system_error(errno, std::generic_category(), "ptsname_r");
    name = buffer.data();
    theirs = Descriptor(open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios settings{};
    if (theirs.get() < 0 || tcgetattr(theirs.get(), &settings) != 0)
        throw std::system_error(errno, std::generic_category(), name);
    cfmakeraw(&settings);
    tcsetattr(theirs.get(), TCSANOW, &settings);
}

int Descriptor::release() { return std::exchange(number_, -1); }

void Descriptor::reset() {
    if (number_ >= 0)
        close(number_);
    number_ = -1;
}

Outcome run(const Command& command, const Command& environment) {
    const Descriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
    Pipe pipe = make_pipe();
    const pid_t pid = spawn(command, environment, nothing.get(), pipe.write.get(), pipe.write.get());
    pipe.write.reset();

    Outcome outcome;
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t size = read(pipe.read.get(), buffer.data(), buffer.size());
        if (size > 0)
            outcome.output.append(buffer.data(), static_cast<std::size_t>(size));
        else if (size == 0 || errno != EINTR)
            break;
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    outcome.status = decode_status(status);
    return outcome;
}

void require_success(const Command& command, const Outcome& outcome) {
    if (outcome.status != 0)
        throw Failure(command.front() + " failed with status " + std::to_string(outcome.status) + ":\n" +
                      outcome.output);
}

void run_or_throw(const Command& command, const Command& environment) {
    require_success(command, run(command, environment));
}

Child::Child(const Command& command, Streams streams, const std::filesystem::path& errors, std::size_t ports)
    : ports_(ports) {
    const Descriptor error_file(open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (error_file.get() < 0)
        throw std::system_error(errno, std::generic_category(), errors.string());
    switch (streams) {
    case Streams::Pipes:
        start_with_pipes(command, error_file.get());
        break;
    case Streams::Terminal:
        start_with_terminal(command, error_file.get());
        break;
    }
}

void Child::start_with_pipes(const Command& command, int errors) {
    Pipe in = make_pipe();
    Pipe out = make_pipe();
    pid_ = spawn(command, {}, in.read.get(), out.write.get(), errors, ports_);
    input_ = std::move(in.write);
    output_ = std::move(out.read);
}

void Child::start_with_terminal(const Command& command, int errors) {
    const Descriptor nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    const Terminal terminal;
    pid_ = spawn(command, {}, terminal.theirs.get(), nowhere.get(), errors, ports_);
    output_ = Descriptor(fcntl(terminal.ours.get(), F_DUPFD_CLOEXEC, 0));
    input_ = Descriptor(fcntl(terminal.ours.get(), F_DUPFD_CLOEXEC, 0));
}

Child::~Child() { terminate(); }

void Child::write(std::string_view bytes) { write_all(input_.get(), bytes); }

void Child::write_to_port(std::size_t index, std::string_view bytes) { write_all(ports_[index].ours.get(), bytes); }

std::optional<int> Child::poll() {
    int status = 0;
    if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_)
        status_ = decode_status(status);
    return status_;
}

void Child::terminate(std::chrono::milliseconds patience) {
    constexpr std::chrono::milliseconds step(20);
    if (poll())
        return;
    kill(pid_, SIGTERM);
    for (std::chrono::milliseconds waited(0); waited < patience && !poll(); waited += step)
        std::this_thread::sleep_for(step);
    if (!poll()) {
        kill(pid_, SIGKILL);
        wait();
    }
}

int Child::wait() {
    int status = 0;
    while (!status_) {
        const pid_t ended = waitpid(pid_, &status, 0);
        if (ended == pid_ || errno != EINTR)
            status_ = decode_status(status);
    }
    return *status_;
}

} // namespace bulkhead::tools
