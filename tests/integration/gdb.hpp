// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "tools/process.hpp"

namespace bulkhead::integration {

/// Debugs the machine that QEMU runs in a folder, in the way of gdb (its manual, appendix E). The machine stands still
/// but for what is said here, and goes on when this ends. Threads are CPUs, numbered from 1; addresses are those that
/// the selected one sees at the moment. Throws tools::Failure where QEMU refuses, or says nothing for too long.
class Gdb {
public:
    explicit Gdb(const std::filesystem::path& folder);
    Gdb(const Gdb&) = delete;
    Gdb& operator=(const Gdb&) = delete;
    ~Gdb();

    void select(unsigned thread);
    /// Of the selected thread.
    [[nodiscard]] u64 rip();
    void set_rip(u64 value);
    [[nodiscard]] u64 read_u64(u64 address);
    void write_u64(u64 address, u64 value);
    void write_physical(u64 address, u32 value);
    void set_breakpoint(u64 address, bool on);
    /// One instruction of this thread; the others stand still.
    void step(unsigned thread);
    /// All go on, to a breakpoint: the thread that is there.
    [[nodiscard]] unsigned run();
    /// Only this one.
    unsigned run_alone(unsigned thread);

private:
    std::string ask(std::string_view packet);
    void require_ok(std::string_view packet);
    void send(std::string_view packet);
    std::string receive();
    unsigned wait_for_stop();

    tools::Descriptor connection_;
    std::string received_;
};

/// In an ELF file of the build folder: where these bytes are first, from a symbol on.
[[nodiscard]] u64 address_in(const std::filesystem::path& elf, std::string_view symbol, std::string_view bytes = "");
inline constexpr std::string_view hypervisor_elf = "bulkhead.elf";

} // namespace bulkhead::integration
