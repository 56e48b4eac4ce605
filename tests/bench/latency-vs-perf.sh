#!/usr/bin/env bash
# How long and how much memory `contend latency` needs, beside `contend c2c` and perf, for
# the same file, on this machine, in one run.
#
#   tests/bench/latency-vs-perf.sh [--dir DIR] [--runs N] [--no-perf] [--contend FILE]
#
#   --dir DIR       where the capture is made and kept (default: target/bench)
#   --runs N        rounds of contend; the fastest are compared (default 5)
#   --no-perf       leave perf out
#   --contend FILE  measure this binary instead of building one
#
# The capture is that of c2c-vs-perf.sh: 10,000,000 samples on 100,016 cache lines by
# 400,064 instructions from 64 CPUs, 880 MB; made by contend-fixtures if it is not there.
# Every cache misses on so many lines and instructions: `--by line` and `--by function`
# have their worst case here. Compared are
#
#   contend latency --json by source, thread, function and line, 1 thread and all
#   contend c2c --json
#   perf script -F weight                     (the weights as text; sorting them is not in it)
#   perf mem report --stdio -s mem            (sums of weights by level: beside --by source)
#   perf mem report --stdio -s symbol         (by function: beside --by function)
#   perf mem report --stdio -s dcacheline     (by cache line: beside --by line)
#
# perf's reports have sums and no distribution. The sums are compared first: a fast wrong answer is no result. Times depend on the
# machine; ratios of one run mean something.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=target/bench runs=5 with_perf=1 contend=
while [ $# -gt 0 ]; do
    case $1 in
        --dir) dir=$2; shift ;;
        --runs) runs=$2; shift ;;
        --no-perf) with_perf=0 ;;
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
file=$dir/c2c-10m-4-rows.perf.data
if [ ! -e "$file" ]; then
    cargo run --release --quiet -p contend-fixtures -- big --samples 10000000 --lines 100016 --cpus 64 --rows-per-line 4 -o "$file.part"
    mv "$file.part" "$file"
fi
cat "$file" > /dev/null

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

# The fastest of the runs, with the largest memory of them.
best_of() { # FILE COMMAND...
    local best=
    for _ in $(seq "$runs"); do
        measure "$@"
        best=$(awk -v b="$best" -v c="$cost" 'BEGIN {
            split(b, x); split(c, y)
            if (b == "") { print c; exit }
            print (y[1] < x[1] ? y[1] : x[1]), (y[2] > x[2] ? y[2] : x[2])
        }')
    done
    cost=$best
}

row() { # NAME COST BASE
    awk -v name="$1" -v cost="$2" -v base="$3" 'BEGIN {
        split(cost, c); split(base, b)
        printf "  %-42s %9.3f s %7d MB %8.2fx c2c\n", name, c[1], c[2], c[1] / b[1]
    }'
}

declare -A own
all=$(nproc)
echo "$(stat -c %s "$file" | awk '{ printf "%.0f MB", $1 / 1e6 }'), $all CPUs: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
for threads in 1 "$all"; do
    echo "threads: $threads"
    best_of "$dir/c2c.json" $contend c2c --json --threads "$threads" "$file"
    c2c=$cost
    row "contend c2c" "$c2c" "$c2c"
    for by in source thread function line; do
        best_of "$dir/latency-$by.json" $contend latency --json --by $by --threads "$threads" "$file"
        row "contend latency --by $by" "$cost" "$c2c"
        own[$by]=$cost
    done
done

[ $with_perf = 1 ] || exit 0
command -v perf > /dev/null || { echo "perf is not on PATH: left out"; exit 0; }
# How much faster than perf, and how much less memory.
beside() { # BY NAME
    row "$2" "$cost" "$c2c"
    awk -v by="$1" -v a="$cost" -v b="${own[$1]}" 'BEGIN { split(a, x); split(b, y)
        printf "    contend latency --by %s, all threads: %.1fx faster, %.0fx less memory\n", by, x[1] / y[1], x[2] / y[2] }'
}

same_sum() { # THEIRS
    [ "$ours" = "$1" ] || { echo "the sums differ: $ours here, $1 by perf" >&2; exit 1; }
}

ours=$(awk '/"total"/ { inside = 1 } inside && /"sum"/ { gsub(/[^0-9]/, ""); print; exit }' "$dir/latency-source.json")
echo "$(perf --version)"
measure "$dir/weights" perf script -F weight -i "$file"
same_sum "$(awk '{ sum += $1 } END { printf "%.0f", sum }' "$dir/weights")"
beside source "perf script -F weight"
for pair in source:mem function:symbol line:dcacheline; do
    sort=${pair#*:}
    TERM=dumb measure "$dir/$sort.txt" perf mem -i "$file" report --stdio -s "$sort"
    # The loads come first; all of them have a weight.
    same_sum "$(awk '/Total weight/ { print $NF; exit }' "$dir/$sort.txt")"
    beside "${pair%:*}" "perf mem report -s $sort"
done
echo "  the same sum of weights everywhere: $ours"
