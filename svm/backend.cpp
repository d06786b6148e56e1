// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "svm/backend.hpp"

#include "arch/x86_64/control_bits.hpp"
#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/msr_numbers.hpp"
#include "base/init.hpp"
#include "core/console.hpp"
#include "core/control_registers.hpp"
#include "core/exception_merge.hpp"
#include "core/machine.hpp"
#include "mm/format_npt.hpp"

namespace bulkhead::svm {

namespace {

// The frames at layout::per_cpu_frames.
constexpr u64 parked_frame = 1;
constexpr u64 host_save_frame = 2;

constexpr u32 iret_faults = 0x1fu << 10; // #TS, #NP, #SS, #GP, #PF
constexpr u64 dr6_bs = 1u << 14;
constexpr u64 dr6_reset = 0xffff0ff0;
constexpr u64 dr7_reset = 0x400;
constexpr u64 rflags_fixed = 2;
constexpr u64 pat_reset = 0x0007040600070406;

// Attributes of flat segments: APM 2 15.5.1 keeps descriptor bits 47:40 and 55:52.
constexpr u16 code_64 = 0xa9b;
constexpr u16 code_16 = 0x09b;
constexpr u16 data_flat = 0xc93;
constexpr u16 data_16 = 0x093;
constexpr u16 ldt = 0x082;
// Type 9, not 11 (busy): QEMU's TCG checks user-mode port access by the TSS for type 9 only; AMD's hardware ignores it.
constexpr u16 tss = 0x089;

// design rule "always intercepted", with why in docs/exit-path.md.
constexpr Intercepts guest_intercepts{
    .cr_write = 1u << 4,
    .exceptions = 1u << 1 | 1u << 17 | 1u << 18,
    .misc1 = INTERCEPT_NMI | INTERCEPT_INIT | INTERCEPT_CR0_SEL_WRITE | INTERCEPT_RDPMC | INTERCEPT_CPUID |
             INTERCEPT_INVD | INTERCEPT_INVLPGA | INTERCEPT_IOIO_PROT | INTERCEPT_MSR_PROT | INTERCEPT_FERR_FREEZE |
             INTERCEPT_SHUTDOWN,
    .misc2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI |
             INTERCEPT_CLGI | INTERCEPT_SKINIT | INTERCEPT_WBINVD | INTERCEPT_MONITOR | INTERCEPT_MWAIT |
             INTERCEPT_MWAIT_ARMED | INTERCEPT_XSETBV | INTERCEPT_RDPRU,
    .misc3 = INTERCEPT_INVLPGB | INTERCEPT_INVLPGB_ILLEGAL | INTERCEPT_MCOMMIT | INTERCEPT_TLBSYNC,
};

constexpr u32 guest_asid = 1;
constexpr u32 parked_asid = 2;

void set_flat_segments(SaveArea& save, u16 code_attributes, u16 data_attributes, u32 limit) {
    save.cs = {0, code_attributes, limit, 0};
    save.ss = save.ds = save.es = save.fs = save.gs = {0, data_attributes, limit, 0};
    save.ldtr = {0, ldt, 0xffff, 0};
    save.tr = {0, tss, 0xffff, 0};
    save.gdtr = save.idtr = {0, 0, 0xffff, 0};
}

} // namespace

/// Guests read DE_CFG[1] as set (core/msr_policy.hpp), so it is: LFENCE waits for what is before it, whoever executes
/// it. Families 10h, 12h and later have the MSR; on 0Fh and 11h LFENCE is always so (Linux has the same list,
/// arch/x86/kernel/cpu/amd.c).
BULKHEAD_INIT void make_lfence_serializing() {
    const u32 signature = arch::cpuid(1).eax;
    const u32 family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
    constexpr u64 lfence_serialize = 1u << 1;
    if (family >= 0x10 && family != 0x11)
        arch::write_msr(msr::DE_CFG, arch::read_msr(msr::DE_CFG) | lfence_serialize);
}

/// The hypervisor's own branches are not steered by a guest's where the CPU can see to that by itself (APM 2 3.2.9);
/// VMRUN and #VMEXIT change EFER anyway.
BULKHEAD_INIT u64 host_efer() {
    constexpr u32 automatic_ibrs = 1u << 8; // CPUID 8000_0021h EAX
    const bool present =
        arch::cpuid(0x80000000).eax >= 0x80000021 && (arch::cpuid(0x80000021).eax & automatic_ibrs) != 0;
    return arch::read_msr(msr::EFER) | efer::SVME | (present ? efer::AIBRSE : 0);
}

BULKHEAD_INIT Result<Capabilities> Backend::detect() {
    CapabilityWords words;
    words.max_extended_leaf = arch::cpuid(0x80000000).eax;
    words.extended_ecx = arch::cpuid(0x80000001).ecx;
    if (words.max_extended_leaf >= 0x8000000a && (words.extended_ecx & 4) != 0) {
        const CpuidRegisters leaf = arch::cpuid(0x8000000a);
        words.svm_ebx = leaf.ebx;
        words.svm_edx = leaf.edx;
        words.vm_cr = arch::read_msr(msr::VM_CR);
    }
    return decide_capabilities(words);
}

BULKHEAD_INIT SecondStageFormat Backend::second_stage(PagingCapabilities host) {
    return {page_format_of<NptFormat>, host, all_rights};
}

BULKHEAD_INIT Result<void> Backend::start(const CpuResources& resources) {
    const Result<Capabilities> capabilities = detect();
    if (!capabilities)
        return std::unexpected(capabilities.error());
    resources_ = resources;
    capabilities_ = *capabilities;
    arch::write_msr(msr::EFER, host_efer());
    arch::write_msr(msr::VM_HSAVE_PA, (resources.control + host_save_frame * page_size).value);
    make_lfence_serializing();
    clgi();
    prepare_parked();
    prepare_guest();
    set_parked(true);
    return {};
}

BULKHEAD_INIT void Backend::prepare_parked() {
    Vmcb& vmcb = parked();
    vmcb.control.intercepts = guest_intercepts;
    vmcb.control.iopm_base_pa = machine.boot.io_map.value;
    vmcb.control.msrpm_base_pa = machine.boot.msr_maps.value;
    vmcb.control.guest_asid = parked_asid;
    vmcb.control.tlb_control = TLB_FLUSH_ALL;
    vmcb.control.np_enable = 1;
    vmcb.control.n_cr3 = resources_.parked_root.value;
    // Real mode at 0: "cli; hlt" in a page of the hypervisor's, and no memory else (core/parked.S).
    set_flat_segments(vmcb.save, code_16, data_16, 0xffff);
    vmcb.save.efer = efer::SVME;
    vmcb.save.cr0 = cr0::ET;
    vmcb.save.dr6 = dr6_reset;
    vmcb.save.dr7 = dr7_reset;
    vmcb.save.rflags = rflags_fixed;
    vmcb.save.g_pat = pat_reset;
}

BULKHEAD_INIT void Backend::prepare_guest() {
    ControlArea& control = guest().control;
    set_intercepts();
    control.iopm_base_pa = machine.boot.io_map.value;
    control.msrpm_base_pa = machine.boot.msr_maps.value;
    control.guest_asid = guest_asid;
    control.tlb_control = TLB_FLUSH_ALL;
    // V_INTR_MASKING stays 0: RFLAGS.IF of the guest masks the CPU's interrupts, which go through the guest's IDT.
    control.vintr = 0;
    control.np_enable = 1;
    control.n_cr3 = resources_.guest_root.value;
    guest().save.efer = efer::SVME;
    guest().save.g_pat = pat_reset;
}

void Backend::explain_refusal(const Vcpu& vcpu) const {
    Log() << "guest " << vcpu.guest->name << " vCPU " << vcpu.id
          << ": VMRUN: the CPU does not say which check of APM 2 15.5.1 failed";
}

void Backend::set_parked(bool is_parked) {
    active_ = is_parked ? &parked() : &guest();
    this_cpu().control_block = resources_.control + (is_parked ? parked_frame * page_size : 0);
}

void Backend::set_intercepts() {
    guest().control.intercepts = guest_intercepts;
    if (resources_.needless_intercept)
        guest().control.intercepts.misc1 |= INTERCEPT_RDTSC;
}

/// What does not depend on the mode; set_controls() comes behind it.
void Backend::write_initial_state() {
    this_cpu().registers = {};
    SaveArea& save = guest().save;
    save.cpl = 0;
    save.cr2 = save.cr3 = 0;
    if (this_cpu().core->is_new.load()) { // an INIT leaves them
        save.g_pat = pat_reset;
        save.spec_ctrl = 0;
    }
    save.dr6 = dr6_reset;
    save.dr7 = dr7_reset;
    save.rflags = rflags_fixed;
    save.rip = save.rsp = save.rax = 0;
    save.star = save.lstar = save.cstar = save.sfmask = save.kernel_gs_base = 0;
    save.sysenter_cs = save.sysenter_esp = save.sysenter_eip = 0;
    arch::clear_breakpoints();
    ControlArea& control = guest().control;
    control.eventinj = control.interrupt_shadow = 0;
    set_intercepts();
    nmi_pending_ = nmi_masked_ = stepping_over_iret_ = false;
}

void Backend::reset(const EntryState& entry) {
    write_initial_state();
    this_cpu().registers.rsi() = entry.rsi;
    SaveArea& save = guest().save;
    set_flat_segments(save, code_64, data_flat, 0xffffffff);
    save.cs.selector = entry.code_selector;
    save.ss.selector = save.ds.selector = save.es.selector = save.fs.selector = save.gs.selector = entry.data_selector;
    save.gdtr.base = entry.gdt_base;
    save.gdtr.limit = entry.gdt_limit;
    save.cr3 = entry.cr3;
    save.rip = entry.rip;
    save.rsp = entry.rsp;
    set_controls({cr0::PG | cr0::NE | cr0::ET | cr0::PE, real_cr4(cr4::PAE), efer::LME | efer::LMA});
    show_controls(save.cr0, cr4::PAE);
    // The state that only VMLOAD loads stays in the CPU from here on: it is the guest's.
    vmload(resources_.control);
}

void Backend::start_up(u8 vector) {
    write_initial_state();
    SaveArea& save = guest().save;
    set_flat_segments(save, code_16, data_16, 0xffff);
    save.cs.selector = static_cast<u16>(vector << 8);
    save.cs.base = u64{vector} << 12;
    set_controls({cr0::ET, real_cr4(0), 0});
    vmload(resources_.control);
}

bool Backend::inject(GuestException exception) {
    ControlArea& control = guest().control;
    const u64 pending = control.eventinj;
    std::optional<u8> interrupted;
    if ((pending & event_valid) != 0 && (pending >> 8 & 7) == static_cast<u64>(EventType::Exception))
        interrupted = static_cast<u8>(pending);
    const std::optional<GuestException> merged = combine(interrupted, exception);
    if (!merged)
        return false;
    control.eventinj = merged->vector | static_cast<u64>(EventType::Exception) << 8 | event_valid;
    if (merged->error_code && (guest().save.cr0 & cr0::PE) != 0) // real mode has none
        control.eventinj |= event_error_code_valid | u64{*merged->error_code} << 32;
    return true;
}

void Backend::keep_interrupted_event() {
    ControlArea& control = active_->control;
    const u64 event = control.exitintinfo;
    const auto type = static_cast<EventType>(event >> 8 & 7);
    // INT n, INT3 and INTO are executed again: RIP is on them (APM 2 15.20).
    const bool repeats = type == EventType::SoftwareInterrupt ||
                         (type == EventType::Exception && ((event & 0xff) == 3 || (event & 0xff) == 4));
    control.eventinj = repeats ? 0 : event;
}

void Backend::trap_single_step() {
    guest().save.dr6 |= dr6_bs;
    guest().control.vmcb_clean = 0;
    static_cast<void>(inject(debug_exception)); // benign: it never shuts the guest down
}

void Backend::take_nmi() {
    // Pending until GIF is 1; the handler runs between these two (APM 2 15.21.2).
    stgi();
    asm volatile("nop");
    clgi();
}

// Without virtual NMIs the guest's masking is kept here: from the injection to the guest's IRET (APM 2 15.20).
void Backend::raise_guest_nmi() {
    nmi_pending_ = true;
    if (!nmi_masked_ && (guest().control.eventinj & event_valid) == 0)
        inject_nmi();
    else
        guest().control.intercepts.misc1 |= INTERCEPT_IRET;
    guest().control.vmcb_clean = 0;
}

void Backend::inject_nmi() {
    ControlArea& control = guest().control;
    // As an interrupt: as an NMI it may block the CPU's own until an IRET that the guest never executes, and ours with
    // them.
    control.eventinj = 2 | static_cast<u64>(EventType::ExternalInterrupt) << 8 | event_valid;
    control.intercepts.misc1 |= INTERCEPT_IRET;
    control.vmcb_clean = 0;
    nmi_pending_ = false;
    nmi_masked_ = true;
}

// RIP is on the IRET, which ends the masking when it completes. One that waits may only come behind it: step over it.
void Backend::nmi_window() {
    ControlArea& control = guest().control;
    control.intercepts.misc1 &= ~INTERCEPT_IRET;
    control.vmcb_clean = 0;
    nmi_masked_ = nmi_pending_; // until the step is done
    if (!nmi_pending_)
        return;
    stepping_over_iret_ = true;
    control.intercepts.exceptions |= iret_faults;
    guest().save.rflags |= rflags::TF;
}

bool Backend::take_debug_exception() {
    if (!stepping_over_iret_)
        return true;
    ControlArea& control = guest().control;
    SaveArea& save = guest().save;
    stepping_over_iret_ = false;
    control.intercepts.exceptions = guest_intercepts.exceptions;
    if (control.exitcode == VMEXIT_EXCP_DB) {
        // The IRET has loaded RFLAGS: if TF is set now, the guest's own step comes behind its next instruction.
        save.dr6 &= ~dr6_bs;
        inject_nmi();
        return false;
    }
    // It faulted, so it is not over: the guest sees the fault without our TF, and the NMI waits for the next IRET.
    save.rflags &= ~rflags::TF;
    control.intercepts.misc1 |= INTERCEPT_IRET;
    const u8 vector = static_cast<u8>(control.exitcode - VMEXIT_EXCP_DB + 1);
    if (control.exitcode == VMEXIT_EXCP_PF)
        save.cr2 = control.exitinfo2;
    control.vmcb_clean = 0;
    static_cast<void>(inject({vector, static_cast<u32>(control.exitinfo1)})); // nothing was being delivered
    return false;
}

ControlState Backend::controls() const {
    const SaveArea& save = guest().save;
    return {save.cr0, save.cr4, (save.efer & ~efer::SVME) | hidden_lme_};
}

void Backend::set_controls(const ControlState& state) {
    SaveArea& save = guest().save;
    save.cr0 = state.cr0;
    save.cr4 = state.cr4;
    hidden_lme_ = (state.cr0 & cr0::PG) != 0 ? 0 : state.efer & efer::LME;
    save.efer = (state.efer ^ hidden_lme_) | efer::SVME;
    guest().control.vmcb_clean = 0;
    flush_translations();
}

void Backend::show_controls(u64 cr0, u64 cr4) {
    const bool differs0 = cr0 != guest().save.cr0;
    const bool differs4 = cr4 != guest().save.cr4;
    Intercepts& intercepts = guest().control.intercepts;
    intercepts.cr_read = static_cast<u16>((differs0 ? 1 : 0) | (differs4 ? 1 << 4 : 0));
    // The selective intercept compares with the real CR0: it misses what changes the guest's view only.
    intercepts.cr_write = static_cast<u16>(guest_intercepts.cr_write | (differs0 ? 1 : 0));
    guest().control.vmcb_clean = 0;
}

u64 Backend::cut_to_mode(u64 next_rip) const {
    return code_mode() == CpuMode::bits64 ? next_rip : static_cast<u32>(next_rip);
}

std::array<SegmentState, 6> Backend::segments() const {
    vmsave(resources_.control); // FS and GS stay in the CPU: VMSAVE is not on the exit path
    const SaveArea& save = guest().save;
    const auto state = [](const Segment& segment) {
        return SegmentState{segment.base, segment.limit, segment.attributes};
    };
    return {state(save.es), state(save.cs), state(save.ss), state(save.ds), state(save.fs), state(save.gs)};
}

CpuMode Backend::code_mode() const {
    constexpr u16 cs_default = 1u << 10;
    const SaveArea& save = guest().save;
    if ((save.efer & efer::LMA) != 0 && (save.cs.attributes & cs_long) != 0)
        return CpuMode::bits64;
    // Real mode keeps the D of the last load in protected mode; virtual-8086 mode has 0.
    return (save.cs.attributes & cs_default) != 0 ? CpuMode::bits32 : CpuMode::bits16;
}

void Backend::set_cr2(u64 value) {
    guest().save.cr2 = value;
    guest().control.vmcb_clean = 0;
}

void Backend::set_tsc_offset(u64 value) {
    guest().control.tsc_offset = value;
    choose_msr_map();
}

void Backend::set_apic_exits(ApicExits exits) {
    apic_exits_ = exits;
    choose_msr_map();
}

void Backend::choose_msr_map() {
    const u32 map = msr_map_of(apic_exits_, tsc_offset() != 0);
    guest().control.msrpm_base_pa = machine.boot.msr_maps.value + map * sizeof(SvmMsrMap);
    guest().control.vmcb_clean = 0;
}

} // namespace bulkhead::svm
