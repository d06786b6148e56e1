// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/acpi_tables.hpp"

#include <catch2/catch_test_macros.hpp>

#include "devices/watchdog.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

using namespace bulkhead;

namespace {

// The tables are read back by offsets out of the specification, not by the structures that wrote them.
using Bytes = std::vector<u8>;

u64 number(std::span<const u8> bytes, std::size_t offset, std::size_t size) {
    u64 value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value |= u64{bytes[offset + i]} << (8 * i);
    return value;
}

std::string text(std::span<const u8> bytes, std::size_t offset, std::size_t size) {
    return {bytes.begin() + static_cast<long>(offset), bytes.begin() + static_cast<long>(offset + size)};
}

u8 sum(std::span<const u8> bytes) {
    u8 total = 0;
    for (const u8 byte : bytes)
        total = static_cast<u8>(total + byte);
    return total;
}

struct Tables {
    Bytes area = Bytes(platform::firmware_area_size);
    std::map<std::string, std::span<const u8>> by_signature;
    u64 used = 0;

    std::span<const u8> at(u64 address) const {
        REQUIRE(address >= 0xe0000);
        REQUIRE(address % 16 == 0);
        const std::span<const u8> table = std::span(area).subspan(address - 0xe0000);
        return table.first(number(table, 4, 4));
    }

    explicit Tables(u32 vcpus) {
        const Result<u64> built = build_acpi_tables(area, vcpus);
        REQUIRE(built);
        used = *built;
        const std::span<const u8> rsdp = std::span(area).first(36);
        REQUIRE(text(rsdp, 0, 8) == "RSD PTR ");
        REQUIRE(sum(rsdp.first(20)) == 0);
        REQUIRE(sum(rsdp) == 0);
        REQUIRE(rsdp[15] == 2);
        const std::span<const u8> xsdt = at(number(rsdp, 24, 8));
        add(xsdt);
        for (std::size_t offset = 36; offset < xsdt.size(); offset += 8)
            add(at(number(xsdt, offset, 8)));
        add(at(number(by_signature.at("FACP"), 140, 8)));
    }

    void add(std::span<const u8> table) {
        REQUIRE(sum(table) == 0);
        by_signature[text(table, 0, 4)] = table;
    }
};

bool contains(std::span<const u8> haystack, std::initializer_list<u8> needle) {
    return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) != haystack.end();
}

} // namespace

TEST_CASE("ACPI: all tables are there, within the area, with right checksums") {
    for (const u32 vcpus : {1u, 2u, 255u, 256u, 300u, 4096u}) {
        const Tables tables(vcpus);
        std::set<std::string> signatures;
        for (const auto& [signature, table] : tables.by_signature)
            signatures.insert(signature);
        CHECK(signatures == std::set<std::string>{"XSDT", "FACP", "APIC", "SPCR", "WDAT", "DSDT"});
        CHECK(tables.used <= tables.area.size());
        CHECK(std::all_of(tables.area.begin() + static_cast<long>(tables.used), tables.area.end(),
                          [](u8 byte) { return byte == 0; }));
    }
}

TEST_CASE("ACPI: the FADT describes a hardware-reduced machine with our registers") {
    const Tables tables(1);
    const auto fadt = tables.by_signature.at("FACP");
    CHECK(fadt.size() == 276);
    CHECK(fadt[8] == 6);
    CHECK(number(fadt, 40, 4) == number(fadt, 140, 8)); // DSDT, X_DSDT
    const u64 flags = number(fadt, 112, 4);
    CHECK((flags & 1 << 20) != 0); // HW_REDUCED_ACPI
    CHECK((flags & 1 << 10) != 0); // RESET_REG_SUP
    CHECK((flags & 1 << 8) != 0);  // TMR_VAL_EXT
    const u64 boot = number(fadt, 109, 2);
    CHECK((boot & 1 << 1) == 0); // no 8042
    CHECK((boot & 1 << 2) != 0); // no VGA
    CHECK((boot & 1 << 5) != 0); // no CMOS RTC
    CHECK(fadt[116] == 1);       // system I/O
    CHECK(number(fadt, 120, 8) == platform::reset_port);
    CHECK(fadt[128] == platform::reset_value);
    CHECK(number(fadt, 76, 4) == platform::pm_timer_port);
    CHECK(fadt[91] == 4);
    CHECK(fadt[209] == 32);
    CHECK(number(fadt, 212, 8) == platform::pm_timer_port);
    CHECK(number(fadt, 248, 8) == platform::sleep_control_port);
    CHECK(number(fadt, 260, 8) == platform::sleep_status_port);
    CHECK(number(fadt, 36, 4) == 0); // FACS
    CHECK(number(fadt, 46, 2) == 0); // no SCI
    CHECK(number(fadt, 148, 8) == 0);
}

TEST_CASE("ACPI: the MADT has each vCPU once, as type 0 below ID 255 and as type 9 from there on") {
    for (const u32 vcpus : {1u, 2u, 254u, 255u, 256u, 300u}) {
        const Tables tables(vcpus);
        const auto madt = tables.by_signature.at("APIC");
        CHECK(number(madt, 36, 4) == 0xfee0'0000);
        CHECK((number(madt, 40, 4) & 1) == 0); // PCAT_COMPAT
        u32 next = 0;
        u32 io_apics = 0;
        std::size_t offset = 44;
        while (offset < madt.size()) {
            const u8 type = madt[offset];
            if (type == 0) {
                CHECK(next < 255);
                CHECK(madt[offset + 1] == 8);
                CHECK(madt[offset + 2] == next);
                CHECK(madt[offset + 3] == next);
                CHECK(number(madt, offset + 4, 4) == 1);
                ++next;
            } else if (type == 9) {
                CHECK(next >= 255);
                CHECK(madt[offset + 1] == 16);
                CHECK(number(madt, offset + 4, 4) == next);
                CHECK(number(madt, offset + 8, 4) == 1);
                CHECK(number(madt, offset + 12, 4) == next);
                ++next;
            } else {
                REQUIRE(type == 1);
                CHECK(madt[offset + 1] == 12);
                CHECK(number(madt, offset + 4, 4) == 0xfec0'0000);
                CHECK(number(madt, offset + 8, 4) == 0);
                ++io_apics;
            }
            offset += madt[offset + 1];
        }
        CHECK(offset == madt.size());
        CHECK(next == vcpus);
        CHECK(io_apics == 1);
    }
}

TEST_CASE("ACPI: SPCR and DSDT name the same UART, ports and pins as the platform") {
    const Tables tables(1);
    const auto spcr = tables.by_signature.at("SPCR");
    CHECK(spcr.size() == 80);
    CHECK(spcr[36] == 0);
    CHECK(spcr[40] == 1);
    CHECK(number(spcr, 44, 8) == platform::uart_port);
    CHECK(number(spcr, 54, 4) == platform::uart_pin);
    CHECK(spcr[58] == 7);

    const auto dsdt = tables.by_signature.at("DSDT");
    constexpr auto low = [](u16 port) { return static_cast<u8>(port); };
    constexpr auto high = [](u16 port) { return static_cast<u8>(port >> 8); };
    constexpr u16 uart = platform::uart_port, power = platform::power_port;
    // I/O port descriptors (ACPI 6.5 6.4.2.5), extended interrupt descriptors (6.4.3.6): consumer, edge, high,
    // exclusive.
    CHECK(contains(dsdt, {0x47, 1, low(uart), high(uart), low(uart), high(uart), 0, 8}));
    CHECK(contains(dsdt, {0x47, 1, low(power), high(power), low(power), high(power), 0, 16}));
    CHECK(platform::pm_timer_port + 4 <= platform::power_port + 16);
    CHECK(contains(dsdt, {0x89, 6, 0, 3, 1, platform::uart_pin, 0, 0, 0}));
    CHECK(contains(dsdt, {0x89, 6, 0, 3, 1, platform::button_pin, 0, 0, 0}));
    // OperationRegion (BTNR, SystemIO, button_port, 1), and the package of \_S5.
    CHECK(contains(dsdt, {'B', 'T', 'N', 'R', 1, 0x0b, low(platform::button_port), high(platform::button_port), 1}));
    CHECK(
        contains(dsdt, {'_', 'S', '5', '_', 0x12, 8, 4, 0x0a, platform::soft_off_type, 0x0a, platform::soft_off_type}));
}

namespace {

/// The actions of a WDAT as a driver carries them out (Hardware Watchdog Timers Design Specification 1.01, 3.3), here
/// on the device itself.
struct WatchdogDriver {
    std::span<const u8> table;
    Watchdog watchdog{};
    std::optional<u32> deadline{}; ///< milliseconds; 0: none

    /// What the action read; 0 for one that is not there.
    std::optional<u32> run(u8 action, u32 parameter = 0) {
        std::optional<u32> result;
        for (std::size_t at = 68; at < table.size(); at += 24) {
            if (table[at] != action)
                continue;
            REQUIRE(table[at + 4] == 1);  // I/O port
            REQUIRE(table[at + 5] == 32); // bits
            REQUIRE(table[at + 6] == 0);
            REQUIRE(table[at + 7] == 3); // double word
            const u16 port = static_cast<u16>(number(table, at + 8, 8));
            const u32 value = static_cast<u32>(number(table, at + 16, 4));
            const u32 mask = static_cast<u32>(number(table, at + 20, 4));
            const u32 now = watchdog.read(port, deadline.value_or(0));
            const u32 kept = (table[at + 1] & 0x80) != 0 ? now & ~mask : 0;
            switch (table[at + 1] & 0x7f) {
            case 0:
                result = (now & mask) == value;
                break;
            case 1:
                result = now & mask;
                break;
            case 2:
                write(port, kept | (value & mask));
                result = 0;
                break;
            case 3:
                write(port, kept | (parameter & mask));
                result = 0;
                break;
            default:
                FAIL("an instruction " << int{table[at + 1]});
            }
        }
        return result;
    }

    void write(u16 port, u32 value) {
        if (const std::optional<u32> next = watchdog.write(port, value))
            deadline = next;
    }
};

} // namespace

TEST_CASE("ACPI: the WDAT describes the watchdog to a driver") {
    const Tables tables(1);
    const auto wdat = tables.by_signature.at("WDAT");
    CHECK(number(wdat, 36, 4) == 32);
    CHECK(number(wdat, 40, 2) == 0xff); // Linux: a PCI device where any of the four is not 0xff
    CHECK(number(wdat, 42, 3) == 0xffffff);
    CHECK(number(wdat, 48, 4) == 1);
    CHECK(number(wdat, 52, 4) == 86'400'000);
    CHECK(number(wdat, 56, 4) == 1);
    CHECK(wdat[60] == 1);
    CHECK(wdat.size() == 68 + number(wdat, 64, 4) * 24);

    WatchdogDriver driver{wdat};
    driver.watchdog.reset(0, true);
    CHECK(driver.run(32) == 1u); // GET_STATUS: the last life was ended by it
    CHECK(driver.run(33) == 0u); // SET_STATUS: forget that
    CHECK(driver.run(32) == 0u);
    CHECK(driver.run(8) == 0u); // GET_RUNNING_STATE
    CHECK(driver.run(10) == 1u);
    CHECK(driver.run(6, 5000) == 0u); // SET_COUNTDOWN
    CHECK(driver.run(5) == 5000u);
    CHECK(driver.deadline.value_or(0) == 0);
    CHECK(driver.run(9) == 0u); // SET_RUNNING_STATE
    CHECK(driver.deadline == 5000u);
    CHECK(driver.run(8) == 1u);
    CHECK(driver.run(10) == 0u);
    driver.deadline = 1234;
    CHECK(driver.run(4) == 1234u); // GET_CURRENT_COUNTDOWN
    CHECK(driver.run(1) == 0u);    // RESET
    CHECK(driver.deadline == 5000u);
    CHECK(driver.run(6, 7000) == 0u);
    CHECK(driver.deadline == 7000u);
    CHECK(driver.run(33) == 0u); // does not stop it
    CHECK(driver.run(8) == 1u);
    CHECK(driver.run(11) == 0u); // SET_STOPPED_STATE
    CHECK(driver.deadline == 0u);
    CHECK(driver.run(10) == 1u);
    CHECK(driver.run(17) == std::nullopt); // SET_REBOOT: there is nothing else that it could do
}

TEST_CASE("ACPI: what does not fit is refused with its number") {
    Bytes area(platform::firmware_area_size);
    CHECK_FALSE(build_acpi_tables(area, 0));
    const Result<u64> many = build_acpi_tables(area, 9000);
    REQUIRE_FALSE(many);
    CHECK(many.error().value == 9000);
    CHECK_FALSE(build_acpi_tables(area, 0xffff'ffff));
    CHECK_FALSE(build_acpi_tables({}, 1));
    // Every size of area: refused, or filled without going beyond it (ASan watches).
    Bytes small(1600);
    const u64 needed = build_acpi_tables(small, 1).value();
    for (u64 size = 0; size <= small.size(); ++size) {
        Bytes exact(size);
        REQUIRE(build_acpi_tables(exact, 1).has_value() == (size >= needed));
    }
}

TEST_CASE("ACPI: iasl decompiles every table and compiles it again, SPCR apart, without an error or a warning") {
    const auto directory = std::filesystem::temp_directory_path() / ("bulkhead-acpi-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory);
    const auto run = [&](const std::string& arguments) {
        const std::string log = (directory / "log").string();
        const int status =
            std::system(("cd " + directory.string() + " && " IASL " " + arguments + " > log 2>&1").c_str());
        std::ifstream file(log);
        const std::string output(std::istreambuf_iterator<char>(file), {});
        INFO(arguments << '\n' << output);
        CHECK(status == 0);
        CHECK(output.find("Warning ") == std::string::npos);
        CHECK(output.find("Error ") == std::string::npos);
        CHECK(output.find("Checksum") == std::string::npos);
        CHECK(output.find("nvalid") == std::string::npos);
    };
    const Tables tables(300);
    for (const auto& [signature, table] : tables.by_signature) {
        std::ofstream(directory / (signature + ".aml"), std::ios::binary)
            .write(reinterpret_cast<const char*>(table.data()), static_cast<long>(table.size()));
        run("-d " + signature + ".aml");
        CHECK(std::filesystem::exists(directory / (signature + ".dsl")));
        if (signature != "SPCR") // ours has revision 2: iasl 20250404 decompiles it, and compiles revision 4 only
            run("-we -p again " + signature + ".dsl");
    }
    std::filesystem::remove_all(directory);
}
