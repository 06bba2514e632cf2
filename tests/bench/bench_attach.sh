#!/bin/bash
# From the start of the command to the first function that the screen names, on node (a binary of 100 MB) that is
# busy; medians of N1_BENCH_ROUNDS (7). perf top, where it is installed, sees the same process in the same run.
build=${BUILD:-build}
rounds=${N1_BENCH_ROUNDS:-7}
command -v node > /dev/null || { echo "node is not installed: tools/deps --real"; exit 0; }
work=$(mktemp -d)
trap 'kill "$target" 2> /dev/null; wait 2> /dev/null; rm -rf "$work"' EXIT
export XDG_CONFIG_HOME=$work XDG_RUNTIME_DIR=$work
cat > "$work/busy.js" << 'END'
const o = {};
for (let i = 0; i < 2000; i++) o['k' + i] = [i, {a: [1, 2, 3]}];
for (;;) JSON.parse(JSON.stringify(o));
END
node "$work/busy.js" &
target=$!
sleep 2
names='v8::|Builtins_|Json'
attach() { # TEXT COMMAND...
    printf '%-24s ' "$1"; shift
    python3 tests/bench/attach.py "$rounds" "$names" "$@"
}
attach "n1top" "$build/n1top" -p "$target"
if command -v perf > /dev/null; then
    attach "perf top -d 1" perf top --stdio -d 1 -F 997 -p "$target"
fi
