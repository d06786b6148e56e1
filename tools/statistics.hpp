// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bulkhead::tools {

/// What the hypervisor says of its guests and vCPUs on the serial port, as text that Prometheus reads (exposition
/// format 0.0.4).
class Statistics {
public:
    /// Which line of the statistics it was.
    enum class Line { None, Guest, Vcpu, Memory };

    /// A whole line, without its end; other lines are None. Lines by which a guest ends are heeded too, and are None.
    Line take(const std::string& line);

    [[nodiscard]] std::string text() const;

private:
    struct Guest {
        std::string state;
        std::optional<unsigned long long> vcpus, memory_bytes, starts, running_seconds;
    };
    struct Vcpu {
        std::map<std::string, unsigned long long> exits; ///< by reason
        std::map<std::string, unsigned long long> others;
    };

    std::map<std::string, Guest> guests_;
    std::optional<unsigned long long> kept_kib_, split_kib_; ///< memory of the hypervisor's
    std::map<std::pair<std::string, unsigned>, Vcpu> vcpus_;
};

/// Asks the hypervisor for its statistics again and again, as a person would by keys, keeps them in a file, and leaves
/// out of a person's view what it asked for.
class StatisticsWatch {
public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::seconds interval{5};
    static constexpr std::chrono::seconds patience{10}; ///< for an answer

    /// Throws Failure if the file cannot be written. A regular file is replaced as a whole at each write(); a device or
    /// a pipe is written to.
    explicit StatisticsWatch(std::filesystem::path file);

    /// What came out of the serial port; returns what of it a person is to see now.
    std::string take(std::string_view bytes);
    /// What to type now: maybe nothing.
    std::string keys(Time now);
    /// Writes the file, whole or not at all.
    void write() const;
    /// To be asked now and then: what was held back, where nothing followed by which to tell what it is.
    std::string late(Time now);
    /// What was held back.
    std::string flush();

private:
    void take_line(std::string line);
    void decide();
    void show(std::string_view bytes);

    std::filesystem::path file_;
    Statistics statistics_;
    bool serving_ = false; ///< the hypervisor listens
    Time asked_at_{};
    bool awaited_ = false; ///< an answer, which ends with the line of memory
    std::string line_;     ///< the wire's, so far
    std::string screen_;   ///< the person's unfinished line
    std::string held_;     ///< may be part of an answer
    std::size_t seen_ = 0; ///< of `held_`, by late(),
    Time seen_at_{};       ///< then
    bool dropped_ = false; ///< an answer's line, behind the newline that `held_` begins with
    std::string shown_;    ///< by this call of take() or flush()
};

} // namespace bulkhead::tools
