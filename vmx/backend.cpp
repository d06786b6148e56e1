// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "vmx/backend.hpp"

#include "arch/x86_64/descriptor_tables.hpp"
#include "arch/x86_64/hardware.hpp"
#include "arch/x86_64/msr_numbers.hpp"
#include "base/init.hpp"
#include "core/console.hpp"
#include "core/control_registers.hpp"
#include "core/exception_merge.hpp"
#include "core/machine.hpp"
#include "vmx/execution.hpp"
#include "vmx/guest_state.hpp"

extern "C" const bulkhead::u8 vmx_exit[]; // vmx/enter.S

namespace bulkhead::vmx {

namespace {

// The frames at layout::per_cpu_frames.
constexpr u64 parked_frame = 1;
constexpr u64 vmxon_frame = 2;

constexpr u64 dr6_reset = 0xffff0ff0;
constexpr u64 dr7_reset = 0x400;
constexpr u64 dr7_gd = 1u << 13;
constexpr u64 pat_reset = 0x0007'0406'0007'0406;
constexpr u64 no_link = ~u64{0};

// Access rights of flat segments: SDM 3C table 25-2.
constexpr u32 code_64 = 0xa09b;
constexpr u32 code_16 = 0x009b;
constexpr u32 data_flat = 0xc093;
constexpr u32 data_16 = 0x0093;
constexpr u32 busy_tss = 0x008b;
constexpr unsigned cs = 1, ldtr = 6, tr = 7; // of_segment()'s index

constexpr u32 guest_exceptions = 1u << 1 | 1u << 17 | 1u << 18; // #DB, #AC, #MC

// The hypervisor owns what the guest only sees (MCE, VMXE; CD and NW, which would slow down neighbours; NE, which VMX
// operation needs as 1), and the bits of CR4 that depend on what the guest's CPUID shows. What is left is in every CPU
// that has unrestricted guests, is shown to every guest, and is switched as kernels flush their TLB.
constexpr u64 owned_cr0 = cr0::CD | cr0::NW | cr0::NE;
constexpr u64 owned_cr4 =
    ~(cr4::TSD | cr4::DE | cr4::PSE | cr4::PAE | cr4::PGE | cr4::PCE | cr4::OSFXSR | cr4::OSXMMEXCPT);

constexpr u16 guest_vpid = 1;
constexpr u16 parked_vpid = 2;

constexpr u64 ept_pointer(HostPhysical root) {
    constexpr u64 write_back = 6, four_levels = 3 << 3; // SDM 3C table 25-9
    return root.value | write_back | four_levels;
}

void write_segment(unsigned index, u16 selector, u64 base, u32 limit, u32 rights) {
    vmwrite(of_segment(Field::GUEST_ES_SELECTOR, index), selector);
    vmwrite(of_segment(Field::GUEST_ES_BASE, index), base);
    vmwrite(of_segment(Field::GUEST_ES_LIMIT, index), limit);
    vmwrite(of_segment(Field::GUEST_ES_AR_BYTES, index), rights);
}

void write_flat_segments(u16 code, u16 data, u32 code_rights, u32 data_rights, u32 limit) {
    for (unsigned index = 0; index < ldtr; ++index)
        write_segment(index, index == cs ? code : data, 0, limit, index == cs ? code_rights : data_rights);
    write_segment(ldtr, 0, 0, 0xffff, segment_unusable);
    write_segment(tr, 0, 0, 0xffff, busy_tss);
}

/// The part of a vCPU's start that does not depend on its mode.
void write_initial_state() {
    for (const Field field :
         {Field::GUEST_GDTR_BASE, Field::GUEST_IDTR_BASE, Field::GUEST_IA32_SYSENTER_CS, Field::GUEST_IA32_SYSENTER_ESP,
          Field::GUEST_IA32_SYSENTER_EIP, Field::GUEST_IA32_DEBUGCTL, Field::GUEST_INTERRUPTIBILITY_STATE,
          Field::GUEST_ACTIVITY_STATE, Field::GUEST_PENDING_DBG_EXCEPTIONS, Field::VM_ENTRY_INTR_INFO, Field::GUEST_RIP,
          Field::GUEST_RSP, Field::GUEST_CR3})
        vmwrite(field, 0);
    vmwrite(Field::GUEST_GDTR_LIMIT, 0xffff);
    vmwrite(Field::GUEST_IDTR_LIMIT, 0xffff);
    vmwrite(Field::GUEST_DR7, dr7_reset);
    vmwrite(Field::GUEST_RFLAGS, rflags::fixed_1);
    vmwrite(Field::VMCS_LINK_POINTER, no_link);
}

/// What neither the VMCS nor an exit switches: it is the guest's from its start on.
void reset_own_msrs() {
    for (const u32 number : {msr::STAR, msr::LSTAR, msr::CSTAR, msr::SFMASK, msr::KernelGSbase})
        arch::write_msr(number, 0);
    arch::write_dr6(dr6_reset);
    arch::clear_breakpoints();
}

void set_bit(Field field, u32 bit, bool value) {
    const u64 now = vmread(field);
    vmwrite(field, value ? now | bit : now & ~u64{bit});
}

BULKHEAD_INIT void enable_vmx(const Capabilities& capabilities) {
    using namespace msr::feature_control;
    if (capabilities.must_unlock)
        arch::write_msr(msr::IA32_FEATURE_CONTROL, arch::read_msr(msr::IA32_FEATURE_CONTROL) | lock | vmx_outside_smx);
    arch::write_cr0((arch::read_cr0() | capabilities.cr0_fixed0) & capabilities.cr0_fixed1);
    arch::write_cr4((arch::read_cr4() | cr4::VMXE | capabilities.cr4_fixed0) & capabilities.cr4_fixed1);
}

/// A region that hardware keeps: its first word is the revision identifier (SDM 3C 25.2).
BULKHEAD_INIT void write_revision(u64 frame, u32 revision) {
    *reinterpret_cast<volatile u32*>(layout::per_cpu_frames + frame * page_size) = revision;
}

} // namespace

BULKHEAD_INIT Result<Capabilities> Backend::detect() {
    return decide_capabilities(
        read_capability_words(arch::this_cpuid, [](u32 number) { return arch::read_msr(number); }));
}

BULKHEAD_INIT SecondStageFormat Backend::second_stage(PagingCapabilities host) {
    const Result<Capabilities> capabilities = detect();
    const bool itlb_multihit = capabilities && capabilities->itlb_multihit;
    host.huge_pages = capabilities && capabilities->ept_1gib_pages && !itlb_multihit;
    return {page_format_of<EptFormat>, host, itlb_multihit ? read_write : all_rights};
}

BULKHEAD_INIT Result<void> Backend::start(const CpuResources& resources) {
    const Result<Capabilities> capabilities = detect();
    if (!capabilities)
        return std::unexpected(capabilities.error());
    resources_ = resources;
    capabilities_ = *capabilities;
    enable_vmx(capabilities_);
    for (const u64 frame : {u64{0}, parked_frame, vmxon_frame})
        write_revision(frame, capabilities_.revision);
    if (!vmxon(resources.control + vmxon_frame * page_size))
        return fail("VMXON failed", capabilities_.revision);
    invept(Invept::AllContexts, 0);
    invvpid(Invvpid::AllContexts, 0);
    make_current(true);
    prepare_parked();
    make_current(false);
    prepare_guest();
    make_current(true);
    is_started_ = true;
    return {};
}

/// `parked`: else the guest's. The one that was current keeps its launch state.
void Backend::make_current(bool parked) {
    was_launched_[parked_is_current_ ? 1 : 0] = flags_.launched;
    parked_is_current_ = parked;
    flags_ = {.launched = was_launched_[parked ? 1 : 0], .failed = false};
    vmptrld(resources_.control + (parked ? parked_frame * page_size : 0));
}

BULKHEAD_INIT void Backend::write_host_state() {
    vmwrite(Field::HOST_CR0, arch::read_cr0());
    vmwrite(Field::HOST_CR3, resources_.host_root.value);
    vmwrite(Field::HOST_CR4, arch::read_cr4());
    vmwrite(Field::HOST_CS_SELECTOR, code_selector);
    for (const Field field : {Field::HOST_SS_SELECTOR, Field::HOST_DS_SELECTOR, Field::HOST_ES_SELECTOR})
        vmwrite(field, data_selector);
    for (const Field field :
         {Field::HOST_FS_SELECTOR, Field::HOST_GS_SELECTOR, Field::HOST_FS_BASE, Field::HOST_GS_BASE,
          Field::HOST_IA32_SYSENTER_CS, Field::HOST_IA32_SYSENTER_ESP, Field::HOST_IA32_SYSENTER_EIP})
        vmwrite(field, 0);
    vmwrite(Field::HOST_TR_SELECTOR, tss_selector);
    vmwrite(Field::HOST_TR_BASE, reinterpret_cast<u64>(&this_cpu().tss));
    vmwrite(Field::HOST_GDTR_BASE, reinterpret_cast<u64>(&this_cpu().gdt));
    vmwrite(Field::HOST_IDTR_BASE, idt_base());
    vmwrite(Field::HOST_IA32_PAT, arch::read_msr(msr::IA32_PAT));
    vmwrite(Field::HOST_IA32_EFER, arch::read_msr(msr::EFER));
    vmwrite(Field::HOST_RIP, reinterpret_cast<u64>(vmx_exit));
}

BULKHEAD_INIT void Backend::write_controls(u64 root, u16 vpid) {
    vmwrite(Field::PIN_BASED_VM_EXEC_CONTROL, capabilities_.pin);
    vmwrite(Field::CPU_BASED_VM_EXEC_CONTROL, capabilities_.primary);
    vmwrite(Field::SECONDARY_VM_EXEC_CONTROL, capabilities_.secondary);
    vmwrite(Field::VM_EXIT_CONTROLS, capabilities_.exit);
    vmwrite(Field::VM_ENTRY_CONTROLS, capabilities_.entry);
    // Page faults never exit: their bit of the bitmap is 0, and so are mask and match (SDM 3C 25.6.3).
    vmwrite(Field::EXCEPTION_BITMAP, guest_exceptions);
    for (const Field field : {Field::PAGE_FAULT_ERROR_CODE_MASK, Field::PAGE_FAULT_ERROR_CODE_MATCH,
                              Field::CR3_TARGET_COUNT, Field::VM_EXIT_MSR_STORE_COUNT, Field::VM_EXIT_MSR_LOAD_COUNT,
                              Field::VM_ENTRY_MSR_LOAD_COUNT, Field::VMX_PREEMPTION_TIMER_VALUE, Field::TSC_OFFSET})
        vmwrite(field, 0);
    vmwrite(Field::IO_BITMAP_A, machine.boot.io_map.value);
    vmwrite(Field::IO_BITMAP_B, machine.boot.io_map.value + page_size);
    vmwrite(Field::MSR_BITMAP, machine.boot.msr_maps.value);
    vmwrite(Field::EPT_POINTER, root);
    vmwrite(Field::VIRTUAL_PROCESSOR_ID, vpid);
    vmwrite(Field::CR0_GUEST_HOST_MASK, owned_cr0);
    vmwrite(Field::CR4_GUEST_HOST_MASK, owned_cr4);
    if (capabilities_.has(SECONDARY_ENABLE_XSAVES))
        vmwrite(Field::XSS_EXITING_BITMAP, ~u64{0});
    if (capabilities_.has(SECONDARY_ENCLS_EXITING))
        vmwrite(Field::ENCLS_EXITING_BITMAP, ~u64{0});
    write_host_state();
}

BULKHEAD_INIT void Backend::prepare_parked() {
    vmclear(resources_.control + parked_frame * page_size);
    make_current(true);
    write_controls(ept_pointer(resources_.parked_root), parked_vpid);
    // Real mode at 0: "cli; hlt" in a page of the hypervisor's, and no memory else (core/parked.S).
    write_initial_state();
    vmwrite(Field::GUEST_IA32_PAT, pat_reset);
    write_flat_segments(0, 0, code_16, data_16, 0xffff);
    vmwrite(Field::GUEST_CR0, cr0::ET | cr0::NE);
    vmwrite(Field::GUEST_CR4, cr4::VMXE | cr4::MCE);
    vmwrite(Field::CR0_READ_SHADOW, cr0::ET);
    vmwrite(Field::CR4_READ_SHADOW, 0);
    vmwrite(Field::GUEST_IA32_EFER, 0);
}

BULKHEAD_INIT void Backend::prepare_guest() {
    vmclear(resources_.control);
    make_current(false);
    write_controls(ept_pointer(resources_.guest_root), guest_vpid);
    if (resources_.needless_intercept)
        set_bit(Field::CPU_BASED_VM_EXEC_CONTROL, CPU_RDTSC_EXITING, true);
    write_initial_state();
    vmwrite(Field::GUEST_IA32_PAT, pat_reset);
}

void Backend::set_parked(bool parked) {
    make_current(parked);
    // An NMI may have come before, with the other VMCS current.
    end_next_entry();
}

void Backend::end_next_entry() {
    if (is_started_)
        set_bit(Field::PIN_BASED_VM_EXEC_CONTROL, PIN_VMX_PREEMPTION_TIMER, true);
}

void Backend::release_cpu() {
    is_started_ = false;
    vmxoff(); // INIT is blocked in VMX operation (SDM 3C 24.8)
}

/// Up to the segments and the mode.
void Backend::begin_life() {
    vmclear(resources_.control); // it may have been launched, or failed to
    was_launched_[0] = false;
    make_current(false);
    flags_.launched = false;
    this_cpu().registers = {};
    vmwrite(Field::CPU_BASED_VM_EXEC_CONTROL, vmread(Field::CPU_BASED_VM_EXEC_CONTROL) & ~u64{CPU_NMI_WINDOW_EXITING});
    write_initial_state();
    arch::write_cr2(0);
    if (this_cpu().core->is_new.load()) // an INIT leaves it
        vmwrite(Field::GUEST_IA32_PAT, pat_reset);
    nmi_pending_ = false;
    reset_own_msrs();
}

void Backend::reset(const EntryState& entry) {
    begin_life();
    this_cpu().registers.rsi() = entry.rsi;
    write_flat_segments(entry.code_selector, entry.data_selector, code_64, data_flat, 0xffffffff);
    vmwrite(Field::GUEST_GDTR_BASE, entry.gdt_base);
    vmwrite(Field::GUEST_GDTR_LIMIT, entry.gdt_limit);
    vmwrite(Field::GUEST_CR3, entry.cr3);
    vmwrite(Field::GUEST_RIP, entry.rip);
    vmwrite(Field::GUEST_RSP, entry.rsp);
    const u64 cr0 = cr0::PG | cr0::NE | cr0::ET | cr0::PE;
    set_controls({cr0, real_cr4(cr4::PAE), efer::LME | efer::LMA});
    show_controls(cr0, cr4::PAE);
}

void Backend::start_up(u8 vector) {
    begin_life();
    write_flat_segments(0, 0, code_16, data_16, 0xffff);
    write_segment(cs, static_cast<u16>(vector << 8), u64{vector} << 12, 0xffff, code_16);
    set_controls({cr0::ET, real_cr4(0), 0});
}

ExitReason Backend::take_other_exit(u32 reason) {
    if ((reason & reason_entry_failure) == 0) // else nothing was interrupted: the fields are those of the exit before
        keep_interrupted_event(reason);
    return reason == REASON_EXCEPTION_OR_NMI ? decode_exception(static_cast<u32>(vmread(Field::VM_EXIT_INTR_INFO)))
                                             : decode_reason(reason);
}

VmExit Backend::last_exit() const {
    if (flags_.failed)
        return refused_entry(vmread(Field::VM_INSTRUCTION_ERROR));
    return decode_exit(exit_reason(), rip(), read_field);
}

void Backend::explain_refusal(const Vcpu& vcpu) const {
    const auto say = [&vcpu](std::string_view where, std::string_view what) {
        Log() << "guest " << vcpu.guest->name << " vCPU " << vcpu.id << ": VM entry: " << where
              << (where.empty() ? "" : ": ") << what;
    };
    if (flags_.failed)
        say("VM-instruction error", instruction_error_name(vmread(Field::VM_INSTRUCTION_ERROR)));
    for_each_violation(read_guest_state(capabilities_, read_field), say);
}

u64 Backend::cut_to_mode(u64 next_rip) const {
    return code_mode() == CpuMode::bits64 ? next_rip : static_cast<u32>(next_rip);
}

void Backend::end_interrupt_shadow() {
    set_bit(Field::GUEST_INTERRUPTIBILITY_STATE, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS, false);
}

void Backend::complete_flags() {
    const u64 flags = rflags();
    set_rflags(flags & ~rflags::RF);
    if ((flags & rflags::TF) != 0) // the CPU delivers it behind the entry, with DR6 as it should be
        vmwrite(Field::GUEST_PENDING_DBG_EXCEPTIONS, vmread(Field::GUEST_PENDING_DBG_EXCEPTIONS) | PENDING_DBG_BS);
}

bool Backend::inject(GuestException exception) {
    const u32 pending = static_cast<u32>(vmread(Field::VM_ENTRY_INTR_INFO));
    std::optional<u8> interrupted;
    if ((pending & interruption_valid) != 0 && interruption_type(pending) == InterruptionType::HardwareException)
        interrupted = static_cast<u8>(interruption_vector(pending));
    const std::optional<GuestException> merged = combine(interrupted, exception);
    if (!merged)
        return false;
    u32 info = interruption(merged->vector, InterruptionType::HardwareException);
    // In real mode no exception pushes an error code (SDM 3C 27.2.1.3).
    if (merged->error_code && (vmread(Field::GUEST_CR0) & cr0::PE) != 0) {
        info |= interruption_has_error_code;
        vmwrite(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, *merged->error_code);
    }
    vmwrite(Field::VM_ENTRY_INTR_INFO, info);
    return true;
}

// SDM 3C 28.2.4: an event whose delivery exited goes on with the next entry. An IRET that exited with a fault of its
// own had ended the blocking of NMIs already (28.2.3).
void Backend::keep_interrupted_event(u32 reason) {
    constexpr u32 meaningful = 0x80000fff;
    const u32 event = static_cast<u32>(vmread(Field::IDT_VECTORING_INFO)) & meaningful;
    if ((event & interruption_valid) == 0) {
        const u64 words = reason == REASON_EPT_VIOLATION      ? vmread(Field::EXIT_QUALIFICATION)
                          : reason == REASON_EXCEPTION_OR_NMI ? vmread(Field::VM_EXIT_INTR_INFO)
                                                              : 0;
        if ((words & nmi_unblocking_due_to_iret) != 0)
            set_bit(Field::GUEST_INTERRUPTIBILITY_STATE, BLOCKING_BY_NMI, true);
        return;
    }
    vmwrite(Field::VM_ENTRY_INTR_INFO, event);
    if ((event & interruption_has_error_code) != 0)
        vmwrite(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, vmread(Field::IDT_VECTORING_ERROR_CODE));
    vmwrite(Field::VM_ENTRY_INSTRUCTION_LEN, vmread(Field::VM_EXIT_INSTRUCTION_LEN)); // of INT n, INT1, INT3, INTO
    if (interruption_type(event) == InterruptionType::Nmi)
        set_bit(Field::GUEST_INTERRUPTIBILITY_STATE, BLOCKING_BY_NMI, false);
}

void Backend::take_nmi() {
    const u32 nmi = interruption(2, InterruptionType::Nmi);
    const bool is_timer = exit_reason() == REASON_PREEMPTION_TIMER;
    // The exit has blocked NMIs until the next IRET: the handler's.
    if (!is_timer && (static_cast<u32>(vmread(Field::VM_EXIT_INTR_INFO)) & 0x800007ff) == nmi)
        asm volatile("int $2" : : : "memory");
    // Whoever asked by this NMI, or one until here, has set its request: they are served behind this.
    set_bit(Field::PIN_BASED_VM_EXEC_CONTROL, PIN_VMX_PREEMPTION_TIMER, false);
}

void Backend::raise_guest_nmi() {
    nmi_pending_ = true;
    set_bit(Field::CPU_BASED_VM_EXEC_CONTROL, CPU_NMI_WINDOW_EXITING, true);
}

void Backend::nmi_window() {
    set_bit(Field::CPU_BASED_VM_EXEC_CONTROL, CPU_NMI_WINDOW_EXITING, false);
    if (!nmi_pending_)
        return;
    nmi_pending_ = false;
    end_interrupt_shadow(); // blocking by STI does not keep the window closed, but may refuse the entry (SDM
                            // 3C 27.3.1.5)
    vmwrite(Field::VM_ENTRY_INTR_INFO, interruption(2, InterruptionType::Nmi));
}

bool Backend::allow_execution(Guest& guest, u64 guest_physical) const {
    WindowAccess<layout::second_stage> tables;
    const LockGuard lock(guest.devices_lock, lock_owner());
    if (guest.spare_tables.used() + guest.spare_tables.available() == 0) // second_stage() found all RAM executable
        return false;
    return make_executable(tables, guest.spare_tables, resources_.guest_root, guest_physical);
}

// The exit came before DR6 and DR7 were changed (SDM 3C 28.1): its qualification has the bits.
bool Backend::take_debug_exception() {
    constexpr u64 dr6_b = 0xf, dr6_bd = 1u << 13, dr6_bs = 1u << 14;
    if (interruption_type(static_cast<u32>(vmread(Field::VM_EXIT_INTR_INFO))) ==
        InterruptionType::PrivilegedSoftwareException) { // INT1: a trap that changes no DR6
        vmwrite(Field::GUEST_RIP, rip() + vmread(Field::VM_EXIT_INSTRUCTION_LEN));
        end_interrupt_shadow();
        return true;
    }
    const u64 qualification = vmread(Field::EXIT_QUALIFICATION);
    arch::write_dr6((arch::read_dr6() & ~dr6_b) | (qualification & (dr6_b | dr6_bd | dr6_bs)));
    vmwrite(Field::GUEST_DR7, vmread(Field::GUEST_DR7) & ~dr7_gd);
    // SDM 3C 27.3.1.5: while STI or MOV SS block, BS must say whether a step is due.
    if ((vmread(Field::GUEST_INTERRUPTIBILITY_STATE) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) != 0)
        vmwrite(Field::GUEST_PENDING_DBG_EXCEPTIONS, (rflags() & rflags::TF) != 0 ? PENDING_DBG_BS : 0);
    return true;
}

PagingState Backend::paging() const {
    return {vmread(Field::GUEST_CR0),       cr3(),    vmread(Field::GUEST_CR4),
            vmread(Field::GUEST_IA32_EFER), rflags(), static_cast<u8>(vmread(Field::GUEST_SS_AR_BYTES) >> 5 & 3)};
}

ControlState Backend::controls() const {
    // As the guest would have them without VMX: CR0.NE may be 0, CR4.VMXE is.
    const u64 ne = vmread(Field::CR0_READ_SHADOW) & cr0::NE;
    return {(vmread(Field::GUEST_CR0) & ~cr0::NE) | ne, vmread(Field::GUEST_CR4) & ~cr4::VMXE,
            vmread(Field::GUEST_IA32_EFER)};
}

void Backend::set_controls(const ControlState& state) {
    vmwrite(Field::GUEST_CR0, state.cr0 | cr0::NE);
    vmwrite(Field::GUEST_CR4, state.cr4 | cr4::VMXE);
    vmwrite(Field::GUEST_IA32_EFER, state.efer);
    set_bit(Field::VM_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST, (state.efer & efer::LMA) != 0);
    flush_translations();
}

// The CPU does so at a MOV to CR0 or CR4 that it executes itself (SDM 3A 4.4.1), not at an entry (SDM 3C 27.3.2.4).
void Backend::load_pdptes(const GuestMemory& memory) {
    if (paging_mode(paging()) != PagingMode::pae)
        return;
    // One that is present and has these set would fail the entry. A CPU refuses the MOV; here it is not present.
    const u64 reserved = 0x1e6 | ~u64{0} << capabilities_.physical_bits;
    std::array<u64, 4> entries{};
    static_cast<void>(memory.copy_out({cr3() & 0xffff'ffe0}, {reinterpret_cast<u8*>(entries.data()), sizeof entries}));
    for (unsigned i = 0; i < entries.size(); ++i)
        vmwrite(of_segment(Field::GUEST_PDPTE0, i), (entries[i] & reserved) != 0 ? 0 : entries[i]);
}

void Backend::show_controls(u64 cr0, u64 cr4) {
    vmwrite(Field::CR0_READ_SHADOW, cr0);
    vmwrite(Field::CR4_READ_SHADOW, cr4);
}

void Backend::flush_translations() { invvpid(Invvpid::SingleContext, guest_vpid); }

std::array<SegmentState, 6> Backend::segments() const {
    std::array<SegmentState, 6> segments;
    for (unsigned i = 0; i < segments.size(); ++i) {
        const u32 rights = static_cast<u32>(vmread(of_segment(Field::GUEST_ES_AR_BYTES, i)));
        const u32 attributes = (rights & 0xff) | (rights >> 4 & 0xf00);
        segments[i] = {vmread(of_segment(Field::GUEST_ES_BASE, i)),
                       static_cast<u32>(vmread(of_segment(Field::GUEST_ES_LIMIT, i))),
                       static_cast<u16>((rights & segment_unusable) != 0 ? 0 : attributes)};
    }
    return segments;
}

CpuMode Backend::code_mode() const {
    constexpr u64 cs_default = 1u << 14;
    const u64 rights = vmread(Field::GUEST_CS_AR_BYTES);
    if ((vmread(Field::GUEST_IA32_EFER) & efer::LMA) != 0 && (rights & cs_long) != 0)
        return CpuMode::bits64;
    // Real mode keeps the D of the last load in protected mode; virtual-8086 mode has 0.
    return (rights & cs_default) != 0 ? CpuMode::bits32 : CpuMode::bits16;
}

void Backend::set_tsc_offset(u64 value) {
    vmwrite(Field::TSC_OFFSET, value);
    choose_msr_map();
}

void Backend::set_apic_exits(ApicExits exits) {
    apic_exits_ = exits;
    choose_msr_map();
}

void Backend::choose_msr_map() const {
    const u32 map = msr_map_of(apic_exits_, tsc_offset() != 0);
    vmwrite(Field::MSR_BITMAP, machine.boot.msr_maps.value + map * sizeof(VmxMsrBitmap));
}

} // namespace bulkhead::vmx
