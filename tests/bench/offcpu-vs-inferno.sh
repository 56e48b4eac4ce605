#!/usr/bin/env bash
# How long and how much memory an off-CPU flamegraph takes: `contend offcpu` and
# `perf script | inferno-collapse-perf | inferno-flamegraph`, for the same file, on
# this machine, in one run.
#
#   tests/bench/offcpu-vs-inferno.sh [--dir DIR] [--runs N] [--loops N] [--check]
#
#   --dir DIR   where the capture is made and kept (default: target/bench)
#   --runs N    rounds of contend; the fastest is compared (default 5)
#   --loops N   round trips of `perf bench sched pipe`, two switches each (default 560000)
#   --check     exit 1 when contend is not 25 times faster or takes more than 200 MB
#
# The capture: a million switches with kernel and user stacks, `-a -g`, recorded
# live; it takes root or kernel.perf_event_paranoid=-1. inferno's commands are
# taken from PATH, or installed below DIR with cargo. They count switches where
# contend adds up time, so the pictures differ; both read the same samples, which
# is checked first.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=target/bench runs=5 loops=560000 check=0
while [ $# -gt 0 ]; do
    case $1 in
        --dir) dir=$2; shift ;;
        --runs) runs=$2; shift ;;
        --loops) loops=$2; shift ;;
        --check) check=1 ;;
        -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) echo "unknown option $1, see --help" >&2; exit 2 ;;
    esac
    shift
done

time=/usr/bin/time
[ -x $time ] || { echo "needs GNU time: apt-get install time" >&2; exit 2; }
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
export PATH="$PATH:$dir/inferno/bin"
command -v inferno-flamegraph > /dev/null || cargo install --quiet inferno --root "$dir/inferno"
cargo build --release --quiet -p contend
contend=target/release/contend

file=$dir/offcpu-$loops.data
if [ ! -e "$file" ]; then
    echo "recording $file: $((2 * loops)) switches"
    perf record -q -a -e sched:sched_switch -g -k mono -m 64M -o "$file.part" -- \
        perf bench sched pipe -l "$loops" > /dev/null
    mv "$file.part" "$file"
fi
cat "$file" > /dev/null

samples=$($contend info --json "$file" |
    sed -n 's/^ *"samples": \([0-9]*\),*$/\1/p' | head -1)
echo "$(($(stat -c %s "$file") / 1000000)) MB, $samples switches"

cat > "$dir/inferno.sh" <<SH
perf script -i "$file" 2> /dev/null | inferno-collapse-perf 2> /dev/null > "$dir/inferno.folded"
inferno-flamegraph < "$dir/inferno.folded" > "$dir/inferno.svg"
SH
$time -f '%e %M' -o "$dir/cost" bash "$dir/inferno.sh"
read -r slow slow_kb < "$dir/cost"
counted=$(awk '{ all += $NF } END { print all }' "$dir/inferno.folded")
echo "inferno  $slow s, $((slow_kb / 1024)) MB (largest of its processes), $counted switches"

fast=
for _ in $(seq "$runs"); do
    $time -f '%e %M' -o "$dir/cost" $contend offcpu --quiet -o "$dir/offcpu.svg" "$file" > "$dir/offcpu.txt"
    read -r seconds kb < "$dir/cost"
    if [ -z "$fast" ] || awk "BEGIN { exit !($seconds < $fast) }"; then fast=$seconds; fi
    if [ "${peak:-0}" -lt "$kb" ]; then peak=$kb; fi
done
for threads in 1 2 8 32; do
    $time -f '%M' -o "$dir/cost" $contend offcpu --quiet --threads $threads -o "$dir/offcpu-$threads.svg" "$file" > /dev/null
    read -r kb < "$dir/cost"
    if [ "$peak" -lt "$kb" ]; then peak=$kb; fi
    cmp "$dir/offcpu.svg" "$dir/offcpu-$threads.svg"
done
ratio=$(awk "BEGIN { printf \"%.1f\", $slow / $fast }")
echo "contend  $fast s (fastest of $runs), $((peak / 1024)) MB at most, the same picture for 1, 2, 8 and 32 threads"
echo "ratio    $ratio"
[ "$counted" -gt $((samples * 95 / 100)) ] || { echo "inferno read fewer switches" >&2; exit 1; }
if [ $check = 1 ]; then
    awk "BEGIN { exit !($ratio >= 25 && $peak <= 200 * 1024) }" || { echo "too slow or too large" >&2; exit 1; }
fi
