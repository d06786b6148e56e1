// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/fuzz.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <poll.h>
#include <set>
#include <unistd.h>

#include "tools/ending_signals.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/process.hpp"

namespace bulkhead::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t standard_seconds = 60;
constexpr std::chrono::seconds between_reports{10};
constexpr std::uintmax_t most_bytes_of_corpus = 64 * 1024, most_files_of_corpus = 200; ///< as tests/fuzz/corpus.sh asks

/// A line of the file that the build writes (tests/fuzz/CMakeLists.txt).
struct Target {
    std::string name;
    std::string dictionary; ///< "-": none
    std::string longest;    ///< input, in bytes
};

struct Row {
    std::string name;
    FuzzResult result;
    double seconds = 0;
    bool failed = false;
};

fs::path programs() { return build_folder() / "tests/fuzz"; }
fs::path results() { return build_folder() / "fuzz"; }
fs::path program_of(const Target& target) { return programs() / ("fuzz_" + target.name); }
/// In the repository.
fs::path corpus_of(const Target& target) { return source_folder() / "tests/fuzz/corpus" / target.name; }

std::vector<Target> all_targets() {
    std::ifstream list(programs() / "targets");
    std::vector<Target> targets;
    for (Target target; list >> target.name >> target.dictionary >> target.longest;)
        targets.push_back(target);
    if (targets.empty())
        throw Failure("there are no targets in " + programs().string() + ": run ./bulkhead fuzz, which builds them");
    return targets;
}

std::vector<Target> chosen_targets(const std::vector<std::string>& names) {
    const std::vector<Target> all = all_targets();
    std::vector<Target> chosen;
    for (const std::string& name : names) {
        const auto found = std::ranges::find(all, name, &Target::name);
        if (found == all.end()) {
            std::string known;
            for (const Target& target : all)
                known += ' ' + target.name;
            throw Failure("there is no target '" + name + "', but these:" + known, 2);
        }
        chosen.push_back(*found);
    }
    return names.empty() ? all : chosen;
}

Command command_for(const Target& target, const FuzzArguments& arguments) {
    const fs::path corpus = results() / target.name;
    fs::create_directories(corpus);
    Command command{program_of(target),
                    "-artifact_prefix=" + (results() / ("failed-" + target.name + "-")).string(),
                    "-print_final_stats=1",
                    "-max_len=" + target.longest,
                    "-rss_limit_mb=4096",
                    "-timeout=20"};
    if (target.dictionary != "-")
        command.push_back("-dict=" + target.dictionary);
    if (arguments.runs != 0)
        command.push_back("-runs=" + std::to_string(arguments.runs));
    const std::uint64_t seconds = arguments.runs == 0 && arguments.seconds == 0 ? standard_seconds : arguments.seconds;
    if (seconds != 0)
        command.push_back("-max_total_time=" + std::to_string(seconds));
    command.push_back(corpus);
    command.push_back(programs() / "seeds" / target.name);
    if (fs::exists(corpus_of(target)))
        command.push_back(corpus_of(target));
    return command;
}

/// The fewest inputs that reach each place which the made seeds do not reach, of those that runs here have found and of
/// the corpus that there is. Where they are too much for a repository the largest are left out.
void renew_corpus(const Target& target) {
    const TemporaryFolder folder;
    const fs::path merged = folder.path() / "merged", corpus = corpus_of(target);
    fs::create_directories(corpus);
    run_or_throw({program_of(target), "--write-seeds=" + merged.string()});
    std::set<fs::path> made;
    for (const auto& file : fs::directory_iterator(merged))
        made.insert(file.path());
    run_or_throw({program_of(target), "-set_cover_merge=1", "-use_counters=0", "-max_len=" + target.longest,
                  "-rss_limit_mb=4096", "-timeout=20", merged, results() / target.name, corpus});
    std::set<std::pair<std::uintmax_t, fs::path>> found; // the smallest first
    for (const auto& file : fs::directory_iterator(merged))
        if (!made.contains(file.path()))
            found.emplace(file.file_size(), file.path());
    const fs::path beside = results() / ("corpus-" + target.name); // what there is goes when the other is complete
    fs::remove_all(beside);
    fs::create_directories(beside);
    std::uintmax_t files = 0, bytes = 0;
    for (const auto& [size, file] : found) {
        if (bytes + size > most_bytes_of_corpus || files == most_files_of_corpus)
            break;
        fs::copy_file(file, beside / file.filename());
        bytes += size;
        ++files;
    }
    fs::remove_all(corpus);
    fs::rename(beside, corpus);
    std::cout << target.name << ": its corpus has " << files << " files, " << bytes << " bytes; "
              << found.size() - files << " are left out" << std::endl;
}

std::string text_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Waits until the target has ended, and says now and then how far it is. Throws Failure when a signal has come.
int follow(Child& child, const EndingSignals& signals, const std::string& name, const fs::path& log) {
    for (auto reported = Clock::now();;) {
        pollfd waiting[] = {{child.output(), POLLIN, 0}, {signals.descriptor(), POLLIN, 0}};
        static_cast<void>(poll(waiting, std::size(waiting), 1000));
        signals.check();
        char ignored[256];
        if (waiting[0].revents != 0 && read(child.output(), ignored, sizeof ignored) <= 0)
            return child.wait();
        if (Clock::now() - reported < between_reports)
            continue;
        reported = Clock::now();
        const FuzzResult so_far = read_fuzz_log(text_of(log));
        std::cout << name << ": " << so_far.executions << " executions, " << so_far.reached << " places reached"
                  << std::endl;
    }
}

Row run_target(const Target& target, const FuzzArguments& arguments, const EndingSignals& signals,
               std::vector<Row>& rows) {
    const fs::path log = results() / (target.name + ".log");
    const auto start = Clock::now();
    Row row{.name = target.name, .result = {}};
    const auto finish = [&] {
        row.result = read_fuzz_log(text_of(log));
        row.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    };
    std::cout << target.name << ": begins, log " << log.string() << std::endl;
    try {
        Child child(command_for(target, arguments), Child::Streams::Pipes, log, 0);
        row.failed = follow(child, signals, target.name, log) != 0;
    } catch (const Failure&) {
        finish();
        rows.push_back(row);
        throw;
    }
    finish();
    if (row.failed)
        std::cout << target.name << ": failed, "
                  << (row.result.finding.empty() ? "see " + log.string() : "by the input " + row.result.finding)
                  << std::endl;
    return row;
}

/// Returns how many executions there were.
std::uint64_t print_table(const std::vector<Row>& rows) {
    std::uint64_t executions = 0;
    std::printf("\n%-16s %12s %12s %8s  %s\n", "target", "executions", "per second", "reached", "found");
    for (const Row& row : rows) {
        std::printf("%-16s %12llu %12.0f %8llu  %s\n", row.name.c_str(),
                    static_cast<unsigned long long>(row.result.executions),
                    static_cast<double>(row.result.executions) / std::max(row.seconds, 0.001),
                    static_cast<unsigned long long>(row.result.reached),
                    !row.failed                  ? "nothing"
                    : row.result.finding.empty() ? "it failed"
                                                 : row.result.finding.c_str());
        executions += row.result.executions;
    }
    std::printf("%-16s %12llu\n", "together", static_cast<unsigned long long>(executions));
    std::fflush(stdout);
    return executions;
}

} // namespace

int run_fuzz(const FuzzArguments& arguments) {
    const std::vector<Target> targets = chosen_targets(arguments.targets);
    const ResultFolder folder(results());
    static_cast<void>(nice(10));
    const EndingSignals signals;
    std::vector<Row> rows;
    try {
        for (const Target& target : targets) {
            rows.push_back(run_target(target, arguments, signals, rows));
            if (arguments.renews_corpus && !rows.back().failed)
                renew_corpus(target);
        }
    } catch (const Failure&) {
        print_table(rows);
        throw;
    }
    if (print_table(rows) < arguments.least)
        throw Failure("fewer executions than the " + std::to_string(arguments.least) + " that --least asks for");
    return std::ranges::any_of(rows, &Row::failed) ? 1 : 0;
}

} // namespace bulkhead::tools
