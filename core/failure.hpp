// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The one failure tail: a guest that did what it may not is stopped with a record, and nobody else notices.
#pragma once

#include <string_view>

#include "core/backend.hpp"
#include "core/guest.hpp"
#include "core/msr_emulation.hpp"
#include "core/registers.hpp"

namespace bulkhead {

/// What was true when a vCPU failed.
struct FailureRecord {
    std::string_view what; ///< a sentence
    u64 value = 0;         ///< the number that belongs to it
    ExitReason reason = ExitReason::Unknown;
    u64 raw[3]{};
    u64 rip = 0;
    PagingState paging;
};

/// Why the guest must not go on after this fault at such an address; nothing where it is an access to a device.
std::string_view violation_by(const SecondStageFault& fault, GuestAddressClass where);

/// Prints the record: guest, vCPU, RIP, reason, registers.
void print_failure(const Vcpu& vcpu, const FailureRecord& record, const Registers& registers);

/// The parked context exited as it never should: the core's hypervisor is not to be trusted any more.
void report_parked_failure(const Vcpu& core, const VmExit& exit);

/// An MSR that no policy knows: counted each time, logged as ReportedMsrs says.
void report_unknown_msr(Vcpu& vcpu, ReportedMsrs& reported, u32 number, bool write);

/// Exit counters of a vCPU, as one line: "exits of NAME vCPU 0: total 12, cpuid 5, io 7; hypervisor
/// microseconds 34; injected 1".
void print_counters(const Vcpu& vcpu);

} // namespace bulkhead
