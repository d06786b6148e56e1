# SPDX-License-Identifier: Apache-2.0
# Copyright the Bulkhead authors
# shellcheck shell=bash
#
# Sourced by ./bulkhead, which sets `build`. Two things are set up: packages of the host's distribution, by name, and
# the toolbox, a folder of unpacked Debian 13 packages (emulators, firmware, stock kernels) that is the same on every
# host. Both only where they are missing.

packages=(clang-19 lld-19 llvm-19 libclang-rt-19-dev libc++-19-dev gnu-efi acpica-tools cmake ninja-build
    libcatch2-dev libcli11-dev libtomlplusplus-dev libzydis-dev libarchive-dev nlohmann-json3-dev fonts-spleen gdisk mtools bubblewrap debian-archive-keyring)

# The emulators need one another's exact versions, so they come from one release: bochs 3.0, QEMU 10.0.
toolbox_packages=(bochs bochs-term bochsbios ovmf qemu-system-x86 busybox-static)
toolbox_suite=trixie
toolbox_kernels=(bookworm trixie) # releases whose cloud kernels are guests: boot/vmlinuz-RELEASE
toolbox_recipe=1                  # to be raised when make_toolbox puts something else into the folder

say() { printf 'bulkhead: %s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# Tells what a command that takes its time is doing: the last line of its log, every 10 seconds. Who kills this shell
# alone leaves it behind for a second, without the lock.
report() { # LOG TEXT
    local seconds=0
    [[ -z ${lock-} ]] || exec {lock}>&-
    sleep 0.5
    say "$2 (log: $1)"
    while sleep 1 && kill -0 "$$" 2>/dev/null; do
        if ((++seconds % 10 == 0)); then say "  $seconds s: $(tail -n 1 "$1" | cut -c 1-100)"; fi
    done
}

# Runs a command quietly, and shows the end of its log if it fails.
logged() { # LOG TEXT COMMAND...
    local log=$build/$1 text=$2 status=0 reporter
    shift 2
    : >"$log"
    report "$log" "$text" &
    reporter=$!
    set +e # not `|| status=$?`: errexit would be off inside a function that is called so
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    kill "$reporter" 2>/dev/null || true
    wait "$reporter" 2>/dev/null || true
    if ((status != 0)); then
        tail -n 30 "$log" >&2
        die "$text failed with status $status; the whole log is $log"
    fi
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

require_supported_host() {
    local ID='' VERSION_ID=''
    # shellcheck source=/dev/null
    source /etc/os-release
    [[ $ID == debian && ($VERSION_ID == 12 || $VERSION_ID == 13) ]] ||
        die "set-up knows Debian 12 and 13, and this is ${ID:-unknown} ${VERSION_ID:-}"
    [[ $(dpkg --print-architecture) == amd64 ]] || die "Bulkhead is for x86-64 (amd64) machines"
}

# A package is missing, too, when it is a libcatch2-dev older than 3: Debian 12 has both.
missing_packages() {
    local installed package
    installed=" $(dpkg-query -W -f '${db:Status-Status}/${Package}/${Version} ' "${packages[@]}" 2>/dev/null || true)"
    for package in "${packages[@]}"; do
        case $installed in
        *" installed/libcatch2-dev/"[012].*) [[ $package != libcatch2-dev ]] || echo "$package" ;;
        *" installed/$package/"*) ;;
        *) echo "$package" ;;
        esac
    done
}

# The mirror that the host's apt is set to for its own release.
mirror() {
    local VERSION_CODENAME=''
    # shellcheck source=/dev/null
    source /etc/os-release
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v name="$VERSION_CODENAME" '($2 == name || $3 == name) && $4 == "main" { print $1; exit }'
}

keyring() {
    local name
    for name in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        if [[ -r $name ]]; then
            echo "$name"
            return
        fi
    done
    die "there is no /usr/share/keyrings/debian-archive-keyring.gpg"
}

# An index that cannot be fetched (a third party's, often) is an error only if a package cannot be installed then.
apt_update() {
    as_root apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update ||
        echo "apt-get update failed: going on with what apt knows"
}

catch2_version_3() {
    apt-cache madison libcatch2-dev | awk '$3 ~ /^[3-9]/ { print $3; exit }'
}

# Debian 12's own libcatch2-dev is version 2. Version 3 is in its backports, which may not be among the host's sources.
add_backports() {
    local VERSION_CODENAME='' uri
    # shellcheck source=/dev/null
    source /etc/os-release
    uri=$(mirror)
    [[ -n $uri ]] || die "apt has no source for $VERSION_CODENAME"
    echo "deb [signed-by=$(keyring)] $uri $VERSION_CODENAME-backports main" |
        as_root tee "/etc/apt/sources.list.d/bulkhead-$VERSION_CODENAME-backports.list"
    apt_update
}

apt_install() { # PACKAGE...
    local names=() package
    apt_update
    for package in "$@"; do
        if [[ $package == libcatch2-dev ]]; then
            [[ -n $(catch2_version_3) ]] || add_backports
            package=libcatch2-dev=$(catch2_version_3)
        fi
        names+=("$package")
    done
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 --no-install-recommends install "${names[@]}"
}

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    require_supported_host
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "these packages are missing, and installing them needs root or sudo: ${missing[*]}"
        sudo -v
    fi
    logged packages.log "installing ${missing[*]}" apt_install "${missing[@]}"
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]} == 0)) || die "still not installed: ${missing[*]}; see $build/packages.log"
}

# apt on a root of its own, where nothing is installed and only `suite` is known: needs no privileges, and gives the same
# packages on every host. The host's proxies and credentials stay in force.
apt_in() { # FOLDER COMMAND...
    local folder=$1 command=$2
    shift 2
    "$command" -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$folder/state" -o Dir::State::Status="$folder/state/status" -o Dir::Cache="$folder/cache" \
        -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Sandbox::User=root \
        -o APT::Default-Release= -o APT::Install-Recommends=false -o Acquire::Languages=none \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 "$@"
}

apt_root() { # FOLDER SUITE
    mkdir -p "$1"/state/lists/partial "$1"/cache/archives/partial
    : >"$1/state/status"
    echo "deb [arch=amd64 signed-by=$(keyring)] $(mirror) $2 main" >"$1/sources.list"
    apt_in "$1" apt-get -q update
}

unpack_toolbox() { # FOLDER: all that make_toolbox says, below an empty folder
    local folder=$1 suite kernel package
    mkdir -p "$folder"/root/{usr/{bin,sbin,lib,lib64},boot,dev,proc,sys,tmp,var/tmp}
    for package in bin sbin lib lib64; do ln -s "usr/$package" "$folder/root/$package"; done

    apt_root "$folder/$toolbox_suite" "$toolbox_suite"
    apt_in "$folder/$toolbox_suite" apt-get -q -y install --download-only "${toolbox_packages[@]}"
    for package in "$folder/$toolbox_suite"/cache/archives/*.deb; do
        echo "unpacking ${package##*/}"
        dpkg-deb -x "$package" "$folder/root"
    done

    for suite in "${toolbox_kernels[@]}"; do
        [[ -d $folder/$suite ]] || apt_root "$folder/$suite" "$suite"
        kernel=$(apt_in "$folder/$suite" apt-cache depends linux-image-cloud-amd64 |
            awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
        [[ -n $kernel ]] || die "$suite has no linux-image-cloud-amd64"
        (cd "$folder/$suite" && apt_in "$folder/$suite" apt-get -q download "$kernel")
        dpkg-deb --fsys-tarfile "$folder/$suite/$kernel"_*.deb | tar -x -C "$folder/root" --wildcards './boot/vmlinuz-*'
        ln -s "vmlinuz-${kernel#linux-image-}" "$folder/root/boot/vmlinuz-$suite"
        [[ -s $folder/root/boot/vmlinuz-$suite ]] || die "$kernel has no boot/vmlinuz"
    done
}

# The toolbox is in the user's cache, so that a second clone does not fetch it again, and build/toolbox links to it. It
# appears there under its name only when it is complete.
make_toolbox() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/bulkhead stamp folder lock
    stamp=$(echo "$toolbox_recipe $toolbox_suite ${toolbox_packages[*]} ${toolbox_kernels[*]}" | sha256sum)
    folder=$cache/toolbox-${stamp:0:12}
    if [[ ! -d $folder ]]; then
        require_supported_host
        mkdir -p "$cache"
        exec {lock}>"$cache/lock"
        flock "$lock"
        if [[ ! -d $folder ]]; then
            rm -rf "$cache"/unpacking.*
            mkdir "$cache/unpacking.$$"
            logged toolbox.log "fetching emulators, firmware and kernels of Debian 13 (once; 160 MB)" \
                unpack_toolbox "$cache/unpacking.$$"
            mv -T "$cache/unpacking.$$/root" "$folder"
            rm -rf "$cache/unpacking.$$"
        fi
        exec {lock}>&-
    fi
    [[ $build/toolbox -ef $folder ]] || ln -sfn "$folder" "$build/toolbox"
}
