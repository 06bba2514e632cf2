#!/bin/bash
# What a sample takes from a running thread beyond the bare timer tick: the target `gaps` sees its own time stamps jump.
# Ticks alone, n1top, and perf record take turns on one process (N1_BENCH_ROUNDS, 5); the figure is the difference of the
# medians over all gaps of a turn, so ticks of the kernel itself are in both. The first turn's second, in which n1top
# finds out how much stack is needed, is left out.
build=${BUILD:-build}
rounds=${N1_BENCH_ROUNDS:-5}
hz=${1:-997}
work=$(mktemp -d)
end() {
    local p
    for p in $(jobs -p); do kill "$p" 2> /dev/null; done
    wait 2> /dev/null
    rm -rf "$work"
}
trap end EXIT

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# Median gap of one turn in ns: turn COMMAND..., which watches $target for at least 5 s.
turn() {
    "$build/targets/gaps" --truth "$work/truth" > "$work/said" 2>&1 &
    target=$!
    for _ in $(seq 100); do grep -q ready "$work/said" && break; sleep 0.05; done
    "${@//PID/$target}" > "$work/out" 2>&1 &
    watcher=$!
    sleep 2
    kill -USR2 $target # forget what was
    sleep 2.5
    kill -TERM $target
    wait $target 2> /dev/null
    wait $watcher 2> /dev/null
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(d["counts"]["median_ns"])' "$work/truth"
}

bare=() ours=() perfs=()
for _ in $(seq "$rounds"); do
    bare+=("$(turn "$build/bench/bench_engine" tick PID "$hz" 6)")
    ours+=("$(turn "$build/n1top" record -p PID -d 6 -r "$hz" -o "$work/r.n1")")
    command -v perf > /dev/null &&
        perfs+=("$(turn perf record -q -N -e cpu-clock -F "$hz" --call-graph dwarf,8192 -p PID -o "$work/perf.data" -- sleep 6)")
    rm -f "$work/r.n1" "$work/perf.data"
done
b=$(median "${bare[@]}") o=$(median "${ours[@]}")
printf 'median gap at %d Hz: ticks alone %d ns, n1top %d ns: %+d ns a sample\n' "$hz" "$b" "$o" $((o - b))
[ ${#perfs[@]} = 0 ] || printf 'perf record --call-graph dwarf,8192: %d ns: %+d ns\n' "$(median "${perfs[@]}")" $(($(median "${perfs[@]}") - b))
