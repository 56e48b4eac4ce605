#!/usr/bin/env bash
# How long and how much memory `contend c2c` and `perf c2c report` need for the
# same file, on this machine, in one run.
#
#   tests/bench/c2c-vs-perf.sh [--dir DIR] [--runs N] [--rows N] [--no-perf] [--x10] [--lines]
#
#   --dir DIR   where the captures are made and kept (default: target/bench)
#   --runs N    rounds of contend and the floor; the fastest of each are compared (default 7)
#   --rows N    instructions that touch each line (default 4); perf's time and memory grow
#               with the rows that they make, contend's with the rows of shown lines only
#   --no-perf   leave perf out: it takes minutes and 15 GB of memory
#   --x10       also a capture with ten times the samples: memory must not grow with them
#   --lines     also a capture with 2,000,000 lines: memory per line
#
# The capture: 10,000,000 samples on 100,016 cache lines from 64 CPUs, 880 MB. It
# is made by contend-fixtures if it is not there. Compared are
#
#   perf     perf c2c report --stdio --no-source   (once)
#   contend  contend c2c --json                    (fastest of N, 1 thread and all)
#   floor    a walk over the record headers only, the least that any reader does
#
# Every file is read once before it is timed, so that all find it in the page
# cache. The two reports are compared first: a fast wrong answer is no result.
# Times depend on the machine; ratios of one run mean something.
# The program in the capture does not exist, so neither has symbols to resolve.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=target/bench runs=7 rows=4 with_perf=1 x10=0 many_lines=0
while [ $# -gt 0 ]; do
    case $1 in
        --dir) dir=$2; shift ;;
        --runs) runs=$2; shift ;;
        --rows) rows=$2; shift ;;
        --no-perf) with_perf=0 ;;
        --x10) x10=1 ;;
        --lines) many_lines=1 ;;
        -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        *) echo "unknown option $1, see --help" >&2; exit 2 ;;
    esac
    shift
done

time=/usr/bin/time
[ -x $time ] || { echo "needs GNU time: apt-get install time" >&2; exit 2; }
mkdir -p "$dir"
cargo build --release --quiet -p contend -p contend-fixtures
contend=target/release/contend

make_capture() { # FILE SAMPLES LINES
    if [ ! -e "$1" ]; then
        echo "making $1: $2 samples, $3 lines"
        cargo run --release --quiet -p contend-fixtures -- big --samples "$2" --lines "$3" --cpus 64 --rows-per-line "$rows" -o "$1.part"
        mv "$1.part" "$1"
    fi
    cat "$1" > /dev/null
}

# The faster time and the larger memory of two costs.
better() { # COST COST
    awk -v b="$1" -v c="$2" 'BEGIN {
        split(b, x); split(c, y)
        if (b == "") { print c; exit }
        print (y[1] < x[1] ? y[1] : x[1]), (y[2] > x[2] ? y[2] : x[2])
    }'
}

# Runs a command; leaves "seconds megabytes" in $cost. Its output goes to FILE.
measure() { # FILE COMMAND...
    local out=$1 start=$EPOCHREALTIME
    shift
    $time -f '%M' -o "$dir/cost" "$@" > "$out" 2> "$dir/stderr" < /dev/null || {
        echo "failed: $*" >&2
        tail -3 "$dir/stderr" >&2
        exit 1
    }
    # GNU time counts in hundredths of a second, a tenth of what the floor takes.
    cost=$(awk -v start="$start" -v end="$EPOCHREALTIME" \
        'END { printf "%.3f %.0f", end - start, $1 / 1024 }' "$dir/cost")
}

# The fastest of the runs, with the largest memory of them.
best_of() { # FILE COMMAND...
    local best=
    for _ in $(seq "$runs"); do
        measure "$@"
        best=$(better "$best" "$cost")
    done
    cost=$best
}

row() { # NAME COST
    awk -v name="$1" -v cost="$2" 'BEGIN { split(cost, c); printf "  %-34s %9.3f s %9d MB\n", name, c[1], c[2] }'
}

ratio() { # NAME COST COST
    awk -v name="$1" -v a="$2" -v b="$3" 'BEGIN {
        split(a, x); split(b, y)
        if (y[1] == 0) { y[1] = 0.005 }
        printf "  %-34s %8.0fx faster, %.0fx less memory\n", name, x[1] / y[1], x[2] / y[2]
    }'
}

# The first numbers of both reports, so that equal work is compared.
counts_of_perf() {
    awk '/^  (Total records  |Load Operations|Load Local HITM|Load Remote HITM|Store Operations)/ { print $NF }' "$1"
}
counts_of_contend() {
    for name in nr_entries load lcl_hitm rmt_hitm store; do
        awk -v name="$name" 'match($0, "\"" name "\": ?[0-9]+") {
            text = substr($0, RSTART, RLENGTH)
            sub(/.*: ?/, "", text)
            print text
            exit
        }' "$1"
    done
}

threads=$(nproc)
main=$dir/c2c-10m-$rows-rows.perf.data
make_capture "$main" 10000000 100016
echo
echo "$(stat -c %s "$main" | awk '{ printf "%.0f MB", $1 / 1e6 }'), $threads CPUs: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"

cargo build --release --quiet -p contend-perfdata --example walk
walk=target/release/examples/walk
one='' all='' floor_one='' floor_all=''
# In turns, so that a slow moment of the machine meets all of them.
for _ in $(seq "$runs"); do
    measure "$dir/walk" $walk "$main" 1
    floor_one=$(better "$floor_one" "$cost")
    measure "$dir/contend.json" $contend c2c --json --threads 1 "$main"
    one=$(better "$one" "$cost")
    measure "$dir/walk" $walk "$main" "$threads"
    floor_all=$(better "$floor_all" "$cost")
    measure "$dir/contend.json" $contend c2c --json --threads "$threads" "$main"
    all=$(better "$all" "$cost")
done
over_floor() { # NAME COST COST
    awk -v name="$1" -v a="$2" -v f="$3" 'BEGIN {
        split(a, x); split(f, y)
        if (y[1] > 0) printf "  %-34s %8.1fx\n", name, x[1] / y[1]
    }'
}
row "floor: record headers, 1 thread" "$floor_one"
row "contend c2c, 1 thread" "$one"
over_floor "contend over the floor" "$one" "$floor_one"
row "floor: record headers, $threads threads" "$floor_all"
row "contend c2c, $threads threads" "$all"
over_floor "contend over the floor" "$all" "$floor_all"

if [ $with_perf = 1 ] && command -v perf > /dev/null; then
    TERM=dumb measure "$dir/perf.txt" perf c2c report -i "$main" --stdio --no-source
    row "$(perf --version), 1 thread" "$cost"
    if [ "$(counts_of_perf "$dir/perf.txt" | sort -n)" != "$(counts_of_contend "$dir/contend.json" | sort -n)" ]; then
        echo "the reports differ:" >&2
        paste <(counts_of_perf "$dir/perf.txt") <(counts_of_contend "$dir/contend.json") >&2
        exit 1
    fi
    echo "  same counters in both reports"
    ratio "contend, 1 thread, to perf" "$cost" "$one"
    ratio "contend, $threads threads, to perf" "$cost" "$all"
elif [ $with_perf = 1 ]; then
    echo "  perf is not on PATH: left out"
fi

if [ $x10 = 1 ]; then
    make_capture "$dir/c2c-100m-$rows-rows.perf.data" 100000000 100016
    best_of "$dir/x10.json" $contend c2c --json --threads "$threads" "$dir/c2c-100m-$rows-rows.perf.data"
    row "100 M samples, same lines" "$cost"
fi
if [ $many_lines = 1 ]; then
    make_capture "$dir/c2c-lines-$rows-rows.perf.data" 10000000 2000000
    best_of "$dir/lines.json" $contend c2c --json --threads "$threads" "$dir/c2c-lines-$rows-rows.perf.data"
    row "10 M samples, 2 M lines" "$cost"
    awk -v c="$cost" 'BEGIN { split(c, x); printf "  %-34s %8.0f bytes a line\n", "", x[2] * 1048576 / 2e6 }'
fi
