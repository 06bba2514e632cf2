#!/bin/bash
# A leak of 64 KiB/s in 256-byte blocks beside 50 MB/s of churn is named by tracing; the same program without it is not.
. tests/integration/lib.sh
need root
need perf
[ -r /sys/bus/event_source/devices/uprobe/type ] || skip "this kernel has no uprobe events"

target leak 64 50
n1top leaks -p "$pid" -d 16 --trace --json
expect_status 0
json "$out" 'd["kept"] and d["kept"][0]["stack"].startswith("leak_here < main")'
json "$out" 'all("churn_here" not in k["stack"] for k in d["kept"])'
json "$out" 'd["kept"][0]["bytes"] > 300000 and abs(d["kept"][0]["bytes"] / d["kept"][0]["blocks"] / 272 - 1) < 0.1'
json "$out" 'd["not_traced"] == ""'
untouched "$pid"

# Without a trace it is not known who keeps, and that is said; the process runs on without a breakpoint.
n1top leaks -p "$pid" -d 2
expect_status 0
grep -q "^leaks of leak $pid" "$out" || fail "no head: $(cat "$out")"
stop

target leak 0 50
n1top leaks -p "$pid" -d 16 --trace --json
expect_status 0
json "$out" 'd["kept"] == [] and d["mappings"] == [] and not d["growth"]["significant"]'
untouched "$pid"

# The sampler dies: its probes die with it, and the target goes on allocating.
timeout 30 "$N1" leaks -p "$pid" -d 20 --trace > "$out" 2> "$err" &
product=$!
sampler_of() { sampler=$(pgrep -P "$(pgrep -P "$product" | head -1)" -f n1top-sampler | head -1); [ -n "$sampler" ]; }
wait_for 10 sampler_of
sleep 2
kill -KILL "$sampler"
wait "$product"
truth; before=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["counts"]["churned_bytes"])' "$truth")
grows() { truth; [ "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["counts"]["churned_bytes"])' "$truth")" -gt "$before" ]; }
wait_for 10 grows
untouched "$pid"

n1top leaks
expect_status 2
n1top leaks nothing.n1
expect_status 2
