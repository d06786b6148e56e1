// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One world switch to the guest and back. No more than the general registers change hands: the guest keeps FPU, debug
// and SYSCALL state, FS and GS in the CPU, and the hypervisor uses none of them (docs/exit-path.md).
//
// All addresses are constants of the CPU's private mapping (arch/x86_64/layout.hpp, core/cpu.hpp; asserted in
// svm/backend.cpp). The function follows clang's preserve_none convention: the caller expects only RSP and RBP back, so
// nothing of the host's is saved but RBP.

    .set    regs, 0xffffffffc0000000            // Cpu::registers
    .set    control_block, regs + 16 * 8        // Cpu::control_block: physical address for VMRUN
    .set    core, regs + 17 * 8                 // Cpu::core, which Vcpu::hypervisor_ticks is first in
    .set    exit_tsc, regs + 18 * 8             // Cpu::exit_tsc
    .set    vmcb_rax, 0xffffffffc0020000 + 0x5f8 // the guest's VMCB: RAX is switched by the hardware

// In: GIF = 0. Out: GIF = 0.
    .section .text, "ax"
    .balign 64
    .globl  svm_enter_guest
svm_enter_guest:
    pushq   %rbp
    movq    regs + 0 * 8, %rax
    movq    %rax, vmcb_rax
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
    rdtsc                                       // the low half does: RunLoop::serve_requests counts what takes longer
    subl    exit_tsc, %eax
    movq    core, %rcx
    addq    %rax, (%rcx)
    movq    regs + 1 * 8, %rcx
    movq    regs + 2 * 8, %rdx
    movq    control_block, %rax
    vmrun   %rax
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
    movq    vmcb_rax, %rax
    movq    %rax, regs + 0 * 8
    popq    %rbp
    ret

    .section .note.GNU-stack, "", @progbits
