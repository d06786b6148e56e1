#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# text_size.sh ELF MOST: the executable sections of the hypervisor have at most so many bytes.
set -euo pipefail
size=0
while read -r bytes; do size=$((size + 16#$bytes)); done < <(
    "$(command -v llvm-readelf-19 || command -v llvm-readelf)" --sections --wide "$1" |
        sed -n 's/^ *\[ *[0-9]*\] *//p' | awk '$7 ~ /X/ { print $5 }'
)
echo "text: $size bytes, at most $2"
((size > 0 && size <= $2))
