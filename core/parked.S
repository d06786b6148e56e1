// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The parked context: what a core executes in guest mode while it has no guest, in real mode at address 0, with this
// page as its only memory. In guest mode, as HLT in the hypervisor itself can lose the NMI that is to wake it.

    .section .rodata
    .balign 4096
    .globl  parked_code
parked_code:
    .code16
    cli
1:  hlt
    jmp     1b
    .balign 4096, 0xcc

    .section .note.GNU-stack, "", @progbits
