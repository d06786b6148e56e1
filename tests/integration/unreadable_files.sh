#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# unreadable_files.sh BULKHEAD KERNEL: files that cannot be read are named, with the reason.
set -euo pipefail
bulkhead=$1 kernel=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

refused() { # REGEX COMMAND...
    local regex=$1 status=0 output
    output=$(timeout 10 "${@:2}" 2>&1) || status=$?
    if ((status != 1)) || ! [[ $output =~ $regex ]]; then
        echo "FAILED: status $status, should be 1; or this does not have '$regex': $output"
        exit 1
    fi
}

if [[ -c /dev/full ]]; then
    refused "cannot write to the standard output" bash -c '"$1" reference >/dev/full' - "$bulkhead"
fi
mkfifo pipe
refused "cannot read 'pipe': it is not a regular file" "$bulkhead" check pipe
refused "cannot read 'none': No such file" "$bulkhead" check none

cp "$kernel" kernel
chmod 000 kernel
printf '[[guest]]\nname = "one"\nmemory = "64 MiB"\nkernel = "kernel"\n' >one.toml
# Root reads everything, unless it is without its capabilities.
ordinary=()
((EUID == 0)) && ordinary=(setpriv --inh-caps=-all --bounding-set=-all)
refused "one.toml:4:10: error: the kernel 'kernel' cannot be read: this user may not read it.* 1 error" \
    "${ordinary[@]}" "$bulkhead" check one.toml
