#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# run_statistics.sh BULKHEAD CONFIGURATION MACHINE: `run --stats` writes the counters of the guest neighbour while it
# runs, and what it asked for is not in the output.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
file=$folder/bulkhead.prom
fail() {
    echo "FAILED: $1"
    cat "$folder/output" "$file" || true
    exit 1
}

"$1" run "$2" --machine "$3" --stats "$file" </dev/null >"$folder/output" 2>&1 &
run=$!
seen=0
while kill -0 "$run" 2>/dev/null; do
    # The guest's own end is in the file only when the machine has ended.
    if grep -q 'bulkhead_vcpu_exits_total{guest="neighbour",vcpu="0",reason="io"} [1-9]' "$file" 2>/dev/null &&
        grep -q 'bulkhead_vcpu_hypervisor_seconds_total{guest="neighbour",vcpu="0"} 0\.0*[1-9]' "$file" &&
        ! grep -q "neighbour is off" "$folder/output"; then
        seen=1
    fi
    sleep 0.5
done
wait "$run" || fail "the run itself"
((seen == 1)) || fail "no counters while the guest ran"
grep -q '^bulkhead_guest_state{guest="neighbour",state="stopped"} 1$' "$file" || fail "not its state at the end"
[[ $(ls "$folder") == $'bulkhead.prom\noutput' ]] || fail "it left another file"
grep -q '\] PASS neighbour' "$folder/output" || fail "the guest's own lines are not shown"
# At its end a guest's counters are printed without anybody asking.
(($(grep -c "exits of neighbour" "$folder/output") <= 1)) || fail "what was asked for is shown"
