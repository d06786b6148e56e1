// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/run_time_faults.hpp"

#include <cstddef>

#include "arch/x86_64/layout.hpp"
#include "integration/gdb.hpp"
#include "svm/vmcb.hpp"

namespace bulkhead::integration {
namespace {

/// Of VMRUN: it is in svm_enter_guest, and what follows it is where exits arrive.
u64 exit_address() { return address_in(hypervisor_elf, "svm_enter_guest", "\x0f\x01\xd8") + 3; }

void run_to_exit_of(Gdb& gdb, unsigned thread) {
    for (unsigned at = gdb.run(); at != thread; at = gdb.run())
        gdb.step(at);
    gdb.select(thread);
}

/// What is written to the VMCB at an exit, by its place there.
struct Change {
    unsigned cpu;
    std::string_view what;
    u64 field, value;
};
constexpr Change changes[] = {
    // APM 2 15.5.1: the ASID of the host; SVME is 0
    {1, "an entry that the CPU refuses", offsetof(svm::ControlArea, guest_asid), 0},
    {2, "an entry that the CPU refuses", sizeof(svm::ControlArea) + offsetof(svm::SaveArea, efer), 1 << 8 | 1 << 10},
    // APM 2 appendix C: VMEXIT_EXCP18, in the place of what the guest did
    {5, "an exit by #MC", offsetof(svm::ControlArea, exitcode), 0x52},
};

} // namespace

std::vector<std::string> damage_running_guests(const std::filesystem::path& folder) {
    constexpr unsigned first = 3, second = 4;
    const u64 exit = exit_address();
    std::vector<std::string> done;
    Gdb gdb(folder);
    gdb.set_breakpoint(exit, true);
    for (const auto& each : changes) {
        run_to_exit_of(gdb, each.cpu + 1);
        gdb.write_u64(layout::per_cpu_frames + each.field, each.value);
        gdb.step(each.cpu + 1);
        done.push_back("CPU " + std::to_string(each.cpu) + ": " + std::string(each.what));
    }
    run_to_exit_of(gdb, first + 1);
    while (gdb.run_alone(second + 1) != second + 1) // the first stands still
        ;
    gdb.set_breakpoint(exit, false);
    gdb.select(first + 1);
    gdb.set_rip(0);
    gdb.select(second + 1);
    gdb.set_rip(address_in(hypervisor_elf, "__stack_chk_fail", "\x0f\x0b")); // UD2
    done.push_back("CPUs 3 and 4: the hypervisor goes astray");
    return done;
}

std::vector<std::string> damage_starting_cpus(const std::filesystem::path& folder, std::size_t count) {
    constexpr unsigned first = 3;
    const u64 start = address_in(hypervisor_elf, "_ZN8bulkhead3svm7Backend5startERKNS_12CpuResourcesE");
    std::vector<std::string> done;
    Gdb gdb(folder);
    gdb.set_breakpoint(start, true);
    while (done.size() < count) {
        const unsigned thread = gdb.run();
        gdb.select(thread);
        if (thread - 1 >= first) {
            gdb.set_rip(0);
            done.push_back("CPU " + std::to_string(thread - 1) + ": goes on at address 0");
        }
        gdb.step(thread);
    }
    gdb.set_breakpoint(start, false);
    return done;
}

} // namespace bulkhead::integration
