// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One world switch to the guest and back: svm/enter.S says what changes hands and why no more. Here the VMCS keeps RSP
// alone, and the CPU goes on at vmx_exit with the stack pointer that the VMCS has for the host.
//
// All addresses are constants of the CPU's private mapping (arch/x86_64/layout.hpp, core/cpu.hpp, vmx/backend.hpp;
// asserted there). clang's preserve_none convention: the caller expects only RSP and RBP back.

#include "core/guest_registers.h"

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
    load_guest_registers
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
    store_guest_registers
    popq    %rbp
    ret

    .section .note.GNU-stack, "", @progbits
