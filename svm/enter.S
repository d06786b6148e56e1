// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One world switch to the guest and back. No more than the general registers change hands: the guest keeps FPU, debug
// and SYSCALL state, FS and GS in the CPU, and the hypervisor uses none of them (docs/exit-path.md).
//
// All addresses are constants of the CPU's private mapping (arch/x86_64/layout.hpp, core/cpu.hpp; asserted in
// svm/backend.cpp). The function follows clang's preserve_none convention: the caller expects only RSP and RBP back, so
// nothing of the host's is saved but RBP.

#include "core/guest_registers.h"

    .set    vmcb_rax, 0xffffffffc0020000 + 0x5f8 // the guest's VMCB: RAX is switched by the hardware

// In: GIF = 0. Out: GIF = 0.
    .section .text, "ax"
    .balign 64
    .globl  svm_enter_guest
svm_enter_guest:
    pushq   %rbp
    movq    regs + 0 * 8, %rax
    movq    %rax, vmcb_rax
    load_guest_registers
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
    store_guest_registers
    movq    vmcb_rax, %rax
    movq    %rax, regs + 0 * 8
    popq    %rbp
    ret

    .section .note.GNU-stack, "", @progbits
