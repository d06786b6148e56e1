// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "core/backend.hpp"
#include "core/build_machine.hpp"
#include "core/cpu.hpp"
#include "core/instruction_fetch.hpp"
#include "core/msr_policy.hpp"
#include "svm/capabilities.hpp"
#include "svm/decode.hpp"
#include "svm/instructions.hpp"
#include "svm/vmcb.hpp"

extern "C" __attribute__((preserve_none)) void svm_enter_guest();

namespace bulkhead::svm {

/// A vCPU on AMD-V. One object a CPU, in its private mapping; it never moves.
class Backend {
public:
    static constexpr const char* name = "AMD-V";
    static constexpr bool reports_next_rip = false; ///< not every CPU

    /// This CPU's words, read from the hardware.
    static Result<Capabilities> detect();

    /// Nested page tables. `host`: what the CPU's own tables can do, which nested ones are like.
    static SecondStageFormat second_stage(PagingCapabilities host);

    /// Turns SVM on for this CPU and prepares both control blocks. GIF is 0 from here on.
    Result<void> start(const CpuResources& resources);

    /// Runs until the next exit; decoded.
    [[gnu::always_inline]] VmExit enter() {
        svm_enter_guest();
        ControlArea& control = active_->control;
        control.tlb_control = TLB_DO_NOTHING;
        control.vmcb_clean = ~0u;
        // An event that was being delivered goes on with the next entry (APM 2 15.7.2).
        if ((control.exitintinfo & event_valid) != 0) [[unlikely]]
            keep_interrupted_event();
        return decode_exit(control, capabilities_.nrip_save);
    }
    /// The exit that enter() returned, decoded once more.
    [[nodiscard]] VmExit last_exit() const { return decode_exit(active_->control, capabilities_.nrip_save); }
    /// An entry was refused: says why, as far as we can tell.
    void explain_refusal(const Vcpu& vcpu) const;
    void set_parked(bool parked);
    void release_cpu() { stgi(); }
    void hold_interrupts(bool hold) { hold ? clgi() : stgi(); }
    void reset(const EntryState& entry);
    void start_up(u8 vector);

    [[nodiscard]] u64 rip() const { return guest().save.rip; }
    [[gnu::always_inline]] void advance(u64 next_rip) {
        Vmcb& vmcb = guest();
        if (static_cast<u32>(next_rip) < longest_instruction) [[unlikely]] // behind 4 GiB is 0 for code of 32 bits
            next_rip = cut_to_mode(next_rip);
        vmcb.save.rip = next_rip;
        vmcb.control.interrupt_shadow = 0;
        vmcb.save.rflags &= ~rflags_rf;
        if ((vmcb.save.rflags & rflags_tf) != 0) [[unlikely]]
            trap_single_step();
    }
    [[nodiscard]] bool inject(GuestException exception);
    void take_nmi();
    void raise_guest_nmi();
    void nmi_window();
    static bool allow_execution(Guest&, u64) { return false; } // all RAM is executable

    [[nodiscard]] PagingState paging() const {
        const SaveArea& save = guest().save;
        return {save.cr0, save.cr3, save.cr4, save.efer, save.rflags, save.cpl};
    }
    [[nodiscard]] u64 cr3() const { return guest().save.cr3; }
    /// 64-bit code with four-level paging, the state nearly every exit comes from.
    [[nodiscard]] bool is_common_code() const {
        const SaveArea& save = guest().save;
        return (save.cs.attributes & cs_long) != 0 && (save.efer & efer_lma) != 0 && (save.cr4 & cr4_la57) == 0;
    }
    [[nodiscard]] ControlState controls() const;
    void set_controls(const ControlState& state);
    void load_pdptes(const GuestMemory&) {} // the CPU reads them as it needs them (APM 2 15.25.10)
    void show_controls(u64 cr0, u64 cr4);
    [[nodiscard]] std::array<SegmentState, 6> segments() const;
    [[nodiscard]] u64 cs_base() const { return guest().save.cs.base; }
    [[nodiscard]] CpuMode code_mode() const;
    [[nodiscard]] u64 rflags() const { return guest().save.rflags; }
    void set_rflags(u64 value) { guest().save.rflags = value; }
    void load_rsp() { this_cpu().registers.rsp() = guest().save.rsp; }
    void store_rsp() { guest().save.rsp = this_cpu().registers.rsp(); }
    [[nodiscard]] u64 cr2() const { return guest().save.cr2; }
    void set_cr2(u64 value);
    void set_tsc_offset(u64 value);
    void set_apic_exits(ApicExits exits);
    void flush_translations() { guest().control.tlb_control = TLB_FLUSH_ALL; }
    [[nodiscard]] u64 tsc_offset() const { return guest().control.tsc_offset; }
    /// The guest's TSC now.
    [[nodiscard]] u64 guest_tsc() const { return arch::read_tsc() + guest().control.tsc_offset; }
    /// #DB exited, or a fault while we stepped over an IRET: whether it is a #DB of the guest's own.
    [[nodiscard]] bool take_debug_exception();
    [[nodiscard]] bool is_delivering() const { return (guest().control.eventinj & event_valid) != 0; }
    static constexpr const InterceptedInstruction& hypercall_instruction() { return intercepted_vmmcall; }

private:
    static constexpr u64 rflags_tf = 1u << 8;
    static constexpr u64 rflags_rf = 1u << 16;
    static constexpr u16 cs_long = 1u << 9; ///< attribute bit of L (APM 2 15.5.1)
    static constexpr u64 cr4_la57 = 1u << 12;
    static constexpr u64 efer_lma = 1u << 10;

    static Vmcb& guest() { return *reinterpret_cast<Vmcb*>(layout::per_cpu_frames); }
    static Vmcb& parked() { return *reinterpret_cast<Vmcb*>(layout::per_cpu_frames + page_size); }
    void prepare_guest();
    void set_intercepts();
    void write_initial_state();
    [[nodiscard]] u64 cut_to_mode(u64 next_rip) const;
    void prepare_parked();
    void trap_single_step();
    void keep_interrupted_event();
    void inject_nmi();
    void choose_msr_map();

    CpuResources resources_;
    Capabilities capabilities_;
    Vmcb* active_ = nullptr;
    ApicExits apic_exits_ = ApicExits::Least;
    bool nmi_pending_ = false;
    bool nmi_masked_ = false;
    bool stepping_over_iret_ = false;
    u64 hidden_lme_ = 0; // EFER.LME without paging does nothing; QEMU's #VMEXIT makes of it the host's paging
};

static_assert(bulkhead::Backend<Backend>);

static_assert(sizeof(Backend) <= layout::per_cpu_data + layout::per_cpu_data_size - layout::per_cpu_vendor);

} // namespace bulkhead::svm
