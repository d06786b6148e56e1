// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The setup part of a Linux bzImage (Documentation/arch/x86/boot.rst, protocol 2.15) and a real-mode stub. The
// hypervisor starts a guest at start.S's 64-bit entry and never runs this stub; it is for `qemu-system-x86_64 -kernel`,
// so that one program runs as a guest and on a bare machine.
#include "guests/lib/layout.h"

.section .setup, "awx"
.code16
setup:
.org 0x1f1
    .byte SETUP_SECTORS
    .word 0                             // root_flags
    .long payload_paragraphs            // syssize
    .word 0                             // ram_size
    .word 0xffff                        // vid_mode: as it is
    .word 0                             // root_dev
    .word 0xaa55                        // boot_flag
    .byte 0xeb, start16 - header        // jump, whose distance also tells how long the header is
header:
    .ascii "HdrS"
    .word 0x020f                        // version
    .long 0                             // realmode_swtch
    .word 0                             // start_sys_seg
    .word version - setup - 0x200       // kernel_version
    .byte 0                             // type_of_loader
    .byte 0x01                          // loadflags: LOADED_HIGH
    .word 0                             // setup_move_size
    .long LOADED_HIGH_ADDRESS           // code32_start
    .long 0, 0                          // ramdisk_image, ramdisk_size
    .long 0                             // bootsect_kludge
    .word 0                             // heap_end_ptr
    .byte 0, 0                          // ext_loader_ver, ext_loader_type
    .long 0                             // cmd_line_ptr
    .long 0x7fffffff                    // initrd_addr_max
    .long GUEST_ALIGNMENT               // kernel_alignment
    .byte 1                             // relocatable_kernel: start.S moves itself
    .byte 21                            // min_alignment: log2(GUEST_ALIGNMENT)
    .word 0x0001                        // xloadflags: XLF_KERNEL_64
    .long 2047                          // cmdline_size
    .long 0                             // hardware_subarch
    .quad 0                             // hardware_subarch_data
    .long 0, 0                          // payload_offset, payload_length
    .quad 0                             // setup_data
    .quad GUEST_ADDRESS                 // pref_address
    .long guest_memory_size             // init_size
    .long 0                             // handover_offset
    .long 0                             // kernel_info_offset
.org 0x270

// Real mode, DS = ES = SS = the segment of `setup`. Builds boot_params at DS:BOOT_PARAMS, then goes on in protected
// mode.
#define BOOT_PARAMS 0x1000
start16:
    cld
    xorl %eax, %eax
    movw $BOOT_PARAMS, %di
    movw $0x400, %cx
    rep stosl
    movw $0x1f1, %si
    movw $(BOOT_PARAMS + 0x1f1), %di
    movw $(0x270 - 0x1f1), %cx
    rep movsb

    movw $(BOOT_PARAMS + 0x2d0), %di    // e820_table
    xorl %ebx, %ebx
1:  movl $0xe820, %eax
    movl $20, %ecx
    movl $0x534d4150, %edx              // 'SMAP'
    int $0x15
    jc 2f
    addw $20, %di
    incb BOOT_PARAMS + 0x1e8            // e820_entries
    testl %ebx, %ebx
    jnz 1b

2:  cli
    xorl %eax, %eax
    movw %ds, %ax
    shll $4, %eax
    leal BOOT_PARAMS(%eax), %esi
    leal (gdt16 - setup)(%eax), %ebx
    movl %ebx, gdt16_pointer - setup + 2
    lgdtl gdt16_pointer - setup
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x10, $LOADED_HIGH_ADDRESS   // startup_32, ESI = boot_params

.balign 8
gdt16:
    .quad 0, 0
    .quad 0x00cf9b000000ffff            // 0x10: flat 32-bit code
    .quad 0x00cf93000000ffff            // 0x18: flat data
gdt16_pointer:
    .word . - gdt16 - 1
    .long 0
version:
    .asciz "Bulkhead guest"
.org (SETUP_SECTORS + 1) * 512
