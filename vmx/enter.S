// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One world switch to the guest and back: svm/enter.S says what changes hands and why no more. Here the VMCS keeps RSP
// alone, and the CPU goes on at vmx_exit with the stack pointer that the VMCS has for the host.
//
// All addresses are constants of the CPU's private mapping (arch/x86_64/layout.hpp, core/cpu.hpp, vmx/backend.hpp;
// asserted there). clang's preserve_none convention: the caller expects only RSP and RBP back.

    .set    regs, 0xffffffffc0000000        // Cpu::registers
    .set    core, regs + 17 * 8             // Cpu::core, which Vcpu::hypervisor_ticks is first in
    .set    exit_tsc, regs + 18 * 8         // Cpu::exit_tsc
    .set    vendor, 0xffffffffc0002000      // vmx::EntryState
    .set    launched, vendor + 0            // the current VMCS has been launched
    .set    failed, vendor + 1              // out: the entry failed before the guest's state was loaded
    .set    HOST_RSP, 0x6c14

    .section .text, "ax"
    .balign 64
    .globl  vmx_enter_guest, vmx_exit
vmx_enter_guest:
    pushq   %rbp
    movl    $HOST_RSP, %eax
    vmwrite %rsp, %rax
    movq    regs + 3 * 8, %rbx
    movq    regs + 5 * 8, %rbp
    movq    regs + 6 * 8, %rsi
    movq    regs + 7 * 8, %rdi
    movq    regs + 8 * 8, %r8
    movq    regs + 9 * 8, %r9
    movq    regs + 10 * 8, %r10
    movq    regs + 11 * 8, %r11
    movq    regs + 12 * 8, %r12
    movq    regs + 13 * 8, %r13
    movq    regs + 14 * 8, %r14
    movq    regs + 15 * 8, %r15
    rdtsc                                   // the low half does: RunLoop::serve_requests counts what takes longer
    subl    exit_tsc, %eax
    movq    core, %rcx
    addq    %rax, (%rcx)
    cmpb    $0, launched
    movq    regs + 0 * 8, %rax
    movq    regs + 1 * 8, %rcx
    movq    regs + 2 * 8, %rdx
    je      1f
    vmresume
    jmp     2f
1:  movb    $1, launched
    vmlaunch
    movb    $0, launched
2:  movb    $1, failed
vmx_exit:
    movq    %rax, regs + 0 * 8
    movq    %rdx, regs + 2 * 8
    rdtsc
    movl    %eax, exit_tsc
    movq    %rcx, regs + 1 * 8
    movq    %rbx, regs + 3 * 8
    movq    %rbp, regs + 5 * 8
    movq    %rsi, regs + 6 * 8
    movq    %rdi, regs + 7 * 8
    movq    %r8, regs + 8 * 8
    movq    %r9, regs + 9 * 8
    movq    %r10, regs + 10 * 8
    movq    %r11, regs + 11 * 8
    movq    %r12, regs + 12 * 8
    movq    %r13, regs + 13 * 8
    movq    %r14, regs + 14 * 8
    movq    %r15, regs + 15 * 8
    popq    %rbp
    ret

    .section .note.GNU-stack, "", @progbits
