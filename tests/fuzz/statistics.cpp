// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any bytes on the serial port of a machine whose statistics are wanted: what a person sees of them is in their order,
// and what is counted is text that Prometheus reads.
#include "tools/statistics.hpp"
#include <unistd.h>

#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

/// A way to /dev/null that may be replaced: the statistics' file is, by a new one, if it is a file.
struct Nowhere {
    std::filesystem::path link =
        std::filesystem::temp_directory_path() / ("fuzz-statistics-" + std::to_string(getpid()));
    Nowhere() {
        std::filesystem::remove(link);
        std::filesystem::create_symlink("/dev/null", link);
    }
    ~Nowhere() { std::filesystem::remove(link); }
};

/// Every line is a comment, or a name, labels and a number.
void check_text(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        require(end != std::string::npos, "a line without its end");
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (line.starts_with("# "))
            continue;
        const std::size_t blank = line.rfind(' ');
        require(line.starts_with("bulkhead_") && blank != std::string::npos, "a sample without a name");
        require(line.find_first_not_of("0123456789.e+-", blank + 1) == std::string::npos, "a sample without a number");
    }
}

} // namespace

void fuzz::try_input(Bytes input) {
    const std::string_view text = text_of(input);
    tools::Statistics statistics;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        static_cast<void>(statistics.take(std::string(text.substr(at, end - at))));
        at = end + 1;
    }
    check_text(statistics.text());
    static const Nowhere nowhere;
    tools::StatisticsWatch watch(nowhere.link);
    std::string shown;
    auto now = tools::StatisticsWatch::Time{} + std::chrono::hours(1);
    for (std::size_t at = 0; at < text.size(); at += 7) {
        shown += watch.take(text.substr(at, 7));
        static_cast<void>(watch.keys(now));
        shown += watch.late(now);
        now += std::chrono::seconds(1);
    }
    shown += watch.flush();
    // Nothing is made up: what is shown is a part of what came, in its order.
    std::size_t from = 0;
    for (const char c : shown) {
        from = text.find(c, from);
        require(from != std::string_view::npos, "something was made up");
        ++from;
    }
}

std::vector<fuzz::Seed> fuzz::seeds() {
    return {seed_of("bulkhead: boot: 1 ticks since efi_main\r\n"
                    "bulkhead: guest alpha: running, 2 vCPUs, 512 MiB, started 3 times, last 14 s ago\r\n"
                    "bulkhead: exits of alpha vCPU 0: total 65, cpuid 7, second-stage-fault 58\r\n"
                    "[alpha] login: bulkhead: memory in use: 2668 KiB, and 8 KiB of tables\r\n"),
            seed_of("bulkhead: boot: 2 ticks\r\n[beta] x\r\n"
                    "bulkhead: guest beta: stopped, restarts soon, 1 vCPUs, 1 GiB, started 1 times\n"
                    "bulkhead: exits of beta vCPU 1: total 1, io 1; hypervisor microseconds 45; unknown MSRs 2; "
                    "IPIs dropped 3\r\nbulkhead: memory in use: 1 KiB, and 8 KiB of tables\r\n"
                    "bulkhead: guest beta is off: failed\nbulkhead: all guests are off: powering off\r\n")};
}

} // namespace bulkhead
