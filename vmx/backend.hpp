// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/control_bits.hpp"
#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "core/backend.hpp"
#include "core/build_machine.hpp"
#include "core/cpu.hpp"
#include "core/instruction_fetch.hpp"
#include "core/msr_policy.hpp"
#include "vmx/capabilities.hpp"
#include "vmx/decode.hpp"
#include "vmx/instructions.hpp"

extern "C" __attribute__((preserve_none)) void vmx_enter_guest();

namespace bulkhead::vmx {

/// What vmx/enter.S reads and writes.
struct EntryFlags {
    bool launched = false; ///< the current VMCS: VMRESUME instead of VMLAUNCH
    bool failed = false;   ///< VMfail: the guest has not run (SDM 3C 31.2)
};

/// A vCPU on VT-x. One object a CPU, in its private mapping; it never moves.
class Backend {
public:
    static constexpr const char* name = "VT-x";
    static constexpr bool reports_next_rip = true;

    /// This CPU's words, read from the hardware.
    static Result<Capabilities> detect();

    /// Extended page tables. `host`: what the CPU's own tables can do.
    static SecondStageFormat second_stage(PagingCapabilities host);

    /// Enters VMX operation on this CPU and prepares both control structures.
    Result<void> start(const CpuResources& resources);

    /// Runs until the next exit; decoded.
    [[gnu::always_inline]] VmExit enter() {
        vmx_enter_guest();
        if (flags_.failed) [[unlikely]]
            return refused_entry(0);
        return decode_counted_exit(exit_reason(), rip(), read_field,
                                   [this](u32 reason) { return take_other_exit(reason); });
    }
    /// The exit that enter() returned, decoded once more.
    [[nodiscard]] VmExit last_exit() const;
    /// An entry was refused: says why, as far as we can tell.
    void explain_refusal(const Vcpu& vcpu) const;
    void set_parked(bool parked);
    void release_cpu();
    /// An NMI that arrives outside of the guest must not wait for its next exit: the next entry ends at once.
    void end_next_entry();
    void hold_interrupts(bool) {} // RFLAGS.IF does it, and NMIs are held back from no one
    void reset(const EntryState& entry);
    void start_up(u8 vector);

    [[nodiscard]] u64 rip() const { return vmread(Field::GUEST_RIP); }
    [[gnu::always_inline]] void advance(u64 next_rip) {
        if (static_cast<u32>(next_rip) < longest_instruction) [[unlikely]] // behind 4 GiB is 0 for code of 32 bits
            next_rip = cut_to_mode(next_rip);
        vmwrite(Field::GUEST_RIP, next_rip);
        if ((vmread(Field::GUEST_INTERRUPTIBILITY_STATE) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) != 0) [[unlikely]]
            end_interrupt_shadow();
        if ((rflags() & (rflags::TF | rflags::RF)) != 0) [[unlikely]]
            complete_flags();
    }
    [[nodiscard]] bool inject(GuestException exception);
    void take_nmi();
    void raise_guest_nmi();
    void nmi_window();
    [[nodiscard]] bool allow_execution(Guest& guest, u64 guest_physical) const;

    [[nodiscard]] PagingState paging() const;
    [[nodiscard]] u64 cr3() const { return vmread(Field::GUEST_CR3); }
    [[nodiscard]] bool is_common_code() const {
        return (vmread(Field::GUEST_CS_AR_BYTES) & cs_long) != 0 && (vmread(Field::GUEST_IA32_EFER) & efer::LMA) != 0 &&
               (vmread(Field::GUEST_CR4) & cr4::LA57) == 0;
    }
    [[nodiscard]] ControlState controls() const;
    void set_controls(const ControlState& state);
    void load_pdptes(const GuestMemory& memory);
    void show_controls(u64 cr0, u64 cr4);
    [[nodiscard]] std::array<SegmentState, 6> segments() const;
    [[nodiscard]] u64 cs_base() const { return vmread(Field::GUEST_CS_BASE); }
    [[nodiscard]] CpuMode code_mode() const;
    [[nodiscard]] u64 rflags() const { return vmread(Field::GUEST_RFLAGS); }
    void set_rflags(u64 value) { vmwrite(Field::GUEST_RFLAGS, value); }
    void load_rsp() { this_cpu().registers.rsp() = vmread(Field::GUEST_RSP); }
    void store_rsp() { vmwrite(Field::GUEST_RSP, this_cpu().registers.rsp()); }
    // CR2 stays in the CPU: the hypervisor has no page faults that it would survive.
    [[nodiscard]] u64 cr2() const { return arch::read_cr2(); }
    void set_cr2(u64 value) { arch::write_cr2(value); }
    void set_tsc_offset(u64 value);
    void set_apic_exits(ApicExits exits);
    [[nodiscard]] u64 tsc_offset() const { return vmread(Field::TSC_OFFSET); }
    [[nodiscard]] u64 guest_tsc() const { return arch::read_tsc() + tsc_offset(); }
    [[nodiscard]] bool take_debug_exception();
    [[nodiscard]] bool is_delivering() const { return (vmread(Field::VM_ENTRY_INTR_INFO) & interruption_valid) != 0; }
    static constexpr const InterceptedInstruction& hypercall_instruction() { return intercepted_vmcall; }

private:
    static constexpr u64 cs_long = 1u << 13; ///< access rights: L

    void make_current(bool parked);
    void begin_life();
    [[nodiscard]] u64 cut_to_mode(u64 next_rip) const;
    void write_controls(u64 ept_pointer, u16 vpid);
    void write_host_state();
    void prepare_parked();
    void prepare_guest();
    [[nodiscard]] static u32 exit_reason() { return static_cast<u32>(vmread(Field::VM_EXIT_REASON)) & reason_number; }
    ExitReason take_other_exit(u32 reason);
    [[gnu::always_inline]] static VmExit refused_entry(u64 error) {
        VmExit exit;
        exit.reason = ExitReason::EntryFailure;
        exit.raw[0] = error;
        return exit;
    }
    void end_interrupt_shadow();
    void complete_flags();
    void keep_interrupted_event(u32 reason);
    void flush_translations();
    void choose_msr_map() const;

    EntryFlags flags_;                   // vmx/enter.S: must be first
    std::array<bool, 2> was_launched_{}; // of the VMCS that is not current: guest's, parked context's
    bool parked_is_current_ = false;
    bool is_started_ = false; ///< a VMCS is current
    bool nmi_pending_ = false;
    ApicExits apic_exits_ = ApicExits::Least;
    CpuResources resources_;
    Capabilities capabilities_;
};

static_assert(bulkhead::Backend<Backend>);

static_assert(sizeof(Backend) <= layout::per_cpu_data + layout::per_cpu_data_size - layout::per_cpu_vendor);

} // namespace bulkhead::vmx
