// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/bench.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>
#include <unistd.h>

#include "tools/bench/growth.hpp"
#include "tools/bench/linux.hpp"
#include "tools/bench/operations.hpp"
#include "tools/bench/result.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/process.hpp"
#include "version.hpp"

namespace bulkhead::tools {
namespace {

void append(auto& to, const auto& what) { to.insert(to.end(), what.begin(), what.end()); }

constexpr std::string_view standard_output = "-";

/// While it lives, what is printed goes to the standard error where a file of the plan's is the standard output.
class Messages {
public:
    explicit Messages(const BenchPlan& plan) {
        if (plan.json == standard_output || plan.svg == standard_output)
            std::cout.rdbuf(std::cerr.rdbuf());
    }
    Messages(const Messages&) = delete;
    Messages& operator=(const Messages&) = delete;
    ~Messages() { std::cout.rdbuf(output_); }

    [[nodiscard]] std::streambuf* output() const { return output_; }

private:
    std::streambuf* const output_ = std::cout.rdbuf();
};

std::filesystem::path full_path(const std::string& file) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(file));
}

/// Before the run, which takes long.
void check_writable(const std::string& file) {
    if (file.empty() || file == standard_output)
        return;
    const std::filesystem::path path(file), folder = std::filesystem::absolute(path).parent_path();
    if (std::filesystem::is_directory(path))
        errno = EISDIR;
    else if (access((std::filesystem::exists(path) ? path : folder).c_str(), W_OK) == 0)
        return;
    throw Failure("cannot write '" + file + "': " + std::strerror(errno));
}

void write(const std::string& file, const std::string& text, const Messages& messages) {
    if (file.empty())
        return;
    if (file == standard_output) {
        std::ostream(messages.output()) << text << std::flush;
        return;
    }
    std::ofstream out(file);
    if (!(out << text << std::flush))
        throw Failure("cannot write '" + file + "'");
    std::cout << "bench: written: " << file << '\n';
}

/// Of the resident hypervisor, as a test counts them.
Figure code_lines() {
    constexpr long long most = 12000;
    const Outcome outcome = run({"bash", (source_folder() / "tests/integration/code_lines.sh").string(),
                                 source_folder().string(), std::to_string(most)});
    std::smatch match;
    if (!std::regex_search(outcome.output, match, std::regex("resident (\\d+) code lines")))
        throw Failure("the code lines are not counted:\n" + outcome.output);
    return {"code-lines", "code lines of the resident hypervisor", std::stoll(match[1]), most};
}

} // namespace

int run_benchmark(MachineKind machine, const BenchPlan& plan) {
    if (machine == MachineKind::Kvm)
        throw Failure("instructions are counted in emulated machines only: bench does not run on kvm", 2);
    if (machine != MachineKind::QemuAmd && (plan.linux_guest || plan.growth))
        throw Failure("--linux and --growth are measured on qemu-amd only", 2);
    if (!plan.json.empty() && !plan.svg.empty() && full_path(plan.json) == full_path(plan.svg))
        throw Failure("--json and --svg cannot both be " +
                          (plan.json == standard_output ? "the standard output" : "'" + plan.json + "'"),
                      2);
    check_writable(plan.json);
    check_writable(plan.svg);
    const Messages messages(plan);
    const ResultFolder results(build_folder() / "bench");
    const std::filesystem::path& folder = results.path();
    std::cout << "bench: booting on " << name_of(machine) << ", where a tick of the TSC is an instruction" << std::endl;
    BenchResult result{std::string(version), std::string(name_of(machine)), measure_operations(machine, folder)};
    std::vector<std::string> wrong = missing_operations(result.figures);
    result.figures.push_back(code_lines());
    if (plan.linux_guest)
        append(result.figures, measure_linux(folder / "linux"));
    if (plan.growth) {
        const Growth growth = measure_growth(folder / "growth");
        append(result.figures, growth.figures);
        append(wrong, growth.wrong);
    }
    std::cout << '\n' << to_text(result, latest_result(source_folder() / "bench", result.machine)) << std::endl;
    write(plan.json, to_json(result), messages);
    write(plan.svg, to_svg(result), messages);
    for (const Figure& each : result.figures)
        if (each.is_over())
            wrong.push_back("over its budget: " + each.what);
    for (const std::string& what : wrong)
        std::cout << "bench: FAILED: " << what << '\n';
    return wrong.empty() ? 0 : 1;
}

} // namespace bulkhead::tools
