// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// For the entry code of both vendors (svm/enter.S, vmx/enter.S): the guest's general registers, which Cpu::registers
// keeps, but those that the entry itself needs: RAX, RCX, RDX, and RSP, which the hardware switches.

    .set    regs, 0xffffffffc0000000            // Cpu::registers
    .set    control_block, regs + 16 * 8        // Cpu::control_block: physical address for VMRUN
    .set    core, regs + 17 * 8                 // Cpu::core, which Vcpu::hypervisor_ticks is first in
    .set    exit_tsc, regs + 18 * 8             // Cpu::exit_tsc

    .macro  load_guest_registers
    movq    regs + 3 * 8, %rbx
    movq    regs + 5 * 8, %rbp
    movq    regs + 6 * 8, %rsi
    movq    regs + 7 * 8, %rdi
    .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
    movq    regs + \n * 8, %r\n
    .endr
    .endm

    .macro  store_guest_registers
    movq    %rbx, regs + 3 * 8
    movq    %rbp, regs + 5 * 8
    movq    %rsi, regs + 6 * 8
    movq    %rdi, regs + 7 * 8
    .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
    movq    %r\n, regs + \n * 8
    .endr
    .endm
