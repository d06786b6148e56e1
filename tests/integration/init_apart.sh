#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# init_apart.sh LINKER COMPILER LINKER-SCRIPT: the hypervisor does not link when what stays refers to .init, which is
# unmapped when a guest runs: neither by a call nor by a pointer that it keeps. .init may refer to what stays.
set -euo pipefail
linker=$1 compiler=$2 script=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

links() { # SECTION INSTRUCTION: in that section, with goes() in .init and stays() in .text
    printf '%s\n' '.section .init.entry, "ax"' '.globl hypervisor_entry' 'hypervisor_entry: call from' \
        '.section .init.text, "ax"' 'goes: ret' '.section .text.stays, "ax"' 'stays: ret' \
        ".section $1" '.globl from' "from: $2" |
        "$compiler" --target=x86_64-linux-gnu -c -x assembler - -o "$folder/test.o"
    "$linker" -nostdlib -static -T "$script" -o "$folder/test.elf" "$folder/test.o" 2>"$folder/errors"
}
refused() {
    if links "$@"; then
        echo "FAILED: this links: $*"
        exit 1
    fi
    grep 'prohibited cross reference' "$folder/errors"
}

links '.text.from, "ax"' 'call stays'
links '.init.text, "ax"' 'call stays'
links '.init.text, "ax"' 'call goes'
refused '.text.from, "ax"' 'call goes'
refused '.text.from, "ax"' 'movq $goes, %rax'
refused '.data.from, "aw"' '.quad goes'
