#!/bin/bash
# Page-fault samples tell who touched memory first: the split of known sites, the kinds, and at most 500 samples a second.
. tests/integration/lib.sh
need perf

target faults 20000
truth; cp "$truth" "$work/before.json"
n1top record -p "$pid" -d 6 --memory -o "$work/faults.n1"
expect_status 0
truth
n1top export "$work/faults.n1" --format collapsed --of memory -o -
expect_status 0
python3 - "$out" "$work/before.json" "$truth" <<'PYTHON' || fail "the split is not the target's"
import json, math, sys
touched = {"touch_heavy": 0, "touch_light": 0}
for line in open(sys.argv[1]):
    stack, size = line.rsplit(" ", 1)
    for name in touched:
        if name in stack.split(";"):
            touched[name] += int(size)
before, after = (json.load(open(f))["counts"] for f in sys.argv[2:4])
real = {name: after[name] - before[name] for name in touched}
share = touched["touch_heavy"] / sum(touched.values())
truth = real["touch_heavy"] / sum(real.values())
# a sample stands for at least 31 pages, so there are at most so many
samples = sum(touched.values()) / 4096 / 31
sigma = math.sqrt(truth * (1 - truth) / (samples / 20))
print(f"touch_heavy {share:.4f}, truth {truth:.4f}, 3 sigma {3 * sigma:.4f}")
sys.exit(abs(share - truth) > 3 * sigma or sum(touched.values()) > 1.1 * 4096 * sum(real.values()))
PYTHON
untouched "$pid"
n1top report "$work/faults.n1"
expect_status 0
grep -q "^# Memory first touched" "$out" || fail "no memory part in the report: $(tail -n 5 "$out")"
n1top export "$work/faults.n1" --format json -o "$work/faults.json"
json "$work/faults.json" 'd["functions"]["faults!touch_heavy"]["memory_usage"]["total"] > d["functions"]["faults!touch_light"]["memory_usage"]["total"] > 0'
n1top export "$work/faults.n1" --format svg --of memory -o "$work/faults.svg"
expect_status 0
grep -q "touch_heavy" "$work/faults.svg" || fail "no function in the memory flame graph"
n1top export "$work/faults.n1" --format json --of memory -o "$work/other.json"
expect_status 2
