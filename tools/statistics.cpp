// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/statistics.hpp"

#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

constexpr std::string_view own = "bulkhead: ";
/// Of a vCPU, and no count: in seconds, as Prometheus wants all times.
constexpr std::string_view hypervisor_time = "hypervisor microseconds";
constexpr std::string_view states[] = {"loaded", "running", "paused", "stopped", "failed"};

/// Much longer than any line of the hypervisor's. std::regex takes stack for each character.
constexpr std::size_t longest_line = 2048;

/// Of digits; the largest where it is larger.
unsigned long long number_of(const std::string& digits) { return std::strtoull(digits.c_str(), nullptr, 10); }

unsigned long long bytes_of(const std::string& number, const std::string& unit) {
    constexpr unsigned long long kib = 1024;
    return number_of(number) * (unit == "GiB" ? kib * kib * kib : unit == "MiB" ? kib * kib : unit == "KiB" ? kib : 1);
}

/// A counter's name as Prometheus wants it: "unknown MSRs" is unknown_msrs.
std::string metric_name(const std::string& words) {
    std::string name;
    for (const char c : words)
        name += std::isalnum(static_cast<unsigned char>(c)) != 0
                    ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                    : '_';
    return name;
}

/// Writes the samples of a metric below its description, which comes with the first.
class Metric {
public:
    Metric(std::ostream& out, std::string name, std::string_view type, std::string_view help)
        : out_(out), name_("bulkhead_" + std::move(name)), type_(type), help_(help) {}

    void add(const std::string& labels, const auto& value) {
        if (!begun_)
            out_ << "# HELP " << name_ << ' ' << help_ << "\n# TYPE " << name_ << ' ' << type_ << '\n';
        begun_ = true;
        out_ << name_ << (labels.empty() ? "" : '{' + labels + '}') << ' ' << value << '\n';
    }

private:
    std::ostream& out_;
    std::string name_;
    std::string_view type_, help_;
    bool begun_ = false;
};

std::string label(std::string_view name, std::string_view value) {
    return std::string(name) + "=\"" + std::string(value) + '"'; // no name of ours has a character to escape
}

} // namespace

Statistics::Line Statistics::take(const std::string& line) {
    static const std::regex vcpu("^bulkhead: exits of ([a-z0-9_-]+) vCPU (\\d+): total \\d+([^;]*)(.*)$");
    static const std::regex reason(", ([A-Za-z0-9 -]+) (\\d+)");
    static const std::regex other("; ([A-Za-z0-9 -]+) (\\d+)");
    static const std::regex guest("^bulkhead: guest ([a-z0-9_-]+): (loaded|running|paused|stopped|failed)\\b.*?, "
                                  "(\\d+) vCPUs?, (\\d+) (bytes|KiB|MiB|GiB), started (\\d+) times?"
                                  "(?:, last (\\d+) s ago)?");
    static const std::regex memory("^bulkhead: memory in use: (\\d+) KiB, and (\\d+) KiB");
    static const std::regex off("^bulkhead: guest ([a-z0-9_-]+) is off: (.*)$");
    const auto each = [](const std::string& text, const std::regex& pattern, auto& into) {
        for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i)
            into[(*i)[1]] = number_of((*i)[2]);
    };
    if (!line.starts_with(own) || line.size() > longest_line)
        return Line::None;
    std::smatch match;
    if (std::regex_search(line, match, vcpu)) {
        Vcpu& counters = vcpus_[{match[1], static_cast<unsigned>(number_of(match[2]))}];
        each(match[3], reason, counters.exits);
        each(match[4], other, counters.others);
        return Line::Vcpu;
    }
    if (std::regex_search(line, match, guest)) {
        const bool runs = match[7].matched;
        guests_[match[1]] = {.state = match[2],
                             .vcpus = number_of(match[3]),
                             .memory_bytes = bytes_of(match[4], match[5]),
                             .starts = number_of(match[6]),
                             .running_seconds = runs ? std::optional(number_of(match[7])) : std::nullopt};
        return Line::Guest;
    }
    if (std::regex_search(line, match, memory)) {
        kept_kib_ = number_of(match[1]);
        split_kib_ = number_of(match[2]);
        return Line::Memory;
    }
    if (std::regex_search(line, match, off)) {
        Guest& ended = guests_[match[1]];
        const std::string how = match[2];
        ended.state = how.starts_with("failed") ? "failed" : how == "destroyed" ? "loaded" : "stopped";
        ended.running_seconds.reset();
    }
    return Line::None;
}

std::string Statistics::text() const {
    std::ostringstream out;
    const auto guests = [&](const std::string& name, std::string_view type, std::string_view help, auto value) {
        Metric metric(out, name, type, help);
        for (const auto& [guest, is] : guests_)
            if (const std::optional<unsigned long long> number = value(is))
                metric.add(label("guest", guest), *number);
    };
    {
        Metric metric(out, "guest_state", "gauge", "1 for the state that the guest is in.");
        for (const auto& [guest, is] : guests_)
            for (const std::string_view state : states)
                metric.add(label("guest", guest) + ',' + label("state", state), is.state == state ? 1 : 0);
    }
    guests("guest_vcpus", "gauge", "Number of vCPUs.", [](const Guest& is) { return is.vcpus; });
    guests("guest_memory_bytes", "gauge", "Size of the guest's memory.",
           [](const Guest& is) { return is.memory_bytes; });
    guests("guest_restarts_total", "counter", "Starts but the first.", [](const Guest& is) {
        return is.starts ? std::optional(*is.starts == 0 ? 0 : *is.starts - 1) : std::nullopt;
    });
    guests("guest_running_seconds", "gauge", "Time since the last start, of one that runs.",
           [](const Guest& is) { return is.running_seconds; });

    const auto of_hypervisor = [&](const char* name, std::string_view help, std::optional<unsigned long long> kib) {
        if (kib)
            Metric(out, name, "gauge", help).add("", *kib * 1024);
    };
    of_hypervisor("memory_kept_bytes", "Memory that the hypervisor keeps.", kept_kib_);
    of_hypervisor("memory_split_bytes", "Tables of pages that were split, besides.", split_kib_);

    const auto labels = [](const auto& key) {
        return label("guest", key.first) + ',' + label("vcpu", std::to_string(key.second));
    };
    Metric exits(out, "vcpu_exits_total", "counter", "VM exits by reason.");
    std::map<std::string, std::map<std::pair<std::string, unsigned>, unsigned long long>> others;
    for (const auto& [key, counters] : vcpus_) {
        for (const auto& [reason, count] : counters.exits)
            exits.add(labels(key) + ',' + label("reason", reason), count);
        for (const auto& [name, count] : counters.others)
            others[name][key] = count;
    }
    Metric time(out, "vcpu_hypervisor_seconds_total", "counter",
                "Time spent in the hypervisor, between exit and entry.");
    for (const auto& [key, microseconds] : others[std::string(hypervisor_time)])
        time.add(labels(key), std::to_string(static_cast<double>(microseconds) / 1e6));
    others.erase(std::string(hypervisor_time));
    for (const auto& [name, counts] : others) {
        const std::string help = "What the hypervisor counts as " + name + ".";
        Metric metric(out, "vcpu_" + metric_name(name) + "_total", "counter", help);
        for (const auto& [key, count] : counts)
            metric.add(labels(key), count);
    }
    return out.str();
}

StatisticsWatch::StatisticsWatch(std::filesystem::path file) : file_(std::move(file)) { write(); }

void StatisticsWatch::write() const {
    std::error_code error;
    // A device or a pipe gets the text itself: a file that took its name would be in everybody's way.
    const bool replaces = !std::filesystem::exists(file_, error) || std::filesystem::is_regular_file(file_, error);
    const std::filesystem::path next = replaces ? file_.string() + ".new" : file_.string();
    std::ofstream out(next, std::ios::binary);
    out << statistics_.text();
    out.close();
    error.clear();
    if (out && replaces)
        std::filesystem::rename(next, file_, error);
    if (!out || error)
        throw Failure("cannot write " + file_.string());
}

std::string StatisticsWatch::keys(Time now) {
    if (awaited_ && now - asked_at_ > patience)
        awaited_ = false;
    if (!serving_ || awaited_ || now - asked_at_ < interval)
        return "";
    write();
    asked_at_ = now;
    awaited_ = true;
    return "\x1ds"; // Ctrl-] s
}

std::string StatisticsWatch::take(std::string_view bytes) {
    for (const char c : bytes) {
        held_ += c;
        if (c == '\n')
            take_line(std::exchange(line_, ""));
        else if (c != '\r')
            line_ += c;
        decide();
    }
    return std::exchange(shown_, "");
}

std::string StatisticsWatch::late(Time now) {
    constexpr std::chrono::seconds long_enough(1);
    if (awaited_ || held_.size() != seen_) {
        seen_ = held_.size();
        seen_at_ = now;
    }
    return now - seen_at_ > long_enough ? flush() : "";
}

std::string StatisticsWatch::flush() {
    dropped_ = false;
    show(std::exchange(held_, ""));
    return std::exchange(shown_, "");
}

/// Of the machine's life: it listens from its first guest on, and no more when it is about to end.
void StatisticsWatch::take_line(std::string line) {
    if (line.starts_with("bulkhead: boot: "))
        serving_ = true;
    if (line.starts_with("bulkhead: all guests are off: ") || line.starts_with("bulkhead: hypervisor "))
        serving_ = false;
    const Statistics::Line kind = statistics_.take(line);
    if (!awaited_ || kind == Statistics::Line::None)
        return;
    // It ends what `held_` has; before it is at most the newline that ended somebody's prompt.
    const bool newline = !screen_.empty() && held_.starts_with("\r\n");
    held_ = newline ? "\r\n" : "";
    dropped_ = newline;
    awaited_ = kind != Statistics::Line::Memory;
}

/// Shows what is held back once it cannot be part of an answer any more.
void StatisticsWatch::decide() {
    if (held_.empty() || (!awaited_ && !dropped_))
        return show(std::exchange(held_, ""));
    std::string_view body = held_;
    if (!screen_.empty()) {
        if (std::string_view("\r\n").starts_with(body))
            return;
        if (body.starts_with("\r\n"))
            body.remove_prefix(2);
        else
            body = {}; // the line goes on
    }
    const auto may_be = [&](std::string_view beginning) {
        return beginning.starts_with(body.substr(0, beginning.size()));
    };
    if (!body.empty() && awaited_ && may_be(own) && !body.ends_with('\n'))
        return;
    if (!body.empty() && dropped_ && may_be(screen_)) {
        // The unfinished line comes again behind the answer that it was ended for: to the person it has not ended.
        if (body.size() < screen_.size())
            return;
        held_ = body.substr(screen_.size());
    }
    dropped_ = false;
    show(std::exchange(held_, ""));
}

void StatisticsWatch::show(std::string_view bytes) {
    shown_ += bytes;
    const std::size_t end = bytes.rfind('\n');
    if (end == std::string_view::npos)
        screen_ += bytes;
    else
        screen_ = bytes.substr(end + 1);
}

} // namespace bulkhead::tools
