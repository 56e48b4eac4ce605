#!/usr/bin/env bash
# As many switches a second as this machine gives, recorded by contend-record: what is lost,
# and how much memory the recorder takes.
#
#   tests/bench/offcpu-storm.sh [--seconds N] [--check]
#
# One `perf bench sched pipe` pinned to each CPU, recorded with --min-block 100us and with 0.
# --check fails when the first loses anything, when the second loses something that is not
# counted (records and counted losses together are all intervals), or when the recorder
# takes more than 96 MiB. Needs root, perf and a build of contend-record (CONTEND_RECORD,
# default: that of recorder/release.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=30 check=
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=$2; shift ;;
        --check) check=1 ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
record=$(realpath "${CONTEND_RECORD:-target/$(uname -m)-unknown-linux-musl/recorder/contend-record}")
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT
switches() { awk '$1 == "ctxt" { print $2 }' /proc/stat; }

for shortest in 100us 0; do
    loads=()
    for cpu in $(seq 0 $(($(nproc) - 1))); do
        taskset -c "$cpu" perf bench sched pipe -l 1000000000 > /dev/null 2>&1 &
        loads+=($!)
    done
    from=$(switches)
    "$record" offcpu -a --min-block "$shortest" --for "${seconds}s" --no-binaries \
        -o "$work/storm.tar.zst" > /dev/null 2> "$work/said" &
    recorder=$!
    sleep "$seconds"
    peak=$(awk '/VmHWM/ { print $2 }' "/proc/$recorder/status")
    rate=$((($(switches) - from) / seconds))
    kill "${loads[@]}"
    wait "$recorder"
    mkdir -p "$work/out"
    tar --zstd -xf "$work/storm.tar.zst" -C "$work/out"
    counts=$(python3 tests/bench/offcpu_counters.py "$work/out/offcpu.perf.data")
    rm -rf "$work/out" "$work/storm.tar.zst"
    echo "--min-block $shortest: $rate switches/s, recorder $((peak / 1024)) MiB; $counts"
    if [ -n "$check" ]; then
        case $counts in *uncounted=0*) ;; *) echo "FAILED: a loss that is not counted" >&2; exit 1 ;; esac
        [ "$shortest" = 0 ] || case $counts in *ring_full=0*) ;; *) echo "FAILED: lost intervals" >&2; exit 1 ;; esac
        [ "$peak" -lt 98304 ] || { echo "FAILED: $peak KiB" >&2; exit 1; }
    fi
done
