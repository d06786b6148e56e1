// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The entries of the guests that are no bzImages. Each keeps the state that it finds (lib/entry_state.hpp), then goes on
// as start.S does, with boot_params of its own that say nothing.
#include "guests/lib/layout.h"

// The offsets of EntryState.
#define SAVE32(register, index) movl register, entry_state + 8 * index

.section .note.Xen, "a", @note
    .long 4, 4, 18                      // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

.section .direct, "awx"
.code64
.globl flat_entry
flat_entry:
    movq %rax, entry_state(%rip)
    movq %rbx, entry_state + 8(%rip)
    movq %rcx, entry_state + 16(%rip)
    movq %rdx, entry_state + 24(%rip)
    movq %rsi, entry_state + 32(%rip)
    movq %rdi, entry_state + 40(%rip)
    movq %rbp, entry_state + 48(%rip)
    movq %rsp, entry_state + 56(%rip)
    leaq flat_entry(%rip), %rax
    movq %rax, entry_state + 64(%rip)
    pushfq
    popq entry_state + 72(%rip)
    movq %cr0, %rax
    movq %rax, entry_state + 80(%rip)
    movq %cr4, %rax
    movq %rax, entry_state + 88(%rip)
    movl $0xc0000080, %ecx
    rdmsr
    movl %eax, entry_state + 96(%rip)
    movw %cs, entry_state + 104(%rip)
    movw %ds, entry_state + 112(%rip)
    movq $boot_params, %rsi             // of the moved copy
    jmp startup_64

.code32
.globl pvh_entry
pvh_entry:
    SAVE32(%eax, 0)
    SAVE32(%ebx, 1)
    SAVE32(%ecx, 2)
    SAVE32(%edx, 3)
    SAVE32(%esi, 4)
    SAVE32(%edi, 5)
    SAVE32(%ebp, 6)
    SAVE32(%esp, 7)
    movl $pvh_entry, entry_state + 64
    movl $boot_stack_top, %esp
    pushfl
    popl entry_state + 72
    movl %cr0, %eax
    SAVE32(%eax, 10)
    movl %cr4, %eax
    SAVE32(%eax, 11)
    movl $0xc0000080, %ecx
    rdmsr
    SAVE32(%eax, 12)
    movw %cs, entry_state + 104
    movw %ds, entry_state + 112
    strw entry_state + 120
    lgdtl direct_gdt_pointer
    ljmpl $KERNEL_CODE32, $1f
1:  movl $boot_params, %esi
    jmp startup_32

.balign 4
multiboot_header:
    .long 0x1badb002, MULTIBOOT_FLAGS, -(0x1badb002 + MULTIBOOT_FLAGS)
#if MULTIBOOT_FLAGS & 0x10000
    .long multiboot_header, multiboot_start, guest_data_end, guest_end, pvh_entry
#endif

.data
.balign 16
.globl entry_state
entry_state:
    .fill 16, 8, 0
direct_gdt_pointer:
    .word 0x47
    .long gdt
.balign 4096
boot_params:
    .fill 4096, 1, 0
