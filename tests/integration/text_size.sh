#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# text_size.sh ELF MOST: the hypervisor's executable sections have at most so many bytes, but for .init, which is not
# mapped any more when a guest runs.
set -euo pipefail
size=0 init=0
while read -r name bytes; do
    case $name in .init) init=$((16#$bytes)) ;; *) size=$((size + 16#$bytes)) ;; esac
done < <(
    "$(command -v llvm-readelf-19 || command -v llvm-readelf)" --sections --wide "$1" |
        sed -n 's/^ *\[ *[0-9]*\] *//p' | awk '$7 ~ /X/ { print $1, $5 }'
)
echo "text: $size bytes, at most $2; boot text, unmapped before the first guest runs: $init bytes"
((init > 0 && size > 0 && size <= $2))
