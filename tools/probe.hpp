// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// `bulkhead probe`: the inventory of the machine that this command runs on, by what its Linux shows.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "arch/x86_64/cpuid.hpp"
#include "survey/inventory.hpp"

namespace bulkhead::tools {

/// Where things are read from: in a test, from a folder that looks like a root file system.
struct LinuxSystem {
    std::filesystem::path root = "/";
    /// Of CPU 0.
    std::function<CpuidRegisters(u32, u32)> cpuid;
};

/// This machine. CPUID is that of CPU 0, where the thread may run there.
[[nodiscard]] LinuxSystem this_system();

/// Whatever cannot be read is a note in it. (On the heap: it is large.)
[[nodiscard]] std::unique_ptr<survey::Inventory> probe(const LinuxSystem& system);

enum class ProbeText : u8 {
    Inventory,
    Report,             ///< and [report]: what else helps to understand a machine from afar; nothing of Identity
    ReportWithIdentity, ///< the same, with serial numbers and the UUID
};

/// The inventory as TOML.
[[nodiscard]] std::string probe_text(const LinuxSystem& system, ProbeText kind);

// The parts of probe().
void probe_pci(survey::Inventory& inventory, const LinuxSystem& system);
void probe_firmware(survey::Inventory& inventory, const LinuxSystem& system);
void probe_serial(survey::Inventory& inventory, const LinuxSystem& system);

/// The whole file, also one of sysfs; nothing if it cannot be read.
[[nodiscard]] std::optional<std::string> file_text(const std::filesystem::path& path);
/// Its first line, without the blanks around it; "" if it cannot be read.
[[nodiscard]] std::string first_line(const std::filesystem::path& path);
/// A number as C writes it; nothing if it is none.
[[nodiscard]] std::optional<u64> number_in(const std::filesystem::path& path, int base = 0);

} // namespace bulkhead::tools
