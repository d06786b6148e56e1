// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/probe.hpp"

#include <algorithm>
#include <charconv>
#include <cpuid.h>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sched.h>
#include <sstream>
#include <unistd.h>
#include <vector>

#include "survey/acpi.hpp"
#include "survey/memory.hpp"
#include "survey/pci.hpp"
#include "survey/processor.hpp"
#include "survey/toml_writer.hpp"
#include "survey/write_inventory.hpp"
#include "tools/process.hpp"
#include "version.hpp"

namespace bulkhead::tools {
namespace {

using survey::Inventory;
using survey::MemoryKind;
namespace fs = std::filesystem;

/// /proc/cpuinfo knows the APIC IDs of all CPUs that run, for any user.
std::vector<u32> apic_ids(const LinuxSystem& system) {
    std::vector<u32> ids;
    std::istringstream text(file_text(system.root / "proc/cpuinfo").value_or(""));
    for (std::string line; std::getline(text, line);)
        if (line.starts_with("initial apicid"))
            ids.push_back(static_cast<u32>(std::strtoul(line.c_str() + line.find(':') + 1, nullptr, 10)));
    return ids;
}

void probe_acpi(Inventory& inventory, const LinuxSystem& system, const std::vector<u32>& ids) {
    std::vector<std::string> texts;
    std::error_code error;
    bool unreadable = false;
    for (const fs::directory_entry& entry : fs::directory_iterator(system.root / "sys/firmware/acpi/tables", error)) {
        if (!entry.is_regular_file())
            continue;
        const auto text = file_text(entry.path());
        unreadable = unreadable || !text;
        if (text)
            texts.push_back(*text);
    }
    if (error)
        inventory.note("ACPI", "this system shows no ACPI tables (/sys/firmware/acpi/tables)");
    else if (unreadable)
        inventory.note("ACPI", "the tables cannot be read by this user: run as root");
    std::ranges::sort(texts);
    std::vector<acpi::Bytes> tables;
    for (const std::string& text : texts)
        tables.emplace_back(reinterpret_cast<const u8*>(text.data()), text.size());
    survey::survey_acpi(inventory, tables, ids.empty() ? 0 : ids.front());
}

void probe_cpus(Inventory& inventory, const LinuxSystem& system, const std::vector<u32>& ids) {
    if (inventory.cpus.empty())
        for (const u32 id : ids)
            inventory.add(inventory.cpus, {.apic_id = id}, "CPUs");
    if (inventory.cpus.empty())
        inventory.note("CPUs", "neither ACPI nor /proc/cpuinfo lists them");
    survey::apply_topology(inventory, system.cpuid);
}

void probe_msrs(Inventory& inventory, const LinuxSystem& system) {
    const Descriptor file(open((system.root / "dev/cpu/0/msr").c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0)
        return inventory.note("MSRs", "/dev/cpu/0/msr cannot be read: run as root, after 'modprobe msr'");
    bool all = true;
    survey::survey_msrs(inventory, system.cpuid, [&](u32 number) {
        u64 value = 0;
        all = pread(file.get(), &value, sizeof value, number) == sizeof value && all;
        return value;
    });
    inventory.virtualization.msrs_known = all;
    if (!all)
        inventory.note("MSRs", "some MSRs of virtualization cannot be read here");
}

/// Names of drivers/firmware/memmap.c and arch/x86/kernel/e820.c in Linux.
MemoryKind kind_of(const std::string& type) {
    if (type == "System RAM")
        return MemoryKind::Free;
    if (type == "ACPI Tables")
        return MemoryKind::Acpi;
    if (type == "ACPI Non-volatile Storage")
        return MemoryKind::AcpiNvs;
    if (type == "Unusable memory")
        return MemoryKind::Unusable;
    if (type.starts_with("Persistent Memory"))
        return MemoryKind::Persistent;
    return MemoryKind::Reserved;
}

void probe_memory(Inventory& inventory, const LinuxSystem& system) {
    std::error_code error;
    std::vector<fs::path> entries;
    for (const fs::directory_entry& entry : fs::directory_iterator(system.root / "sys/firmware/memmap", error))
        entries.push_back(entry.path());
    std::ranges::sort(entries, {}, [](const fs::path& path) { return number_in(path / "start").value_or(0); });
    for (const fs::path& entry : entries) {
        const auto start = number_in(entry / "start"), end = number_in(entry / "end");
        if (start && end && *end >= *start)
            survey::add_memory(inventory, {{*start}, *end - *start + 1}, kind_of(first_line(entry / "type")));
        else
            inventory.note("memory map", "an entry of /sys/firmware/memmap cannot be read");
    }
    if (entries.empty())
        inventory.note("memory map", "this system does not show the firmware's (/sys/firmware/memmap)");
    survey::sort_memory(inventory);
}

/// Linux' own isolation groups, to compare ours with: "0000:00:1f.2 5".
void write_linux_groups(survey::TomlWriter& out, const LinuxSystem& system) {
    std::error_code error;
    std::vector<std::string> groups;
    for (const fs::directory_entry& device : fs::directory_iterator(system.root / "sys/bus/pci/devices", error)) {
        const fs::path group = fs::read_symlink(device.path() / "iommu_group", error);
        if (!error)
            groups.push_back(device.path().filename().string() + ' ' + group.filename().string());
    }
    std::ranges::sort(groups);
    out.begin_list("linux-groups");
    for (const std::string& group : groups)
        out.word(group);
    out.end_list();
}

std::string report(const LinuxSystem& system, bool with_identity) {
    std::vector<char> room(256 * KiB);
    survey::TomlWriter out(room);
    out.table("report");
    out.text("bulkhead", version);
    out.text("kernel", first_line(system.root / "proc/sys/kernel/osrelease"));
    out.flag("root", geteuid() == 0);
    out.flag("identity", with_identity);
    write_linux_groups(out, system);
    return std::string(out.finish());
}

} // namespace

std::optional<std::string> file_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return std::nullopt;
    std::string text((std::istreambuf_iterator<char>(file)), {});
    if (file.bad())
        return std::nullopt;
    return text;
}

std::string first_line(const fs::path& path) {
    std::string text = file_text(path).value_or("");
    text.resize(std::min(text.size(), text.find('\n')));
    const std::size_t first = text.find_first_not_of(" \t");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<u64> number_in(const fs::path& path, int base) {
    const std::string text = first_line(path);
    char* end = nullptr;
    const u64 value = std::strtoull(text.c_str(), &end, base);
    return text.empty() || *end != '\0' ? std::nullopt : std::optional(value);
}

LinuxSystem this_system() {
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    (void)sched_setaffinity(0, sizeof first, &first); // where it may not: then any CPU's
    return {.root = "/", .cpuid = [](u32 leaf, u32 subleaf) {
                CpuidRegisters r{};
                __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
                return r;
            }};
}

std::unique_ptr<Inventory> probe(const LinuxSystem& system) {
    auto inventory = std::make_unique<Inventory>();
    inventory->source = survey::Source::Linux;
    const std::vector<u32> ids = apic_ids(system);
    survey::survey_processor(*inventory, system.cpuid);
    probe_msrs(*inventory, system);
    probe_acpi(*inventory, system, ids);
    probe_cpus(*inventory, system, ids);
    probe_memory(*inventory, system);
    probe_serial(*inventory, system);
    probe_pci(*inventory, system);
    probe_firmware(*inventory, system);
    survey::judge(*inventory, system.cpuid);
    return inventory;
}

std::string probe_text(const LinuxSystem& system, ProbeText kind) {
    const auto inventory = probe(system);
    std::vector<char> room(4 * survey::inventory_text_size);
    const auto identity = kind == ProbeText::Report ? survey::Identity::LeftOut : survey::Identity::Written;
    std::string text(survey::write_inventory(*inventory, room, identity));
    return kind == ProbeText::Inventory ? text : text + report(system, kind == ProbeText::ReportWithIdentity);
}

} // namespace bulkhead::tools
