// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What writes an inventory and what reads it agree; a folder that looks like a Linux without anything gives one, too.
#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tools/failure.hpp"
#include "tools/inventory.hpp"
#include "tools/probe.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"
#include "unit/survey/written.hpp"

using namespace bulkhead;
namespace fs = std::filesystem;

namespace {

class Folder {
public:
    Folder() : path_(fs::temp_directory_path() / ("bulkhead-inventory-" + std::to_string(getpid()))) {
        fs::create_directories(path_);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }
    fs::path file(const fs::path& name, const std::string& text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << text;
        return path_ / name;
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

std::string fault(const Folder& folder, const std::string& text) {
    try {
        (void)tools::read_inventory(folder.file("inventory.toml", text));
    } catch (const tools::Failure& failure) {
        const std::string what = failure.what();
        return what.substr(std::min(what.size(), what.find("inventory.toml") + 14));
    }
    return "";
}

} // namespace

TEST_CASE("an inventory is read as it was written") {
    auto inventory = test::new_inventory();
    inventory->board.system_product = "Box";
    inventory->add(inventory->cpus, {.apic_id = 2, .core = 1, .package = 0, .cache = 3, .node = 1}, "");
    inventory->add(inventory->cpus, {.apic_id = 3, .core = 1}, "");
    inventory->add(inventory->memory, {{{0}, 2 * MiB}, survey::MemoryKind::Free}, "");
    inventory->add(inventory->memory, {{{4 * MiB}, MiB}, survey::MemoryKind::Runtime}, "");
    inventory->add(inventory->memory, {{{4 * GiB}, GiB}, survey::MemoryKind::Free}, "");
    inventory->add(inventory->nodes, {.range = {{4 * GiB}, GiB}, .node = 1}, "");
    const Folder folder;
    const auto machine = tools::read_inventory(folder.file("inventory.toml", test::written(*inventory)));
    CHECK(machine.name == "Box");
    REQUIRE(machine.cpus.size() == 2);
    CHECK(machine.cpus[0].apic_id == 2);
    CHECK(machine.cpus[0].cache == 3);
    CHECK(machine.cpus[0].node == 1);
    CHECK(machine.free_memory == std::vector<PhysicalRange>{{{MiB}, MiB}, {{4 * GiB}, GiB}});
    CHECK(machine.view().nodes.size() == 1);
}

TEST_CASE("an inventory that cannot be read is refused with its line") {
    const Folder folder;
    CHECK_THROWS_AS(tools::read_inventory(folder.path() / "none"), tools::Failure);
    CHECK_THROWS_AS(tools::read_inventory(folder.path()), tools::Failure);
    CHECK(fault(folder, "schema = 1\n").empty());
    CHECK(fault(folder, "x = 1\n").find("no 'schema'") != std::string::npos);
    CHECK(fault(folder, "\nschema = 2\n").starts_with(":2:"));
    CHECK(fault(folder, "schema = 1\n\xc3\xa9 = 2\n").starts_with(":2:"));
    CHECK(fault(folder, "schema = 1\ncpu = 4\n").find("not an array of tables") != std::string::npos);
    CHECK(fault(folder, "schema = 1\n\n[[cpu]]\nnumber = 1\n").starts_with(":3:"));
    CHECK(fault(folder, "schema = 1\n[[memory]]\nstart = -1\nsize = 1\nkind = \"free\"\n").find("'start'") !=
          std::string::npos);
    CHECK(fault(folder, "schema = 1\n[[memory]]\nstart = 1\nsize = 1\nkind = \"fast\"\n").find("'fast'") !=
          std::string::npos);
    const std::string twice = "[[memory]]\nstart = 0x200000\nsize = 0x200000\nkind = \"free\"\n";
    CHECK(fault(folder, "schema = 1\n" + twice + twice).find("overlap") != std::string::npos);
}

TEST_CASE("a Linux that shows nothing gives an inventory that says so") {
    const Folder folder;
    test::CpuidRecording cpuid = test::own_recording("amd_server.txt");
    const tools::LinuxSystem system{.root = folder.path(), .cpuid = cpuid};
    const auto table = ::toml::parse(tools::probe_text(system, tools::ProbeText::Inventory));
    CHECK(table["unknown"].as_array()->size() >= 7);
    CHECK(table["verdict"]["can-run"].value<std::string>() == "no"); // not by UEFI
    CHECK(table["processor"]["vendor"].value<std::string>() == "AuthenticAMD");
}

TEST_CASE("a Linux is read by its files") {
    const Folder folder;
    folder.file("proc/cpuinfo", "processor\t: 0\ninitial apicid\t: 4\n\nprocessor\t: 1\ninitial apicid\t: 5\n");
    folder.file("sys/firmware/memmap/0/start", "0x100000\n");
    folder.file("sys/firmware/memmap/0/end", "0x3fffffff\n");
    folder.file("sys/firmware/memmap/0/type", "System RAM\n");
    folder.file("sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
                std::string("\6\0\0\0\1", 5));
    folder.file("sys/class/tty/ttyS1/port", "0x2F8\n");
    folder.file("sys/class/tty/ttyS1/type", "4\n");
    folder.file("sys/class/tty/ttyS0/port", "0x3F8\n");
    folder.file("sys/class/tty/ttyS0/type", "0\n");
    folder.file("sys/class/dmi/id/product_name", "Box\n");
    folder.file("sys/class/dmi/id/product_serial", "S123\n");
    std::string config(256, '\0');
    config.replace(0, 12, std::string("\x86\x80\x34\x12\0\0\0\0\1\0\0\2", 12));
    folder.file("sys/bus/pci/devices/0000:02:1f.3/config", config);
    folder.file("sys/bus/pci/devices/10000:02:1f.3/config", config);
    folder.file("proc/sys/kernel/osrelease", "6.12.1-test\n");
    fs::create_symlink("../../../kernel/iommu_groups/5",
                       folder.path() / "sys/bus/pci/devices/0000:02:1f.3/iommu_group");
    test::CpuidRecording cpuid = test::own_recording("intel_client.txt");
    const tools::LinuxSystem system{.root = folder.path(), .cpuid = cpuid};
    const auto text = tools::probe_text(system, tools::ProbeText::Inventory);
    INFO(text);
    const auto table = ::toml::parse(text);
    CHECK(table["cpu"][1]["apic-id"].value<i64>() == 5);
    CHECK(table["memory"][0]["size"].value<i64>() == 0x3ff0'0000);
    CHECK(table["firmware"]["secure-boot"].value<bool>() == true);
    CHECK(table["serial"].as_array()->size() == 1);
    CHECK(table["serial"][0]["irq"].value<i64>() == 3);
    CHECK(table["pci"].as_array()->size() == 1);
    CHECK(table["pci"][0]["address"].value<std::string>() == "0000:02:1f.3");
    CHECK(table["board"]["system-serial"].value<std::string>() == "S123");
    const auto report = tools::probe_text(system, tools::ProbeText::Report);
    CHECK(report.find("S123") == std::string::npos);
    CHECK(::toml::parse(report)["report"]["kernel"].value<std::string>() == "6.12.1-test");
    CHECK(::toml::parse(report)["report"]["linux-groups"][0].value<std::string>() == "0000:02:1f.3 5");
    CHECK(tools::probe_text(system, tools::ProbeText::ReportWithIdentity).find("S123") != std::string::npos);
    CHECK(table["verdict"]["can-run"].value<std::string>() == "unknown"); // the MSRs
}

TEST_CASE("an inventory says why its machine cannot run Bulkhead, and what it has for consoles") {
    const Folder folder;
    const tools::InventoryMachine machine = tools::read_inventory(folder.file("inventory.toml", R"(schema = 1
[verdict]
can-run = "no"
reasons = ["no VT-x", "not UEFI"]
[board]
system-product = "Box \u001b[31m"
[[serial]]
port = 0x3f8
[[serial]]
memory = 0xfe000000
)"));
    CHECK(machine.reasons_against == std::vector<std::string>{"no VT-x", "not UEFI"});
    CHECK(machine.serial_ports == std::vector<u16>{0x3f8});
    CHECK(machine.name == "Box ?[31m");
    CHECK(tools::read_inventory(folder.file("a.toml", "schema = 1\n[verdict]\ncan-run = \"no\"\n"))
              .reasons_against.size() == 1);
    CHECK(tools::read_inventory(folder.file("b.toml", "schema = 1\n[verdict]\ncan-run = \"unknown\"\n"))
              .reasons_against.empty());
    const std::string cpu = "[[cpu]]\napic-id = 3\ncore = 1\npackage = 0\ncache = 0\nnode = 0\n";
    CHECK(fault(folder, "schema = 1\n" + cpu + "number = 0\n" + cpu + "number = 1\n").find("has this APIC ID") !=
          std::string::npos);
}
