#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# manual.sh BULKHEAD: every sub-command and every option that --help names is in the manual pages and in the
# completion of each shell; bash completes by it.
set -euo pipefail
bulkhead=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}
commands_of() { # COMMAND...: as --help lists them
    "$bulkhead" "$@" --help | sed -n '/^Subcommands:/,$ s/^  \([a-z][a-z-]*\)  .*/\1/p'
}
options_of() { "$bulkhead" "$@" --help | sed -n '/^Options:/,/^[^ ]/ p' | grep -o -- '--[a-z][a-z-]*' | sort -u; }

for shell in bash zsh fish; do "$bulkhead" completion $shell >"$folder/$shell"; done
bash -n "$folder/bash"
"$bulkhead" completion tcsh 2>/dev/null && fail "a script for tcsh was printed"
"$bulkhead" man no-such 2>/dev/null && fail "a page of no command was printed"

seen=0
look_at() { # COMMAND...
    local page option command
    page=$("$bulkhead" man "$@" | sed 's/\\-/-/g')
    [[ $("$bulkhead" help "$@") == "$("$bulkhead" "$@" --help)" ]] || fail "help $* is not what --help says"
    grep -q '^\.SH NAME' <<<"$page" || fail "man $*: no page"
    if command -v groff >/dev/null; then
        [[ -z $("$bulkhead" man "$@" | groff -man -ww -z -Tutf8 2>&1) ]] || fail "man $*: groff complains"
    fi
    for option in $(options_of "$@"); do
        grep -qF -- "$option" <<<"$page" || fail "man $*: $option is missing"
        grep -q -- "'bulkhead${*:+ $*}') options=.*$option[ ']" "$folder/bash" || fail "bash: $* $option is missing"
        grep -q -- "-l ${option#--} " "$folder/fish" || fail "fish: $option is missing"
        seen=$((seen + 1))
    done
    for command in $(commands_of "$@"); do
        grep -qF "\\fB$command\\fR" <<<"$page" || fail "man $*: $command is missing"
        grep -q -- "-a $command " "$folder/fish" || fail "fish: $command is missing"
        look_at "$@" "$command"
    done
}
look_at
((seen > 25)) || fail "only $seen options were found in --help"

# shellcheck disable=SC1091
source "$folder/bash"
completes() { # EXPECTED WORD...: the last word is being typed
    local expected=$1
    shift
    COMP_WORDS=(bulkhead "$@") COMP_CWORD=$# COMPREPLY=()
    _bulkhead
    [[ ${COMPREPLY[*]} == "$expected" ]] || fail "$*: '${COMPREPLY[*]}' instead of '$expected'"
}
completes "guest" gu
completes "linux" guest ""
completes "reference" man refe
completes "linux" man guest l
completes "zsh" completion z
completes "--kernel" guest linux --k
completes "--kernel" guest linux --root x --k
completes "bochs-intel bochs-amd" run x.toml --machine bochs
completes "--stats" run --st
cd "$folder" && touch only.toml
completes "only.toml" check only
echo "$seen options, each in the manual and in the completion"
