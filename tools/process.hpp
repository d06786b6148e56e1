// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace bulkhead::tools {

using Command = std::vector<std::string>;

/// A file descriptor that is closed with its owner.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { reset(); }

    [[nodiscard]] int get() const { return number_; }
    [[nodiscard]] int release();
    void reset();

private:
    int number_ = -1;
};

/// A pseudo-terminal through which every byte goes as it is. Its other end stays open, whoever comes and goes there.
struct Terminal {
    Terminal();
    Descriptor ours;
    Descriptor theirs;
    std::string name; ///< of the other end, a file
};

struct Outcome {
    int status = 0;     ///< exit status; 128 + n when signal n ended it
    std::string output; ///< standard output and standard error
};

/// Runs `command` to its end, without input. Throws std::system_error if it cannot be started.
/// \param environment "NAME=value" entries that are added to this process's own
[[nodiscard]] Outcome run(const Command& command, const Command& environment = {});

/// Throws Failure with the command's output when its status is not 0.
void require_success(const Command& command, const Outcome& outcome);

/// As run(), but with require_success().
void run_or_throw(const Command& command, const Command& environment = {});

/// A command that we write to and read from. It is killed with its owner.
class Child {
public:
    enum class Streams {
        Pipes,    ///< its standard input and output
        Terminal, ///< its standard input is a terminal in raw mode, for both directions; its standard output is lost
    };
    /// The first of its ports; the others follow.
    static constexpr int first_port = 4;
    /// Standard error goes to the file `errors`. `ports`: so many further terminals in raw mode, for both directions.
    Child(const Command& command, Streams streams, const std::filesystem::path& errors, std::size_t ports);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    [[nodiscard]] int output() const { return output_.get(); }
    /// Writes all of `bytes`, or as much as the child takes before it ends.
    void write(std::string_view bytes);
    /// Of the port of this index: to be read from.
    [[nodiscard]] int port(std::size_t index) const { return ports_[index].ours.get(); }
    void write_to_port(std::size_t index, std::string_view bytes);
    /// SIGTERM, then SIGKILL after `patience`.
    void terminate(std::chrono::milliseconds patience = std::chrono::seconds(5));
    /// Waits for its end; the status as in Outcome.
    int wait();

private:
    [[nodiscard]] std::optional<int> poll();
    void start_with_pipes(const Command& command, int errors);
    void start_with_terminal(const Command& command, int errors);

    pid_t pid_ = -1;
    Descriptor input_;
    Descriptor output_;
    std::vector<Terminal> ports_;
    std::optional<int> status_;
};

} // namespace bulkhead::tools
