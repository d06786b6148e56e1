// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// For the assembler.
#include "guests/lib/layout.h"

// Data segments in 64-bit code. Changes EAX.
.macro load_kernel_segments
    movl $KERNEL_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
.endm
