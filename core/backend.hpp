// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a vendor's backend offers to the run loop. A concept, not an interface with virtual functions: an exit would
// make four indirect calls. svm/backend.hpp and vmx/backend.hpp satisfy it.
#pragma once

#include <concepts>
#include <optional>

#include "arch/x86_64/layout.hpp"
#include "core/guest.hpp"
#include "core/guest_operand.hpp"
#include "core/guest_page_walk.hpp"
#include "core/msr_policy.hpp"
#include "core/vm_exit.hpp"
#include "mm/address.hpp"

namespace bulkhead {

/// An exception for the guest, with its error code where the vector has one (SDM 3A table 6-1).
struct GuestException {
    u8 vector = 0;
    std::optional<u32> error_code;
};

inline constexpr GuestException debug_exception{1, std::nullopt};
inline constexpr GuestException undefined_instruction{6, std::nullopt};
inline constexpr GuestException general_protection{13, 0};
inline constexpr GuestException floating_point_error{16, std::nullopt};
inline constexpr GuestException alignment_check{17, 0};

/// The control registers as the hardware has them; the guest's own view of CR0 and CR4 is the handlers' matter.
struct ControlState {
    u64 cr0 = 0;
    u64 cr4 = 0;
    u64 efer = 0;
    friend bool operator==(const ControlState&, const ControlState&) = default;
};

/// What a backend gets for one CPU: physical addresses of what hardware reads, and of the second-stage tables.
struct CpuResources {
    HostPhysical host_root;          ///< page tables of the CPU's run loop
    HostPhysical firmware_root;      ///< the same, and what UEFI runtime services need
    HostPhysical control;            ///< the frames at layout::per_cpu_frames, contiguous
    HostPhysical guest_root;         ///< second-stage table of the guest; 0 on a free CPU
    HostPhysical parked_root;        ///< of the parked context
    bool needless_intercept = false; ///< for the test that proves that the exit counters count
};

template <class B>
concept Backend = requires(B& backend, const B& constant, EntryState entry, GuestException exception, u64 value,
                           const Vcpu& vcpu, const GuestMemory& memory, Guest& guest) {
    /// Runs the vCPU until it exits. Interrupts and NMIs are held back outside of it.
    { backend.enter() } -> std::same_as<VmExit>;
    /// The exit that enter() returned, decoded once more.
    { constant.last_exit() } -> std::same_as<VmExit>;
    /// An entry was refused: prints what the CPU and our own checks say about it.
    { constant.explain_refusal(vcpu) } -> std::same_as<void>;
    /// From now on enter() runs the parked context, or the guest again.
    { backend.set_parked(true) } -> std::same_as<void>;
    /// Outside of the guest, whether more than RFLAGS.IF holds interrupts and NMIs back. True from start() on.
    { backend.hold_interrupts(true) } -> std::same_as<void>;
    /// Firmware code is to run here: nothing is held back any more.
    { backend.release_cpu() } -> std::same_as<void>;
    /// Puts the vCPU at its start.
    { backend.reset(entry) } -> std::same_as<void>;
    /// The same as a start-up IPI does, with the page's number: real mode, all else as after an INIT (SDM 3A table
    /// 10-1). RDX, and what the guest sees in CR0, are the caller's.
    { backend.start_up(u8{}) } -> std::same_as<void>;

    { constant.rip() } -> std::same_as<u64>;
    /// Completes the instruction that exited: RIP moves, the interrupt shadow ends, a single step traps.
    { backend.advance(value) } -> std::same_as<void>;
    /// False: it arose while a double fault was being delivered, so that the guest shuts down
    /// (core/exception_merge.hpp).
    { backend.inject(exception) } -> std::same_as<bool>;
    /// Lets the NMI that caused the exit through to the host's handler.
    { backend.take_nmi() } -> std::same_as<void>;
    /// An NMI for the guest, with the masking that a real one has: delivered once it is unmasked.
    { backend.raise_guest_nmi() } -> std::same_as<void>;
    { backend.nmi_window() } -> std::same_as<void>;
    /// Whether the exit interrupted the delivery of an event, which the next entry begins again.
    { constant.is_delivering() } -> std::same_as<bool>;
    { backend.take_debug_exception() } -> std::same_as<bool>;

    /// A page of the guest's RAM could not be executed: whether it can be now.
    { backend.allow_execution(guest, value) } -> std::same_as<bool>;

    { constant.paging() } -> std::same_as<PagingState>;
    { constant.controls() } -> std::same_as<ControlState>;
    /// Sets CR0, CR4 and EFER (the backend adds what it needs itself) and flushes the guest's translations.
    { backend.set_controls(ControlState{}) } -> std::same_as<void>;
    /// After that: PAE paging begins with what the page-directory-pointer table says now (SDM 3A 4.4.1).
    { backend.load_pdptes(memory) } -> std::same_as<void>;
    /// What the guest reads in CR0 and CR4, after set_controls() has set the real ones.
    { backend.show_controls(value, value) } -> std::same_as<void>;
    { constant.segments() } -> std::same_as<std::array<SegmentState, 6>>;
    { constant.cs_base() } -> std::same_as<u64>;
    /// 64-bit code under four-level paging.
    { constant.is_common_code() } -> std::same_as<bool>;
    { constant.code_mode() } -> std::same_as<CpuMode>;
    { constant.cr2() } -> std::same_as<u64>;
    { constant.cr3() } -> std::same_as<u64>;
    { backend.set_cr2(value) } -> std::same_as<void>;
    { backend.set_tsc_offset(value) } -> std::same_as<void>;
    /// Of the x2APIC's MSRs.
    { backend.set_apic_exits(ApicExits::Eoi) } -> std::same_as<void>;
};

/// This CPU's.
template <Backend B> B& this_backend() { return *reinterpret_cast<B*>(layout::per_cpu_vendor); }

} // namespace bulkhead
