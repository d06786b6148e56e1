// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The whole way from a text to a configuration: each class of error with its place.
#include <catch2/catch_test_macros.hpp>

#include "arch/x86_64/layout.hpp"
#include "config/placement.hpp"
#include "loaded.hpp"

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

/// A guest that is right, on the lines 1 to 4; `more` follows from line 5 on.
std::string with_guest(std::string_view more) {
    return "[[guest]]\nname = 'a'\nmemory = '64 MiB'\nkernel = 'vmlinuz'\n" + std::string(more);
}

struct Case {
    std::string_view more; ///< behind with_guest()
    std::string_view faults;
};

constexpr Case cases[] = {
    // Tables and keys
    {"kernal = 'x'", "f:5:1: error: there is no key 'kernal'; did you mean 'kernel'?\n"},
    {"mem_ory = 'x'", "f:5:1: error: there is no key 'mem_ory'; did you mean 'memory'?\n"},
    {"colour = 'x'", "f:5:1: error: there is no key 'colour' below [[guest]]\n"},
    {"service-cpu = 1", "f:5:1: error: 'service-cpu' belongs below [hypervisor]\n"},
    {"[hypervisor]\ncpus = 1", "f:6:1: error: 'cpus' belongs below [[guest]]\n"},
    {"[hypervisor]\nconsole_port = 1", "f:6:1: error: there is no key 'console_port'; did you mean 'console-port'?\n"},
    {"[hypervisor]\nx = 1", "f:6:1: error: there is no key 'x' below [hypervisor]\n"},
    {"[hypervizor]\nx = 1", "f:5:2: error: there is no table 'hypervizor'; did you mean [hypervisor]?\n"},
    {"[[guests]]\nx = 1", "f:5:3: error: there is no table 'guests'; did you mean [[guest]]?\n"},
    {"[network]", "f:5:2: error: there is no table 'network'; tables are [hypervisor] and [[guest]]\n"},
    {"[[hypervisor]]\nconsole-port = 0", "f:5:3: error: there is one hypervisor: write [hypervisor]\n"},
    {"[hypervisor]\n[hypervisor]", "f:6:2: error: there already is a table 'hypervisor', in line 5\n"},
    {"name = 'b'", "f:5:1: error: 'name' is given twice; the first one is in line 2\n"},
    {"[[guest]]", "f:5:3: error: this guest has no 'name' (a name in quotes)\n"
                  "f:5:3: error: this guest has no 'memory' (a size such as \"512 MiB\", a share such as \"50%\", or a "
                  "list of ranges such as [\"1 GiB at 0x100000000\"])\n"
                  "f:5:3: error: this guest has no 'kernel' (a path in quotes)\n"},
    {"[[guest]]\nname = ?\nmemory = 1.5\nkernel = 'vmlinuz'",
     "f:6:8: error: expected a value, found '?'\n"
     "f:7:10: error: numbers with a fraction or exponent are not supported: '1.5'\n"},
    // Types
    {"[hypervisor]\nconsole-port = '0x3f8'\nconsole-irq = [4]\ndebug-needless-intercept = 1",
     "f:6:16: error: 'console-port' is an I/O port such as 0x3f8, not a text\n"
     "f:7:15: error: 'console-irq' is a whole number, not a list\n"
     "f:8:28: error: 'debug-needless-intercept' is true or false, not a number\n"},
    {"initrd = 1\ncmdline = true", "f:5:10: error: 'initrd' is a path in quotes, not a number\n"
                                   "f:6:11: error: 'cmdline' is a text in quotes, not a boolean\n"},
    {"cpus = '2'", "f:5:8: error: 'cpus' is a number of CPUs, or a list of CPU numbers such as [2, 3], not a text\n"},
    {"on-crash = 1\non-reboot = false", "f:5:12: error: 'on-crash' is \"stop\" or \"restart\", not a number\n"
                                        "f:6:13: error: 'on-reboot' is \"stop\" or \"restart\", not a boolean\n"},
    // Words
    {"on-crash = 'reboot'", "f:5:12: error: 'on-crash' is \"stop\" or \"restart\", not 'reboot'\n"},
    {"on-reboot = 'restrat'",
     "f:5:13: error: 'on-reboot' is \"stop\" or \"restart\", not 'restrat'; did you mean 'restart'?\n"},
    {"on-reboot = 'Stop'", "f:5:13: error: 'on-reboot' is \"stop\" or \"restart\", not 'Stop'; did you mean 'stop'?\n"},
    {"[hypervisor]\nwhen-off = 'off'\non-panic = ''",
     "f:6:12: error: 'when-off' is \"power-off\", \"reboot\" or \"stay\", not 'off'\n"
     "f:7:12: error: 'on-panic' is \"halt\" or \"reboot\", not ''\n"},
    {"kernel-format = 'elf'",
     "f:5:17: error: 'kernel-format' is \"auto\", \"bzimage\", \"pvh\", \"multiboot\" or \"flat\", not 'elf'\n"},
    // Modules
    {"modules = 'a'",
     "f:5:11: error: 'modules' is a list of files such as [\"one\", \"two with words\"], not a text\n"},
    {"modules = [1]",
     "f:5:12: error: 'modules' is a list of files such as [\"one\", \"two with words\"], not a number\n"},
    {"modules = ['vmlinuz', '../a b']", "f:5:23: error: 'modules' cannot be '../a': it cannot contain '.' or '..'\n"},
    {"modules = [' a']", "f:5:12: error: 'modules' is empty\n"},
    {"modules = ['no x', 'empty']", "f:5:12: error: the module 'no' cannot be read: there is no such file\n"
                                    "f:5:20: error: the module 'empty' is an empty file\n"},
    {"modules = ['big', 'big']", "f:3:10: error: the guest's files have 130 MiB; 64 MiB of memory cannot hold them\n"},
    {"modules = ['a','a','a','a','a','a','a','a','a','a','a','a','a','a','a','a','a']",
     "f:5:11: error: 'modules' has 17 files; at most 16 are possible\n"},
    // Numbers
    {"restart-limit = 1000001", "f:5:17: error: 'restart-limit' must be 0 to 1000000, not 1000001\n"},
    {"restart-delay = 60001", "f:5:17: error: 'restart-delay' must be 0 to 60000, not 60001\n"},
    {"watchdog = 3601", "f:5:12: error: 'watchdog' must be 0 to 3600, not 3601\n"},
    {"console-irq = 16", "f:5:15: error: 'console-irq' must be 1 to 15, not 16\n"},
    {"console-port = 0x2f8\nconsole-irq = 0", "f:6:15: error: 'console-irq' must be 1 to 15, not 0\n"},
    {"console-port = 0x60", "f:5:16: error: 'console-port' must be 0x100 to 0xfff8, not 0x60\n"},
    // Serial ports
    {"console-port = 0x3f8\nconsole-irq = 5",
     "f:5:16: error: the port 0x3f8 is that of the hypervisor's console, 0x3f8; for a guest that shares it leave "
     "'console-port' out\n"},
    {"console-port = 0x2ff\nconsole-irq = 5\n[hypervisor]\nconsole-port = 0x2f8",
     "f:5:16: error: the port 0x2ff is that of the hypervisor's console, 0x2f8; for a guest that shares it leave "
     "'console-port' out\n"},
    {"console-port = 0x2f8\n[[guest]]\nname = 'b'\nmemory = 0x200000\nkernel = 'vmlinuz'\nconsole-port = 0x2f8\n"
     "console-irq = 5",
     "f:10:16: error: the port 0x2f8 already belongs to the guest 'a', in line 5\n"},
    {"console-port = 0x1000", "f:5:16: error: which interrupt the port 0x1000 has is not known: write 'console-irq'\n"},
    {"console-port = 0x3e8",
     "f:5:16: error: the interrupt 4 is that of the hypervisor's console, and cannot be shared\n"},
    {"console-port = 0x1000\nconsole-irq = 4",
     "f:6:15: error: the interrupt 4 is that of the hypervisor's console, and cannot be shared\n"},
    {"console-port = 0x2f8\n[[guest]]\nname = 'b'\nmemory = 0x200000\nkernel = 'vmlinuz'\nconsole-port = 0x2e8",
     "f:10:16: error: the interrupt 3 already belongs to the console of the guest 'a', in line 5\n"},
    {"[hypervisor]\nconsole-port = 0xfff9", "f:6:16: error: 'console-port' must be 0x0 to 0xfff8, not 0xfff9\n"},
    {"[hypervisor]\nconsole-irq = -1", "f:6:15: error: 'console-irq' must be 0 to 15, not -1\n"},
    {"[hypervisor]\nconsole-baud = 9601",
     "f:6:16: error: 'console-baud' must divide 115200 at most 65535 times, which 9601 does not\n"},
    {"[hypervisor]\nconsole-baud = 1",
     "f:6:16: error: 'console-baud' must divide 115200 at most 65535 times, which 1 does not\n"},
    {"[hypervisor]\nservice-cpu = 9223372036854775807",
     "f:6:15: error: 'service-cpu' must be 0 to 1023, not 9223372036854775807\n"},
    // CPUs
    {"cpus = 0", "f:5:8: error: 'cpus' must be 1 to 1024, not 0\n"},
    {"cpus = []", "f:5:8: error: 'cpus' is an empty list; a guest has at least one CPU\n"},
    {"cpus = [-1, 1,\n'x', 1024]", "f:5:9: error: a CPU's number is a whole number from 0 to 1023\n"
                                   "f:6:1: error: a CPU's number is a whole number from 0 to 1023\n"
                                   "f:6:6: error: a CPU's number is a whole number from 0 to 1023\n"},
    {"cpus = [1, 2, 1]", "f:5:15: error: CPU 1 is listed twice; the first one is in line 5, column 9\n"},
    {"cpus = [1, 2]\n[[guest]]\nname = 'b'\nmemory = 0x200000\nkernel = 'vmlinuz'\ncpus = [3, 2]",
     "f:10:12: error: CPU 2 already belongs to the guest 'a', in line 5\n"},
    // Names
    {"[[guest]]\nname = 'a'\nmemory = '64 MiB'\nkernel = 'vmlinuz'",
     "f:6:8: error: there already is a guest 'a', in line 2\n"},
    {"[[guest]]\nname = ''\nmemory = '64 MiB'\nkernel = 'vmlinuz'", "f:6:8: error: 'name' is empty\n"},
    {"[[guest]]\nname = '1a'\nmemory = '64 MiB'\nkernel = 'vmlinuz'",
     "f:6:8: error: 'name' cannot be '1a': it must begin with a small letter\n"},
    {"[[guest]]\nname = 'a b'\nmemory = '64 MiB'\nkernel = 'vmlinuz'",
     "f:6:8: error: 'name' cannot be 'a b': only small letters, digits, '_' and '-' can stand in it\n"},
    {"[[guest]]\nname = 'abcdefghijklmnopqrstuvwxyz012345'\nmemory = '64 MiB'\nkernel = 'vmlinuz'",
     "f:6:8: error: 'name' has 32 bytes; at most 31 are possible\n"},
    // Files
    {"initrd = 'empty'", "f:5:10: error: the initrd 'empty' is an empty file\n"},
    {"initrd = 'no'", "f:5:10: error: the initrd 'no' cannot be read: there is no such file\n"},
    {"initrd = 'big'", "f:3:10: error: the guest's files have 66 MiB; 64 MiB of memory cannot hold them\n"},
    {"cmdline = \"a\\nb\"", "f:5:11: error: 'cmdline' cannot be 'a\\u{0xa}b': control characters cannot stand in it\n"},
};

std::string memory_fault(std::string_view value) {
    const Loaded loaded("[[guest]]\nname = 'a'\nkernel = 'vmlinuz'\nmemory = " + std::string(value));
    return loaded.faults();
}

} // namespace

TEST_CASE("Configuration: each class of error has its place") {
    FakeFiles files;
    files.sizes["big"] = 64 * MiB;
    CHECK(Loaded(with_guest("")).right);
    for (const Case& example : cases) {
        INFO(example.more);
        const Loaded loaded(with_guest(example.more), {}, files);
        CHECK(loaded.faults() == example.faults);
        CHECK_FALSE(loaded.right);
    }
}

TEST_CASE("Configuration: shares of more than there is") {
    const auto faults = [](std::string_view first, std::string_view second) {
        const std::string guest = "[[guest]]\nkernel = 'vmlinuz'\n";
        return Loaded(guest + "name = 'a'\nmemory = '" + std::string(first) + "'\n" + guest + "name = 'b'\n" +
                      std::string(second))
            .faults();
    };
    CHECK(faults("50%", "memory = '50%'").empty());
    CHECK(faults("99%", "rest = true").empty());
    CHECK(faults("50%", "memory = '51%'") ==
          "f:8:10: error: with this one the guests' shares of the memory are 101%\n");
    CHECK(faults("100%", "memory = '64 MiB'") ==
          "f:8:10: error: the other guests' shares are 100% of the memory: nothing is left\n");
    CHECK(faults("100%", "rest = true") ==
          "f:8:8: error: the other guests' shares are 100% of the memory: nothing is left\n");
}

TEST_CASE("Configuration: errors of the file as a whole") {
    constexpr std::string_view none =
        "f:1:1: error: there is no guest: write [[guest]], and below it at least name, memory and kernel\n";
    CHECK(Loaded("").faults() == none);
    CHECK(Loaded("# nothing\n[hypervisor]").faults() == none);
    CHECK(Loaded("[hypervisor]\nsurvey = true").faults() == "");
    CHECK(Loaded("name = 'a'").faults() ==
          "f:1:1: error: 'name' stands outside of a table; it belongs below [[guest]]\n");
    CHECK(Loaded("console-irq = 4").faults() ==
          "f:1:1: error: 'console-irq' stands outside of a table; it belongs below [hypervisor]\n");
    CHECK(Loaded("x = 4").faults() ==
          "f:1:1: error: 'x' stands outside of a table; it belongs below [hypervisor] or [[guest]]\n");
    CHECK(Loaded("[guest]\nname = 'a'\nmemory = '64 MiB'\nkernel = 'vmlinuz'").faults() ==
          "f:1:2: error: there can be several guests: write [[guest]]\n");
    CHECK(Loaded(std::string(256 * KiB + 1, ' ')).faults() ==
          "f:1:262145: error: the file has 262145 bytes; a configuration has at most 256 KiB, and ends here\n");
    CHECK(Loaded(std::string(256 * KiB, '\n') + "\xff").faults() ==
          "f:262145:1: error: the file has 262145 bytes; a configuration has at most 256 KiB, and ends here\n");
}

TEST_CASE("Configuration: at most 64 guests") {
    std::string text;
    for (int i = 0; i < 64; ++i)
        text += "[[guest]]\nname = 'g" + std::to_string(i) + "'\nmemory = '64 MiB'\nkernel = 'vmlinuz'\n";
    CHECK(Loaded(text).right);
    CHECK(Loaded(text + "[[guest]]\nkernal = 1").faults() ==
          "f:257:3: error: this is one guest too many: a configuration has at most 64\n");
}

TEST_CASE("Configuration: at most 1024 CPUs in all") {
    const auto guest = [](const std::string& name, int cpus) {
        return "[[guest]]\nname = '" + name +
               "'\nmemory = '64 MiB'\nkernel = 'vmlinuz'\ncpus = " + std::to_string(cpus) + "\n";
    };
    CHECK(Loaded(guest("a", 512) + guest("b", 512)).right);
    CHECK(Loaded(guest("a", 512) + guest("b", 513)).faults() ==
          "f:10:8: error: with this one the guests have 1025 CPUs; at most 1024 can be used\n");
    CHECK(Loaded(guest("a", 1024) + "[[guest]]\nname = 'b'\nmemory = '64 MiB'\nkernel = 'vmlinuz'\n").faults() ==
          "f:7:8: error: with this one the guests have 1025 CPUs; at most 1024 can be used\n");
}

TEST_CASE("Configuration: sizes of memory") {
    const auto bytes = [](std::string_view value) {
        return Loaded("[[guest]]\nname = 'a'\nkernel = 'vmlinuz'\nmemory = " + std::string(value)).guest(0).memory;
    };
    CHECK(bytes("'512 MiB'").value == 512 * MiB);
    CHECK(bytes("'512MiB'").value == 512 * MiB);
    CHECK(bytes("'4096 KiB'").value == 4 * MiB);
    CHECK(bytes("'511 GiB'").value == 511 * GiB);
    STATIC_CHECK(511 * GiB + (guest_hole_end - guest_hole_start) == layout::guest_ram_size); // all that can be mapped
    CHECK(bytes("0x20_0000").value == 2 * MiB);
    CHECK(bytes("'2 MiB'").at == Position{4, 10});

    CHECK(memory_fault("'512 MB'") ==
          "f:4:10: error: there is no unit 'MB' here; write MiB (units are KiB, MiB and GiB, "
          "1024 times each other)\n");
    CHECK(memory_fault("'1G'").contains("there is no unit 'G' here; write GiB"));
    CHECK(memory_fault("'1.5 GiB'") ==
          "f:4:10: error: 'memory' is a whole number and KiB, MiB or GiB, such as \"512 MiB\", not '1.5 GiB'\n");
    CHECK(memory_fault("'512  MiB'").contains("is a whole number and KiB"));
    CHECK(memory_fault("'GiB'").contains("is a whole number and KiB"));
    CHECK(memory_fault("'512'").contains("is a whole number and KiB"));
    CHECK(memory_fault("''").contains("is a whole number and KiB"));
    CHECK(memory_fault("true") == "f:4:10: error: 'memory' is a size such as \"512 MiB\", a share such as \"50%\", or "
                                  "a list of ranges such as [\"1 GiB at 0x100000000\"], not a boolean\n");
    CHECK(memory_fault("'3 MiB'") == "f:4:10: error: 'memory' must be a multiple of 2 MiB; near 3 MiB is 4 MiB\n");
    CHECK(memory_fault("512") == "f:4:10: error: 'memory' must be 2 MiB to 511 GiB, not 512 bytes\n");
    CHECK(memory_fault("0") == "f:4:10: error: 'memory' must be 2 MiB to 511 GiB, not 0 KiB\n");
    CHECK(memory_fault("-1") == "f:4:10: error: 'memory' must be 2097152 to 548682072064, not -1\n");
    CHECK(memory_fault("'512 GiB'") == "f:4:10: error: 'memory' must be 2 MiB to 511 GiB, not 512 GiB\n");
    CHECK(memory_fault("'17179869184 GiB'") ==
          "f:4:10: error: '17179869184 GiB' is more than 511 GiB, the most there is for 'memory'\n");
    CHECK(memory_fault("'99999999999999999999999 KiB'").contains("the most there is"));
}

TEST_CASE("Configuration: paths stay in the configuration's folder and are names on FAT") {
    const auto fault = [](std::string_view path) {
        return Loaded("[[guest]]\nname = 'a'\nmemory = '64 MiB'\nkernel = " + std::string(path)).faults();
    };
    CHECK(fault("'vmlinuz'").empty());
    CHECK(fault(R"('a\b/c.efi')").contains("there is no such file"));
    CHECK(fault("'/vmlinuz'") ==
          "f:4:10: error: 'kernel' cannot be '/vmlinuz': it must be relative to the configuration's folder\n");
    CHECK(fault(R"('\vmlinuz')").contains("it must be relative"));
    CHECK(fault("'C:vmlinuz'").contains("without a drive"));
    CHECK(fault("'../vmlinuz'").contains("it cannot contain '.' or '..'"));
    CHECK(fault("'a/../vmlinuz'").contains("it cannot contain '.' or '..'"));
    CHECK(fault("'./vmlinuz'").contains("it cannot contain '.' or '..'"));
    CHECK(fault("'a//b'").contains("a part of it is empty"));
    CHECK(fault("'a/'").contains("a part of it is empty"));
    CHECK(fault("'a./b'").contains("does not end with a dot or blank"));
    CHECK(fault("'b '").contains("does not end with a dot or blank"));
    CHECK(fault("'a?'").contains("the characters \" * : < > ? |"));
    CHECK(fault("'caf\xc3\xa9'").contains("only ASCII"));
    CHECK(fault("\"a\\tb\"").contains("only ASCII"));
    CHECK(fault("''") == "f:4:10: error: 'kernel' is empty\n");
    CHECK(fault("'" + std::string(256, 'a') + "'").contains("'kernel' has 256 bytes; at most 255 are possible"));
}

TEST_CASE("Configuration: values, defaults and places") {
    const Loaded loaded(with_guest("cpus = [3, 1]\ninitrd = 'initrd'\nkernel-format = 'pvh'\n"
                                   "modules = ['vmlinuz with two  words', 'initrd']\ncmdline = '" +
                                   std::string(2047, 'c') +
                                   "'\n[[guest]]\nname = 'b'\nkernel = 'vmlinuz'\nmemory = '1 GiB'\ncpus = 2\n"
                                   "[hypervisor]\nconsole-port = 0x2f8\nservice-cpu = 0\n"));
    CHECK(loaded.faults().empty());
    REQUIRE(loaded.right);
    const GuestConfig& a = loaded.guest(0);
    CHECK(a.at == Position{1, 3});
    CHECK(a.name.value == "a");
    REQUIRE(a.cpus.list.size() == 2);
    CHECK(a.cpus.count == 2);
    CHECK(a.cpus.list[0].value == 3);
    CHECK(a.cpus.list[1].at == Position{5, 12});
    CHECK(a.initrd.value == "initrd");
    REQUIRE(a.modules.size() == 2);
    CHECK(a.modules[0].file.value == "vmlinuz");
    CHECK(a.modules[0].text == "vmlinuz with two  words");
    CHECK(a.modules[1].file.value == "initrd");
    CHECK(a.modules[1].text == "initrd");
    CHECK(a.kernel_format.value == 2);
    CHECK(a.cmdline.value.size() == 2047);
    const GuestConfig& b = loaded.guest(1);
    CHECK(b.cpus.list.empty());
    CHECK(b.cpus.count == 2);
    CHECK_FALSE(b.initrd.given());
    CHECK(b.modules.empty());
    CHECK(b.kernel_format.value == 0);
    CHECK(b.cmdline.value.empty());
    const HypervisorConfig& hypervisor = loaded.loaded.configuration.hypervisor;
    CHECK(hypervisor.console_port.value == 0x2f8);
    CHECK(hypervisor.console_irq.value == 3);
    CHECK(hypervisor.console_baud.value == 115200);
    CHECK(hypervisor.service_cpu.given());
    CHECK_FALSE(hypervisor.debug_needless_intercept.value);
    CHECK_FALSE(hypervisor.debug_faults.value);
    CHECK(hypervisor.when_off.value == static_cast<u64>(WhenOff::PowerOff));
    CHECK(hypervisor.on_panic.value == static_cast<u64>(OnPanic::Halt));

    CHECK(Loaded(with_guest("cmdline = '" + std::string(2048, 'c') + "'")).faults() ==
          "f:5:11: error: 'cmdline' has 2048 bytes; at most 2047 are possible\n");
    const auto irq = [](std::string_view more) {
        return Loaded(with_guest(more)).loaded.configuration.hypervisor.console_irq.value;
    };
    CHECK(irq("") == 4);
    CHECK(irq("[hypervisor]\nconsole-port = 0x3e8") == 4);
    CHECK(irq("[hypervisor]\nconsole-port = 0x2e8") == 3);
    CHECK(irq("[hypervisor]\nconsole-port = 0x1000") == 0);
    CHECK(irq("[hypervisor]\nconsole-port = 0x2f8\nconsole-irq = 10") == 10);
}

TEST_CASE("Configuration: everything that is wrong is reported at once, in the order of the file") {
    const FakeMachine machine = FakeMachine::with_cores({1, 1}, {{{16 * MiB}, 256 * MiB}});
    const Loaded loaded("consol = 1\n"
                        "[[guest]]\n"
                        "name = 'a'\n"
                        "cpus = [0, 7]\n"
                        "memory = '128 MiB'\n"
                        "kernel = 'missing'\n"
                        "[[guest]]\n"
                        "name = 'a'\n"
                        "cpus = 3\n"
                        "memory = '512 MiB'\n"
                        "kernel = 12\n"
                        "cmdlin = \"\\q\"\n",
                        machine);
    CHECK(
        loaded.faults() ==
        "f:1:1: error: 'consol' stands outside of a table; it belongs below [hypervisor] or [[guest]]\n"
        "f:4:12: error: there is no CPU 7; this machine has the CPUs 0 to 1\n"
        "f:6:10: error: the kernel 'missing' cannot be read: there is no such file\n"
        "f:8:8: error: there already is a guest 'a', in line 3\n"
        "f:9:8: error: this guest wants 3 CPUs; 1 is left for it of the 2 of this machine (no two guests get threads "
        "of one core)\n"
        "f:10:10: error: this guest wants 512 MiB; 128 MiB are left of the 256 MiB that this machine has for guests "
        "(largest piece 128 MiB)\n"
        "f:11:10: error: 'kernel' is a path in quotes, not a number\n"
        "f:12:1: error: there is no key 'cmdlin'; did you mean 'cmdline'?\n"
        "f:12:11: error: a backslash before 'q' is no escape; write two backslashes for one, or put the text in single "
        "quotes\n");
}

TEST_CASE("Configuration: the storage can be used again") {
    Loaded loaded("nonsense");
    CHECK_FALSE(loaded.right);
    FakeFiles files;
    const std::string text = with_guest("");
    CHECK(load_configuration(text, files, nullptr, loaded.loaded));
    CHECK(loaded.loaded.configuration.guests.size() == 1);
}

TEST_CASE("Configuration: what happens to a guest over its life") {
    const Loaded standard(with_guest(""));
    const GuestConfig& a = standard.guest(0);
    CHECK(a.autostart.value);
    CHECK(a.restart_on_crash.value == 0);
    CHECK(a.restart_on_reboot.value == 1);
    CHECK(a.restart_limit.value == 10);
    CHECK(a.restart_delay.value == 1000);
    CHECK(a.watchdog.value == 0);

    const Loaded changed(with_guest("autostart = false\non-crash = 'restart'\non-reboot = 'stop'\nrestart-limit = 0\n"
                                    "restart-delay = 60000\nwatchdog = 30\n"
                                    "[hypervisor]\nwhen-off = 'stay'\non-panic = 'reboot'\n"));
    CHECK(changed.faults().empty());
    const GuestConfig& b = changed.guest(0);
    CHECK_FALSE(b.autostart.value);
    CHECK(b.restart_on_crash.value == 1);
    CHECK(b.restart_on_reboot.value == 0);
    CHECK(b.restart_limit.value == 0);
    CHECK(b.restart_delay.value == 60000);
    CHECK(b.watchdog.value == 30);
    const HypervisorConfig& hypervisor = changed.loaded.configuration.hypervisor;
    CHECK(hypervisor.when_off.value == static_cast<u64>(WhenOff::Stay));
    CHECK(hypervisor.on_panic.value == static_cast<u64>(OnPanic::Reboot));
    CHECK(Loaded(with_guest("[hypervisor]\nwhen-off = 'reboot'")).loaded.configuration.hypervisor.when_off.value ==
          static_cast<u64>(WhenOff::Reboot));
}

TEST_CASE("Configuration: a guest's own serial port") {
    const Loaded shared(with_guest(""));
    CHECK(shared.guest(0).console_port.value == 0);
    CHECK(shared.guest(0).console_irq.value == 0);
    const Loaded own(with_guest("console-port = 0x2f8\n[[guest]]\nname = 'b'\nmemory = 0x200000\nkernel = 'vmlinuz'\n"
                                "console-port = 0x1000\nconsole-irq = 11\n"));
    CHECK(own.faults().empty());
    CHECK(own.guest(0).console_port.value == 0x2f8);
    CHECK(own.guest(0).console_irq.value == 3);
    CHECK(own.guest(1).console_irq.value == 11);
    // Where the hypervisor has no console, its standard port can be a guest's; ports side by side are two.
    CHECK(Loaded(with_guest("console-port = 0x3f8\n[hypervisor]\nconsole-port = 0")).right);
    CHECK(Loaded(with_guest("console-port = 0x400\nconsole-irq = 5")).right);
}
