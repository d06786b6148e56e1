// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Faults, injected while a machine boots and while it runs: docs/faults.md has the table of all.
#include "integration/boot.hpp"
#include "integration/nmi_walk.hpp"
#include "integration/run_time_faults.hpp"

namespace bulkhead::integration {
namespace {

constexpr auto restarts_twice = "on-crash = \"restart\"\nrestart-limit = 2\nrestart-delay = 100";

/// A guest on these CPUs.
std::string on_cpus(const std::string& list, Guest guest) {
    std::string text = configuration_of({std::move(guest)});
    return text.replace(text.find("cpus = "), text.find("\nmemory") - text.find("cpus = "), "cpus = [" + list + "]");
}

/// NMIs before each instruction between an exit and the next entry: none is lost, the guest does not notice.
Boot nmi_everywhere() {
    Boot boot = boot_of("nmi-everywhere", {}, {own_guest("exits")});
    boot.configuration = on_cpus("1", {.name = "exits", .kernel = "exits"});
    boot.options.cpus = 2;
    boot.quiet = std::chrono::seconds(600);
    boot.on = {tools::MachineKind::QemuAmd};
    const std::string ready = "^\\[exits\\] one exit after the other";
    boot.looks = {{.name = "walk", .after = ready, .instead = walk_with_nmi}};
    boot.typing = {{ready, "\x1dmshutdown exits\r"}};
    boot.cases = {{"the guest does not notice",
                   {line("^\\[exits\\] PASS exits: \\d+ rounds"), never("FAIL|stopped|hypervisor: #"),
                    line(is_off("exits", "powered off"))}},
                  {"each NMI is taken",
                   {number("^NMIs before (\\d+) of \\1 instructions, taken \\1$", 1000, 100'000)},
                   everywhere,
                   "outside walk"}};
    return boot;
}

/// The same on VT-x, which does not hold NMIs back: the handler runs between any two instructions of the hypervisor.
Boot nmi_everywhere_on_bochs() {
    Boot boot = boot_of("nmi-everywhere-in-bochs", {}, {own_guest("exits")});
    boot.configuration = on_cpus("1, 2", {.name = "exits", .kernel = "exits"});
    boot.options.cpus = 3;
    boot.options.debugger = first_breakpoint_of_walk();
    boot.quiet = std::chrono::seconds(600);
    boot.on = {tools::MachineKind::BochsIntel};
    const std::string ready = "^\\[exits\\] one exit after the other";
    boot.looks = {{.name = "walk", .after = ready, .instead = walk_with_nmi_on_bochs}};
    boot.typing = {{ready, "\x1dmshutdown exits\r"}};
    boot.cases = {{"the guest does not notice",
                   {line("^\\[exits\\] PASS exits: \\d+ rounds"), never("FAIL|stopped|hypervisor: #"),
                    line(is_off("exits", "powered off"))}},
                  {"an NMI comes before each instruction",
                   {number("NMIs before (\\d+) of \\1 of the hypervisor's$", 1000, 100'000)},
                   everywhere,
                   "outside walk"}};
    return boot;
}

/// VM entries that the CPU refuses, a machine check, and two faults of the hypervisor's own at the same moment.
Boot run_time_faults() {
    Boot boot = boot_of("run-time-faults", {}, {own_guest("exits"), own_guest("neighbour")});
    boot.configuration = on_cpus("6", {.name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=3"});
    for (const std::string name : {"asid", "efer", "fetch", "opcode", "check"})
        boot.configuration += on_cpus(std::to_string(boot.options.cpus++), {.name = name, .kernel = "exits"});
    ++boot.options.cpus;
    boot.on = {tools::MachineKind::QemuAmd};
    boot.looks = {{.name = "damage",
                   .after = "^bulkhead: all guests that start by themselves run",
                   .instead = damage_running_guests}};
    const auto refused = [](const std::string& guest) {
        const std::string own = "^bulkhead: guest " + guest;
        return Case{"the CPU refuses to enter " + guest,
                    {lines_in_order({own + " vCPU 0 stopped at RIP 0x[0-9a-f]{16}: the CPU refused the guest's state "
                                           "\\(0xffffffffffffffff\\)",
                                     own + ": exit entry-failure, code 0xffffffffffffffff", own + ": rax ",
                                     is_off(guest, "failed")}),
                     line(own + " vCPU 0: VMRUN: the CPU does not say which check")}};
    };
    const auto astray = [](const std::string& guest, const std::string& exception) {
        return Case{"the hypervisor's own fault costs " + guest + " only",
                    {lines_in_order({"^bulkhead: guest " + guest + " vCPU 0 stopped: a fault of the hypervisor while",
                                     is_off(guest, "failed")}),
                     line("^bulkhead: hypervisor: " + exception)}};
    };
    boot.cases = {
        refused("asid"),
        refused("efer"),
        {"a machine check costs who had it",
         {lines_in_order({"^bulkhead: guest check vCPU 0 stopped at RIP 0x[0-9a-f]{16}: machine check: the hardware",
                          is_off("check", "failed")})}},
        astray("fetch", "#PF \\(0x1?0\\) at 0x0{16}, cr2 0x0{16}"),
        astray("opcode", "#UD \\(0x0\\) at 0xffffffff8"),
        {"a neighbour goes on", {line("^\\[neighbour\\] PASS neighbour"), never("\\] FAIL|something shared")}}};
    return boot;
}

/// VM entries on VT-x, which checks controls first, then what is of the guest (SDM 3C 27.2.1, 27.3.1).
Boot refused_entries() {
    Boot boot = boot_of("refused-entries", {}, {own_guest("exits"), own_guest("neighbour")});
    boot.configuration = on_cpus("4", {.name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=3"});
    for (const std::string name : {"controls", "flags", "link"})
        boot.configuration += on_cpus(std::to_string(boot.options.cpus++), {.name = name, .kernel = "exits"});
    ++boot.options.cpus;
    boot.options.debugger = first_breakpoint_of_walk();
    boot.quiet = std::chrono::seconds(600);
    boot.on = {tools::MachineKind::BochsIntel};
    boot.looks = {
        {.name = "damage", .after = "^\\[\\w+\\] one exit after the other", .instead = damage_running_guests_on_bochs}};
    const auto refused = [](const std::string& guest, const std::string& code, const std::string& why) {
        const std::string own = "^bulkhead: guest " + guest;
        return Case{
            "the CPU refuses to enter " + guest,
            {lines_in_order({own +
                                 " vCPU 0 stopped at RIP 0x[0-9a-f]{16}: the CPU refused the guest's state "
                                 "\\(" +
                                 code + "\\)",
                             own + ": exit entry-failure, code " + code, own + ": rax ", is_off(guest, "failed")}),
             line(own + " vCPU 0: VM entry: " + why)}};
    };
    boot.cases = {
        refused("controls", "0x7", "VM-instruction error: VM entry with invalid control field"),
        refused("flags", "0x80000021", "RFLAGS"),
        refused("link", "0x80000021", "the VMCS link pointer"),
        {"a neighbour goes on", {line("^\\[neighbour\\] PASS neighbour"), never("\\] FAIL|something shared")}}};
    return boot;
}

/// Of five CPUs the last two, one of them chosen for the service, are of no use: only who needs them suffers.
Boot without_last_two(const std::string& name, const Case& named) {
    Boot boot = boot_of(name, {}, {own_guest("hello"), own_guest("neighbour")});
    boot.configuration = "[hypervisor]\nservice-cpu = 4\n\n" + on_cpus("0", {.name = "hello", .kernel = "hello"}) +
                         on_cpus("1, 3", {.name = "half", .kernel = "neighbour", .cmdline = "seconds=1"}) +
                         on_cpus("4", {.name = "none", .kernel = "hello"});
    boot.cases = {
        named,
        {"a free one serves", {line("^bulkhead: console served by CPU 2, which is free$")}},
        {"a guest without them runs", {line("^\\[hello\\] hello"), line(is_off("hello", "powered off"))}},
        {"a guest whose second CPU is one has the first",
         {line("^\\[half\\] PASS neighbour"), line(is_off("half", "powered off"))}},
        {"a guest whose only CPU is one does not start", {line(is_off("none", "failed")), never("^\\[none\\] ")}}};
    return boot;
}

Case last_two_are_named(const std::string& why) {
    const auto useless = [&](unsigned cpu) {
        return "^bulkhead: CPU " + std::to_string(cpu) + " \\(APIC ID \\d+\\) " + why;
    };
    return {"each is named", {line(useless(3)), line(useless(4)), never("CPU [0-2] .*" + why)}};
}

/// CPUs that the tables list do not answer.
Boot absent_cpus() {
    Boot boot = without_last_two("absent-cpus", last_two_are_named("did not answer its start-up IPI"));
    boot.options.cpus = 3;
    boot.options.absent_cpus = 2;
    boot.lists_absent_cpus = true;
    return boot;
}

/// CPUs that answer and have no virtualization: likewise.
Boot unfit_cpus() {
    Boot boot = without_last_two(
        "unfit-cpus", last_two_are_named("cannot run guests: .*(this CPU has no AMD-V|disabled and locked)"));
    boot.options.cpus = 5;
    boot.options.unfit_cpus = 2;
    return boot;
}

std::vector<std::string> damage_two_starting_cpus(const std::filesystem::path& folder) {
    return damage_starting_cpus(folder, 2);
}

/// CPUs on which the hypervisor goes astray before they are ready: likewise.
Boot faults_at_start(const std::string& name, tools::MachineKind machine, const std::string& exception,
                     const std::array<unsigned, 2>& apic_ids) {
    const auto record = [&](unsigned apic_id) {
        return "^bulkhead: hypervisor: " + exception + " at .*, APIC ID " + std::to_string(apic_id) + "$";
    };
    const std::string stops = "^bulkhead: hypervisor: something shared may be damaged; this core stops$";
    Boot boot = without_last_two(
        name,
        {"each is named", {line(record(apic_ids[0])), line(record(apic_ids[1])), lines_in_order({stops, stops})}});
    boot.options.cpus = 5;
    boot.on = {machine};
    const bool bochs = machine == tools::MachineKind::BochsIntel;
    if (bochs)
        boot.options.debugger = breakpoint_at_start();
    boot.looks = {{.name = "damage",
                   .after = bochs ? "stage 12 of 18: end of the firmware" : "stage 6 of 18: placement",
                   .instead = bochs ? damage_starting_cpus_on_bochs : damage_two_starting_cpus}};
    return boot;
}

/// One such CPU, where a reboot is wanted instead.
Boot panic_at_start() {
    Boot boot = boot_of("panic-at-start", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    boot.configuration.insert(0, "[hypervisor]\non-panic = \"reboot\"\n\n");
    boot.options.cpus = 5;
    boot.options.goes_on_after_reset = true;
    boot.on = {tools::MachineKind::QemuAmd};
    boot.looks = {{.name = "damage", .after = "stage 6 of 18: placement", .instead = [](const auto& folder) {
                       return damage_starting_cpus(folder, 1);
                   }}};
    const std::string reboots = "hypervisor: something shared may be damaged; the machine reboots";
    boot.cases = {{"the machine reboots, has the record, and runs its guest",
                   {lines_in_order({"^bulkhead: hypervisor: #PF ", "^bulkhead: " + reboots, "^bulkhead: hypervisor \\d",
                                    "^bulkhead: before the last reset: hypervisor: #PF ",
                                    "^bulkhead: before the last reset: " + reboots, is_off("hello", "powered off")})}}};
    return boot;
}

/// Hypervisors of two cores cannot go on, at about the same time as others' guests fail and are started again.
Boot two_panics() {
    Boot boot = boot_of("two-panics", {}, {own_guest("fault"), own_guest("triple-fault"), own_guest("neighbour")});
    boot.configuration = "[hypervisor]\ndebug-faults = true\n\n" +
                         configuration_of({{.name = "one", .kernel = "fault", .cmdline = "machine=1"},
                                           {.name = "two", .kernel = "fault", .cmdline = "machine=1"},
                                           {.name = "own", .kernel = "fault", .more = restarts_twice},
                                           {.name = "crash", .kernel = "triple-fault", .more = restarts_twice},
                                           {.name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=4"}});
    boot.options.cpus = 6;
    const std::string record =
        "^bulkhead: hypervisor: #UD \\(0x0\\) at 0x[0-9a-f]{16}, cr2 0x[0-9a-f]{16}, rsp 0x[0-9a-f]{16}, APIC ID ";
    const std::string stops = "^bulkhead: hypervisor: something shared may be damaged; this core stops$";
    const auto three_lives = [](const std::string& guest, const std::string& sentence) {
        const std::string failed = "^bulkhead: guest " + guest + " vCPU 0 stopped" + sentence;
        // Last words may cut the record of the first life in two, as they wait for nobody.
        return Case{guest + " is started again, twice",
                    {lines_in_order({failed, failed,
                                     "^bulkhead: guest " + guest + " stays off: it was restarted 2 times in a row$"})}};
    };
    boot.cases = {{"both are recorded, each line whole",
                   {line(record + "2$"), line(record + "(1|4)$"), lines_in_order({stops, stops}),
                    never("bulkhead: .*bulkhead: ")}},
                  three_lives("own", ": a fault of the hypervisor while it served it$"),
                  three_lives("crash", " at RIP 0x[0-9a-f]{16}: triple fault"),
                  {"a neighbour goes on", {line("^\\[neighbour\\] PASS neighbour"), never("\\] FAIL")}}};
    boot.until = "^\\[neighbour\\] (PASS|FAIL) neighbour";
    return boot;
}

/// Kernels that are not all there cost their own guests only.
Boot short_kernels() {
    struct Short {
        std::string name;
        std::uintmax_t size;
        std::string sentence;
    };
    const std::vector<Short> kernels = {
        {"half", 4096, "the kernel's file is truncated: bytes missing \\(0x[0-9a-f]+\\)"},
        {"header", 0x210, "the file is neither a bzImage nor an ELF file"},
        {"byte", 1, "the file is neither a bzImage nor an ELF file"}};
    Boot boot = boot_of("short-kernels", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    boot.on = {tools::MachineKind::QemuAmd}; // the loader's work alone, as below: no CPU's vendor matters
    boot.cases = {{"the others run", {line("^\\[hello\\] hello"), line(is_off("hello", "powered off"))}}};
    for (const auto& [name, size, sentence] : kernels) {
        boot.configuration += configuration_of({{.name = name, .kernel = name}});
        ++boot.options.cpus;
        boot.files.push_back({name, own_guest("hello").source});
        boot.damages.push_back({name, size});
        boot.cases.push_back(
            {name + " is refused in words",
             {line("^bulkhead: guest " + name + " not started: " + sentence), line(is_off(name, "failed"))}});
    }
    return boot;
}

/// A boot in which nothing starts: the loader says why, and gives up.
Boot refused(const std::string& name, const std::string& configuration, const std::vector<std::string>& sentences) {
    Boot boot = boot_of(name, {}, {own_guest("hello")});
    boot.on = {tools::MachineKind::QemuAmd};
    boot.configuration = configuration;
    boot.options.cpus = 4;
    boot.until = "press a key to return";
    boot.cases = {{"it is named", {lines_in_order(sentences)}},
                  {"no guest starts", {never("hypervisor \\d|hello from a guest")}}};
    return boot;
}

Boot cut_configuration() {
    return refused("cut-configuration", "[[guest]]\nname = \"one\"\nkernel = \"hello\"\nmemory = \"64 Mi",
                   {"bulkhead\\.toml:4:\\d+: error: .*no closing"});
}

Boot cut_chain() {
    Boot boot = refused(
        "cut-chain", configuration_of({{.name = "hello", .kernel = "hello"}}),
        {"^bulkhead: reading hello, ", "^bulkhead: not started: the firmware cannot read the file 0x[0-9a-f]+$"});
    boot.damages = {{.file = "hello"}};
    return boot;
}

/// Each guest would fit alone.
Boot little_memory() {
    std::vector<Guest> guests;
    for (const std::string name : {"one", "two", "three"})
        guests.push_back({.name = name, .kernel = "hello", .memory_mib = 96});
    Boot boot = refused("little-memory", configuration_of(guests),
                        {"bulkhead\\.toml:16:10: error: this guest wants 96 MiB; \\d+ [MK]iB are left of the \\d+ MiB "
                         "that this machine"});
    boot.options.memory_mib = 288;
    return boot;
}

/// A CPU that lacks one thing, for each thing: what is necessary is named, without the rest guests run.
Boot features(const std::string& name, tools::MachineKind machine,
              const std::vector<std::pair<std::string, std::string>>& necessary,
              const std::vector<std::string>& others) {
    Boot boot = boot_of(name, {{.name = "cpuid", .kernel = "cpuid"}, {.name = "memory", .kernel = "memory"}},
                        {own_guest("cpuid"), own_guest("memory")});
    boot.on = {machine};
    const std::vector<Expectation> run = {line("^\\[cpuid\\] PASS"), line("^\\[memory\\] PASS"), never("\\] FAIL"),
                                          line("the machine powered itself off")};
    for (const auto& [feature, sentence] : necessary) {
        boot.without_each.push_back(feature);
        boot.cases.push_back({feature + " is missed",
                              {line("^bulkhead: not started: .*" + sentence), never("^\\[(cpuid|memory)\\]")},
                              everywhere,
                              "without " + feature});
    }
    for (const std::string& feature : others) {
        boot.without_each.push_back(feature);
        boot.cases.push_back({"guests run without " + feature, run, everywhere, "without " + feature});
    }
    boot.cases.push_back({"guests run with all", {run[0], run[1], run[2]}});
    return boot;
}

} // namespace

std::vector<Boot> fault_boots() {
    return {nmi_everywhere(),
            nmi_everywhere_on_bochs(),
            absent_cpus(),
            unfit_cpus(),
            faults_at_start("faults-at-start", tools::MachineKind::QemuAmd, "#PF \\(0x1?0\\)", {3, 4}),
            faults_at_start("faults-at-start-in-bochs", tools::MachineKind::BochsIntel, "#GP \\(0x0\\)", {6, 8}),
            panic_at_start(),
            run_time_faults(),
            refused_entries(),
            two_panics(),
            short_kernels(),
            cut_configuration(),
            cut_chain(),
            little_memory(),
            features("features", tools::MachineKind::QemuAmd, {{"npt", "nested paging"}, {"nx", "no-execute"}},
                     {"x2apic", "xsave", "pdpe1gb", "rdtscp", "umip"}),
            features("features-of-vt-x", tools::MachineKind::BochsIntel,
                     {{"preemption_timer", "VMX-preemption timer"}, {"unrestricted_guest", "unrestricted guest"}}, {})};
}

} // namespace bulkhead::integration
