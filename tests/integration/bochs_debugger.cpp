// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/bochs_debugger.hpp"

#include <chrono>
#include <fcntl.h>
#include <regex>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>

#include "integration/monitor.hpp"
#include "tools/bochs.hpp"
#include "tools/failure.hpp"
#include "tools/machine.hpp"

namespace bulkhead::integration {

void stop_bochs(const std::filesystem::path& folder) {
    const tools::Descriptor pipe(::open((folder / tools::debugger_stop).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (::write(pipe.get(), "\n", 1) != 1)
        throw tools::Failure("nobody stops Bochs");
}

BochsDebugger::BochsDebugger(const std::filesystem::path& folder)
    : input_(::open((folder / tools::debugger_pipes[0]).c_str(), O_RDWR | O_CLOEXEC)),
      output_(::open((folder / tools::debugger_pipes[1]).c_str(), O_RDWR | O_CLOEXEC)) {
    static_cast<void>(receive());
    static_cast<void>(receive()); // of the idle command
}

BochsDebugger::~BochsDebugger() {
    try {
        go_on();
    } catch (const tools::Failure&) { // it is gone
    }
}

std::string BochsDebugger::ask(const std::string& command) {
    send(command);
    return receive();
}

void BochsDebugger::step(unsigned cpu, u64 count) {
    static_cast<void>(ask("s " + std::to_string(cpu) + ' ' + std::to_string(count)));
}

void BochsDebugger::run() {
    go_on();
    static_cast<void>(receive());
    static_cast<void>(receive()); // of the idle command
}

/// The idle command is left to be read: it comes when Bochs has read the other, or would be read with that.
void BochsDebugger::go_on() {
    send("c");
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (int unread = 1; unread != 0; std::this_thread::yield())
        if (::ioctl(input_.get(), FIONREAD, &unread) != 0 || std::chrono::steady_clock::now() > patience)
            throw tools::Failure("Bochs reads no command");
    send(std::string(tools::bochs::debugger_idle));
}

u64 BochsDebugger::rip(unsigned cpu) const {
    const auto found = rips_.find(cpu);
    if (found == rips_.end())
        throw tools::Failure("Bochs does not say where CPU " + std::to_string(cpu) + " is");
    return found->second;
}

void BochsDebugger::send(const std::string& command) {
    const std::string line = command + '\n';
    if (::write(input_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        throw tools::Failure("Bochs takes no command");
}

/// To the prompt. Before that it says where it stands: "(1) [0x000000803a41] 0008:ffffffff80003a41 (unk. ctxt): ...".
std::string BochsDebugger::receive() {
    static const std::regex prompt("<bochs:\\d+> ");
    static const std::regex where("\\((\\d+)\\) \\[0x[0-9a-f]+\\] [0-9a-f]+:([0-9a-f]+) ");
    std::smatch found;
    while (!std::regex_search(received_, found, prompt))
        received_ += read_from_emulator(output_, "Bochs' debugger");
    const std::string answer = found.prefix();
    received_ = found.suffix();
    for (std::sregex_iterator each(answer.begin(), answer.end(), where), none; each != none; ++each)
        rips_[static_cast<unsigned>(std::stoul((*each)[1]))] = std::stoull((*each)[2], nullptr, 16);
    return answer;
}

} // namespace bulkhead::integration
