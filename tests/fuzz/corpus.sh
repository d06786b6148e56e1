#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# corpus.sh TARGET FOLDER LONGEST: a target's corpus is there and small, each file of it is one that libFuzzer wrote, and
# of no more bytes than an input has; the target executes each of them.
set -euo pipefail
target=$1 folder=$2 longest=$3
most_files=200 most_bytes=65536

fail() {
    echo "FAILED: $*"
    exit 1
}
shopt -s nullglob
files=("$folder"/*)
((${#files[@]} > 0)) || fail "$folder has no files: ./bulkhead fuzz --renew-corpus writes them"
((${#files[@]} <= most_files)) || fail "$folder has ${#files[@]} files, more than $most_files"
bytes=0
while read -r sum file; do
    [[ $sum == "$(basename "$file")" ]] || fail "$file is not named by its SHA-1, $sum"
    size=$(stat -c %s "$file")
    ((size <= longest)) || fail "$file has $size bytes, more than the $longest of an input"
    ((bytes += size)) || true
done < <(sha1sum "${files[@]}")
((bytes <= most_bytes)) || fail "$folder has $bytes bytes, more than $most_bytes"

output=$("$target" -rss_limit_mb=4096 -timeout=10 "${files[@]}" 2>&1) || fail "$output"
executed=$(grep -c "^Executed $folder/" <<<"$output") || true
echo "${#files[@]} files, $bytes bytes, $executed executed"
((executed == ${#files[@]})) || fail "not every file was executed: $output"
