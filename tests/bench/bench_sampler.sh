#!/bin/bash
# What the product costs beside its target, once it has settled: CPU of the sampler with its symbol helper and of n1top,
# memory of all three, samples lost. Medians of N1_BENCH_ROUNDS (3); a window of 4 s begins 3 s after the attach.
# perf record with stacks of 8 KiB watches the same target in the same run.
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

child_of() { pgrep -P "$1" | head -n 1; }
cpu_ns() { cat /proc/"$1"/task/*/schedstat 2> /dev/null | awk '{sum += $1} END {printf "%.0f", sum}'; }
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
share() { awk -v a="$1" -v b="$2" -v s="$3" 'BEGIN {printf "%.3f", (b - a) / s / 1e7}'; }
mb() { awk -v k="$1" 'BEGIN {printf "%.1f", k / 1024}'; }
field_kib() { awk -v f="$1:" '$1 == f {printf "%d", $2}' "/proc/$2/$3" 2> /dev/null; }

# Starts a target: start COMMAND...; sets $target
start() {
    "$@" > "$work/said" 2>&1 &
    target=$!
    sleep 1
}

stop() { kill "$target"; wait "$target" 2> /dev/null; }

# Attaches to $target for a while at $1 Hz and waits until that has settled; sets $n1top, $sampler, $helper.
attach() {
    "$build/n1top" record -p "$target" -d 9 -r "$1" --format json -o "$work/report.json" > "$work/n1.out" 2>&1 &
    n1top=$!
    sleep 3
    sampler=$(child_of $n1top)
    helper=$(child_of "${sampler:-0}")
}

reported() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["sampler"][sys.argv[2]])' "$work/report.json" "$1"; }

# CPU over 4 s, in % of one CPU: sampler with helper, n1top, and the target itself.
measure() { # HZ
    local a b c d t0
    attach "$1"
    a=$(cpu_ns "$sampler") b=$([ -n "$helper" ] && cpu_ns "$helper") c=$(cpu_ns $n1top) d=$(cpu_ns "$target") t0=$(date +%s%N)
    sleep 4
    t1=$(date +%s%N)
    s=$(awk -v a="$t0" -v b="$t1" 'BEGIN {print (b - a) / 1e9}')
    # A helper that idles out meanwhile has used nothing.
    b1=$([ -n "$helper" ] && cpu_ns "$helper")
    sampler_share=$(share $((a + ${b:-0})) $(($(cpu_ns "$sampler") + ${b1:-${b:-0}})) "$s")
    n1top_share=$(share "$c" "$(cpu_ns $n1top)" "$s")
    target_share=$(share "$d" "$(cpu_ns "$target")" "$s")
    wait $n1top
}

row() { # TEXT HZ
    local samplers=() tops=() targets=() lost=0 samples=0
    for _ in $(seq "$rounds"); do
        measure "$2"
        samplers+=("$sampler_share") tops+=("$n1top_share") targets+=("$target_share")
        lost=$((lost + $(reported lost))) samples=$((samples + $(reported samples)))
    done
    printf '%-26s %5d Hz  sampler %6s %%  n1top %6s %%  target %6s %%  lost %d of %d\n' "$1" "$2" "$(median "${samplers[@]}")" \
        "$(median "${tops[@]}")" "$(median "${targets[@]}")" "$lost" "$((samples + lost))"
}

peer() { # TEXT HZ
    local shares=() a t0 t1
    command -v perf > /dev/null || { echo "perf record: not installed"; return; }
    for _ in $(seq "$rounds"); do
        perf record -q -N -e cpu-clock -F "$2" --call-graph dwarf,8192 -p "$target" -o "$work/perf.data" -- sleep 9 > "$work/perf.out" 2>&1 &
        perf=$!
        sleep 3
        a=$(cpu_ns $perf) t0=$(date +%s%N)
        sleep 4
        t1=$(date +%s%N)
        shares+=("$(share "$a" "$(cpu_ns $perf)" "$(awk -v a="$t0" -v b="$t1" 'BEGIN {print (b - a) / 1e9}')")")
        wait $perf
    done
    printf '%-26s %5d Hz  perf record --call-graph dwarf,8192 %6s %%\n' "$1" "$2" "$(median "${shares[@]}")"
}

memory() { # NAME
    local p k all=0 pinned=0 each=""
    attach 997
    sleep 2
    for p in $n1top $sampler $(child_of "$sampler"); do
        k=$(field_kib Pss "$p" smaps_rollup)
        all=$((all + ${k:-0})) each="$each, $(cat "/proc/$p/comm") $(mb "${k:-0}")"
        k=$(field_kib VmPin "$p" status)
        pinned=$((pinned + ${k:-0}))
    done
    wait $n1top
    printf '%-26s %5d Hz  PSS %s MB%s; pinned %s MB\n' "$1" 997 "$(mb $all)" "$each" "$(mb $pinned)"
}

# Targets end by themselves after two minutes: each row has its own.
for hz in 99 997 4999; do start "$build/targets/split"; row "one thread" $hz; stop; done
start "$build/targets/split"; peer "one thread" 997; stop
for hz in 997 4999; do start "$build/targets/threads16"; row "16 threads" $hz; stop; done
cat > "$work/busy.js" << 'END'
const o = {};
for (let i = 0; i < 2000; i++) o['k' + i] = [i, {a: [1, 2, 3]}];
for (;;) JSON.parse(JSON.stringify(o));
END
if command -v node > /dev/null; then
    start node "$work/busy.js"
    memory node
    stop
else
    echo "node: not installed (tools/deps --real)"
fi
if command -v redis-check-rdb > /dev/null; then
    ln -s "$(command -v redis-check-rdb)" "$work/redis-server" # the server, by the name it looks at
    start "$work/redis-server" --port 0 --unixsocket "$work/redis.sock" --dir "$work" --save '' --appendonly no
    redis-benchmark -s "$work/redis.sock" -c 20 -n 1000000000 -t set > "$work/load" 2>&1 &
    load=$!
    row redis 997
    memory redis
    kill $load
    stop
else
    echo "redis: not installed (tools/deps --real)"
fi
