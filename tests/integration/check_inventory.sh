#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
#
# check_inventory.sh BULKHEAD GUEST: `bulkhead check --inventory` plans for the machine that the file describes, and says
# what that one has not. GUEST: a kernel.
set -euo pipefail
bulkhead=$1 guest=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cp "$guest" hello

fail() {
    echo "FAILED: $*"
    cat shown
    exit 1
}
shows() { grep -qE "$1" shown || fail "nothing shows '$1'"; }
check() { "$bulkhead" check bulkhead.toml --inventory inventory.toml "$@" >shown 2>&1; }

inventory() { # VERDICT
    printf 'schema = 1\nsource = "linux"\n[verdict]\ncan-run = "%s"\n[board]\nsystem-product = "A box"\n' "$1"
    for i in 0 1 2 3; do
        printf '[[cpu]]\nnumber = %d\napic-id = %d\ncore = %d\npackage = 0\ncache = 0\nnode = 0\n' "$i" "$i" $((i / 2))
    done
    printf '[[memory]]\nstart = 0x100000\nsize = 0x7ff00000\nkind = "free"\n'
    printf '[[serial]]\nport = 0x3f8\ninterrupt = 4\n'
}
configuration() { # CPUS MEMORY MORE
    printf '[[guest]]\nname = "one"\ncpus = %s\nmemory = "%s"\nkernel = "hello"\n%s\n' "$@"
}

configuration 1 '256 MiB' '' >bulkhead.toml
for part in cpu memory; do # from there on: none of it, and nothing of what follows
    inventory yes | sed "/^\[\[$part\]\]/,\$d" >inventory.toml
    ! check || fail "an inventory without [[$part]] passes"
    shows '^bulkhead: inventory.toml: error: it has no \[\[cpu\]\], or no'
done

inventory yes >inventory.toml
configuration '[2, 3]' '256 MiB' '' >bulkhead.toml
check --svg plan.svg || fail "a plan that fits is refused"
shows '^Plan for A box:'
shows '^ +2 +2 +1 .* one$'
shows '^ +0 +0 +0 .* - \(the hypervisor'
shows '256 MiB  one$'
shows ' of nobody$'
! grep -q '^note:' shown || fail "there is nothing to note"
{ head -c 4 plan.svg | grep -qx '<svg' && tail -n 1 plan.svg | grep -qx '</svg>' && grep -q '>one' plan.svg; } ||
    fail "the picture is no SVG with the guest in it"

# What the hypervisor itself takes is not of a list, as long as there is other memory.
{ inventory yes; printf '[[memory]]\nstart = 0x100000000\nsize = 0x40000000\nkind = "free"\n'; } >two.toml
printf '[[guest]]\nname = "one"\nmemory = ["2000 MiB at 0x200000"]\nkernel = "hello"\n' >bulkhead.toml
"$bulkhead" check bulkhead.toml --inventory two.toml >shown 2>&1 || fail "a list that the loader keeps free is refused"
shows ' 0x200000 to 0x7d200000 +2000 MiB +one$'
! "$bulkhead" check bulkhead.toml --inventory inventory.toml >shown 2>&1 || fail "the hypervisor has no memory"
# Shares of a made-up machine leave what the others want.
configuration 1 '90%' '' >bulkhead.toml
configuration 1 '4 GiB' '' | sed 's/"one"/"two"/' >>bulkhead.toml
"$bulkhead" check bulkhead.toml >shown 2>&1
shows '^guest two: .* at 0x'

configuration '[2, 3]' '256 MiB' 'console-port = 0x2f8' >bulkhead.toml
check || fail "a port that is not there keeps a guest from running"
shows '^note: guest one: the inventory has no serial port at 0x2f8: it would share'

configuration '[4]' '256 MiB' '' >bulkhead.toml
! check || fail "a CPU that is not there is accepted"
shows 'bulkhead.toml:3:.*error: '
configuration 2 '64 GiB' '' >bulkhead.toml
! check || fail "memory that is not there is accepted"
shows 'bulkhead.toml:4:.*error: '
configuration '[1]' '256 MiB' '' >bulkhead.toml
check || fail "one thread of a core is refused, whose other one nobody gets"

inventory unknown >inventory.toml
check || fail "a machine of which nobody knows is refused"
shows '^note: whether this machine can run Bulkhead is not known: its inventory does not say why'
! check --svg bulkhead.toml || fail "the configuration may become a picture"
shows "would replace 'bulkhead.toml'"

inventory no >inventory.toml
! check || fail "a machine that cannot run Bulkhead is accepted"
shows 'inventory.toml: error: this machine cannot run Bulkhead: '
echo "planned and refused as it should be"
