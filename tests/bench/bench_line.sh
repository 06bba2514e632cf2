#!/bin/bash
# What the screen costs the line to the terminal, and how soon it is gone: the product on sixteen functions whose rows
# change all the time, on a pseudo-terminal that answers after 20 ms.
build=${BUILD:-build}
export N1TOP_RUN=$(mktemp -d)/run XDG_CONFIG_HOME=/nonexistent
seconds=${N1_BENCH_SECONDS:-20}
"$build/targets/many" --limit 280 > /dev/null &
target=$!
trap 'kill $target 2> /dev/null; rm -rf "$(dirname "$N1TOP_RUN")"' EXIT
line() { python3 tests/bench/line.py "$@"; }
jobs=()
row() { printf '%-44s %s\n' "$1" "$(shift; line "$@")"; }
sleep 1
bytes() { # SIZE OPTION...: side by side, because each waits half a minute until its window is full
    local size=$1; shift
    line bytes "$seconds" "$size" 20 "$build/n1top" -p $target "$@" > "$(dirname "$N1TOP_RUN")/$size$*" &
    jobs+=($!)
}
bytes 80x24
bytes 80x24 --low-bandwidth
bytes 200x50
bytes 200x50 --low-bandwidth
wait "${jobs[@]}"
for f in 80x24 80x24--low-bandwidth 200x50 200x50--low-bandwidth; do
    printf '%-44s %s\n' "$f" "$(cat "$(dirname "$N1TOP_RUN")/$f")"
done
for n in 1 2 3; do
    row "hang-up, SIGHUP taken (goal: 100 ms)" hangup default "$build/n1top" -p $target --linger 1
    row "hang-up, SIGHUP ignored" hangup ignored "$build/n1top" -p $target --linger 1
    row "q" quit "$build/n1top" -p $target
done
