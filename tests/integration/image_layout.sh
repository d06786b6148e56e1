#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# image_layout.sh BULKHEAD CONFIG EFI ADDITION: the disk image that the host command writes is what firmware expects, has the right
# files, and is the same when it is written again.
set -euo pipefail
bulkhead=$1 config=$2 efi=$3 addition=$4
export LC_ALL=C.UTF-8 MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
image=$folder/disk.img

fail() {
    echo "FAILED: $*"
    exit 1
}

"$bulkhead" image "$config" -o "$image"
/usr/sbin/sgdisk -v "$image" | tee "$folder/verified"
grep -q 'No problems found' "$folder/verified" || fail "sgdisk finds problems"
/usr/sbin/sgdisk -i 1 "$image" | tee "$folder/partition"
grep -q 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B' "$folder/partition" || fail "partition 1 is no EFI system partition"

start=$(awk '/^First sector/ { print $3 * 512 }' "$folder/partition")
volume=$image@@$start
minfo -i "$volume" :: | grep -q 'FAT32' || minfo -i "$volume" :: | grep -q 'sectors per fat: 0' ||
    fail "the file system is not FAT32"

same() { # FILE-IN-IMAGE FILE
    mcopy -n -i "$volume" "::$1" "$folder/copy"
    cmp "$folder/copy" "$2" || fail "$1 is not $2"
    rm "$folder/copy"
}
same /EFI/BOOT/BOOTX64.EFI "$efi"
same /bulkhead/bulkhead.toml "$config"
same /bulkhead/kernel.bin "$(dirname "$config")/kernel.bin"
same /bulkhead/guests/second.bin "$(dirname "$config")/guests/second.bin"

"$bulkhead" image "$config" -o "$folder/again.img"
cmp "$image" "$folder/again.img" || fail "written again, the image is another"

# Another time, another mask, another folder, another zone: the same image.
(config=$(realpath "$config") && cd / && umask 077 && TZ=Asia/Tokyo "$bulkhead" image "$config" -o "$folder/again.img")
cmp "$image" "$folder/again.img" || fail "written in other surroundings, the image is another"

# As files: the same ones.
"$bulkhead" image "$config" --files "$folder/files"
(cd "$folder/files" && find . -type f | sort) >"$folder/names"
diff "$folder/names" - <<END || fail "the folder has other files"
./EFI/BOOT/BOOTX64.EFI
./bulkhead/bulkhead.toml
./bulkhead/guests/second.bin
./bulkhead/kernel.bin
END
while read -r name; do same "${name#.}" "$folder/files/$name"; done <"$folder/names"
! "$bulkhead" image "$config" --files "$folder/files" || fail "a folder with something in it was taken"

# For Bochs' machines another program comes first; the product is beside it, unchanged.
"$bulkhead" image "$config" -o "$image" --machine bochs-intel
same /EFI/BOOT/BOOTX64.EFI "$addition"
same /EFI/BOOT/BULKHEAD.EFI "$efi"
same /bulkhead/bulkhead.toml "$config"
