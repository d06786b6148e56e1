// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Guests that try to get out (guests/attack/), beside one that must not notice: docs/isolation.md has the table.
#include "integration/attack_table.hpp"
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

constexpr auto next_life = "on-crash = \"restart\"\nrestart-limit = 0\nrestart-delay = 0\n";

/// The last one is the CPU's own access in an instruction that has none, for which nothing is emulated; the one before
/// it, in what leads to a handler.
constexpr auto memory_stops =
    "(read|write|execution) outside of the guest's memory|execution where there is no memory|"
    "page table where there is no memory|"
    "an interrupt or exception delivered by way of a device|not an instruction that exits need";

/// One attacker, and the groups that it counts.
struct Attacker {
    std::string name;
    std::vector<std::string> groups;
    std::string cmdline{};
    unsigned cpus = 1;
    std::string more{};
    std::string stops{}; ///< why the hypervisor may stop it, a regex
    /// How many rows of its table hold, which is up to the CPU's features.
    std::vector<std::pair<std::string, std::vector<tools::MachineKind>>> counts{};
};

/// All at the same time. The neighbour's button is pressed when the last one is off.
Boot attacks(const std::string& name, const std::vector<Attacker>& attackers) {
    std::vector<Guest> guests;
    std::vector<tools::ImageFile> files;
    std::vector<std::string> ends;
    for (const Attacker& each : attackers) {
        const std::string image = "attack-" + each.name;
        guests.push_back({.name = each.name,
                          .kernel = image,
                          .cmdline = each.cmdline,
                          .cpus = each.cpus,
                          .memory_mib = 24,
                          .more = each.more});
        files.push_back(own_guest(image));
        ends.push_back(is_off(each.name, "powered off"));
    }
    guests.push_back({.name = "neighbour", .kernel = "neighbour", .cmdline = "alone=1 seconds=0 rest=100"});
    files.push_back(own_guest("neighbour"));
    Boot boot = boot_of(name, guests, files);
    boot.typing = {{.after = "", .keys = "\x1dmshutdown neighbour\r", .once = ends}};
    for (const Attacker& each : attackers) {
        const std::string said = "^\\[" + each.name + "\\] ";
        for (const std::string& group : each.groups)
            boot.cases.push_back({group + ": no escape",
                                  {line(said + "attack: " + group + ": [1-9]\\d* cases, 0 escapes$"),
                                   never(said + "FAIL"), line(is_off(each.name, "powered off"))}});
    }
    for (const Attacker& each : attackers)
        for (const auto& [count, on] : each.counts)
            boot.cases.push_back({count, {line("^\\[" + each.name + "\\] attack: " + count + "$")}, on});
    for (const Attacker& each : attackers)
        if (!each.stops.empty())
            boot.cases.push_back({each.name + " is stopped for what it did",
                                  {never("^bulkhead: guest " + each.name +
                                         " vCPU \\d+ stopped(?! at RIP 0x[0-9a-f]+: (" + each.stops + "))")}});
        else
            boot.cases.push_back(
                {each.name + " is never stopped", {never("^bulkhead: guest " + each.name + " vCPU \\d+ stopped")}});
    boot.cases.push_back({"the neighbour misses nothing",
                          {line("^\\[neighbour\\] PASS neighbour"), never("^\\[neighbour\\] FAIL"),
                           line(is_off("neighbour", "powered off"))}});
    boot.cases.push_back({"it has no exit",
                          {line("^\\[neighbour\\] PASS neighbour"), never("^\\[neighbour\\] neighbour: the registers")},
                          {tools::MachineKind::QemuAmd, tools::MachineKind::BochsIntel}});
    boot.cases.push_back({"it has exits by its APIC",
                          {line("^\\[neighbour\\] neighbour: the registers of its APIC exit$")},
                          {tools::MachineKind::BochsAmd}});
    boot.cases.push_back({"the neighbour has looked at all its memory but its own data",
                          {number("^\\[neighbour\\] neighbour: looked at (\\d+) KiB of its RAM, all but", 63 * 1024,
                                  64 * 1024),
                           number("KiB of its RAM, all but (\\d+) KiB with its data$", 1, 100)}});
    // QEMU's CPUs take turns, and of the ticks that fall due in others' turns one is left: of 1000 there were 323 to
    // 493 with three times as much to do as the host had CPUs, 750 without. Bochs' time is its own, whatever the host
    // does: 945 to 981.
    boot.cases.push_back(neighbour_takes("a fifth", 200, tools::MachineKind::QemuAmd));
    for (const tools::MachineKind bochs : {tools::MachineKind::BochsIntel, tools::MachineKind::BochsAmd})
        boot.cases.push_back(neighbour_takes("nine tenths", 900, bochs));
    boot.cases.push_back({"the hypervisor has no fault", {never("^bulkhead: hypervisor: [#a-z]")}});
    return boot;
}

// Sequences of random bytes that are begun at least. In a mode without paging most lives end with their first.
constexpr long least_of_mode = 60, least_of_other_mode = 4, least_of_other_modes = 150;

Expectation begun(const std::string& group, const std::string& mode, long least) {
    return sum("\\] attack: " + group + ", begun: (?:.*; )?" + mode + " (\\d{1,3});", least);
}

Boot attacks_on_emulation() {
    Boot boot = attacks("attacks-on-emulation",
                        {{"emulation",
                          {"hypercalls", "emulated accesses", "storms", "machine checks", "code over an edge"},
                          "",
                          2,
                          next_life,
                          "execution (outside of the guest's memory|where there is no memory)"},
                         {"random", {"random code"}, "seed=1 lives=40", 1, next_life, "."}}); // for whatever it did
    Case code{"random code runs in each mode", {}};
    for (const std::string mode : {"64-bit code", "32-bit code", "16-bit code", "a 64-bit process", "a 32-bit process",
                                   "a 16-bit process"})
        code.expectations.push_back(begun("random code", mode, least_of_mode));
    boot.cases.push_back(code);
    return boot;
}

Boot attacks_in_other_modes() {
    Boot boot = attacks(
        "attacks-in-other-modes",
        {{"modes",
          {"memory in other modes", "devices in other modes", "instructions in other modes", "edges in other modes"}},
         {"changes", {"changes of mode"}},
         {"modes-stop",
          {"other modes that stop"},
          "",
          1,
          next_life,
          std::string(memory_stops) + "|triple fault|an instruction that is not emulated on device memory"},
         {"random-modes", {"random code in other modes"}, "seed=1 lives=40", 1, next_life, "."}});
    Case code{"random code runs in each other mode",
              {begun("random code in other modes", "[^;]*", least_of_other_modes)}};
    for (const std::string mode :
         {"real mode", "real mode with 4 GiB", "virtual-8086 mode", "16-bit code", "32-bit code", "segments with bases",
          "pages of 4 KiB", "pages of 4 MiB", "PAE, pages of 4 KiB", "PAE, pages of 2 MiB"})
        code.expectations.push_back(begun("random code in other modes", mode, least_of_other_mode));
    boot.cases.push_back(code);
    return boot;
}

/// The machine's memory as the emulator shows it, while two guests run beside one that executes random code, and one
/// CPU is free; and when a guest has been destroyed.
Boot outside() {
    const Guest first{.name = "first", .kernel = "button"}, second{.name = "second", .kernel = "button"};
    const Guest random{.name = "random",
                       .kernel = "attack-random",
                       .cmdline = "seed=1 lives=1000000",
                       .memory_mib = 24,
                       .more = next_life};
    Boot boot = boot_of("outside", {first, second, random}, images_of({"button", "attack-random"}));
    boot.options.memory_mib = 512;
    boot.options.debugger = "c\n"; // until a look stops the machine
    const std::string attack = "^\\[random\\] attack: random code, seed=3$"; // the others run
    boot.looks = {{"running", attack}, {"destroyed", "guest first: its memory is cleared"}};
    boot.typing = {{.after = attack, .keys = "\x1dmdestroy first\r", .once = {"^\\[second\\] press my button$"}},
                   {"guest first: its memory is cleared", "shutdown second\rdestroy random\r"}};
    const auto tables = [](const std::string& guests) {
        return line("^a CPU: \\d+ pages, [1-9]\\d* executable, 0 executable and writable, 0 for users; its stacks "
                    "are guarded; RAM of guests: " +
                    guests + "$");
    };
    const auto second_stage = [](const std::string& pages, const std::string& guests) {
        return line("^a second stage: [1-9]\\d* pages, " + pages +
                    " of the hypervisor's, 0 writable; all but \\d+ KiB are its guest's RAM; RAM of guests: " + guests +
                    "$");
    };
    // Of a parked CPU: an endless HLT.
    const Expectation nothing_else =
        never("^a second stage: .*; all but (?!0 KiB|4 KiB are its guest's RAM; RAM of guests: none$)");
    boot.cases = {{"no page of the hypervisor's is writable and executable, or a user's; stacks are guarded",
                   {line("^page tables of 4 CPUs$"), tables("\\w+"),
                    never("[1-9]\\d* executable and writable|[1-9]\\d* for users|not guarded")},
                   everywhere,
                   "outside running"},
                  {"each CPU maps its own guest's RAM, and no other's",
                   {tables("first"), tables("second"), tables("random"), tables("none"), never("RAM of guests: \\w+ ")},
                   everywhere,
                   "outside running"},
                  {"a guest's second stage maps its own RAM, and nothing of the hypervisor's",
                   {line("^the hypervisor: [1-9]\\d* pages$"), second_stage("0", "first"), second_stage("0", "second"),
                    second_stage("1", "none"), never(", [1-9]\\d* writable")}, // the parked CPUs': an endless HLT
                   everywhere,
                   "outside running"},
                  {"all that a guest's second stage maps is its own RAM",
                   {second_stage("0", "first"), second_stage("0", "second"), nothing_else},
                   everywhere,
                   "outside running"},
                  {"that is so when a guest has been destroyed",
                   {second_stage("0", "second"), nothing_else},
                   everywhere,
                   "outside destroyed"},
                  {"of a destroyed guest's RAM nothing is left",
                   {line("^RAM of first: 0 pages not zero$"), line("^RAM of second: [1-9]\\d* pages not zero$")},
                   everywhere,
                   "outside destroyed"},
                  {"there was something before",
                   {line("^RAM of first: [1-9]\\d* pages not zero$")},
                   everywhere,
                   "outside running"}};
    return boot;
}

} // namespace

std::vector<Boot> attack_boots() {
    return {
        outside(),
        attacks("attacks", {{"memory", {"memory", "memory that stops"}, "", 1, next_life, memory_stops},
                            {"ports", {"ports", "power and watchdog", "power, reset and watchdog"}, "", 1, next_life},
                            {.name = "msr",
                             .groups = {"msr"},
                             .counts = {{"msr: 90 can be read, 58 take a write", {tools::MachineKind::QemuAmd}},
                                        {"msr: 88 can be read, 53 take a write", {tools::MachineKind::BochsIntel}}}},
                            {"debug", {"breakpoints", "breakpoints without end"}, "", 1, next_life}}),
        also_on_bochs_amd(attacks_on_emulation()),
        also_on_bochs_amd(
            attacks("rewriting", {{"rewriting", {"rewritten code"}, "", 2},
                                  {.name = "timer",
                                   .groups = {"timers"},
                                   .counts = {{"timers: an LVT write that is gone has exited",
                                               {tools::MachineKind::QemuAmd}}}}})),
        // Not one with many exceptions, which Bochs may mix up with NMIs: docs/debugging.md.
        first_on_service_cpu(
            attacks("attacks-on-the-cpu",
                    {{"tasks",
                      {"refused task switches", "task switches"},
                      "",
                      1,
                      next_life,
                      "task switch by the CPU, which is not emulated|(read|write|execution) outside of the "
                      "guest's memory|page table where there is no memory|"
                      "an interrupt or exception delivered by way of a device|not an instruction that exits need"},
                     {"controls",
                      {"instructions", "registers", "descriptors", "shutdowns"},
                      "",
                      1,
                      next_life,
                      "triple fault|the CPU refused the guest's state|(read|write|execution) outside of the guest's "
                      "memory|page table",
                      {{"registers: 1660 values taken, 3639 refused", {tools::MachineKind::QemuAmd}},
                       {"registers: 685 values taken, 4614 refused", {tools::MachineKind::BochsIntel}}}},
                     {"icr", {"interrupts that arrive", "interrupts", "INIT of the first"}, "", 2, next_life}})),
        attacks_in_other_modes()};
}

std::vector<Attack> all_attacks() {
    constexpr auto first = "attacks", emulation = "attacks-on-emulation", cpu = "attacks-on-the-cpu",
                   modes = "attacks-in-other-modes", rewriting = "rewriting";
    return {
        {first, "memory", "absent devices, by pages of 4 KiB, 2 MiB and 1 GiB; reserved bits of page tables",
         "ones and ignored; #PF"},
        {first, "memory that stops",
         "reading, writing and executing what is not the guest's, to the last address; page tables, IDT, GDT, task "
         "state and "
         "stack there",
         "guest stopped"},
        {first, "ports",
         "each port but those of the guest's own devices, by IN and OUT of 1, 2 and 4 bytes, many by strings, and by "
         "a process",
         "ones and ignored; #GP for a process"},
        {first, "power and watchdog",
         "each value of the power block, time-outs and commands of the watchdog, by accesses of each width that begin "
         "before, in and behind them, by strings, and by a process",
         "as docs/guests.md says; nothing by what begins before them or is too narrow; #GP for a process"},
        {first, "power, reset and watchdog",
         "the reset register by accesses of each width and by strings, together with the sleep register; time-outs of "
         "0 and 1, and shorter ones while it runs",
         "this guest begins a new life, which knows whether it was the watchdog"},
        {first, "msr",
         "each number 0 to 1FFFh, C0000000h to C0001FFFh, C0010000h to C0011FFFh and others, read, written with 0, "
         "ones, addresses that are not canonical; where it can be read, with each bit flipped",
         "as `guests/attack/msr_table.hpp` says; #GP for all that is not in it"},
        {first, "breakpoints",
         "DR0 to DR3 of each kind, length and enable bit on the hypervisor's addresses, on what it emulates, behind "
         "MOV SS and on the guest's own; DR7.GD; reserved bits; a handler that goes back without RF",
         "the guest's own #DB; what the hypervisor does raises none"},
        {first, "breakpoints without end",
         "one on the first instruction of its own handler, also with TF; VT-x: on the stack that its exception is "
         "pushed to",
         "its watchdog ends it"},
        {cpu, "instructions",
         "those of VT-x, AMD-V, SMM, SGX, SNP and TDX, in four modes; every opcode behind 0F by a process; "
         "INVD and WBINVD in a row",
         "#UD, #GP or ignored"},
        {cpu, "registers",
         "each bit and many pairs of bits of CR0, CR4, CR8, EFER, DR6, DR7, XCR0, but SMEP and SMAP; the low bits of "
         "CR3",
         "as `guests/attack/control_rules.hpp` says: taken, or #GP"},
        {cpu, "descriptors",
         "LLDT, LTR, segments, far returns with each kind of descriptor; tables at no canonical address",
         "an exception of the guest's"},
        {cpu, "shutdowns", "page tables, IDT and GDT taken away, SMEP and SMAP over the kernel's own pages",
         "guest stopped"},
        {cpu, "interrupts that arrive",
         "each delivery mode, physical and logical, level, trigger and shorthand, to own, others' and no CPUs by "
         "x2APIC and xAPIC; INIT and start-up by each name of the second vCPU, and of others; NMIs beside the INIT",
         "at those of its own vCPUs that are meant, once; #GP for modes that are none"},
        {cpu, "interrupts",
         "ICR in every form to own, others' and no CPUs by x2APIC and xAPIC; self-IPIs of every vector; LVT "
         "entries in every mode, while the timer runs, I/O APIC entries in every mode but INIT",
         "#GP or the guest's own"},
        {cpu, "INIT of the first", "INIT by five ways of addressing an x2APIC", "the guest is reset"},
        {emulation, "hypercalls", "numbers of every kind, pointers to everywhere", "-ENOSYS; #UD for a process"},
        {emulation, "emulated accesses",
         "0 to 19 prefixes; each sequence of up to three of 66, 67, LOCK, REPs, GS, REX and REX.W before eleven "
         "instructions, also at 15 and 16 bytes; instructions over the end of a page; code and page tables that "
         "another vCPU changes and unmaps meanwhile, those of the code and of strings' memory too",
         "#GP from 16 bytes on; #UD by LOCK; #PF; else the access, and all registers as they should be"},
        {rewriting, "rewritten code",
         "string output to the one port that a process has, loads from a device that it can only read, WBINVD, CPUID: "
         "another vCPU makes of them what is wider, stores, is refused or does nothing, and back, all the time; FLD, "
         "OUTSB and JMP of a device and a JMP beyond the memory by a process, which nobody rewrites",
         "what the code that runs may; nothing else is written; #UD of what nobody rewrites"},
        {rewriting, "timers",
         "periods of 1 count to the longest, with each divider, set in three orders, masked and not, by x2APIC and "
         "xAPIC; one-shots of 1 and 100 counts and deadlines that are over, without pause; the timer's modes one after "
         "the other, other modes of the APIC and level-triggered pins while it runs, an LVT write that the hypervisor "
         "does not find",
         "100 us at least; the guest's own"},
        {emulation, "storms", "NMIs and interrupts without pause; INT n for every n by a process", "the guest's own"},
        {emulation, "machine checks",
         "INT 18 and interrupts with vector 18 in a loop, to both vCPUs; writes to the registers of machine checks and "
         "of banks",
         "the guest's own; ignored; #GP"},
        {emulation, "random code",
         "lives of up to 1000 sequences of random bytes, in 64-, 32- and 16-bit code, by a kernel and by a process: " +
             std::to_string(least_of_mode) + " sequences of each at least",
         "the guest stopped, at most"},
        {emulation, "code over an edge", "instructions that go on in a device, or where no memory is", "guest stopped"},
        {modes, "memory in other modes",
         "absent devices by twelve instructions, operands of each size and addresses of 16 and 32 bits, in real mode "
         "with 64 KiB and with 4 GiB, virtual-8086 mode, 16- and 32-bit code without paging, with segments that begin "
         "elsewhere, with pages of 4 KiB and 4 MiB, with PAE",
         "ones and ignored"},
        {modes, "devices in other modes",
         "I/O APIC, local APIC and ports there, in each form; the map of ports of a TSS", "as from 64-bit code; #GP"},
        {modes, "instructions in other modes",
         "those of VT-x, AMD-V and SMM, MSRs, hypercalls, each bit of CR0, CR4 and EFER there, also by virtual-8086 "
         "code",
         "#UD, #GP or as from 64-bit code"},
        {modes, "edges in other modes",
         "ends of pages and segments, and 1 MiB; virtual-8086 code where there is no memory",
         "#PF, #GP, #UD, else the access"},
        {modes, "other modes that stop",
         "reading, writing and executing what is not the guest's there; page tables, vectors, GDT, task state, stack "
         "and the rest of an instruction there; no vectors",
         "guest stopped"},
        {modes, "changes of mode",
         "paging, PAE, long mode and protected mode switched on and off in every order of up to four steps; real mode "
         "with 32-bit code",
         "#GP, or as the manuals say"},
        {modes, "random code in other modes",
         "lives as above, each in one of these modes: " + std::to_string(least_of_other_modes) +
             " sequences at least, and " + std::to_string(least_of_other_mode) + " of each mode",
         "the guest stopped, at most"},
        {cpu, "refused task switches",
         "JMP, CALL, IRET, gates, interrupts and exceptions to tasks that are busy, absent, too short or none",
         "#TS, #NP, #GP"},
        {cpu, "task switches",
         "the same to good tasks, and to those whose TSS, CR3, LDT, code, stack or map of ports is hostile",
         "VT-x: guest stopped. AMD-V: the CPU does it; guest stopped by memory that is not its own"},
    };
}

} // namespace bulkhead::integration
