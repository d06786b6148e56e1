#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# guest_linux.sh BULKHEAD KERNEL BUSYBOX: `bulkhead guest linux` packs an image and a folder, twice the same, into
# something that `bulkhead check` accepts; what is wrong is refused.
set -euo pipefail
bulkhead=$1 kernel=$2 busybox=$3
here=$(dirname "$(realpath "$0")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "FAILED: $*"
    exit 1
}
refused() { # TEXT COMMAND...
    local text=$1
    shift
    ! "$@" 2>errors || fail "this was not refused: $*"
    grep -qF "$text" errors || fail "not '$text' but: $(cat errors)"
}

"$here/oci_layout.sh" "$folder/image" "$busybox"
pack() { "$bulkhead" guest linux --kernel "$kernel" "$@" >packed; }
pack --oci image -o one --name web
pack --oci image -o two --name web
diff -r one two || fail "the same image was packed in two ways"
SOURCE_DATE_EPOCH=86400 pack --oci image -o three --name web
cmp -s one/web-initrd three/web-initrd && fail "SOURCE_DATE_EPOCH changes nothing"
SOURCE_DATE_EPOCH=yesterday pack --oci image -o never --name web && fail "SOURCE_DATE_EPOCH may be no number"
"$bulkhead" check one/web.toml || fail "what was packed is no configuration"
grep -q 'rdinit=/.bulkhead/init' one/web.toml || fail "nothing runs the image's program"

# A folder: its own init, or a command.
mkdir -p root/bin root/sbin
cp "$busybox" root/bin/busybox
refused "nothing says what" pack --root root -o four
pack --root root -o four --root-owns -- /bin/busybox sh -c 'echo "a \"b\""'
"$bulkhead" check four/linux.toml
ln -s ../bin/busybox root/sbin/init
pack --root root -o five --append 'quiet "x'
grep -q 'rdinit=/sbin/init quiet \\"x' five/linux.toml || fail "the command line is not: $(cat five/linux.toml)"

refused "either --root FOLDER or --oci FOLDER" pack -o six
refused "either --root FOLDER or --oci FOLDER" pack --root root --oci image -o six
refused "cannot read" pack --oci root -o six
refused "a small letter" pack --oci image -o six --name Web
refused "is no name of a guest" pack --oci image -o six --name ../web
[[ ! -e six && ! -e web.toml ]] || fail "what was refused has left files"
cp -r one kept
refused "memory" pack --oci image -o one --name web --memory 1
diff -r one kept || fail "what was refused has replaced what was there"
refused "cannot be started" "$bulkhead" guest linux --kernel "$busybox" --oci image -o six
refused "no image for linux/amd64 with the tag 'x'" pack --oci image -o six --tag x
for blob in image/blobs/sha256/*; do
    cp "$blob" whole
    printf x >>"$blob"
    refused "it is damaged" pack --oci image -o six
    cp whole "$blob"
done
sed 's|sha256:|sha256:../../|' -i image/index.json
refused "none of SHA-256" pack --oci image -o six
echo "packed, checked and refused as it should be"
