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

rm root/sbin/init
mkdir root/init
refused "nothing says what" pack --root root -o six
rmdir root/init
refused "choose a folder outside of it" pack --root root -o root/six
(cd root && refused "choose a folder outside of it" pack --root . -o six)
truncate -s 5G root/holes # it is not read for that
refused "'root/holes' has 4 GiB or more" pack --root root -o six -- /bin/busybox
rm root/holes

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

# Layouts of one layer, as some tools make them and as none does.
blob() { # FOLDER FILE: puts it there and prints its descriptor
    local digest
    digest=$(sha256sum <"$2" | cut -c 1-64)
    mkdir -p "$1/blobs/sha256" && cp "$2" "$1/blobs/sha256/$digest"
    printf '{"digest":"sha256:%s","size":%s}' "$digest" "$(stat -c %s "$2")"
}
image() { # FOLDER ARCHITECTURE CONFIG LAYER: prints the descriptor of its manifest
    printf '{"architecture":"%s","os":"linux","config":%s}' "$2" "$3" >config.json
    printf '{"config":%s,"layers":[%s]}' "$(blob "$1" config.json)" "$(blob "$1" "$4")" >manifest.json
    blob "$1" manifest.json
}
index() { printf '{"schemaVersion":2,"manifests":[%s]}' "$2" >"$1/index.json"; } # FOLDER DESCRIPTORS
tar -C root -cf layer.tar .
arm=$(image both arm64 '{}' layer.tar)
amd=$(image both amd64 '{"Cmd":["/bin/busybox"]}' layer.tar)
index both "$arm"
refused "is for arm64" pack --oci both -o six
index both "$arm,$amd" # which need not say what they are for
pack --oci both -o seven
index both "$(image both amd64 '{"Entrypoint":"/bin/sh"}' layer.tar)"
refused "'Entrypoint', which is no list of texts" pack --oci both -o six
printf '\x89LZO\x00\x0d\x0a\x1a\x0a' >layer.lzo # whose program libarchive would start
mkdir programs
printf '#!/bin/sh\ntouch "%s/started"\n' "$folder" >programs/lzop
chmod +x programs/lzop
index both "$(image both amd64 '{"Cmd":["x"]}' layer.lzo)"
PATH=$folder/programs:$PATH refused "compressed by gzip or zstd" pack --oci both -o six
[[ ! -e started ]] || fail "a layer has started a program of this computer's"

for blob in image/blobs/sha256/*; do
    cp "$blob" whole
    printf x >>"$blob"
    refused "it is damaged" pack --oci image -o six
    cp whole "$blob"
done
sed 's|sha256:|sha256:../../|' -i image/index.json
refused "none of SHA-256" pack --oci image -o six
echo "packed, checked and refused as it should be"
