// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/types.hpp"
#include "tools/process.hpp"

namespace bulkhead::integration {

/// Stops the machine that Bochs runs in a folder with MachineOptions::debugger, wherever it is. Throws tools::Failure.
void stop_bochs(const std::filesystem::path& folder);

/// Debugs such a machine, when that is at its first breakpoint or after stop_bochs(). The machine stands still but for
/// what is said here, and goes on when this ends. Throws tools::Failure where Bochs says nothing for too long.
class BochsDebugger {
public:
    explicit BochsDebugger(const std::filesystem::path& folder);
    BochsDebugger(const BochsDebugger&) = delete;
    BochsDebugger& operator=(const BochsDebugger&) = delete;
    ~BochsDebugger();

    /// What it answers.
    std::string ask(const std::string& command);
    /// So many instructions of one CPU, or fewer if there is a breakpoint; the others stand still.
    void step(unsigned cpu, u64 count);
    /// All go on, to a breakpoint.
    void run();
    /// Where a CPU stands, by Bochs' number of it.
    [[nodiscard]] u64 rip(unsigned cpu) const;

private:
    void send(const std::string& command);
    void go_on();
    std::string receive();

    tools::Descriptor input_, output_;
    std::string received_; ///< and not yet looked at
    std::map<unsigned, u64> rips_;
};

} // namespace bulkhead::integration
