// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Numbers that the assembly, the linker script and the C++ of a guest share.
#pragma once

#define SETUP_SECTORS 1
#define GUEST_ADDRESS 0x1000000
#define GUEST_ALIGNMENT 0x200000
#define LOADED_HIGH_ADDRESS 0x100000 // where a real-mode boot loader puts the protected-mode part

// The guest's own descriptor table.
#define KERNEL_CODE32 0x08
#define KERNEL_CODE64 0x10
#define KERNEL_DATA 0x18
#define USER_CODE32 0x23
#define USER_DATA 0x2b
#define USER_CODE64 0x33
#define TASK_STATE 0x38
