// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "arch/x86_64/layout.hpp"
#include "integration/bochs_debugger.hpp"
#include "integration/gdb.hpp"
#include "integration/run_time_faults.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

/// SDM 3D B: fields that do not take what is HOST_RSP's, an address at the end of the address space.
struct Refused {
    unsigned cpu;
    u64 field;
};
constexpr Refused refused[] = {{1, 0x4012},  // VM-entry controls: before the guest's state is looked at
                               {2, 0x6820},  // guest RFLAGS
                               {3, 0x2800}}; // VMCS link pointer

u64 start_address() { return address_in(hypervisor_elf, "_ZN8bulkhead3vmx7Backend5startERKNS_12CpuResourcesE"); }

/// Bochs' number of a CPU: every second one is hidden (tools/bochs.cpp).
unsigned number_of(unsigned cpu) { return 2 * cpu; }

} // namespace

std::vector<std::string> damage_running_guests_on_bochs(const std::filesystem::path& folder) {
    constexpr unsigned patience = 10'000;                                             // entries of others
    const u64 naming = address_in(hypervisor_elf, "vmx_enter_guest", "\x0f\x79\xc4"); // VMWRITE HOST_RSP
    std::vector<std::string> done;
    BochsDebugger bochs(folder);
    bochs.ask("d 1"); // the first, at the guest's rounds
    bochs.ask("lb " + std::to_string(naming));
    for (const Refused& each : refused) {
        for (unsigned i = 0;; ++i) {
            if (i == patience)
                throw tools::Failure("CPU " + std::to_string(each.cpu) + " enters no guest");
            bochs.run();
            if (bochs.rip(number_of(each.cpu)) == naming)
                break;
        }
        bochs.ask("set $cpu = " + std::to_string(number_of(each.cpu)));
        bochs.ask("set rax = " + std::to_string(each.field));
        done.push_back("CPU " + std::to_string(each.cpu) + ": an entry that the CPU refuses");
    }
    bochs.ask("d 2");
    return done;
}

std::string breakpoint_at_start() { return "lb " + std::to_string(start_address()) + "\nc\n"; }

std::vector<std::string> damage_starting_cpus_on_bochs(const std::filesystem::path& folder) {
    constexpr unsigned patience = 100; // stops of others
    const u64 start = start_address();
    std::vector<std::string> done;
    BochsDebugger bochs(folder);
    for (const unsigned cpu : {3U, 4U}) {
        for (unsigned i = 0; bochs.rip(number_of(cpu)) != start; ++i) {
            if (i == patience)
                throw tools::Failure("CPU " + std::to_string(cpu) + " does not start");
            bochs.run();
        }
        bochs.ask("set $cpu = " + std::to_string(number_of(cpu)));
        bochs.ask("set rsi = 0x8000000000000000"); // itself: no canonical address
        done.push_back("CPU " + std::to_string(cpu) + ": has no place for its state");
    }
    bochs.ask("d 1");
    return done;
}

} // namespace bulkhead::integration
