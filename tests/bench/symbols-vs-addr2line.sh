#!/usr/bin/env bash
# How long contend needs to name 100,000 addresses of a big debug binary, and how
# long the addr2line crate alone needs for the same list, on this machine, in one
# run.
#
#   tests/bench/symbols-vs-addr2line.sh [--dir DIR] [--runs N] [--addresses N] [BINARY...]
#
#   --dir DIR       where the binaries are made and kept (default: target/bench)
#   --runs N        rounds of each; the fastest are compared (default 5)
#   --addresses N   distinct addresses in each binary (default 100000)
#   BINARY          binaries with debug information and a build-id; without any, two
#                   of 230 MB are made with g++, which takes some minutes
#
# The binaries made are C++ with much of the standard library instantiated for 420
# types (-O1 -g): 14 units of 30 types. The second one is the same with another
# build-id, which makes it another binary. addr2line maps the file and looks up the
# sorted list, with demangling; contend starts from a capture with a sample at each
# address. Functions, inlined functions and lines of both are compared before anything
# is timed. Then two binaries in one capture are timed with one thread and with all,
# and beside it what addr2line gains when each of them has a thread of its own.
#
# Typical, on two cores of a virtual machine, addr2line being 1: contend 0.56, and
# addr2line that demangles nothing 0.21 (contend demangles each distinct name once).
# Two binaries with two threads: contend 1.8 times as fast as with one, addr2line 1.7.
#
# Ends with an error when contend takes more than 1.5 times as long as addr2line, or
# gains less than three quarters of what addr2line gains by the second thread.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=target/bench options=() binaries=()
while [ $# -gt 0 ]; do
    case $1 in
        --dir) dir=$2; shift ;;
        --runs | --addresses) options+=("$1" "$2"); shift ;;
        -h | --help) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
        -*) echo "unknown option $1, see --help" >&2; exit 2 ;;
        *) binaries+=("$(realpath "$1")") ;;
    esac
    shift
done

units=14 types=30

# One unit: a template over much of the standard library, and its types.
unit() { # NAMESPACE
    cat << 'END'
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>
template <class Key, int N> struct Index {
    std::map<std::string, Key> by_name;
    std::unordered_map<int, std::vector<Key>> by_number;
    std::set<std::pair<int, std::string>> seen;
    std::deque<std::shared_ptr<Key>> order;
    int insert(const std::string& name, int number) {
        Key key{number + N, name};
        by_name[name] = key;
        by_number[number].push_back(key);
        seen.emplace(number, name);
        order.push_back(std::make_shared<Key>(key));
        return int(by_name.size());
    }
    int sort() {
        int sum = 0;
        for (auto& [number, keys] : by_number) {
            std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.number < b.number; });
            std::stable_sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.name < b.name; });
            sum += number + keys.front().number;
        }
        std::function<int(int)> more = [&](int x) { return x + sum + int(order.size()); };
        return more(N);
    }
};
END
    echo "namespace $1 {"
    for type in $(seq 1 $types); do
        echo "struct Key_$type { int number; std::string name; };"
        echo "int run_$type(const std::string& s, int n) {"
        echo "    Index<Key_$type, $type> index;"
        echo "    for (int i = 0; i < n; i++) index.insert(s + std::to_string(i), i % 7);"
        echo "    return index.sort();"
        echo "}"
    done
    echo "int all(int n) { int sum = 0;"
    for type in $(seq 1 $types); do echo "    sum += run_$type(\"k$type\", n);"; done
    echo "    return sum;"
    echo "} }"
}

# Both are linked from one set of objects.
make_binaries() { # NAME NAME
    [ ! -e "$dir/$1" ] || [ ! -e "$dir/$2" ] || return 0
    command -v g++ > /dev/null || { echo "needs g++, or binaries on the command line" >&2; exit 2; }
    echo "making $dir/$1 and $dir/$2: $units units"
    local source=$dir/source
    rm -rf "$source"
    mkdir -p "$source"
    {
        for unit in $(seq 1 $units); do echo "namespace unit_$unit { int all(int); }"; done
        echo "int main(int n, char**) { int sum = 0;"
        for unit in $(seq 1 $units); do echo "    sum += unit_$unit::all(n);"; done
        echo "    return sum == 1; }"
    } > "$source/main.cc"
    for unit in $(seq 1 $units); do unit "unit_$unit" > "$source/$unit.cc"; done
    find "$source" -name '*.cc' -print0 |
        xargs -0 -P "$(nproc)" -I{} g++ -std=c++17 -O1 -g -c {} -o {}.o
    for name in "$@"; do
        local id
        id=$(echo "$name" | sha1sum | cut -d ' ' -f 1)
        g++ -Wl,--build-id="0x$id" -o "$dir/$name.part" "$source"/*.o
        mv "$dir/$name.part" "$dir/$name"
    done
    rm -r "$source"
}

if [ ${#binaries[@]} = 0 ]; then
    mkdir -p "$dir"
    make_binaries big_one big_two
    binaries=("$(realpath "$dir/big_one")" "$(realpath "$dir/big_two")")
fi
# All find the files in the page cache.
cat "${binaries[@]}" > /dev/null
echo "$(nproc) CPUs: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
cargo bench --quiet -p contend --bench symbols -- "${options[@]}" "${binaries[@]}"
