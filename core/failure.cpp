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

std::string_view name_of(StopReason reason) {
    switch (reason) {
    case StopReason::None:
        return "still running";
    case StopReason::PowerOff:
        return "powered off";
    case StopReason::Reset:
        return "reset";
    case StopReason::Failed:
        return "failed";
    }
    __builtin_unreachable();
}

} // namespace

void print_failure(const Vcpu& vcpu, const FailureRecord& record, const Registers& registers) {
    const std::string_view guest = vcpu.guest->name;
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

void begin_stop(Guest& guest, StopReason reason, const Vcpu* self) {
    StopReason expected = StopReason::None;
    if (!guest.stop_reason.compare_exchange_strong(expected, reason))
        return; // another vCPU was first
    for (Vcpu* vcpu : guest.vcpus)
        if (vcpu != self && vcpu->activity.load() != Activity::Off)
            kick(*vcpu, request_stop);
}

void stop_before_start(Guest& guest) {
    guest.stop_reason.store(StopReason::Failed);
    for (Vcpu* vcpu : guest.vcpus)
        vcpu->requests.fetch_or(request_stop);
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
    Log line;
    line << "exits of " << vcpu.guest->name << " vCPU " << vcpu.id << ": total " << total;
    for (u32 i = 0; i < exit_reason_count; ++i)
        if (vcpu.exits[i] != 0)
            line << ", " << exit_reason_names[i] << " " << vcpu.exits[i];
    for (const auto& [what, count] : {std::pair<std::string_view, u64>{"unknown MSRs", vcpu.unknown_msrs},
                                      {"dropped IPIs", vcpu.dropped_ipis},
                                      {"injected", vcpu.injected}})
        if (count != 0)
            line << "; " << what << " " << count;
}

void leave_guest(Vcpu& vcpu) {
    Guest& guest = *vcpu.guest;
    vcpu.activity.store(Activity::Off);
    if (guest.running_vcpus.fetch_sub(1) != 1)
        return;
    for (const Vcpu* each : guest.vcpus)
        print_counters(*each);
    {
        const LockGuard lock(guest.devices_lock, lock_owner());
        if (const u64 dropped = guest.output_writer.dropped(); dropped != 0)
            Log() << "guest " << guest.name << ": " << dropped << " bytes of console output dropped in all";
    }
    Log() << "guest " << guest.name << " is off: " << name_of(guest.stop_reason.load());
    if (machine.running_guests.fetch_sub(1) == 1)
        kick(machine.cores[machine.service_cpu], request_power_off);
}

} // namespace bulkhead
