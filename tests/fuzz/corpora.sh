#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# corpora.sh FOLDER LIST: each target of the list has a corpus in the folder, and nobody else; together they are small.
set -euo pipefail
folder=$1 list=$2
most_bytes=614400

fail() {
    echo "FAILED: $*"
    exit 1
}
differences=$(diff <(cut -d ' ' -f 1 "$list" | sort) <(find "$folder" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)) ||
    fail "targets and corpora differ: $differences"
bytes=$(find "$folder" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
echo "$(wc -l <"$list") targets, $bytes bytes of corpora"
((bytes <= most_bytes)) || fail "the corpora have $bytes bytes, more than $most_bytes"
