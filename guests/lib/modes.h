// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Numbers that modes.S and modes.cpp share.
#pragma once

// The segment that all modes reach: real mode's vectors, then its code, then what modes.hpp names.
#define LOW_SEGMENT 0x7000
#define LOW_ADDRESS 0x70000
#define LOW_CODE 0x400

// The descriptor table of the modes; the first four are those of layout.h.
#define FLAT_CODE16 0x20
#define LOW_CODE16 0x28
#define LOW_DATA 0x30
#define BASED_CODE 0x38
#define BASED_DATA 0x40
#define TASK32 0x48
#define MODE_GDT_ENTRIES 32
