// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Entry points of the hypervisor's own exceptions. They all are fatal but the NMI, which is our signal (docs/exit-path.md).

    .macro  exception vector, has_error_code
    .balign 16
    .if     \has_error_code == 0
    pushq   $0
    .endif
    pushq   $\vector
    jmp     exception_common
    .endm

    .section .text, "ax"
    .balign 16
    .globl exception_entries
exception_entries:                      // 16 bytes each: descriptor_tables.cpp computes their addresses
    .irp    vector, 0, 1, 2, 3, 4, 5, 6, 7
    exception \vector, 0
    .endr
    exception 8, 1
    exception 9, 0
    .irp    vector, 10, 11, 12, 13, 14
    exception \vector, 1
    .endr
    exception 15, 0
    exception 16, 0
    exception 17, 1
    .irp    vector, 18, 19, 20
    exception \vector, 0
    .endr
    exception 21, 1
    .irp    vector, 22, 23, 24, 25, 26, 27, 28
    exception \vector, 0
    .endr
    exception 29, 1
    exception 30, 1
    exception 31, 0

// The order is ExceptionFrame's (exceptions.hpp).
    .balign 16
exception_common:
    .irp    n, 15, 14, 13, 12, 11, 10, 9, 8
    pushq   %r\n
    .endr
    pushq   %rdi
    pushq   %rsi
    pushq   %rbp
    pushq   %rsp
    pushq   %rbx
    pushq   %rdx
    pushq   %rcx
    pushq   %rax
    movq    %rsp, %rdi
    movq    %rsp, %rbp
    andq    $-16, %rsp
    call    handle_exception
    movq    %rbp, %rsp
    popq    %rax
    popq    %rcx
    popq    %rdx
    popq    %rbx
    addq    $8, %rsp
    popq    %rbp
    popq    %rsi
    popq    %rdi
    .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
    popq    %r\n
    .endr
    addq    $16, %rsp
    iretq

// An interrupt that was for a guest which is no more (discard_interrupts).
    .globl  ignore_interrupt
ignore_interrupt:
    iretq

    .section .note.GNU-stack, "", @progbits
