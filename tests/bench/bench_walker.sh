#!/bin/bash
# The walker on real programs: starts each, benches it with build/bench/walker, ends it. Programs that are not
# installed are named and left out. Arguments of build/bench/walker: seconds, Hz.
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bench() { # name, command...
    name=$1; shift
    printf '%s\n' "$name"
    if ! command -v "$1" > /dev/null; then
        printf '  not installed: %s\n' "$1"
        return
    fi
    "$@" > /dev/null 2>&1 &
    pid=$!
    sleep 1 # start-up is not what is measured
    "$build/bench/walker" "$pid" "${N1_BENCH_SECONDS:-2}" 997 | sed 's/^/  /'
    kill "$pid" 2> /dev/null
    wait "$pid" 2> /dev/null
}

cat > "$work/run.py" << 'END'
import json
d = {str(i): [i, {"a": [1, 2, 3] * 3}] for i in range(300)}
def deep(n):
    return json.loads(json.dumps(d, indent=1)) if n == 0 else deep(n - 1)
while True:
    deep(3)
    sorted(range(5000), key=lambda v: -v)
END
cat > "$work/jit.js" << 'END'
const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2), o = {};
for (let i = 0; i < 2000; i++) o['k' + i] = [i, {a: [1, 2, 3]}];
for (;;) { fib(22); JSON.parse(JSON.stringify(o)); Array.from({length: 5000}, (_, i) => -i).sort((a, b) => a - b); }
END
cat > "$work/pool.js" << 'END'
const z = require('zlib'), b = require('crypto').randomBytes(300000);
function gzip() { z.gzip(b, gzip); }
gzip(); gzip();
END
cat > "$work/run.rs" << 'END'
use std::collections::BTreeMap;
fn deep(n: u32, v: &mut Vec<u64>) -> u64 {
    if n == 0 { v.sort_by(|a, b| (a ^ 0x55).cmp(&(b ^ 0x55))); v[0] } else { deep(n - 1, v) + std::hint::black_box(1) }
}
fn main() {
    loop {
        let mut m = BTreeMap::new();
        for i in 0..2000u64 { m.insert(i.wrapping_mul(0x9e3779b97f4a7c15), format!("{}", i)); }
        let mut v: Vec<u64> = m.keys().cloned().collect();
        std::hint::black_box(deep(10, &mut v));
    }
}
END

bench "C, recursion of 60 frames" "$build/targets/recursion"
bench "C++" "$build/targets/cxx"
bench "python3" python3 "$work/run.py"
bench "node, JIT code" node "$work/jit.js"
bench "node, threads of its pool" node "$work/pool.js"
if command -v rustc > /dev/null && rustc -O -o "$work/rust" "$work/run.rs" 2> /dev/null; then
    bench "Rust" "$work/rust"
else
    printf 'Rust\n  not installed: rustc\n'
fi
