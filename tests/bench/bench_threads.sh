#!/bin/bash
# What 1,000 threads cost: CPU of the sampler (its helper has ended by then), in % of one CPU, beside a pool whose threads sleep and work a
# little each second, at 20 Hz with every thread's waits swept (the wall clock's view). Medians of N1_BENCH_ROUNDS (3)
# windows of 5 s, 4 s after the attach. CPU time hardly depends on neighbours.
build=${BUILD:-build}
rounds=${N1_BENCH_ROUNDS:-3}
work=$(mktemp -d)
end() {
    local p
    for p in $(jobs -p); do kill "$p" 2> /dev/null; done
    wait 2> /dev/null
    rm -rf "$work"
}
trap end EXIT

median() { printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"; }
cpu_ns() { cat /proc/"$1"/task/*/schedstat 2> /dev/null | awk "{s += \$1} END {printf \"%.0f\", s}"; }

row() { # TEXT ENGINE MICROSECONDS
    local shares=() targets=() target recorder sampler a b c d t0 t1
    for _ in $(seq "$rounds"); do
        "$build/targets/pool" 1000 "$3" > "$work/said" 2>&1 &
        target=$!
        until grep -q ready "$work/said"; do sleep 0.1; done
        "$build/n1top" record -p $target -d 11 -r 20 --engine "$2" --format json -o "$work/r.json" > "$work/out" 2>&1 &
        recorder=$!
        sleep 4
        sampler=$(pgrep -P $recorder | head -n 1)
        a=$(cpu_ns "$sampler") c=$(cpu_ns $target) t0=$(date +%s%N)
        sleep 5
        b=$(cpu_ns "$sampler") d=$(cpu_ns $target) t1=$(date +%s%N)
        shares+=("$(awk -v a="$a" -v b="$b" -v s=$((t1 - t0)) 'BEGIN {printf "%.2f", (b - a) / s * 100}')")
        targets+=("$(awk -v a="$c" -v b="$d" -v s=$((t1 - t0)) 'BEGIN {printf "%.1f", (b - a) / s * 100}')")
        wait $recorder
        kill $target
        wait $target 2> /dev/null
    done
    printf '%-34s %-7s sampler %6s %%   target %6s %%   %s\n' "$1" "$2" "$(median "${shares[@]}")" "$(median "${targets[@]}")" \
        "$(python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); s = d["sampler"]; print(s["samples"], "samples, seconds waited", round(sum(w["seconds"] for w in d["waits"])))' "$work/r.json" 2> /dev/null)"
}

for engine in perf ptrace; do
    row "1,000 threads, 0.3 ms/s of CPU each" $engine 300
done
