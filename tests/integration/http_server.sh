#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# http_server.sh FILE: answers one HEAD or GET (RFC 9110) on its standard input with FILE, whose name is what is asked for.
# BusyBox' own server sends a body after the answer to HEAD, and OVMF takes that for the next answer.
file=$1
IFS=" " read -r method path _
while IFS= read -r line && [ "$line" != "$(printf '\r')" ]; do :; done

answer() { # STATUS LENGTH
    printf 'HTTP/1.1 %s\r\nContent-Length: %s\r\nContent-Type: application/vnd.efi-img\r\nConnection: close\r\n\r\n' "$1" "$2"
}

case "$method $path" in
"HEAD /$file") answer "200 OK" "$(stat -c %s "$file")" ;;
"GET /$file") answer "200 OK" "$(stat -c %s "$file")" && exec cat "$file" ;;
*) answer "404 Not Found" 0 ;;
esac
