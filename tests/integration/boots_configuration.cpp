// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Configurations and machines that cannot be used: every fault is reported at once, with its place, and no guest
// starts.
#include "integration/boot.hpp"
#include "tools/folders.hpp"

namespace bulkhead::integration {
namespace {

/// Line and column of the fault, then what the sentence must have.
Expectation error_at(unsigned line_number, const std::string& sentence) {
    return line("bulkhead\\.toml:" + std::to_string(line_number) + ":\\d+: error: .*" + sentence);
}

Boot faulty(const std::string& name, const std::string& configuration) {
    Boot boot;
    boot.name = name;
    boot.configuration = configuration;
    boot.files = {own_guest("hello")};
    boot.options.cpus = 4;
    boot.options.memory_mib = 1024;
    boot.until = "press a key to return";
    boot.cases = {{"no guest starts", {line("bulkhead: not started: \\d+ errors? in"), never("hello from a guest")}}};
    return boot;
}

Boot syntax() {
    Boot boot = faulty("syntax-error", "[[guest]]\nname = \"one\nkernel = hello\"\n");
    boot.cases.push_back({"it is reported with its place", {error_at(2, "no closing")}});
    return boot;
}

/// What the text alone tells, and what the files on the volume tell.
Boot contents() {
    Boot boot = faulty("configuration-errors", R"([[guest]]
name = "one"
cpus = [1]
memory = "64 MiB"
kernel = "hello"
colour = "blue"

[[guest]]
name = "one"
cpus = "two"
memory = "64 MiB"
kernel = "no-such-file"

[[guest]]
name = "three"
cpus = [1]
memory = "64 MiB"
kernel = "hello"
)");
    boot.cases.push_back({"an unknown key", {error_at(6, "no key 'colour'")}});
    boot.cases.push_back({"a name used twice", {error_at(9, "already is a guest 'one'")}});
    boot.cases.push_back({"a wrong type", {error_at(10, "'cpus' is .*, not a text")}});
    boot.cases.push_back({"a missing file", {error_at(12, "'no-such-file' cannot be read")}});
    boot.cases.push_back({"two guests on one core", {error_at(16, "CPU 1 already belongs to the guest 'one'")}});
    return boot;
}

/// What only the machine tells: it has 4 CPUs and 1 GiB, and CPUs 2 and 3 are threads of one core.
Boot machine() {
    Boot boot = faulty("machine-errors", R"([[guest]]
name = "siblings"
cpus = [2]
memory = "64 MiB"
kernel = "hello"

[[guest]]
name = "other"
cpus = [3]
memory = "64 MiB"
kernel = "hello"

[[guest]]
name = "no-such-cpu"
cpus = [9]
memory = "64 MiB"
kernel = "hello"

[[guest]]
name = "too-much-memory"
cpus = 1
memory = "64 GiB"
kernel = "hello"
)");
    boot.options.threads_per_core = 2;
    boot.cases.push_back({"two guests on sibling threads", {error_at(9, "sibling thread of CPU 2")}});
    boot.cases.push_back({"a CPU that is not there", {error_at(15, "no CPU 9")}});
    boot.cases.push_back({"more memory than there is", {error_at(22, "wants 64 GiB")}});
    return boot;
}

/// A CPU that cannot be used is named before any guest starts.
Boot no_virtualization() {
    Boot boot = boot_of("no-virtualization", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    boot.options.virtualization = false;
    const std::string refusal = "^bulkhead: not started: this machine cannot run guests: this CPU has no ";
    boot.until = refusal + ".* is 0\\)";
    boot.cases = {{"the hypervisor misses AMD-V",
                   {line(refusal + "AMD-V \\(CPUID 8000_0001h ECX\\.SVM is 0\\)")},
                   {tools::MachineKind::QemuAmd}},
                  {"the hypervisor misses VT-x",
                   {line(refusal + "VT-x \\(CPUID 1 ECX\\.VMX is 0\\)")},
                   {tools::MachineKind::BochsIntel}},
                  {"no guest starts", {never("hello from a guest")}}};
    return boot;
}

/// A configuration whose guest does not start is used once. Then the one before, which did, is, as long as nothing
/// better is on the stick.
Boot fallback() {
    const std::string good = configuration_of({{.name = "good", .kernel = "hello"}});
    const std::string bad = configuration_of({{.name = "bad", .kernel = "not-a-kernel"}});
    Boot boot = boot_of("fallback", {}, {own_guest("hello"), {"not-a-kernel", tools::build_folder() / "bulkhead.efi"}});
    boot.on = {tools::MachineKind::QemuAmd};
    boot.options.cpus = 2;
    boot.options.keeps_variables = true;
    const std::string large = "[[guest]]\nname = \"bad\"\nmemory = \"64 GiB\"\nkernel = \"hello\"\n";
    boot.earlier = {good, bad, bad, bad, large, ""};
    boot.configuration = "[[guest]]\nname = 1\n";
    const std::string works = "^bulkhead: all guests that start by themselves run: the firmware knows that this";
    const std::string instead = "^bulkhead: the last configuration that worked is used instead";
    const auto runs_good = std::vector{line(works), line(is_off("good", "powered off")), never("guest bad")};
    const auto tries_bad = std::vector{line(is_off("bad", "failed")), never(works), never(instead)};
    const auto and_says = [&](const std::string& why) {
        std::vector<Expectation> all = runs_good;
        all.push_back(lines_in_order({why, instead}));
        return all;
    };
    const auto qemu = boot.on;
    boot.cases = {
        {"the first run works", runs_good, qemu, "run 1"},
        {"a new configuration is tried", tries_bad, qemu, "run 2"},
        {"it failed, and the one before is used",
         and_says("^bulkhead: the boot before, with this configuration, did not"), qemu, "run 3"},
        {"the new one has another chance", tries_bad, qemu, "run 4"},
        {"one that asks for too much has none", and_says("^bulkhead: this configuration asks for what"), qemu, "run 5"},
        {"an empty file has none", and_says("^bulkhead: bulkhead.toml: the configuration is empty"), qemu, "run 6"},
        {"one with errors has none", and_says("^bulkhead.toml:2:8: error: |^bulkhead: this configuration has errors")},
    };
    return boot;
}

/// Nor does the one before work any more: what is said then is of that one, which is no file.
Boot fallback_fails() {
    Boot boot = boot_of("fallback-fails", {{.name = "good", .kernel = "hello"}}, {own_guest("hello")});
    boot.on = {tools::MachineKind::QemuAmd};
    boot.options.keeps_variables = true;
    boot.earlier = {boot.configuration};
    boot.configuration = "[[guest]]\nname = 1\n";
    boot.damages = {{.file = "hello", .is_absent = true}};
    boot.cases = {{"each error names the configuration that it is in",
                   {lines_in_order({"^bulkhead\\.toml:2:8: error: ", "^bulkhead: this configuration has errors",
                                    "^the last configuration that worked:\\d+:10: error: .*hello",
                                    "^bulkhead: not started: 1 error in the last configuration that worked$"})}}};
    boot.until = "press a key to return to the firmware";
    return boot;
}

/// A server has the configurations of many machines; each takes its own.
Boot network() {
    Boot boot = boot_of("network", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    const std::string uuid = "8d7e5f0a-3c21-4b6d-9e11-2a5c7f3b9d04";
    boot.on = {tools::MachineKind::QemuAmd};
    boot.options.network_root = "network";
    boot.options.uuid = uuid;
    boot.texts = {{"uuid-" + uuid + ".toml", boot.configuration},
                  {"uuid-" + std::string(uuid.rbegin(), uuid.rend()) + ".toml", "another machine's"}};
    boot.configuration = "who has no other";
    boot.cases = {{"its own configuration and its files come from the server",
                   {lines_in_order({"^bulkhead: fetching uuid-" + uuid + "\\.toml, ", "^bulkhead: fetching hello, ",
                                    "^bulkhead: hypervisor ", is_off("hello", "powered off")}),
                    line("^\\[hello\\] "), never("error:")}}};
    return boot;
}

/// The firmware fetches the stick's image by HTTP, and starts it from memory.
Boot http() {
    Boot boot = boot_of("http", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    boot.on = {tools::MachineKind::QemuAmd};
    boot.options.http_server = "busybox sh http_server.sh disk.img";
    boot.options.keeps_variables = true; // boot_option.hpp's
    boot.cases = {{"it starts from the image as from a stick",
                   {lines_in_order({"URI: http://10\\.0\\.2\\.100/disk\\.img", "^bulkhead: hypervisor ",
                                    is_off("hello", "powered off")}),
                    line("^\\[hello\\] "), never("error:")}}};
    return boot;
}

/// A medium for many machines: this one is told by its serial number, whose odd characters are '_'.
Boot serial_number() {
    Boot boot = boot_of("serial-number", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    boot.on = {tools::MachineKind::QemuAmd};
    boot.options.serial_number = "BOX 7/3.a";
    boot.texts = {{"serial-BOX_7_3.a.toml", boot.configuration}, {"serial-BOX_7_3.toml", "another machine's"}};
    boot.configuration = "who has no other";
    boot.cases = {{"its own configuration is read",
                   {line("^\\[hello\\] "), line(is_off("hello", "powered off")), never("error:")}}};
    return boot;
}

/// The hypervisor reaches the firmware's variables, on both vendors' CPUs.
Boot variables() {
    Boot boot = boot_of("variables", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    boot.cases = {{"the firmware is told that the configuration works",
                   {line("^bulkhead: all guests that start by themselves run: the firmware knows that this "
                         "configuration works \\(0x0\\)$"),
                    line("^\\[hello\\] "), never("cannot be told|cannot keep")}}};
    return boot;
}

/// A fault in the firmware's part of that costs nobody anything: the function is where the firmware has promised none.
Boot bad_variables() {
    const std::filesystem::path build = tools::build_folder();
    Boot boot = boot_of("bad-variables", {{.name = "hello", .kernel = "hello"}},
                        {own_guest("hello"), {"product.efi", build / "bulkhead.efi"}});
    boot.configuration.replace(boot.configuration.find("cpus = 1"), 8, "cpus = [0]"); // the call is made there
    boot.configuration = "[hypervisor]\nservice-cpu = 0\n\n" + boot.configuration;
    boot.efi = build / "bad_variables.efi";
    boot.cases = {
        {"the fault is named, and nobody is stopped",
         {lines_in_order({"^bulkhead: the firmware failed: #PF \\(0x10\\) at 0x",
                          "^bulkhead: all guests that start by themselves run: the firmware cannot be told "
                          "that this configuration works"}),
          line("^\\[hello\\] "), line(is_off("hello", "powered off")), never("stopped at RIP|this core stops")}}};
    return boot;
}

} // namespace

std::vector<Boot> configuration_boots() {
    return {syntax(),    contents(), machine(), no_virtualization(), fallback(),     fallback_fails(),
            variables(), network(),  http(),    serial_number(),     bad_variables()};
}

} // namespace bulkhead::integration
