// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/statistics.hpp"

#include <fstream>
#include <iterator>
#include <unistd.h>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "tools/failure.hpp"

using namespace bulkhead::tools;
using namespace std::chrono_literals;

namespace {

const std::string guest_line = "bulkhead: guest alpha: running, 2 vCPUs, 512 MiB, started 3 times, last 14 s ago";
const std::string vcpu_line = "bulkhead: exits of alpha vCPU 0: total 65, cpuid 7, second-stage-fault 58";

const std::string last_line = "bulkhead: memory in use: 2668 KiB, and 8 KiB of tables of pages that were split";

/// A file that is gone when the test is over.
struct File {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("bulkhead-statistics-" + std::to_string(getpid()) + ".prom");
    ~File() { std::filesystem::remove(path); }
    [[nodiscard]] std::string text() const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }
};

/// A watch that has just asked.
struct Asked {
    File file;
    StatisticsWatch watch{file.path};
    StatisticsWatch::Time now = StatisticsWatch::Time{} + 100s;

    Asked() {
        watch.take("bulkhead: boot: 1 ticks since efi_main\r\n");
        REQUIRE(watch.keys(now) == "\x1ds");
    }
};

/// The same when each byte comes alone.
std::string byte_by_byte(StatisticsWatch& watch, std::string_view bytes) {
    std::string shown;
    for (const char c : bytes)
        shown += watch.take({&c, 1});
    return shown;
}

} // namespace

TEST_CASE("Statistics: as Prometheus wants them") {
    Statistics statistics;
    CHECK(statistics.text().empty());
    CHECK(statistics.take(guest_line) == Statistics::Line::Guest);
    CHECK(statistics.take("bulkhead: guest beta: stopped, restarts soon, 1 vCPUs, 1 GiB, started 1 times") ==
          Statistics::Line::Guest);
    CHECK(statistics.take(vcpu_line) == Statistics::Line::Vcpu);
    CHECK(statistics.take("bulkhead: exits of alpha vCPU 1: total 0; hypervisor microseconds 1000000") ==
          Statistics::Line::Vcpu);
    CHECK(statistics.take("bulkhead: exits of beta vCPU 0: total 1, io 1; hypervisor microseconds 45; unknown MSRs 2; "
                          "injected 3") == Statistics::Line::Vcpu);
    CHECK(statistics.take(last_line) == Statistics::Line::Memory);
    CHECK(statistics.text() == R"(# HELP bulkhead_guest_state 1 for the state that the guest is in.
# TYPE bulkhead_guest_state gauge
bulkhead_guest_state{guest="alpha",state="loaded"} 0
bulkhead_guest_state{guest="alpha",state="running"} 1
bulkhead_guest_state{guest="alpha",state="paused"} 0
bulkhead_guest_state{guest="alpha",state="stopped"} 0
bulkhead_guest_state{guest="alpha",state="failed"} 0
bulkhead_guest_state{guest="beta",state="loaded"} 0
bulkhead_guest_state{guest="beta",state="running"} 0
bulkhead_guest_state{guest="beta",state="paused"} 0
bulkhead_guest_state{guest="beta",state="stopped"} 1
bulkhead_guest_state{guest="beta",state="failed"} 0
# HELP bulkhead_guest_vcpus Number of vCPUs.
# TYPE bulkhead_guest_vcpus gauge
bulkhead_guest_vcpus{guest="alpha"} 2
bulkhead_guest_vcpus{guest="beta"} 1
# HELP bulkhead_guest_memory_bytes Size of the guest's memory.
# TYPE bulkhead_guest_memory_bytes gauge
bulkhead_guest_memory_bytes{guest="alpha"} 536870912
bulkhead_guest_memory_bytes{guest="beta"} 1073741824
# HELP bulkhead_guest_restarts_total Starts but the first.
# TYPE bulkhead_guest_restarts_total counter
bulkhead_guest_restarts_total{guest="alpha"} 2
bulkhead_guest_restarts_total{guest="beta"} 0
# HELP bulkhead_guest_running_seconds Time since the last start, of one that runs.
# TYPE bulkhead_guest_running_seconds gauge
bulkhead_guest_running_seconds{guest="alpha"} 14
# HELP bulkhead_memory_kept_bytes Memory that the hypervisor keeps.
# TYPE bulkhead_memory_kept_bytes gauge
bulkhead_memory_kept_bytes 2732032
# HELP bulkhead_memory_split_bytes Tables of pages that were split, besides.
# TYPE bulkhead_memory_split_bytes gauge
bulkhead_memory_split_bytes 8192
# HELP bulkhead_vcpu_exits_total VM exits by reason.
# TYPE bulkhead_vcpu_exits_total counter
bulkhead_vcpu_exits_total{guest="alpha",vcpu="0",reason="cpuid"} 7
bulkhead_vcpu_exits_total{guest="alpha",vcpu="0",reason="second-stage-fault"} 58
bulkhead_vcpu_exits_total{guest="beta",vcpu="0",reason="io"} 1
# HELP bulkhead_vcpu_hypervisor_seconds_total Time spent in the hypervisor, between exit and entry.
# TYPE bulkhead_vcpu_hypervisor_seconds_total counter
bulkhead_vcpu_hypervisor_seconds_total{guest="alpha",vcpu="1"} 1.000000
bulkhead_vcpu_hypervisor_seconds_total{guest="beta",vcpu="0"} 0.000045
# HELP bulkhead_vcpu_injected_total What the hypervisor counts as injected.
# TYPE bulkhead_vcpu_injected_total counter
bulkhead_vcpu_injected_total{guest="beta",vcpu="0"} 3
# HELP bulkhead_vcpu_unknown_msrs_total What the hypervisor counts as unknown MSRs.
# TYPE bulkhead_vcpu_unknown_msrs_total counter
bulkhead_vcpu_unknown_msrs_total{guest="beta",vcpu="0"} 2
)");
}

TEST_CASE("Statistics: a guest's end is heeded, other lines are not") {
    Statistics statistics;
    statistics.take(guest_line);
    CHECK(statistics.take("bulkhead: guest alpha is off: failed") == Statistics::Line::None);
    CHECK(statistics.text().contains("{guest=\"alpha\",state=\"failed\"} 1"));
    CHECK_FALSE(statistics.text().contains("running_seconds"));
    CHECK(statistics.take("bulkhead: guest alpha is off: powered off") == Statistics::Line::None);
    CHECK(statistics.text().contains("{guest=\"alpha\",state=\"stopped\"} 1"));
    CHECK(statistics.take("bulkhead: guest alpha is off: failed: its watchdog was not fed") == Statistics::Line::None);
    CHECK(statistics.text().contains("{guest=\"alpha\",state=\"failed\"} 1"));
    CHECK(statistics.take("bulkhead: guest alpha is off: destroyed") == Statistics::Line::None);
    CHECK(statistics.text().contains("{guest=\"alpha\",state=\"loaded\"} 1"));
    const std::string before = statistics.text();
    for (const char* line : {"[alpha] bulkhead: exits of alpha vCPU 0: total 9, io 9",
                             "bulkhead: guest beta: CPU 1 (APIC ID 1); 64 MiB at 0x4200000", "exits of alpha", ""})
        CHECK(statistics.take(line) == Statistics::Line::None);
    CHECK(statistics.text() == before);
}

TEST_CASE("Statistics watch: asks while the hypervisor listens, one question at a time") {
    const File file;
    StatisticsWatch watch(file.path);
    StatisticsWatch::Time now = StatisticsWatch::Time{} + 100s;
    CHECK(watch.keys(now).empty());
    watch.take("bulkhead: boot: 1 ticks\r\n");
    CHECK(watch.keys(now) == "\x1ds");
    CHECK(watch.keys(now + 6s).empty()); // no answer yet
    watch.take(vcpu_line + "\r\n");
    CHECK(watch.keys(now + 6s).empty()); // it goes on
    watch.take(last_line + "\r\n");
    CHECK(watch.keys(now + 4s).empty()); // too soon
    CHECK(watch.keys(now + 6s) == "\x1ds");
    CHECK(file.text().contains("reason=\"cpuid\"} 7"));
    CHECK(watch.keys(now + 14s).empty());
    CHECK(watch.keys(now + 17s) == "\x1ds"); // that answer will not come any more
    watch.take("bulkhead: all guests are off: powering off\r\n");
    CHECK(watch.keys(now + 60s).empty());
    watch.take("bulkhead: boot: 1 ticks\r\n");
    watch.take("bulkhead: hypervisor 0.1.0\r\n"); // the machine was reset
    CHECK(watch.keys(now + 60s).empty());
}

TEST_CASE("Statistics watch: the answer is not shown, all else is") {
    Asked asked;
    CHECK(asked.watch.take("[alpha] one\r\n" + guest_line + "\r\nbulkhead: guest alpha: something else\r\n" +
                           vcpu_line + "\r\n[alpha] two\r\n[beta]") ==
          "[alpha] one\r\nbulkhead: guest alpha: something else\r\n[alpha] two\r\n[beta]");
    CHECK(asked.watch.take(" three\r\n") == " three"); // its end is shown when it is known what follows
    CHECK(asked.watch.take(last_line + "\r\n").empty());
    CHECK(asked.watch.late(asked.now).empty());
    CHECK(asked.watch.late(asked.now + 2s) == "\r\n");                 // or when nothing follows
    CHECK(asked.watch.take(vcpu_line + "\r\n") == vcpu_line + "\r\n"); // nobody of ours asked for that
}

TEST_CASE("Statistics watch: however the bytes are cut") {
    Asked asked;
    CHECK(byte_by_byte(asked.watch, "[alpha] one\r\n" + guest_line + "\r\n" + vcpu_line + "\r\n" + last_line +
                                        "\r\n[alpha] two\r\nbull") == "[alpha] one\r\n[alpha] two\r\nbull");
}

TEST_CASE("Statistics watch: a prompt stays as it is") {
    Asked asked;
    const std::string answer = guest_line + "\r\n" + vcpu_line + "\r\n" + last_line + "\r\n";
    CHECK(asked.watch.take("[alpha] ~ # ") == "[alpha] ~ # ");
    CHECK(byte_by_byte(asked.watch, "\r\n" + answer + "[alpha] ~ # l").ends_with("l"));
    CHECK(byte_by_byte(asked.watch, "s\r\n[alpha] file\r\n") == "s\r\n[alpha] file\r\n");

    REQUIRE(asked.watch.keys(asked.now + 6s) == "\x1ds");
    CHECK(asked.watch.take("[alpha] ~ # ") == "[alpha] ~ # ");
    CHECK(asked.watch.take("\r\n" + answer).empty());
    CHECK(asked.watch.take("[beta] a line\r\n[alpha] ~ # ") == "\r\n[beta] a line\r\n[alpha] ~ # ");

    REQUIRE(asked.watch.keys(asked.now + 12s) == "\x1ds");
    CHECK(asked.watch.take("\r\n" + answer + "[alpha] ~ # ").empty()); // all of it, and no second prompt
    CHECK(asked.watch.take("\r\n") == "\r\n");
}

TEST_CASE("Statistics watch: nothing that was held back is lost") {
    Asked asked;
    CHECK(asked.watch.take("bulkhead: exits of").empty());
    CHECK(asked.watch.flush() == "bulkhead: exits of");
    CHECK(asked.watch.flush().empty());
}

TEST_CASE("Statistics watch: a file that cannot be written is a failure at once") {
    CHECK_THROWS_AS(StatisticsWatch("/no/such/folder/file.prom"), Failure);
}

TEST_CASE("Statistics watch: a device is written to, and stays") {
    const File link; // to one: nothing that others need may be lost where this fails
    std::filesystem::create_symlink("/dev/null", link.path);
    StatisticsWatch(link.path).write();
    CHECK(std::filesystem::is_symlink(link.path));
}

TEST_CASE("Statistics: a number that is too large, and a line that is no line of ours") {
    Statistics statistics;
    const std::string digits(40, '9');
    CHECK(statistics.take("bulkhead: exits of a vCPU " + digits + ": total 1, cpuid 1") == Statistics::Line::Vcpu);
    CHECK(statistics.take("bulkhead: exits of a vCPU 0: total " + digits + ", cpuid " + digits) ==
          Statistics::Line::Vcpu);
    CHECK(statistics.take("bulkhead: memory in use: " + digits + " KiB, and 8 KiB") == Statistics::Line::Memory);
    CHECK(statistics.take("bulkhead: exits of a vCPU 0: total 1, x\"y 7") == Statistics::Line::Vcpu);
    CHECK(statistics.text().find("x\"y") == std::string::npos);
    CHECK(statistics.take("bulkhead: guest a: running" + std::string(1 << 20, ' ')) == Statistics::Line::None);
}
