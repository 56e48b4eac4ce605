#!/usr/bin/env bash
# Builds the recorder for release: one static file each for x86_64 and aarch64, which runs
# on any Linux of that architecture, whatever is installed there. Prints the sizes and
# fails above the limit.
#
#   recorder/release.sh [ARCH…]        in target/ARCH-unknown-linux-musl/recorder/
#
# Wants musl-tools and gcc-aarch64-linux-gnu (zstd is C), and the targets of rustup
# x86_64-unknown-linux-musl and aarch64-unknown-linux-musl. musl rather than glibc: 0.6 MB
# smaller, and nothing in it asks for libraries of the machine.
set -euo pipefail
cd "$(dirname "$0")/.."

LIMIT=2500000
export CARGO_TERM_COLOR=never

# zstd alone is C here. musl's headers serve both architectures; for aarch64 the compiler
# is told not to look for glibc's own inlined checks and atomics outside of the binary.
export CC_x86_64_unknown_linux_musl=${CC_x86_64_unknown_linux_musl:-musl-gcc}
export CC_aarch64_unknown_linux_musl=${CC_aarch64_unknown_linux_musl:-aarch64-linux-gnu-gcc}
export CFLAGS_aarch64_unknown_linux_musl="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0 -fno-stack-protector -mno-outline-atomics ${CFLAGS_aarch64_unknown_linux_musl:-}"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS="-C target-feature=+crt-static -C link-self-contained=yes"

[ $# -gt 0 ] || set -- x86_64 aarch64
failed=0
for arch in "$@"; do
    target=$arch-unknown-linux-musl
    cargo build --locked -p contend-record --profile recorder --target "$target"
    file=target/$target/recorder/contend-record
    size=$(stat -c %s "$file")
    printf '%s: %d bytes\n' "$file" "$size"
    if readelf -d "$file" 2> /dev/null | grep -q NEEDED; then
        echo "$file is not static" >&2
        failed=1
    fi
    if [ "$size" -gt "$LIMIT" ]; then
        echo "$file is larger than $LIMIT bytes" >&2
        failed=1
    fi
done
exit $failed
