// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The host command's sub-commands: what each takes, and what it does. Each add_*() is one sub-command.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace bulkhead::tools {

class Commands {
public:
    /// Returns the exit status.
    using Action = std::function<int()>;

    /// All of them, in `app`, which must outlive this.
    explicit Commands(CLI::App& app);
    Commands(const Commands&) = delete;
    Commands& operator=(const Commands&) = delete;

    /// Does what was parsed.
    [[nodiscard]] int run() const;

    /// For add_*(): `action` may be kept longer than the caller's frame.
    CLI::App* add(const std::string& name, const std::string& description);
    void on(const CLI::App* command, Action action) { actions_.push_back({command, std::move(action)}); }
    [[nodiscard]] CLI::App& app() const { return app_; }

private:
    struct Entry {
        const CLI::App* command;
        Action action;
    };
    CLI::App& app_;
    std::vector<Entry> actions_;
};

// commands_run.cpp
void add_demo(Commands& commands);
void add_run(Commands& commands);
void add_bench(Commands& commands);
void add_test(Commands& commands);
void add_fuzz(Commands& commands);
void add_coverage(Commands& commands);

// commands_manual.cpp
void add_help(Commands& commands);
void add_man(Commands& commands);
void add_completion(Commands& commands);

// commands_guest.cpp
void add_guest(Commands& commands);

// commands_configuration.cpp
void add_check(Commands& commands);
void add_reference(Commands& commands);
void add_image(Commands& commands);

// commands_probe.cpp
void add_probe(Commands& commands);

/// `--machine` of a sub-command; what is chosen is put into `machine`, empty where it was not given. `usual`: what is
/// taken then, for its help.
void add_machine_option(CLI::App* command, std::string& machine, const std::string& usual = "the best that works here");
/// A configuration as the sub-command's argument.
void add_configuration_argument(CLI::App* command, std::string& configuration);

} // namespace bulkhead::tools
