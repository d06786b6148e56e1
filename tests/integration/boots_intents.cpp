// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Configurations that say what they want, not where it is: the rest, shares; and those that say exactly where.
#include <fstream>
#include <iterator>

#include "config/sha256.hpp"
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

/// The digest of a guest that the build made; of nothing, where the boots are only listed before there is one.
std::string digest_of(const tools::ImageFile& file) {
    std::ifstream stream(file.source, std::ios::binary);
    const std::vector<u8> bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    Line<65> line;
    line << sha256(bytes);
    return std::string(line.view());
}

/// Two cores of two threads: the guests of the second core have one each, the rest is the first core.
Boot intents() {
    Boot boot;
    boot.name = "intents";
    boot.options.cpus = 4;
    boot.options.threads_per_core = 2;
    boot.options.memory_mib = 1024;
    boot.files = {own_guest("memory"), own_guest("hello"), own_guest("many")};
    boot.configuration = R"(schema = 1
[hypervisor]
allow-split-cores = true

[[guest]]
name = "everything-else"
rest = true
kernel = "many"
cmdline = "cpus=2"

[[guest]]
name = "ranged"
cpus = [2]
cpus-share-cache = true
memory = ["32 MiB at 0x18000000", "32 MiB at 320 MiB"]
kernel = "memory"
kernel-sha256 = ")" + digest_of(boot.files[0]) +
                         R"("

[[guest]]
name = "share"
cpus = [3]
memory = "10%"
kernel = "hello"
)";
    boot.cases = {
        {"ranges are where they should be",
         {line("^guest ranged: CPU 2 \\(APIC ID \\d+\\), 32 MiB at 0x18000000, 32 MiB at 0x14000000$"),
          line("^\\[ranged\\] PASS memory\\b"), never("\\[ranged\\] FAIL"), line(is_off("ranged", "powered off"))}},
        {"a share is of all there is",
         {line("^guest share: CPU 3 \\(APIC ID \\d+\\), (8|9)\\d MiB at "), line(is_off("share", "powered off"))}},
        {"the rest is all other cores and memory",
         {line("^guest everything-else: CPUs 0, 1 \\(APIC IDs \\d+, \\d+\\), \\d{2,3} MiB at "),
          line("^\\[everything-else\\] PASS many\\b"), line(is_off("everything-else", "powered off"))}},
        {"the hypervisor's work is done on a core of the rest",
         {line("^hypervisor: CPU 0 \\(APIC ID \\d+\\), shared with guest everything-else$")}},
        {"no guest is stopped", {never("stopped at RIP"), never("not started")}}};
    return boot;
}

/// The same file as two guests want it: for one it is another than it says.
Boot wrong_file() {
    const tools::ImageFile hello = own_guest("hello");
    const std::string digest = digest_of(hello);
    const std::string zeros(64, '0');
    const Guest right{.name = "right", .kernel = "hello", .more = "kernel-sha256 = \"" + digest + '"'};
    const Guest wrong{.name = "wrong", .kernel = "hello", .more = "kernel-sha256 = \"" + zeros + '"'};
    Boot boot = boot_of("wrong-file", {wrong, right}, {hello});
    boot.cases = {
        {"it is named, with both digests",
         {line("^bulkhead: guest wrong: the kernel 'hello' has the SHA-256 " + digest + ", not " + zeros +
               " \\(line \\d+\\)")}},
        {"its guest is not started",
         {line("^bulkhead: guest wrong not started: a file of it has another SHA-256 than the configuration says"),
          line(is_off("wrong", "failed")), never("^\\[wrong\\]")}},
        {"another guest is", {line("^\\[right\\] hello from a guest"), line(is_off("right", "powered off"))}}};
    return boot;
}

} // namespace

std::vector<Boot> intent_boots() { return {intents(), wrong_file()}; }

} // namespace bulkhead::integration
