// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a CPU runs after its SIPI: real mode at a page below 1 MiB, straight to long mode, then to ap_entry.
// The page is copied from here; the fields at its end are filled in by prepare_trampoline (smp.cpp).

    .section .rodata
    .balign 16
    .globl  trampoline_start, trampoline_end
    .globl  trampoline_gdt_base, trampoline_cr3, trampoline_far_offset

trampoline_start:
    .code16
    cli
    cld
    movw    %cs, %ax
    movw    %ax, %ds
    lgdtl   trampoline_gdt_pointer - trampoline_start
    movl    $0x20, %eax                 // CR4.PAE
    movl    %eax, %cr4
    movl    trampoline_cr3 - trampoline_start, %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx           // EFER: LME and NXE
    xorl    %edx, %edx
    movl    $0x900, %eax
    wrmsr
    movl    $0x80010033, %eax           // CR0: PG, WP, NE, ET, MP, PE
    movl    %eax, %cr0
    ljmpl   *(trampoline_far_offset - trampoline_start)

    .code64
trampoline_long_mode:
    movl    $0x10, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movq    $ap_entry, %rax
    jmp     *%rax

    .balign 8
trampoline_gdt:
    .quad   0
    .quad   0x00af9b000000ffff          // code, 64-bit
    .quad   0x00cf93000000ffff          // data
trampoline_gdt_pointer:
    .word   trampoline_gdt_pointer - trampoline_gdt - 1
trampoline_gdt_base:
    .long   trampoline_gdt - trampoline_start   // + the page's address
    .balign 8
trampoline_cr3:
    .long   0
trampoline_far_offset:
    .long   trampoline_long_mode - trampoline_start // + the page's address
    .word   0x08
trampoline_end:

    .section .note.GNU-stack, "", @progbits
