#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# run_statistics.sh BULKHEAD CONFIGURATION MACHINE: `run --stats` writes the counters of the guest neighbour while it
# runs, and what it asked for is not in the output.
set -euo pipefail
folder=$(mktemp -d)
run=
trap 'kill $run 2>/dev/null || true; rm -rf "$folder"' EXIT
file=$folder/bulkhead.prom
fail() {
    echo "FAILED: $1"
    cat "$folder/output" "$file" || true
    exit 1
}

mkfifo "$folder/keys"
exec 3<>"$folder/keys"
"$1" run "$2" --machine "$3" --stats "$file" <"$folder/keys" >"$folder/output" 2>&1 3>&- &
run=$!
type_until() { # KEYS REGEX: types them, again and again, until the output has it
    until grep -q "$2" "$folder/output"; do
        kill -0 "$run" 2>/dev/null || fail "it ended before it said $2"
        printf '%b' "$1" >&3
        sleep 2
    done
}
until grep -q '^bulkhead_vcpu_exits_total{guest="neighbour",vcpu="0",reason="io"} [1-9]' "$file" 2>/dev/null; do
    kill -0 "$run" 2>/dev/null || fail "no counters while the guest ran"
    sleep 0.5
done
grep -q 'bulkhead_vcpu_hypervisor_seconds_total{guest="neighbour",vcpu="0"} 0\.0*[1-9]' "$file" || fail "no time"
grep -q '^bulkhead_guest_state{guest="neighbour",state="running"} 1$' "$file" || fail "not its state while it ran"
type_until '\0035m' 'typing goes to the monitor'
type_until '\0025shutdown neighbour\r' 'guest neighbour: shutdown asked for' # behind what a UART may have lost
wait "$run" || fail "the run itself"
grep -q '^bulkhead_guest_state{guest="neighbour",state="stopped"} 1$' "$file" || fail "not its state at the end"
[[ $(ls "$folder") == $'bulkhead.prom\nkeys\noutput' ]] || fail "it left another file"
grep -q '\] PASS neighbour' "$folder/output" || fail "the guest's own lines are not shown"
# At its end a guest's counters are printed without anybody asking.
! grep -q "memory in use" "$folder/output" || fail "what was asked for is shown"
(($(grep -c "exits of neighbour" "$folder/output") <= 1)) || fail "what was asked for is shown"
