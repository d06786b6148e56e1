// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A configuration with every key, of which one line or some bytes are changed.
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "config/schema.hpp"
#include "loaded.hpp"

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

constexpr std::string_view complete = R"(schema = 1
[hypervisor]
console-port = 0x3f8
console-irq = 4
console-baud = 115200
service-cpu = 0
debug-needless-intercept = false
debug-faults = false
when-off = 'stay'
on-panic = 'reboot'
allow-split-cores = true
survey = false
screen = false
log = false
fallback = true
[[guest]]
name = 'a'
cpus = [1, 2]
cpus-share-cache = true
memory = '64 MiB'
rest = false
kernel = 'vmlinuz'
kernel-format = 'multiboot'
kernel-sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
initrd = 'initrd'
initrd-sha256 = 'E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855'
modules = ['initrd with words']
modules-sha256 = ['e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855']
cmdline = 'quiet'
autostart = false
on-crash = 'restart'
on-reboot = 'stop'
restart-limit = 3
restart-delay = 10
watchdog = 60
console-port = 0x2f8
console-irq = 3
)";

/// A key without one of its own line is one that nobody thought of here.
bool has_every_key() {
    bool all = true;
    const auto look = [&](const auto& keys) {
        for (const auto& key : keys)
            all = all && complete.contains("\n" + std::string(key.rule.name) + " = ");
    };
    look(hypervisor_keys);
    look(guest_keys);
    return all && complete.starts_with(std::string(root_keys[0].rule.name) + " = ");
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n') + 1;
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return lines;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines)
        text += line;
    return text;
}

bool faulty_in_line(const std::string& text, std::size_t line) {
    const Loaded loaded(text);
    for (const Diagnostic& diagnostic : loaded.loaded.diagnostics.all())
        if (diagnostic.at.line == line)
            return true;
    return false;
}

} // namespace

TEST_CASE("Configuration: every key mistyped, given twice, of another type, out of range, or without a value") {
    INFO(Loaded(complete).faults());
    REQUIRE(Loaded(complete).right);
    REQUIRE(has_every_key());
    const std::vector<std::string> lines = lines_of(complete);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::size_t equals = lines[i].find(" = ");
        if (equals == std::string::npos)
            continue;
        INFO(lines[i]);
        const std::string key = lines[i].substr(0, equals);
        const auto with = [&](const std::string& line) {
            std::vector<std::string> changed = lines;
            changed[i] = line;
            return joined(changed);
        };
        CHECK(faulty_in_line(with("x" + lines[i]), i + 1));
        CHECK(faulty_in_line(with(lines[i] + lines[i]), i + 2));
        CHECK(faulty_in_line(with(key + " = \n"), i + 1));
        CHECK(faulty_in_line(with(key + " = -1\n"), i + 1));
        CHECK(faulty_in_line(with(key + " = 9223372036854775807\n"), i + 1));
        CHECK(faulty_in_line(with(key + " = [[1]]\n"), i + 1));
        CHECK(faulty_in_line(with(key + " = \"\\u0001\"\n"), i + 1));
        // Without "initrd" or "modules" their digests have nothing to be of.
        const bool required =
            key == "name" || key == "memory" || key == "kernel" || key == "initrd" || key == "modules";
        CHECK(Loaded(with("")).right != required);
    }
}

TEST_CASE("Configuration: random bytes are refused in a line, or right") {
    std::mt19937 random(4711);
    for (int i = 0; i < 3000; ++i) {
        std::string text(complete);
        for (u32 n = 1 + random() % 4; n > 0; --n)
            text[random() % text.size()] = static_cast<char>(random());
        const Loaded loaded(text);
        CHECK(loaded.right == loaded.loaded.diagnostics.empty());
        for (const Diagnostic& diagnostic : loaded.loaded.diagnostics.all())
            if (diagnostic.at.line == 0 || diagnostic.message.empty())
                FAIL(text << loaded.faults());
    }
}
