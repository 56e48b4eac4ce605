#!/usr/bin/env bash
# Builds the BPF objects beside their source, or with --check compares them with a fresh
# build. The bytes depend on the compiler alone: clang 14, as in Debian 12.
set -euo pipefail
cd "$(dirname "$0")"

CLANG=${CLANG:-clang-14}
STRIP=${STRIP:-llvm-strip-14}
into=.
if [ "${1:-}" = --check ]; then
    into=$(mktemp -d)
    trap 'rm -rf "$into"' EXIT
fi

build() { # object, flags
    "$CLANG" -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror "${@:2}" \
        -ffile-prefix-map="$PWD"=. -fdebug-compilation-dir=. -c offcpu.bpf.c -o "$into/$1"
    # DWARF goes, BTF stays.
    "$STRIP" -g "$into/$1"
}
build offcpu.bpf.o
build offcpu-old.bpf.o -DNO_TASK_STORAGE

if [ "$into" != . ]; then
    for object in offcpu.bpf.o offcpu-old.bpf.o; do
        cmp "$object" "$into/$object" || {
            echo "$object is not what its source gives; run recorder/bpf/build.sh with clang 14" >&2
            exit 1
        }
    done
    echo "the objects are what their source gives"
fi
