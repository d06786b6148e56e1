#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# code_lines.sh SOURCE-FOLDER MOST: prints the lines that are neither blank nor only a comment, per folder; fails where
# the resident hypervisor has more than MOST. (config/ is not resident: the loader parses.)
set -euo pipefail
cd "$1"
most=$2
resident=0

for folder in base mm arch config devices drivers core svm vmx boot survey guests tools tests; do
    [[ -d $folder ]] || continue
    lines=$(find "$folder" -type f \( -name '*.[chS]' -o -name '*.[ch]pp' \) -exec cat {} + |
        awk 'NF && $1 !~ /^\/\// { ++n } END { print n + 0 }')
    printf '%-8s %6d\n' "$folder" "$lines"
    case $folder in base | mm | arch | devices | drivers | core | svm | vmx) resident=$((resident + lines)) ;; esac
done
echo "resident $resident code lines, at most $most"
((resident > 0 && resident <= most))
