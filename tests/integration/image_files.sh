#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# image_files.sh BULKHEAD KERNEL: writing a disk image touches no file but the image, whatever is beside it and
# however it ends.
set -euo pipefail
bulkhead=$1 kernel=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "FAILED: $*"
    exit 1
}
configure() { # KERNEL
    printf '[[guest]]\nname = "one"\nmemory = "64 MiB"\nkernel = "%s"\n' "$1" >one.toml
}
only() { # FILE...: what the folder has
    local files
    files=$(printf '%s\n' "$@" | sort)
    diff <(find . -type f -printf '%P\n' | sort) <(echo "$files") || fail "these are not the files that should be there"
}

# The kernel has the name that a half-written image might have.
cp "$kernel" vm.part
configure vm.part
(umask 027 && "$bulkhead" image one.toml -o vm)
cmp vm.part "$kernel" || fail "the kernel was overwritten"
[[ $(stat -c %a vm) == 640 ]] || fail "the image has not the permissions of a new file"
only one.toml vm vm.part

"$bulkhead" image one.toml -o '' 2>errors && fail "an image without a name was written"
grep -q 'names no file' errors || fail "that an image needs a name is not said: $(cat errors)"
rm errors
only one.toml vm vm.part

# A signal while it is written: mtools' mcopy is one that sends it.
mkdir commands temporary
printf '#!/bin/sh\nkill -TERM $PPID\nexit "${MCOPY_STATUS:-0}"\n' >commands/mcopy
chmod +x commands/mcopy
echo before >vm
ended() { # COMMAND...
    local status=0
    PATH=$PWD/commands:$PATH TMPDIR=$PWD/temporary "$@" 2>errors || status=$?
    ((status == 143)) || fail "the status after SIGTERM is $status: $(cat errors)"
    rm errors
    only commands/mcopy one.toml vm vm.part
    [[ -z $(ls temporary) ]] || fail "left: $(ls temporary)"
    [[ $(cat vm) == before ]] || fail "the image is not what it was"
}
ended "$bulkhead" image one.toml -o vm
MCOPY_STATUS=143 ended "$bulkhead" image one.toml -o vm
ended "$bulkhead" run one.toml --machine qemu-amd
rm -r commands temporary vm vm.part

# Names that mean something to mtools, of files and of folders.
mkdir 'a:' 'b@@1'
cp "$kernel" 'a:/-k'
cp "$kernel" 'b@@1/-k'
configure -k
cp one.toml 'a:/c.toml'
cp one.toml 'b@@1/c.toml'
(cd 'a:' && "$bulkhead" image c.toml -o ./-i@@2.img)
"$bulkhead" image 'a:/c.toml' -o 'b@@1/x.img'
"$bulkhead" image 'b@@1/c.toml' -o 'a:/y.img'
for image in 'a:/-i@@2.img' 'b@@1/x.img' 'a:/y.img'; do
    MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1 mcopy -i /dev/stdin@@1048576 ::/bulkhead/-k copy <"./$image"
    cmp copy "$kernel" || fail "$image has another kernel"
    rm copy
done
only one.toml 'a:/-k' 'a:/c.toml' 'a:/-i@@2.img' 'a:/y.img' 'b@@1/-k' 'b@@1/c.toml' 'b@@1/x.img'
