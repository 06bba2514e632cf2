#!/bin/bash
# What engine ptrace costs: how long a thread stands for a sample, the share of the target's time that this is, and the CPU
# of the sampler (its start included). Medians of N1_BENCH_ROUNDS (5) recordings, each on a target of its own. With a free CPU a stop is some ten microseconds; without one it includes the target's own wait for a CPU, which is an upper bound.
build=${BUILD:-build}
rounds=${N1_BENCH_ROUNDS:-5}
work=$(mktemp -d)
end() {
    local p
    for p in $(jobs -p); do kill "$p" 2> /dev/null; done
    wait 2> /dev/null
    rm -rf "$work"
}
trap end EXIT

median() { printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"; }
field() { python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }

# One recording of a fresh target.
turn() {
    "$build/targets/split" --truth "$work/truth" > "$work/said" 2>&1 &
    target=$!
    for _ in $(seq 100); do grep -q ready "$work/said" && break; sleep 0.05; done
    "$build/n1top" record -p "$target" -d 3 -r "$1" --engine ptrace --format json -o "$work/r.json" > "$work/out" 2>&1
    kill -KILL $target
    wait $target 2> /dev/null
}

printf 'rate   stop p50   p99 (us)   samples/s   stopped %%   sampler CPU %%\n'
for hz in 99 241; do
    p50=() p99=() samples=() held=() cpu=()
    for _ in $(seq "$rounds"); do
        turn $hz
        p50+=("$(field "$work/r.json" 'd["sampler"]["pause_us"]["p50"]')")
        p99+=("$(field "$work/r.json" 'd["sampler"]["pause_us"]["p99"]')")
        samples+=("$(field "$work/r.json" 'd["sampler"]["samples"] / 3')")
        held+=("$(field "$work/r.json" 'd["sampler"]["pause_us"]["p50"] * d["sampler"]["samples"] / 3e4')")
        cpu+=("$(field "$work/r.json" 'd["sampler"]["cpu_seconds"] / 3 * 100')")
        rm -f "$work/r.json"
    done
    printf '%4d   %8.1f   %8.1f   %9.1f   %9.2f   %8.2f\n' $hz "$(median "${p50[@]}")" "$(median "${p99[@]}")" \
        "$(median "${samples[@]}")" "$(median "${held[@]}")" "$(median "${cpu[@]}")"
done
