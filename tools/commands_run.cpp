// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Sub-commands that boot emulated machines.
#include <memory>
#include <thread>
#include <unistd.h>

#include "tools/bench/bench.hpp"
#include "tools/commands.hpp"
#include "tools/coverage.hpp"
#include "tools/demo.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/fuzz.hpp"
#include "tools/machine.hpp"
#include "tools/process.hpp"
#include "tools/run.hpp"

namespace bulkhead::tools {
namespace {

struct RunArguments {
    std::string configuration;
    std::string machine;
    std::string statistics;
    MachineOptions options{.cpus = 0, .memory_mib = 0};
};

struct BenchArguments {
    std::string machine;
    BenchPlan plan;
};

/// Replaces this process. Returns only by throwing.
[[noreturn]] void execute(Command& command) {
    std::vector<char*> pointers;
    for (std::string& argument : command)
        pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    execvp(pointers.front(), pointers.data());
    throw Failure("cannot start " + command.front());
}

/// Replaces this process by ctest, whose summary is the end of the output.
int test(const std::vector<std::string>& arguments) {
    Command command{"ctest",        "--test-dir",
                    build_folder(), "--output-on-failure",
                    "-j",           std::to_string(std::max(1u, std::thread::hardware_concurrency()))};
    command.insert(command.end(), arguments.begin(), arguments.end());
    execute(command);
}

} // namespace

void add_demo(Commands& commands) {
    const auto machine = std::make_shared<std::string>();
    CLI::App* command = commands.add("demo", "Boot two Debian guests side by side, and see that they work");
    add_machine_option(command, *machine);
    commands.on(command, [machine] { return run_demo(choose_machine(*machine)); });
}

void add_run(Commands& commands) {
    const auto arguments = std::make_shared<RunArguments>();
    CLI::App* command = commands.add("run", "Boot a configuration, with this terminal as its serial console");
    add_configuration_argument(command, arguments->configuration);
    add_machine_option(command, arguments->machine);
    command->add_option("--cpus", arguments->options.cpus,
                        "CPUs of the machine; default: one more than the configuration needs");
    command->add_option("--memory", arguments->options.memory_mib,
                        "MiB of the machine; default: what the guests need and 768");
    command->add_option("--stats", arguments->statistics,
                        "file for the guests' states and counters, as text for Prometheus, renewed every few seconds");
    command->footer(std::string(keys_help) +
                    "\nExit status: 0, the machine powered off, or you ended it; 1, a guest failed or could not be "
                    "started, or the\n"
                    "machine failed; 2, wrong usage; 128 and a signal's number, that signal ended it.");
    commands.on(command, [arguments] {
        return run_configuration(arguments->configuration, choose_machine(arguments->machine), arguments->options,
                                 arguments->statistics);
    });
}

void add_bench(Commands& commands) {
    const auto arguments = std::make_shared<BenchArguments>();
    CLI::App* command = commands.add("bench", "Count the instructions of a boot and of each kind of exit");
    add_machine_option(command, arguments->machine, "qemu-amd");
    command->add_flag("--linux", arguments->plan.linux_guest,
                      "a stock Linux, too, bare and as a guest: takes a quarter of an hour");
    command->add_flag("--growth", arguments->plan.growth,
                      "boots with more and more CPUs, guests and memory, too: takes half an hour and 17 GiB");
    const auto add_file = [&](const std::string& name, std::string& file, const std::string& what) {
        command
            ->add_option_function<std::string>(
                name, [&file](const std::string& given) { file = given.empty() ? "-" : given; }, what)
            ->type_name("[FILE]")
            ->expected(0, 1);
    };
    add_file("--json", arguments->plan.json, "file for the figures, as bench/ has them of each release");
    add_file("--svg", arguments->plan.svg, "file for a picture of them beside other hypervisors'");
    command->footer(
        "The counts are exact and repeat. docs/performance.md says what they are and what they leave out; other "
        "hypervisors'\n"
        "are of the same work, counted in the same way. Each figure is compared with the latest release's.\n"
        "Without a name, --json or --svg is the standard output, and all else goes to the standard error.\n"
        "Exit status: 1 when something is over its budget, or was not measured.");
    commands.on(command, [arguments] {
        return run_benchmark(choose_machine(arguments->machine.empty() ? "qemu-amd" : arguments->machine),
                             arguments->plan);
    });
}

void add_test(Commands& commands) {
    CLI::App* command = commands.add("test", "Run every test; further arguments go to ctest, as -R REGEX");
    command->prefix_command();
    commands.on(command, [command] { return test(command->remaining()); });
}

void add_coverage(Commands& commands) {
    const auto least = std::make_shared<double>(90);
    CLI::App* command = commands.add("coverage", "Say which part of their code unit tests and fuzz targets reach");
    command->add_option("--least", *least, "percent of all lines; default: 90");
    command->footer("It builds them once more, in build/coverage.\nExit status: 1 when it is less.");
    commands.on(command, [least] { return run_coverage(*least); });
}

void add_fuzz(Commands& commands) {
    const auto arguments = std::make_shared<FuzzArguments>();
    const auto positive = CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000});
    CLI::App* command = commands.add("fuzz", "Try random input on everything that takes bytes from outside");
    command->add_option("--target", arguments->targets,
                        "one of them, as tests/fuzz has it; again for more; default: all");
    command->add_option("--runs", arguments->runs, "inputs of each target; default: as many as there is time for")
        ->check(positive);
    command->add_option("--time", arguments->seconds, "seconds for each target; default: 60, if --runs is not given")
        ->check(positive);
    command->add_option("--least", arguments->least, "inputs of all targets together; default: any number")
        ->check(positive);
    command->add_flag("--renew-corpus", arguments->renews_corpus,
                      "then write the fewest of the inputs found that reach all that they reach to tests/fuzz/corpus");
    command->footer(
        "An input that fails is kept as build/fuzz/failed-*: build/tests/fuzz/fuzz_TARGET FILE repeats it.\n"
        "Exit status: 1 when one has failed, or when --least were not reached.");
    commands.on(command, [arguments] { return run_fuzz(*arguments); });
}

} // namespace bulkhead::tools
