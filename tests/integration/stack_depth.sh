#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# stack_depth.sh ELF BUILD-FOLDER STACK BOOT-STACK: no function of the hypervisor is recursive, and the deepest chain of
# calls, with an exception on top of it, fits into a CPU's stack (layout::per_cpu_stack_size) and into the boot stack
# (arch/x86_64/entry.S), both in bytes. Frames are clang's own numbers (-fstack-usage), calls are those in the ELF. A
# jump to another function counts as a call, and each call takes 8 bytes more.
set -euo pipefail
elf=$1 build=$2
tool() { command -v "$1-19" || command -v "$1"; }

# Calls through pointers: who may make them (pattern of the caller's symbol) and who is called; "-" for one that starts
# on an empty stack, or is the firmware, which wants 4 KiB (UEFI 2.10 2.3.4) and finds twice that. One that is not here is
# an error.
indirect='
    read_valid_leaf            CpuidSource.*__invoke
    SerialPort.*receive        console.*on_key
    explain_refusal            3vmx.*__invoke
    TableWalker                (LongMode|Ept)Format.*E(10can_grant|10is_present|7is_leaf|7address|10attributes|5table|4leaf)E
    ^continue_on_stack$        -
    call_reset_system          -
    remember_success           -
    handle_exception           -
'
# What is written in assembly: the bytes that it pushes. An exception: 5 words by the CPU, which aligns RSP first, error
# code, vector, 16 registers, and alignment again.
assembly='
    hypervisor_entry  0
    ap_entry          0
    continue_on_stack 0
    svm_enter_guest   8
    vmx_enter_guest   8
    vmx_exit          8
    exception_entries 200
    exception_common  0
    ignore_interrupt  48
'
# Where a stack begins: on a CPU's own, and on the one in the image.
private='ap_main run_cpu_of_this_vendor enter_run_loop resume_without_guest'
boot='hv_main call_reset_system'

{
    find "$build" -path '*/hv_*' -name '*.su' -exec cat {} + | sed 's/^.*:/frame /'
    "$(tool llvm-nm)" "$elf" | sed 's/^/symbol /'
    "$(tool llvm-objdump)" -d --no-show-raw-insn "$elf" | sed 's/^/code /'
} | awk -v indirect="$indirect" -v assembly="$assembly" -v private="$private" -v boot="$boot" \
    -v private_size="$3" -v boot_size="$4" '
    function plain(number) {
        sub(/^(0x)?0*/, "", number)
        return number
    }

    function wrong(text) { print "FAILED: " text; ++errors }

    # The deepest stack below the function at this address, itself included.
    function depth(at,    list, n, i, below) {
        if (at in known) return known[at]
        if (at in open) {
            wrong(name[at] " is recursive")
            return 0
        }
        open[at] = 1
        below = 0
        n = split(calls[at], list, " ")
        for (i = 1; i <= n; ++i)
            if (8 + depth(list[i]) > below) {
                below = 8 + depth(list[i])
                deepest[at] = list[i]
            }
        delete open[at]
        if (!(at in frame)) wrong("the frame of " name[at] " is not known")
        return known[at] = frame[at] + below
    }

    function chain(at) {
        printf "    %6d %6d %s\n", known[at], frame[at], name[at]
        if (at in deepest) chain(deepest[at])
    }

    function check(what, roots, size,    list, n, i, at, worst) {
        n = split(roots, list, " ")
        for (i = 1; i <= n; ++i) {
            found = 0
            for (at in name)
                if (name[at] ~ "(^|[0-9])" list[i] "(E|$)") {
                    found = 1
                    if (worst == "" || depth(at) > depth(worst)) worst = at
                }
            if (!found) wrong("there is no function " list[i])
        }
        print what ": " depth(worst) " bytes, " exception " for an exception, of " size "; the deepest chain:"
        if (!errors) chain(worst) # which may have no end otherwise
        if (depth(worst) + exception > size) wrong(what " is too small")
    }

    BEGIN {
        FS = "[ \t]+"
        n = split(assembly, words, " ")
        for (i = 1; i < n; i += 2) su[words[i]] = words[i + 1]
    }

    $1 == "frame" {
        if ($4 != "static") dynamic[$2] = 1
        if (!($2 in su) || $3 > su[$2]) su[$2] = $3 + 0
        next
    }
    $1 == "symbol" && NF == 4 { # several may have one address
        at = plain($2)
        address[$4] = at
        if ($4 in su && (!(at in frame) || su[$4] > frame[at])) frame[at] = su[$4]
        if ($4 in dynamic) varies[at] = 1
        next
    }
    $2 ~ /^[0-9a-f]+$/ && $3 ~ /^<.*>:$/ {
        at = plain($2)
        name[at] = substr($3, 2, length($3) - 3)
        next
    }
    $3 ~ /^(call|jmp)q?$/ && $4 ~ /\*/ || $3 ~ /^(call|jmp)q?$/ && $0 !~ /0x[0-9a-f]+ </ {
        through[at] = 1
        next
    }
    $3 ~ /^(call|j[a-z]+)q?$/ {
        target = plain($4)
        if ($5 ~ /\+0x/) { # into a function: this one, or assembly
            other = substr($5, 2, length($5) - 2)
            sub(/\+0x.*/, "", other)
            if (other != name[at]) pending[at] = pending[at] " " other
        } else if ($3 ~ /^call/ || target != at)
            calls[at] = calls[at] " " target
    }

    END {
        for (at in pending) {
            n = split(pending[at], words, " ")
            for (i = 1; i <= n; ++i) calls[at] = calls[at] " " address[words[i]]
        }
        rows = split(indirect, row, " ")
        for (at in through) {
            allowed = 0
            for (i = 1; i < rows; i += 2)
                if (name[at] ~ row[i]) {
                    allowed = 1
                    targets = 0
                    for (other in name)
                        if (name[other] ~ row[i + 1]) {
                            calls[at] = calls[at] " " other
                            ++targets
                        }
                    if (targets == 0 && row[i + 1] != "-") wrong("nothing is called by " name[at])
                }
            if (!allowed) wrong(name[at] " calls through a pointer")
        }
        for (at in name) {
            ++functions
            depth(at)
            if (at in varies) wrong("the frame of " name[at] " is not constant")
        }
        exception = depth(address["exception_entries"])
        check("stack of a CPU", private, private_size)
        check("boot stack", boot, boot_size)
        print functions " functions, " errors + 0 " errors"
        exit errors > 0 || functions < 100
    }'
