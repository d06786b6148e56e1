// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/monitor.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/failure.hpp"
#include "tools/machine.hpp"

namespace bulkhead::integration {

/// A socket's path may have 107 bytes only, which a folder's can exceed.
tools::Descriptor connect_to(const std::filesystem::path& folder, std::string_view name) {
    tools::Descriptor connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const tools::Descriptor directory(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string path = "/proc/self/fd/" + std::to_string(directory.get()) + '/' + std::string(name);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw tools::Failure("cannot reach QEMU's " + std::string(name) + ": " + std::string(std::strerror(errno)));
    return connection;
}

std::string read_from_emulator(const tools::Descriptor& from, const std::string& who) {
    constexpr int patience = 60'000; // milliseconds
    pollfd waiting{.fd = from.get(), .events = POLLIN, .revents = 0};
    std::array<char, 65536> piece{};
    if (::poll(&waiting, 1, patience) != 1)
        throw tools::Failure(who + " says nothing for a minute");
    const ssize_t size = ::read(from.get(), piece.data(), piece.size());
    if (size <= 0)
        throw tools::Failure(who + " went away");
    return {piece.data(), static_cast<std::size_t>(size)};
}

Monitor::Monitor(const std::filesystem::path& folder) : connection_(connect_to(folder, tools::monitor_socket)) {
    static_cast<void>(read_to_prompt());
}

std::string Monitor::ask(const std::string& command) {
    const std::string line = command + '\n';
    if (::write(connection_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        throw tools::Failure("QEMU's monitor takes no command");
    return read_to_prompt();
}

std::string Monitor::read_to_prompt() {
    std::string answer;
    char byte = 0;
    while (!answer.ends_with("(qemu) ")) {
        if (::read(connection_.get(), &byte, 1) != 1)
            throw tools::Failure("QEMU's monitor went away");
        answer += byte;
    }
    return answer;
}

} // namespace bulkhead::integration
