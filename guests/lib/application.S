// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The start of an application processor (SDM 3A 9.4.4.2): vcpus.cpp copies it to the page that a start-up IPI names.
// Real mode, then at once 64-bit code with the page map and the GDT of the first.
#include "guests/lib/segments.h"

    .section .rodata
    .balign 16
    .code16
    .globl application_start, application_found, application_end
application_start:
    movw    %cs, %ax
    movw    %ax, %ds
    movl    %edx, application_found - application_start
    movl    %cr0, %eax
    movl    %eax, application_found - application_start + 4
    movl    %cr4, %eax
    movl    %eax, application_found - application_start + 8
    movw    %cs, application_found - application_start + 12
    lgdtl   application_gdt - application_start
    movl    $0x20, %eax                 // PAE
    movl    %eax, %cr4
    movl    $page_map, %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx
    rdmsr
    movl    %eax, application_found - application_start + 16
    orl     $0x100, %eax                // EFER.LME
    wrmsr
    movl    $0x80000011, %eax           // PG, ET, PE: the caches on
    movl    %eax, %cr0
    ljmpl   $KERNEL_CODE64, $application_64
application_gdt:
    .word   9 * 8 - 1
    .long   gdt
application_found:
    .fill   5, 4, 0
application_end:

    .text
    .code64
application_64:
    load_kernel_segments
    movq    application_stack, %rsp
    call    application_cpp
    ud2

    .section .note.GNU-stack, "", @progbits
