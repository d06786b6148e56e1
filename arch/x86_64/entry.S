// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Where the hypervisor's own code starts: from the loader on the bootstrap processor, from the trampoline on the others.

    .section .init.entry, "ax"

// In: RDI = BootInfo, interrupts off, the firmware's identity map in the lower half. See boot/boot_info.hpp.
    .globl hypervisor_entry
hypervisor_entry:
    cld
    leaq    boot_stack_end(%rip), %rsp
    xorl    %ebp, %ebp
    call    hv_main
    ud2

// In: on the trampoline's page tables. The CPU's own tables and stack come from ap_startup (arch/x86_64/smp.cpp); the
// stack is at the same address for every CPU, in its private mapping.
    .globl ap_entry
ap_entry:
    cld
    movq    ap_startup(%rip), %rax
    movq    %rax, %cr3
    movq    ap_startup+8(%rip), %rsp
    movl    ap_startup+16(%rip), %edi
    xorl    %ebp, %ebp
    call    ap_main
    ud2

// void continue_on_stack(u64 cr3, u64 stack, void (*function)(u32), u32 argument): leaves page tables and stack for good.
    .section .text, "ax"
    .globl continue_on_stack
continue_on_stack:
    movq    %rdi, %cr3
    movq    %rsi, %rsp
    xorl    %ebp, %ebp
    movl    %ecx, %edi
    call    *%rdx
    ud2

    .section .bss
    .balign 4096
boot_stack_guard:            // unmapped once the hypervisor's own tables are in force
    .globl boot_stack_guard
    .skip 4096
    .skip 32768
    .globl boot_stack_end
boot_stack_end:

    .section .note.GNU-stack, "", @progbits
