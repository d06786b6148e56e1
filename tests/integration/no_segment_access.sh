#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# no_segment_access.sh ELF: no instruction of the hypervisor accesses memory through FS or GS, whose bases are the
# guest's.
set -euo pipefail
listing=$("$(command -v llvm-objdump-19 || command -v llvm-objdump)" -d --no-show-raw-insn "$1")
instructions=$(grep -cE '^ *[0-9a-f]+:' <<<"$listing") || true
if grep -nE '%[fg]s:' <<<"$listing"; then
    echo "FAILED: these access memory through FS or GS"
    exit 1
fi
echo "$instructions instructions, none accesses memory through FS or GS"
((instructions > 1000))
