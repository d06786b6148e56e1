// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The two entries of the Linux boot protocol, each with boot_params in (R|E)SI. The image may have been loaded at any
// aligned place below 4 GiB: it moves itself to GUEST_ADDRESS first, where it was linked.
#include "guests/lib/segments.h"

.section .entry, "ax"
.code32
.globl startup_32
startup_32:
    cld
    cli
    movw $KERNEL_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    leal 0x1e8(%esi), %esp              // boot_params.scratch, as Linux does: there is no stack yet
    call 1f
1:  popl %ebx
    subl $(1b - startup_32), %ebx
    movl %esi, %ebp
    movl %ebx, %esi
    movl $GUEST_ADDRESS, %edi
    cmpl %esi, %edi
    je 2f
    movl $payload_paragraphs, %ecx
    shll $2, %ecx
    rep movsl
2:  movl %ebp, %esi
    movl %cr4, %eax
    orl $0x20, %eax                     // PAE
    movl %eax, %cr4
    movl $page_map, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax                    // EFER.LME
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    lgdtl gdt_pointer
    ljmpl $KERNEL_CODE64, $startup_64

.org 0x200
.code64
.globl startup_64
startup_64:
    cld
    cli
    movq %rsi, %rbp
    leaq startup_32(%rip), %rsi
    movq $GUEST_ADDRESS, %rdi
    cmpq %rsi, %rdi
    je 1f
    movq $payload_paragraphs, %rcx
    shlq $1, %rcx
    rep movsq
1:  movq $2f, %rax
    jmpq *%rax
2:  lgdtq gdt_pointer
    movq $page_map, %rax
    movq %rax, %cr3
    load_kernel_segments
    movq $boot_stack_top, %rsp
    pushq $KERNEL_CODE64
    pushq $3f
    lretq
3:  movq $guest_data_end, %rdi
    movq $guest_end, %rcx
    subq %rdi, %rcx
    rep stosb
    movq %rbp, %rdi
    call guest_start_cpp
    ud2

.data
.balign 16
.globl gdt
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff            // KERNEL_CODE32
    .quad 0x00af9b000000ffff            // KERNEL_CODE64
    .quad 0x00cf93000000ffff            // KERNEL_DATA
    .quad 0x00cffb000000ffff            // USER_CODE32
    .quad 0x00cff3000000ffff            // USER_DATA
    .quad 0x00affb000000ffff            // USER_CODE64
    .quad 0, 0                          // TASK_STATE, filled in by traps.cpp
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt

// The first 4 GiB, one to one, in pages of 2 MiB, writable and open to user mode.
.balign 4096
.globl page_map
page_map:
    .quad page_directory_pointers + 7
    .fill 511, 8, 0
.globl page_directory_pointers
page_directory_pointers:
    .quad page_directories + 0x0007, page_directories + 0x1007, page_directories + 0x2007, page_directories + 0x3007
    .fill 508, 8, 0
.globl page_directories
page_directories:
    .set address, 0
    .rept 2048
    .quad address + 0x87
    .set address, address + 0x200000
    .endr

.bss
.balign 16
    .skip 16384
.globl boot_stack_top
boot_stack_top:
