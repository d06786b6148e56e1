#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# reproducible.sh SOURCE EFI: builds the loader with the hypervisor in it once more, from a copy of the source in a
# folder of another name and depth, without a compiler's cache. It must be the same, to the byte.
set -euo pipefail
source=$1 efi=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/another/place/of/the-same-source
mkdir -p "$copy"
tar -C "$source" --exclude=./build --exclude=./.git -c . | tar -C "$copy" -x

unset CMAKE_CXX_COMPILER_LAUNCHER CMAKE_C_COMPILER_LAUNCHER SOURCE_DATE_EPOCH
(cd "$copy" && cmake --preset default && nice cmake --build build --target bulkhead_efi) >"$work/log" 2>&1 || {
    tail -n 30 "$work/log"
    exit 1
}
if ! cmp "$efi" "$copy/build/bulkhead.efi"; then
    echo "the same source gave another $(basename "$efi"): $(cmp -l "$efi" "$copy/build/bulkhead.efi" | wc -l) bytes differ"
    exit 1
fi
