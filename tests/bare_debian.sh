#!/bin/bash
# The acceptance trial: does a machine with nothing but a Debian base run the demo and the tests?
#
#   tests/bare_debian.sh [make target …]      as root; default: demo test
#
# Makes a chroot (minbase, make, python3, ca-certificates), copies the checkout in, runs the targets
# there with their wall times, and takes mounts, processes and the chroot away again.
# KEEP=1 keeps the chroot; BARE=DIR says where it is, and reuses one that was kept. The machine's CA
# certificates, apt and pip configuration come along, so that it works behind a proxy as well.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd -P)
bare=${BARE:-$(mktemp -d)}/root
inside=/srv/spatial-etl
targets=("${@:-demo}")
[ $# -gt 0 ] || targets=(demo test)

take_away() {
    code=$?
    set +e
    end_processes
    umount "$bare/dev/shm" "$bare/dev/pts" "$bare/dev" "$bare/proc" 2>/dev/null
    if grep -q " $bare" /proc/mounts; then
        echo "still mounted under $bare: unmount, then remove it" >&2
        exit 1
    fi
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $bare"
    else
        rm -rf --one-file-system "$bare" "$bare.log"
        rmdir --ignore-fail-on-non-empty "$(dirname "$bare")"
    fi
    exit "$code"
}

# A process is the trial's when its root directory is the chroot.
end_processes() {
    for signal in TERM KILL; do
        for root in /proc/[0-9]*/root; do
            [ "$(readlink "$root")" = "$bare" ] || continue
            pid=${root#/proc/}
            echo "left behind: process ${pid%/root} $(tr '\0' ' ' <"${root%root}cmdline")" >&2
            kill -"$signal" "${pid%/root}"
        done
        sleep 1
    done
}

timed() {
    what=$1
    shift
    began=$(date +%s.%N)
    "$@"
    printf '== %s: %.1f s\n' "$what" "$(python3 -c "import time; print(time.time() - $began)")"
}

make_base() {
    debootstrap --variant=minbase --include=make,python3,ca-certificates bookworm "$bare" >"$bare.log" ||
        { tail -n 20 "$bare.log" >&2 && return 1; }
}

# Of apt's configuration only what concerns fetching: hooks of packages that are not there would fail.
copy_machine_settings() {
    cp -L /etc/resolv.conf /etc/hosts "$bare/etc/"
    if [ -e /etc/apt/sources.list.d/debian.sources ]; then
        rm -f "$bare/etc/apt/sources.list"
        cp /etc/apt/sources.list.d/debian.sources "$bare/etc/apt/sources.list.d/"
    fi
    for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
        if grep -q '^Acquire::' "$file" 2>/dev/null; then cp "$file" "$bare$file"; fi
    done
    cp -a /etc/ssl/certs/. "$bare/etc/ssl/certs/"
    mkdir -p "$bare/usr/local/share/ca-certificates"
    cp -a /usr/local/share/ca-certificates/. "$bare/usr/local/share/ca-certificates/"
    for file in /etc/pip.conf /etc/uv/uv.toml; do
        if [ -e "$file" ]; then mkdir -p "$bare$(dirname "$file")" && cp "$file" "$bare$file"; fi
    done
}

mount_kernel() {
    mount -t proc proc "$bare/proc"
    mount --bind /dev "$bare/dev"
    mount --bind /dev/pts "$bare/dev/pts"
    mount -t tmpfs tmpfs "$bare/dev/shm"
}

copy_checkout() {
    rm -rf "$bare$inside"
    mkdir -p "$bare$inside"
    tar -C "$checkout" -cf - --exclude=./.venv --exclude=./.local --exclude=__pycache__ . |
        tar -C "$bare$inside" -xf -
}

in_chroot() {
    certificates=/etc/ssl/certs/ca-certificates.crt
    chroot "$bare" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        SSL_CERT_FILE=$certificates PIP_CERT=$certificates REQUESTS_CA_BUNDLE=$certificates \
        "${proxies[@]}" "$@"
}

mapfile -t proxies < <(env | grep -iE '^(https?|no|all)_proxy=' || true)
mapfile -t -O "${#proxies[@]}" proxies < <(env | grep -E '^(PIP|UV)_(INDEX|EXTRA_INDEX|DEFAULT_INDEX|TRUSTED_HOST|NATIVE_TLS)' || true)

mkdir -p "$(dirname "$bare")"
trap take_away EXIT
trap 'exit 130' INT TERM
[ -e "$bare/usr/bin/make" ] || timed "base system" make_base
copy_machine_settings
copy_checkout
mount_kernel
for target in bootstrap "${targets[@]}"; do
    timed "make $target" in_chroot make -C "$inside" "$target"
done
timed "make down" in_chroot make -C "$inside" down
