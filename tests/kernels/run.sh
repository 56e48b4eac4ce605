#!/usr/bin/env bash
# Boots kernels of Debian in qemu, in software, records the waits of a small workload there
# with contend-record, and holds the capture against the workload's own clock.
#
#   tests/kernels/run.sh [KERNEL...]
#
# A KERNEL is the path of a linux-image (or, of late, linux-binary) package whose name tells
# architecture and version. Without any, the packages that packages.txt names are fetched
# with apt from Debian's archive, with lists of their own: the oldest and the newest kernel
# that it gives, and 6.1 for both architectures.
#
# For each kernel: the vmlinuz of the package, and an initramfs of a static busybox, the
# static contend-record and the workload. What the guest writes comes back over the serial
# line. Where BPF does not work the recorder must say so in one line and fall back; there is
# no perf in the guest, so that then ends in a second line.
#
# Needs: qemu-system-x86, qemu-system-arm, busybox-static (for each architecture; foreign
# ones are fetched), gcc, gcc-aarch64-linux-gnu, cpio, and builds
#   CONTEND_RECORD_X86_64, CONTEND_RECORD_AARCH64   static (default: as recorder/release.sh builds)
#   CONTEND                                          the analyzer (default: target/debug/contend)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
declare -A record=(
    [amd64]=${CONTEND_RECORD_X86_64:-target/x86_64-unknown-linux-musl/recorder/contend-record}
    [arm64]=${CONTEND_RECORD_AARCH64:-target/aarch64-unknown-linux-musl/recorder/contend-record}
)
contend=${CONTEND:-target/debug/contend}
cache=${KERNELS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/contend-kernels}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

apt_here() { # command of apt, with lists of our own
    local tool=$1
    shift
    "$tool" -o Dir::Etc::sourcelist="$here/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$cache/lists" -o Dir::Cache="$cache/apt" -o APT::Architectures::=amd64 \
        -o APT::Architectures::=arm64 -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}
fetch() { # pattern of a package's name: the newest that matches
    local name
    name=$(apt_here apt-cache search --names-only "^$1\$" | cut -d' ' -f1 | sort -V | tail -1)
    [ -n "$name" ] || { echo "no package is called $1" >&2; return 1; }
    local arch=amd64
    case $name in *arm64*) arch=arm64 ;; esac
    (cd "$cache" && apt_here apt-get -q download "$name:$arch" > /dev/null)
    find "$cache" -maxdepth 1 -name "${name}_*.deb" | sort -V | tail -1
}
kernels=("$@")
if [ $# = 0 ]; then
    mkdir -p "$cache/lists/partial" "$cache/apt/archives/partial"
    apt_here apt-get -q update > /dev/null
    while read -r pattern; do
        case $pattern in '' | '#'*) continue ;; esac
        kernels+=("$(fetch "$pattern")")
    done < "$here/packages.txt"
fi

busybox() { # architecture → path of a static busybox
    if [ "$1" = "$(dpkg --print-architecture)" ] && [ -x /bin/busybox ]; then
        echo /bin/busybox
        return
    fi
    if [ ! -x "$cache/busybox-$1" ]; then
        mkdir -p "$cache/lists/partial" "$cache/apt/archives/partial" "$work/bb"
        [ -n "$(ls "$cache/lists" 2> /dev/null | grep Packages || true)" ] || apt_here apt-get -q update > /dev/null
        (cd "$work/bb" && apt_here apt-get -q download "busybox-static:$1" > /dev/null)
        dpkg-deb -x "$work"/bb/busybox-static_*"$1".deb "$work/bb/x"
        cp "$(find "$work/bb/x" -path "*/bin/busybox" -type f | head -1)" "$cache/busybox-$1"
    fi
    echo "$cache/busybox-$1"
}

initramfs() { # architecture → path of an initramfs
    local root=$work/root-$1
    [ -f "$root.cpio" ] && { echo "$root.cpio"; return; }
    local gcc=gcc
    [ "$1" = arm64 ] && gcc=aarch64-linux-gnu-gcc
    mkdir -p "$root"/{bin,dev,proc,sys,tmp}
    cp "$(busybox "$1")" "$root/bin/busybox"
    cp "${record[$1]}" "$root/bin/contend-record"
    "$gcc" -O2 -static -fno-omit-frame-pointer -pthread tests/record/workloads/waits.c -o "$root/bin/waits"
    cp "$here/init" "$root/init"
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet > "$root.cpio")
    echo "$root.cpio"
}

boot() { # architecture, vmlinuz, initramfs: the serial line
    local machine
    case $1 in
        amd64) machine="qemu-system-x86_64 -machine q35 -cpu max -append console=ttyS0\ quiet\ panic=-1" ;;
        arm64) machine="qemu-system-aarch64 -machine virt -cpu max -append console=ttyAMA0\ quiet\ panic=-1" ;;
    esac
    eval timeout 240 "$machine" -accel tcg -smp 2 -m 1024 -nic none -no-reboot -display none \
        -serial stdio -monitor none -kernel "$2" -initrd "$3" < /dev/null
}

failed=0
for package in "${kernels[@]}"; do
    name=$(basename "$package")
    case $name in *arm64*) arch=arm64 ;; *) arch=amd64 ;; esac
    mkdir -p "$work/kernel"
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/kernel" --wildcards './boot/vmlinuz*' './usr/lib/modules/*/vmlinuz' 2> /dev/null || true
    vmlinuz=$(find "$work/kernel" -name 'vmlinuz*' -type f | head -1)
    [ -n "$vmlinuz" ] || { echo "$name: no vmlinuz in it" >&2; failed=1; continue; }
    boot "$arch" "$vmlinuz" "$(initramfs "$arch")" > "$work/serial" 2>&1 || true
    rm -rf "$work/kernel"
    tr -d '\r' < "$work/serial" > "$work/out"
    sed -n '/^== truth/,/^== /p' "$work/out" > "$work/truth"
    sed -n '/^== said/,/^== /p' "$work/out" | grep -v '^==' > "$work/said" || true
    sed -n '/^== capture/,/^== end/p' "$work/out" | grep -v '^==' | base64 -d > "$work/capture.tar.zst" 2> /dev/null || true
    printf '%s (%s): ' "${name%%_*}" "$(sed -n 's/^== kernel //p' "$work/out")"
    if [ -s "$work/capture.tar.zst" ]; then
        python3 "$here/check.py" "$contend" "$work/capture.tar.zst" "$work/truth" || failed=1
    elif grep -q 'BPF' "$work/said"; then
        echo "no BPF here, and it says so: $(grep BPF "$work/said" | head -1)"
    else
        echo "FAILED: no capture, and no reason"
        tail -20 "$work/out"
        failed=1
    fi
done
exit "$failed"
