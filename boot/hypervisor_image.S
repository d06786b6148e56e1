// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// HYPERVISOR_ELF comes from the build: the path of the stripped bulkhead.elf.

    .section .rdata, "dr"
    .balign 16
    .globl hypervisor_elf, hypervisor_elf_end
hypervisor_elf:
    .incbin HYPERVISOR_ELF
hypervisor_elf_end:
