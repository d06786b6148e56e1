// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/failure.hpp"

#include <utility>

#include "core/console.hpp"
#include "core/machine.hpp"

namespace bulkhead {

namespace {

constexpr std::array<std::string_view, Registers::count> register_names{
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr u32 registers_per_line = 4;

} // namespace

void print_failure(const Vcpu& vcpu, const FailureRecord& record, const Registers& registers) {
    const std::string_view guest = vcpu.guest->name;
    {
        const LockGuard lock(vcpu.guest->life_lock, lock_owner());
        vcpu.guest->last_failure = {record.what, vcpu.id, record.rip};
    }
    Record() << "guest " << guest << " vCPU " << vcpu.id << " stopped at RIP " << Hex{record.rip, 16} << ": "
             << record.what << " (" << Hex{record.value} << ")";
    const bool as_saved = record.reason == ExitReason::TripleFault; // the processor state is not architectural then
    Record() << "guest " << guest << ": exit " << exit_reason_names[static_cast<u32>(record.reason)] << ", code "
             << Hex{record.raw[0]} << " " << Hex{record.raw[1]} << " " << Hex{record.raw[2]}
             << (as_saved ? "; registers as saved at the shutdown" : "");
    Record() << "guest " << guest << ": cr0 " << Hex{record.paging.cr0} << " cr3 " << Hex{record.paging.cr3} << " cr4 "
             << Hex{record.paging.cr4} << " efer " << Hex{record.paging.efer} << " rflags " << Hex{record.paging.rflags}
             << " cpl " << u32{record.paging.cpl};
    for (u32 first = 0; first < Registers::count; first += registers_per_line) {
        Record line;
        line << "guest " << guest << ":";
        for (u32 i = first; i < first + registers_per_line; ++i)
            line << " " << register_names[i] << " " << Hex{registers.gpr[i], 16};
    }
}

void report_parked_failure(const Vcpu& core, const VmExit& exit) {
    Log() << "CPU " << core.cpu << ": parked context exited by " << exit_reason_names[static_cast<u32>(exit.reason)]
          << ", code " << Hex{exit.raw[0]};
    __builtin_trap();
}

std::string_view violation_by(const SecondStageFault& fault, GuestAddressClass where) {
    if (where == GuestAddressClass::NotTheGuests || where == GuestAddressClass::Ram)
        return fault.execute ? "execution outside of the guest's memory"
               : fault.write ? "write outside of the guest's memory"
                             : "read outside of the guest's memory";
    if (fault.execute)
        return "execution where there is no memory";
    return fault.page_walk ? "page table where there is no memory" : "";
}

void report_unknown_msr(Vcpu& vcpu, ReportedMsrs& reported, u32 number, bool write) {
    ++vcpu.unknown_msrs;
    if (reported.is_new(number))
        Log() << "guest " << vcpu.guest->name << " vCPU " << vcpu.id << ": #GP for the unknown MSR " << Hex{number}
              << (write ? ", written" : ", read");
}

void print_counters(const Vcpu& vcpu) {
    u64 total = 0;
    for (const u64 count : vcpu.exits)
        total += count;
    Line<1200> line; // each reason and a number of 20 digits
    line << "exits of " << vcpu.guest->name << " vCPU " << vcpu.id << ": total " << total;
    for (u32 i = 0; i < exit_reason_count; ++i)
        if (vcpu.exits[i] != 0)
            line << ", " << exit_reason_names[i] << " " << vcpu.exits[i];
    line << "; hypervisor microseconds "
         << pvclock_nanoseconds(pvclock_scale(machine.boot.clocks.tsc_khz), vcpu.hypervisor_ticks) / 1000;
    for (const auto& [what, count] : {std::pair<std::string_view, u64>{"unknown MSRs", vcpu.unknown_msrs},
                                      {"dropped IPIs", vcpu.dropped_ipis},
                                      {"injected", vcpu.injected}})
        if (count != 0)
            line << "; " << what << " " << count;
    console::print(line.view());
}

} // namespace bulkhead
