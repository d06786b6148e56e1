// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// From 64-bit code into a mode without long mode, and back by the first exception or interrupt there (SDM 3A 10.8.5,
// 10.9). modes.cpp says by the words at the end which mode it is.
#include "guests/lib/modes.h"
#include "guests/lib/segments.h"

.section .text.modes, "ax"
.code64
// void mode_enter()
.globl mode_enter
mode_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq
    cli
    movq %rsp, stack_64
    movq %cr0, %rax
    movl %eax, cr0_64
    movq %cr4, %rax
    movl %eax, cr4_64
    lgdtq gdt_pointer_64
    ljmpl *enter_pointer

.code32
enter:
    movl $KERNEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %ss
    movl %cr0, %eax
    andl $0x7fffffff, %eax              // PG
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    andl $~0x100, %eax                  // EFER.LME
    wrmsr
    movl mode_cr4, %eax
    movl %eax, %cr4
    movl mode_cr3, %eax
    movl %eax, %cr3
    lidtl mode_idt
    movl $TASK32, %eax
    ltr %ax
    movl mode_cr0, %eax
    movl %eax, %cr0
    movl mode_esp, %esp
    movl mode_entry, %ebx
    movl mode_ds, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    jmp *%ebx

.globl mode_enter_protected
mode_enter_protected:
    popal
    iretl

.globl mode_enter_real
mode_enter_real:
    movl $LOW_DATA, %eax
    movl %eax, %ss
    ljmpl $LOW_CODE16, $(LOW_CODE + real_entry - mode_low_start)

back_from_protected:
    pushal
    cld
    movl %esp, %esi
    movl $KERNEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %ss
    jmp back

back_from_real:
    movl $KERNEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %ss
    movzwl %bx, %ebx
    shll $4, %ebx
    movzwl %sp, %esi
    addl %ebx, %esi
back:
    movl %esi, mode_frame
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl cr4_64, %eax
    movl %eax, %cr4
    movl $page_map, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl cr0_64, %eax
    movl %eax, %cr0
    lgdtl gdt_pointer_64
    ljmpl $KERNEL_CODE64, $back_64

.code64
back_64:
    load_kernel_segments
    movq stack_64, %rsp
    popfq
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

// Of protected mode, as in traps.S.
.code32
.balign 16
.globl mode_stubs
mode_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector != 8 && vector != 17 && vector != 21 && vector != 29 && vector != 30 && (vector < 10 || vector > 14)
    pushl $0
    .endif
    pushl $vector
    jmp back_from_protected
    .set vector, vector + 1
    .endr

// Copied to LOW_SEGMENT:LOW_CODE.
.section .rodata.modes, "a"
.balign 16
.code16
.globl mode_low_start, mode_real_data, mode_real_stubs, mode_low_end
mode_low_start:
real_entry:
    movl %cr0, %eax
    andl $~1, %eax                      // PE
    movl %eax, %cr0
    ljmpw $LOW_SEGMENT, $(LOW_CODE + 1f - mode_low_start)
1:  movw %cs, %ax
    movw %ax, %ss
    movw %cs:(LOW_CODE + mode_real_data - mode_low_start), %ax
    movw %ax, %ds
    movw %ax, %fs
    movw %ax, %gs
    movw %cs:(LOW_CODE + mode_real_data - mode_low_start + 2), %ax
    movw %ax, %es
    movl %cs:(LOW_CODE + mode_real_data - mode_low_start + 4), %esp
    popal
    iretw
real_return:
    pushal
    cld
    movw %ss, %bx
    lgdtl %cs:(LOW_CODE + real_gdt_pointer - mode_low_start)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $KERNEL_CODE32, $back_from_real
real_gdt_pointer:
    .word MODE_GDT_ENTRIES * 8 - 1
    .long mode_gdt
mode_real_data:
    .word 0, 0                          // DS, ES
    .long 0                             // ESP
.balign 8
mode_real_stubs:
    .set vector, 0
    .rept 256
    .balign 8
    pushw $vector
    jmp real_return
    .set vector, vector + 1
    .endr
mode_low_end:

.data
.balign 16
gdt_pointer_64:
    .word MODE_GDT_ENTRIES * 8 - 1
    .quad mode_gdt
enter_pointer:
    .long enter
    .word KERNEL_CODE32
stack_64:
    .quad 0
cr0_64:
    .long 0
cr4_64:
    .long 0
.globl mode_cr0, mode_cr3, mode_cr4, mode_esp, mode_entry, mode_ds, mode_frame, mode_idt
mode_cr0:
    .long 0
mode_cr3:
    .long 0
mode_cr4:
    .long 0
mode_esp:
    .long 0
mode_entry:
    .long 0
mode_ds:
    .long 0
mode_frame:
    .long 0
mode_idt:
    .word 0
    .long 0

    .section .note.GNU-stack, "", @progbits
