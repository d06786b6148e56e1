// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"

// Control and debug registers are the guest's own and take what a CPU takes, no more; the instructions of the
// hypervisor's trade do not exist; an instruction that is emulated leaves traps, flags and interrupts as the CPU would.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u64 cr0_ne = 1 << 5, cr0_am = 1 << 18, cr0_nw = 1 << 29, cr0_cd = 1 << 30, cr0_pg = u64{1} << 31;
constexpr u64 cr0_mp = 1 << 1, cr0_ts = 1 << 3, cr0_wp = 1 << 16;
constexpr u64 cr4_de = 1 << 3, cr4_pae = 1 << 5, cr4_mce = 1 << 6, cr4_pge = 1 << 7, cr4_la57 = 1 << 12;
constexpr u64 cr4_vmxe = 1 << 13, cr4_smxe = 1 << 14, cr4_osxsave = 1 << 18;
constexpr u64 dr6_b0 = 1, dr6_bs = 1 << 14;
constexpr u8 vector = 0x55;
constexpr u16 post_port = 0x80; // nothing is there

u64 read_dr6() {
    u64 value;
    asm volatile("movq %%dr6, %0" : "=r"(value));
    return value;
}
void write_dr6(u64 value) { asm volatile("movq %0, %%dr6" : : "r"(value)); }
void write_dr7(u64 value) { asm volatile("movq %0, %%dr7" : : "r"(value)); }
void xsetbv(u32 index, u64 value) {
    asm volatile("xsetbv" : : "c"(index), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}
u64 xgetbv() {
    u32 low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return u64{high} << 32 | low;
}

void check_cr0() {
    const u64 before = read_cr0();
    for (const u64 bit : {cr0_cd, cr0_mp, cr0_ts, cr0_wp, cr0_am, cr0_ne}) {
        write_cr0(before | bit);
        check_equal(read_cr0(), before | bit, "CR0 with ", Hex{bit}, " set");
        write_cr0(before & ~bit);
        check_equal(read_cr0(), before & ~bit, "CR0 with ", Hex{bit}, " cleared");
    }
    write_cr0(before | cr0_cd | cr0_nw);
    check_equal(read_cr0(), before | cr0_cd | cr0_nw, "CR0.CD and NW");
    write_cr0(before | cr0_ts);
    asm volatile("clts");
    check_equal(read_cr0(), before & ~cr0_ts, "CR0 after CLTS");
    // In memory, with CD set too, so that reads exit.
    static volatile u16 word;
    word = static_cast<u16>(before | cr0_mp);
    write_cr0((before | cr0_cd) & ~cr0_mp);
    asm volatile("lmsw %0" : : "m"(word));
    check_equal(read_cr0(), before | cr0_cd | cr0_mp, "CR0 after LMSW from memory");
    word = 0;
    asm volatile("smsw %0" : "=m"(word));
    check_equal(word, (before | cr0_mp) & 0xffff, "SMSW to memory");
    write_cr0(before);
    expect_fault(general_protection, 0, "CR0.NW without CD", [=] { write_cr0((before & ~cr0_cd) | cr0_nw); });
    expect_fault(general_protection, 0, "CR0.PG without PE", [=] { write_cr0(before & ~u64{1}); });
    expect_fault(general_protection, 0, "no CR0.PG in 64-bit mode", [=] { write_cr0(before & ~cr0_pg); });
    // With a bit that makes it exit: TCG itself lets the upper half pass.
    expect_fault(general_protection, 0, "CR0, bit 32", [=] { write_cr0((before ^ cr0_am) | u64{1} << 32); });
    check_equal(read_cr0(), before, "CR0 after what was refused");
}

/// Intel's CPUs have a read shadow. QEMU's TCG looks at the intercept of CR0 reads for every control register, so that
/// CR4.MCE, really 1, shows through.
bool cr4_is_shadowed() {
    if (is_intel())
        return true;
    const u64 before = exit_count();
    static_cast<void>(read_cr4());
    return exit_count() - before > 1;
}

void check_cr4() {
    const u64 before = read_cr4();
    const bool shadowed = cr4_is_shadowed();
    if (shadowed)
        check((before & cr4_mce) == 0, "CR4.MCE is not seen before it was set");
    else
        print("controls: reads of CR4 do not exit on this machine: CR4.MCE is seen as it really is");
    const u64 seen = shadowed ? ~u64{0} : ~cr4_mce;
    for (const u64 bit : {cr4_mce, cr4_pge, cr4_de}) {
        write_cr4(before | bit);
        check_equal(read_cr4() & seen, (before | bit) & seen, "CR4 with ", Hex{bit}, " set");
        write_cr4(before & ~bit);
        check_equal(read_cr4() & seen, before & ~bit & seen, "CR4 with ", Hex{bit}, " cleared");
    }
    write_cr4(before);
    for (const u64 bit : {cr4_vmxe, cr4_smxe, u64{1} << 31, u64{1} << 63})
        expect_fault(general_protection, 0, "setting a refused bit of CR4", [=] { write_cr4(before | bit); });
    expect_fault(general_protection, 0, "clearing CR4.PAE", [=] { write_cr4(before & ~cr4_pae); });
    expect_fault(general_protection, 0, "setting CR4.LA57", [=] { write_cr4(before | cr4_la57); });
    check_equal(read_cr4(), before, "CR4 after what was refused");
}

void check_xcr0() {
    const CpuidResult features = cpuid(1);
    if ((features.ecx >> 26 & 1) == 0)
        return expect_fault(invalid_opcode, 0, "XSETBV without XSAVE", [] { xsetbv(0, 1); });
    expect_fault(invalid_opcode, 0, "XSETBV without OSXSAVE", [] { xsetbv(0, 1); });
    write_cr4(read_cr4() | cr4_osxsave);
    const u64 avx = (features.ecx >> 28 & 1) != 0 ? 7 : 3;
    for (const u64 value : {u64{1}, u64{3}, avx}) {
        expect_no_fault("XSETBV of what is there", [=] { xsetbv(0, value); });
        check_equal(xgetbv(), value, "XCR0");
    }
    for (const u64 value : {u64{0}, u64{2}, u64{5}, u64{1} << 63 | 3, u64{1} << 62 | 3, u64{1} << 40 | 3})
        expect_fault(general_protection, 0, "XSETBV of what is not there", [=] { xsetbv(0, value); });
    expect_fault(general_protection, 0, "XSETBV of another register", [] { xsetbv(1, 1); });
    const Frame user = run_code({0x0f, 0x01, 0xd1}, Mode::user64, {.rax = 1});
    check_equal(user.vector, general_protection, "XSETBV in user mode: vector");
    check_equal(xgetbv(), avx, "XCR0 after what was refused");
    write_cr4(read_cr4() & ~cr4_osxsave);
}

struct Opcode {
    std::string_view what;
    std::array<u8, 5> bytes;
    u8 size;
};
constexpr Opcode undefined[] = {
    {"MONITOR", {0x0f, 0x01, 0xc8}, 3},
    {"MWAIT", {0x0f, 0x01, 0xc9}, 3},
    {"VMRUN", {0x0f, 0x01, 0xd8}, 3},
    {"VMLOAD", {0x0f, 0x01, 0xda}, 3},
    {"VMSAVE", {0x0f, 0x01, 0xdb}, 3},
    {"STGI", {0x0f, 0x01, 0xdc}, 3},
    {"CLGI", {0x0f, 0x01, 0xdd}, 3},
    {"SKINIT", {0x0f, 0x01, 0xde}, 3},
    {"INVLPGA", {0x0f, 0x01, 0xdf}, 3},
    {"VMLAUNCH", {0x0f, 0x01, 0xc2}, 3},
    {"VMRESUME", {0x0f, 0x01, 0xc3}, 3},
    {"VMXOFF", {0x0f, 0x01, 0xc4}, 3},
    {"VMREAD", {0x0f, 0x78, 0xc0}, 3},
    {"VMWRITE", {0x0f, 0x79, 0xc0}, 3},
    {"VMXON", {0xf3, 0x0f, 0xc7, 0x33}, 4},
    {"VMPTRLD", {0x0f, 0xc7, 0x33}, 3},
    {"VMCLEAR", {0x66, 0x0f, 0xc7, 0x33}, 4},
    {"INVEPT", {0x66, 0x0f, 0x38, 0x80, 0x03}, 5},
    {"INVVPID", {0x66, 0x0f, 0x38, 0x81, 3}, 5},
    {"GETSEC", {0x0f, 0x37}, 2},
    {"RSM", {0x0f, 0xaa}, 2},
    {"ENCLS", {0x0f, 0x01, 0xcf}, 3},
    {"UD2", {0x0f, 0x0b}, 2},
};

void check_instructions() {
    alignas(4096) static std::array<u8, 4096> page;
    const u64 address = reinterpret_cast<u64>(page.data());
    for (const Opcode& opcode : undefined)
        for (const Mode mode : {Mode::kernel64, Mode::user64}) {
            const Frame r =
                run_code(std::span(opcode.bytes).first(opcode.size), mode, {.rbx = address, .rax = address});
            // EFER.SVME is really 1: of SVM's instructions the CPU checks the ring before it exits.
            const bool right = r.vector == invalid_opcode || (mode == Mode::user64 && r.vector == general_protection);
            check(right && r.rip == code_address(), opcode.what, mode == Mode::kernel64 ? "" : " in user mode",
                  ": vector ", r.vector);
        }
    const u8 foreign = is_intel() ? 0xd9 : 0xc1; // VMMCALL on Intel, VMCALL on AMD
    check_equal(run_code({0x0f, 0x01, foreign}, Mode::kernel64).vector, invalid_opcode, "the other vendor's hypercall");
    if (under_bulkhead())
        check_equal(hypercall(0x12345678), not_implemented, "an unknown hypercall");
    expect_fault(general_protection, 0, "RDPMC", [] {
        u32 low, high;
        asm volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(0));
    });
    at<u64>(address) = 0x1122334455667788;
    expect_no_fault("WBINVD", [] { asm volatile("wbinvd"); });
    expect_no_fault("INVD", [] { asm volatile("invd"); });
    expect_no_fault("INVLPG", [=] { asm volatile("invlpg (%0)" : : "r"(address)); });
    check_equal(at<u64>(address), 0x1122334455667788, "memory after INVD");
}

void check_debug_registers() {
    asm volatile("movq %0, %%dr3" : : "r"(0x1234567890ul));
    u64 value;
    asm volatile("movq %%dr3, %0" : "=r"(value));
    check_equal(value, 0x1234567890, "DR3");
    expect_fault(general_protection, 0, "DR7, bit 32", [] { write_dr7(u64{1} << 32); });
    check_equal(run_code({0xcc}, Mode::kernel64).vector, breakpoint, "INT3: vector");
    check_equal(run_code({0xf1}, Mode::kernel64).vector, debug_exception, "INT1: vector");
    for (const u64 flags : {u64{2}, trap_flag | 2}) // MOV SS, EAX blocks until INT1 has been delivered
        check_equal(run_code({0x8e, 0xd0, 0xf1}, Mode::kernel64, {.rax = KERNEL_DATA, .rflags = flags}).vector,
                    debug_exception, "INT1 behind MOV SS, RFLAGS ", Hex{flags}, ": vector");

    const u64 second = code_address() + 2;
    asm volatile("movq %0, %%dr0" : : "r"(second));
    write_dr6(0xffff0ff0);
    write_dr7(0x402);                                   // G0, execution
    for (const u64 flags : {u64{2}, resume_flag | 2}) { // RF holds for one instruction, also where that is emulated
        const Frame r = run_code({0x0f, 0xa2, 0x90, 0x90}, Mode::kernel64, {.rflags = flags});
        check(r.vector == debug_exception && r.rip == second, "a breakpoint behind CPUID, RFLAGS ", Hex{flags},
              ": vector ", r.vector, " at ", Hex{r.rip - code_address()});
        check((read_dr6() & dr6_b0) != 0, "DR6 tells the breakpoint: ", Hex{read_dr6()});
        write_dr6(0xffff0ff0);
    }
    write_dr7(0x400);
}

struct Step {
    std::string_view what;
    std::array<u8, 6> bytes;
    u8 size;
    u8 first; ///< bytes until the first trap
};
constexpr Step steps[] = {
    {"NOP", {0x90, 0x90}, 2, 1},
    {"CPUID", {0x0f, 0xa2, 0x90}, 3, 2},
    {"IN from no port", {0xe4, 0x80, 0x90}, 3, 2},
    {"OUT to no port", {0xe6, 0x80, 0x90}, 3, 2},
    {"RDMSR of the APIC ID", {0x0f, 0x32, 0x90}, 3, 2},
    {"reading the I/O APIC", {0x8b, 0x03, 0x90}, 3, 2},
    {"WBINVD", {0x0f, 0x09, 0x90}, 3, 2},
    {"MOV SS; CPUID", {0x8e, 0xd6, 0x0f, 0xa2, 0x90, 0x90}, 6, 4}, // no trap between the two
};

void check_single_steps() {
    for (const Step& step : steps) {
        write_dr6(0xffff0ff0);
        const Frame r = run_code(std::span(step.bytes).first(step.size), Mode::kernel64,
                                 {.rsi = KERNEL_DATA, .rcx = x2apic_id, .rbx = io_apic_select, .rflags = trap_flag});
        check(r.vector == debug_exception && r.rip == code_address() + step.first, "single step over ", step.what,
              ": vector ", r.vector, " after ", r.rip - code_address(), " bytes");
        check((read_dr6() & dr6_bs) != 0, "DR6.BS after ", step.what, ": ", Hex{read_dr6()});
    }
}

volatile u64 interrupted_at;
volatile u64 elements_left;

// STI holds interrupts off for one instruction: if that one is emulated, no longer than that.
void check_interrupt_shadow() {
    set_handler(vector, [](Frame& frame) {
        interrupted_at = frame.rip;
        elements_left = frame.rcx;
        end_of_interrupt();
    });
    wrmsr(x2apic_self_ipi, vector);
    const Frame r = run_code({0xfb, 0x0f, 0xa2, 0x90, 0x90, 0xfa}, Mode::kernel64);
    check_equal(r.vector, returned, "STI; CPUID: vector");
    check_equal(interrupted_at - code_address(), 3, "STI; CPUID is interrupted behind CPUID, bytes");
    constexpr u64 elements = 1000; // more than the hypervisor moves at once
    for (const u8 stosb_or_outsb : {u8{0xaa}, u8{0x6e}}) {
        wrmsr(x2apic_self_ipi, vector);
        const Frame end = run_code({0xfb, 0xf3, stosb_or_outsb, 0xfa}, Mode::kernel64,
                                   {.rdi = io_apic_select, .rsi = code_address(), .rdx = post_port, .rcx = elements});
        check_equal(end.vector, returned, "STI; REP: vector");
        check_equal(interrupted_at - code_address(), 1, "STI; REP is interrupted at REP, bytes");
        check(elements_left > 0 && elements_left < elements, "STI; REP is interrupted behind an element, left ",
              elements_left);
    }
}

void check_alignment() {
    const u64 before = read_cr0();
    write_cr0(before | cr0_am);
    const Frame r = run_code({0x8b, 0x03}, Mode::user64, {.rbx = code_address() + 0x101, .rflags = alignment_flag});
    if (r.vector == returned)
        print(name, ": this CPU does not check alignment");
    else
        check(r.vector == alignment_check && r.error == 0 && r.rip == code_address(), "#AC: vector ", r.vector,
              " error ", Hex{r.error});
    write_cr0(before);
}

} // namespace

void run() {
    enable_apic();
    check_cr0();
    check_cr4();
    check_xcr0();
    check_instructions();
    check_debug_registers();
    check_single_steps();
    check_interrupt_shadow();
    check_alignment();
}

} // namespace bulkhead::guest
