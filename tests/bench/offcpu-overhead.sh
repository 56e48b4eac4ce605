#!/usr/bin/env bash
# What recording off-CPU time costs who is recorded: CPU time of a pinned `perf bench
# sched pipe`, two switches a message and nothing else, as a ratio to the same without a
# recorder. The rounds are interleaved, medians count, all in one run.
#
#   default    contend-record offcpu -a
#   filtered   contend-record offcpu -p another process
#   every      contend-record offcpu -a --min-block 0
#   perf       perf record -e sched:sched_switch -a -g
#   bpftrace   an off-CPU script with both stacks (where bpftrace is installed)
#
#   tests/bench/offcpu-overhead.sh [--rounds N] [--messages N] [--check]
#
# --check fails when default costs more than 1.6 times, filtered more than 1.15, default
# is not below perf and bpftrace, or something was lost. Needs root, an otherwise idle
# machine, perf, and a build of contend-record (CONTEND_RECORD says which; default: that of
# recorder/release.sh) and contend (CONTEND).
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=5 messages=100000 check=
while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=$2; shift ;;
        --messages) messages=$2; shift ;;
        --check) check=1 ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
record=$(realpath "${CONTEND_RECORD:-target/$(uname -m)-unknown-linux-musl/recorder/contend-record}")
contend=$(realpath "${CONTEND:-target/release/contend}")
work=$(mktemp -d)
sleep infinity &
other=$!
recorder=
finish() {
    kill "$other" 2> /dev/null || true
    [ -z "$recorder" ] || kill "$recorder" 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT

cat > "$work/offcpu.bt" << 'BT'
tracepoint:sched:sched_switch
{
    @start[args->prev_pid] = nsecs;
    @kernel[args->prev_pid] = kstack;
    @user[args->prev_pid] = ustack;
    $from = @start[args->next_pid];
    if ($from) {
        @ns[args->next_pid, args->next_comm, @kernel[args->next_pid], @user[args->next_pid]] = sum(nsecs - $from);
        delete(@start[args->next_pid]);
        delete(@kernel[args->next_pid]);
        delete(@user[args->next_pid]);
    }
}
BT

begin() { # configuration: starts a recorder
    recorder=
    [ "$1" != none ] || return 0
    case $1 in
        default) exec "$record" offcpu -a --no-binaries -o "$work/default.tar.zst" ;;
        every) exec "$record" offcpu -a --min-block 0 --no-binaries -o "$work/every.tar.zst" ;;
        filtered) exec "$record" offcpu -p "$other" --no-binaries -o "$work/filtered.tar.zst" ;;
        perf) exec perf record -q -o "$work/perf.data" -e sched:sched_switch -a -g ;;
        bpftrace) exec bpftrace -q "$work/offcpu.bt" ;;
    esac > "$work/$1.out" 2> "$work/$1.err" &
    recorder=$!
    sleep "$([ "$1" = bpftrace ] && echo 3 || echo 1.2)"
    kill -0 "$recorder" 2> /dev/null || { cat "$work/$1.err" >&2; exit 1; }
}
end() {
    [ -n "$recorder" ] || return 0
    kill "$recorder"
    wait "$recorder" || true
    recorder=
}
load() { # user + system time of the load, in ms
    local TIMEFORMAT='%U %S'
    { time nice -n -20 taskset -c 0 perf bench -f simple sched pipe -l "$messages" > /dev/null 2>&1; } 2>&1 |
        awk '{ printf "%d\n", ($1 + $2) * 1000 }'
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

configurations="none default filtered every perf"
command -v bpftrace > /dev/null && configurations="$configurations bpftrace"
load > /dev/null
for _ in $(seq "$rounds"); do
    for one in $configurations; do
        begin "$one"
        load >> "$work/$one.ms"
        end
    done
done

base=$(median "$work/none.ms")
echo "perf bench sched pipe -l $messages on one CPU: $base ms CPU time, median of $rounds rounds"
declare -A ratio
for one in $configurations; do
    ratio[$one]=$(awk -v a="$(median "$work/$one.ms")" -v b="$base" 'BEGIN { printf "%.2f", a / b }')
    printf '  %-9s %s\n' "$one" "${ratio[$one]}"
done
lost() { "$contend" offcpu "$1" --no-symbols --json | grep -o '"lost_events": *[0-9]*' | grep -o '[0-9]*$'; }
for one in default every; do
    echo "  lost in $one: $(lost "$work/$one.tar.zst")"
done
if [ -n "$check" ]; then
    fails() { echo "FAILED: $*" >&2; exit 1; }
    above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }
    ! above "${ratio[default]}" 1.6 || fails "default costs ${ratio[default]}, more than 1.6"
    ! above "${ratio[filtered]}" 1.15 || fails "filtered costs ${ratio[filtered]}, more than 1.15"
    above "${ratio[perf]}" "${ratio[default]}" || fails "perf costs less"
    [ -z "${ratio[bpftrace]:-}" ] || above "${ratio[bpftrace]}" "${ratio[default]}" || fails "bpftrace costs less"
    [ "$(lost "$work/default.tar.zst")" = 0 ] || fails "the default lost intervals"
    echo "all within bounds"
fi
