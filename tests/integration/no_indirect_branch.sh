#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# no_indirect_branch.sh ELF: nothing that runs between a guest's exit and its next entry has an indirect call or jump, whose
# target the guest could have trained (docs/exit-path.md). .init has no part in that. What else may have one: the change of
# stacks, which boots, gives a failed guest up and powers off; what reads the CPU's own CPUID, while booting; the firmware's own
# functions at power-off and, once, when all guests have started (remember_success flushes the predictors first), and the way back when these
# fault (handle_exception); what looks for the reason of a refused entry, whose guest runs no more.
set -euo pipefail
may='^(continue_on_stack|.*read_valid_leaf.*|.*call_reset_system.*|.*remember_success.*|handle_exception|.*explain_refusal.*)$'
listing=$("$(command -v llvm-objdump-19 || command -v llvm-objdump)" -d --section=.text --no-show-raw-insn "$1")
branches=$(awk '/^[0-9a-f]+ </ { name = $2; gsub(/[<>:]/, "", name) } /(call|jmp)q?[ \t]+\*/ { print name }' <<<"$listing")
echo "indirect branches in:"
sort -u <<<"$branches"
if grep -vE "$may" <<<"$branches"; then
    echo "FAILED: these run after an exit, or nobody has said that they do not"
    exit 1
fi
grep -q '^continue_on_stack$' <<<"$branches" # the search finds what is there
