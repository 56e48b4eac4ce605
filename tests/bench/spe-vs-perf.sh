#!/usr/bin/env bash
# How long and how much memory `contend c2c` needs for an Arm SPE capture, and what
# perf needs for it, on this machine, in one run.
#
#   tests/bench/spe-vs-perf.sh [--dir DIR] [--runs N] [--records N] [--no-c2c] [--contend FILE]
#
#   --dir DIR       where the capture is made and kept (default: target/bench)
#   --runs N        rounds of contend; the fastest counts (default 5)
#   --records N     records of the capture (default 10000000)
#   --no-c2c        leave `perf c2c report` out: it takes minutes and 14 GB of memory
#   --contend FILE  measure this binary instead of building one
#
# The capture: 64 bytes a record, 64 CPUs, 100,016 cache lines, Neoverse N1, metadata of
# version 1, which old perfs read too. It is made by contend-fixtures if it is not there.
# Compared are
#
#   script   perf script --itrace=M > /dev/null      (once)
#   c2c      perf c2c report --stdio --no-source     (once)
#   contend  contend c2c --json                      (fastest of N, all threads)
#
# The file is read once before it is timed. The counters of the reports are compared: a
# fast wrong answer is no result. Times depend on the machine; ratios of one run mean
# something.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=target/bench runs=5 records=10000000 with_c2c=1 contend=
while [ $# -gt 0 ]; do
    case $1 in
        --dir) dir=$2; shift ;;
        --runs) runs=$2; shift ;;
        --records) records=$2; shift ;;
        --no-c2c) with_c2c=0 ;;
        --contend) contend=$2; shift ;;
        -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) echo "unknown option $1, see --help" >&2; exit 2 ;;
    esac
    shift
done

time=/usr/bin/time
[ -x $time ] || { echo "needs GNU time: apt-get install time" >&2; exit 2; }
mkdir -p "$dir"
if [ -z "$contend" ]; then
    cargo build --release --quiet -p contend
    contend=target/release/contend
fi

capture=$dir/spe-$records.perf.data
if [ ! -e "$capture" ]; then
    echo "making $capture"
    cargo run --quiet -p contend-fixtures -- spe-big --records "$records" -o "$capture.part"
    mv "$capture.part" "$capture"
    mv "$capture.part.truth.json" "$capture.truth.json"
fi
cat "$capture" > /dev/null

# Runs a command; leaves "seconds megabytes" in $cost. Its output goes to FILE.
measure() { # FILE COMMAND...
    local out=$1 start=$EPOCHREALTIME
    shift
    $time -f '%M' -o "$dir/cost" "$@" > "$out" 2> "$dir/stderr" < /dev/null || {
        echo "failed: $*" >&2
        tail -3 "$dir/stderr" >&2
        exit 1
    }
    cost=$(awk -v start="$start" -v end="$EPOCHREALTIME" \
        'END { printf "%.3f %.0f", end - start, $1 / 1024 }' "$dir/cost")
}

row() { # NAME COST
    awk -v name="$1" -v cost="$2" 'BEGIN { split(cost, c); printf "  %-34s %9.3f s %9d MB\n", name, c[1], c[2] }'
}

ratio() { # NAME COST COST
    awk -v name="$1" -v a="$2" -v b="$3" 'BEGIN {
        split(a, x); split(b, y)
        printf "  %-34s %9.1f times faster, %.1f times less memory\n", name, x[1] / y[1], x[2] / y[2]
    }'
}

# Counters by their names in documents.
counter() { # NAME FILE
    awk -v name="$1" 'match($0, "\"" name "\": ?[0-9]+") {
        text = substr($0, RSTART, RLENGTH); sub(/.*: ?/, "", text); print text; exit }' "$2"
}
printed() { # LABEL FILE
    awk -v label="  $1 " 'index($0, label) == 1 { print $NF; exit }' "$2"
}

echo "$(stat -c %s "$capture" | awk '{ printf "%.0f MB", $1 / 1e6 }'), $(nproc) CPUs: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
best=
for _ in $(seq "$runs"); do
    measure "$dir/spe.json" "$contend" c2c --json "$capture"
    best=$(awk -v b="$best" -v c="$cost" 'BEGIN {
        split(b, x); split(c, y)
        if (b == "") { print c; exit }
        print (y[1] < x[1] ? y[1] : x[1]), (y[2] > x[2] ? y[2] : x[2]) }')
done
row "contend c2c" "$best"
for name in nr_entries load store ld_l1hit ld_l2hit ld_llchit lcl_peer rmt_peer lcl_dram st_na; do
    ours=$(counter $name "$dir/spe.json")
    planted=$(counter $name "$capture.truth.json")
    [ "$ours" = "${planted:-0}" ] || { echo "$name: $ours, planted $planted" >&2; exit 1; }
done
echo "  the counters are those that were planted"
command -v perf > /dev/null || { echo "  perf is not on PATH: left out"; exit 0; }

measure /dev/null perf script --itrace=M -i "$capture"
row "$(perf --version), script" "$cost"
ratio "contend to perf script" "$cost" "$best"
if [ $with_c2c = 1 ]; then
    TERM=dumb measure "$dir/spe-perf.txt" perf c2c report -i "$capture" --stdio --no-source
    row "$(perf --version), c2c" "$cost"
    while IFS='|' read -r label name; do
        [ "$(printed "$label" "$dir/spe-perf.txt")" = "$(counter "$name" "$dir/spe.json")" ] || {
            echo "$label: the reports differ" >&2
            exit 1
        }
    done <<'NAMES'
Total records|nr_entries
Load Operations|load
Store Operations|store
Load L1D hit|ld_l1hit
Load L2D hit|ld_l2hit
Load HIT Local Peer|lcl_peer
Load HIT Remote Peer|rmt_peer
Load Local DRAM|lcl_dram
NAMES
    echo "  same counters in both reports"
    ratio "contend to perf c2c" "$cost" "$best"
fi
