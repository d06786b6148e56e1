#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# oci_layout.sh FOLDER BUSYBOX: makes a container image there, an OCI image layout of two layers: busybox with some
# files, then one that hides some of them. Its program says what it finds and ends with status 3.
set -euo pipefail
layout=$1 busybox=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$layout/blobs/sha256" "$work"/lower/{bin,dev,etc,opt/full,srv} "$work"/upper/{etc,opt/full}

cp "$busybox" "$work/lower/bin/busybox"
ln "$work/lower/bin/busybox" "$work/lower/bin/sh"
for command in id ls cat tty wc; do ln -s busybox "$work/lower/bin/$command"; done
printf 'root:x:0:0::/:/bin/sh\napp:x:1000:1001::/srv:/bin/sh\n' >"$work/lower/etc/passwd"
touch "$work/lower/dev/console" "$work/lower/etc/hidden" "$work/lower/opt/full/one" "$work/lower/opt/full/two"
touch "$work/upper/etc/.wh.hidden" "$work/upper/opt/full/.wh..wh..opq" "$work/upper/opt/full/three"
truncate -s 5000 "$work/upper/opt/full/three"
pack() { tar --sparse --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$1" -c .; }
pack "$work/lower" >"$work/lower.tar"
pack "$work/upper" | gzip -n >"$work/upper.tar.gz"

blob() { # FILE: puts it into the layout and prints its descriptor
    local digest
    digest=$(sha256sum <"$1" | cut -c 1-64)
    cp "$1" "$layout/blobs/sha256/$digest"
    printf '{"digest":"sha256:%s","size":%s}' "$digest" "$(stat -c %s "$1")"
}
cat >"$work/config.json" <<'JSON'
{"architecture": "amd64", "os": "linux", "config": {
  "Entrypoint": ["/bin/sh", "-c"],
  "Cmd": ["echo container: $GREETING from $(pwd), user $(id -u) group $(id -g); echo container: $(ls /etc /opt/full); echo container: home $HOME >/dev/stdout; cat /etc/hosts; echo container: on $(tty), $(wc -c </opt/full/three) bytes; exit 3"],
  "Env": ["PATH=/bin", "GREETING=good day"], "WorkingDir": "/srv", "User": "app"}}
JSON
printf '{"schemaVersion":2,"config":%s,"layers":[%s,%s]}' "$(blob "$work/config.json")" "$(blob "$work/lower.tar")" \
    "$(blob "$work/upper.tar.gz")" >"$work/manifest.json"
printf '{"schemaVersion":2,"manifests":[%s]}' "$(blob "$work/manifest.json")" >"$layout/index.json"
