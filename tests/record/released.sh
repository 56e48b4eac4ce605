#!/usr/bin/env bash
# Runs the files of recorder/release.sh where nothing else is: that of this architecture
# in an empty root folder without environment, that of aarch64 under qemu-user. The kernel
# side of recording is not tried here: qemu-user has no perf events and no BPF.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
capture=fixtures/demo/false-sharing.perf.data

# What every build must do, run as "$@".
try() {
    "$@" --help > "$work/help"
    grep -q 'doctor' "$work/help"
    "$@" doctor > "$work/doctor"
    [ -s "$work/doctor" ]
    # Without anything that records: one line, exit 2.
    status=0
    "$@" cpu --perf /no/perf --print -a 2> "$work/refused" || status=$?
    [ $status = 2 ] && [ "$(wc -l < "$work/refused")" = 1 ]
}

check() {
    mkdir "$work/unpacked"
    tar --zstd -xf "$1" -C "$work/unpacked"
    (cd "$work/unpacked" && sha256sum -c --quiet SHA256SUMS)
    cmp "$capture" "$work/unpacked/$(basename "$capture")"
    rm -r "$work/unpacked"
}

file=target/x86_64-unknown-linux-musl/recorder/contend-record
if [ "$(uname -m)" = x86_64 ] && [ -x $file ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir "$work/root"
        cp "$file" "$capture" "$work/root"
        try env -i "$(command -v chroot)" "$work/root" /contend-record
        env -i "$(command -v chroot)" "$work/root" /contend-record pack "/$(basename "$capture")" -o /x.tar.zst
        check "$work/root/x.tar.zst"
    else
        try env -i "$PWD/$file"
    fi
    echo "x86_64: good"
else
    echo "x86_64: skipped, no $file"
fi

file=target/aarch64-unknown-linux-musl/recorder/contend-record
qemu=$(command -v qemu-aarch64-static || true)
if [ -n "$qemu" ] && [ -x $file ]; then
    try "$qemu" "$file"
    "$qemu" "$file" pack "$capture" -o "$work/a.tar.zst"
    check "$work/a.tar.zst"
    echo "aarch64: good"
else
    echo "aarch64: skipped, no $file or no qemu-aarch64-static"
fi
