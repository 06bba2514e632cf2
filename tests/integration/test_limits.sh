#!/bin/bash
# The sampler keeps to its own limits and says so; what it cannot see it tells; labels reach the report.
. tests/integration/lib.sh
need perf

echo '{"profiling": {"limits": {"cpu_percent": 0.1}, "labels": {"team": "payments", "host": "a,b"}}}' > "$work/tight.json"
echo '{"profiling": {"limits": {"cpu_percent": 100}}}' > "$work/wide.json"

echo "over its CPU limit it lowers the rate"
target threads16
n1top record -p "$pid" -d 9 -r 997 --config "$work/tight.json" --format json -o "$work/tight.out.json"
expect_status 0
valid_report "$work/tight.out.json"
json "$work/tight.out.json" 'd["sampler"]["rate_asked"] == 997 and d["sampler"]["rate_used"] < 600'
json "$work/tight.out.json" 'd["sampler"]["rate_lowered_by"] == "own CPU limit"'
json "$work/tight.out.json" 'd["targets"][0]["labels"] == {"team": "payments", "host": "a b"}'
echo "shares are right over the change: every sample carries its own weight"
json "$work/tight.out.json" 'abs(d["sampler"]["sampled_cpu_seconds"] / d["sampler"]["target_cpu_seconds"] - 1) < 0.15'

echo "within it nothing changes"
n1top record -p "$pid" -d 7 -r 199 --config "$work/wide.json" --format json -o "$work/wide.out.json"
expect_status 0
json "$work/wide.out.json" 'd["sampler"]["rate_used"] == 199 and d["sampler"]["rate_lowered_by"] == "nothing"'

echo "doctor tells the limits"
n1top doctor --config "$work/tight.json" -p "$pid"
check "no line of limits: $(cat "$out")" grep -q 'own limits.*CPU 0.1 %' "$out"
check "no line of what is seen: $(cat "$out")" grep -q 'CPU time seen' "$out"
untouched "$pid"
stop

echo "the configuration chooses the engine, an option wins"
echo '{"profiling": {"engine": "ptrace"}}' > "$work/engine.json"
target split
n1top record -p "$pid" -d 1 --config "$work/engine.json" --format json -o "$work/engine.out.json"
expect_status 0
json "$work/engine.out.json" 'd["sampler"]["engine"] == "ptrace"'
n1top record -p "$pid" -d 1 --config "$work/engine.json" --engine perf --format json -o "$work/engine.out.json"
expect_status 0
json "$work/engine.out.json" 'd["sampler"]["engine"] == "perf"'
stop

echo "a pool of threads of which each uses less than a period is told of, where no rights cure it"
need root
chmod 1777 "$work"
setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- "$TARGETS/pool" 200 2000 > "$work/pool.out" 2>&1 < /dev/null &
pid=$!
started+=("$pid")
wait_for 10 grep -q '^ready$' "$work/pool.out"
as_user timeout -k 5 60 "$N1" record -p "$pid" -d 8 -r 99 -o "$work/pool.n1" > "$out" 2> "$err" < /dev/null
status=$?
expect_status 0
n1top export "$work/pool.n1" --format json -o "$work/pool.json"
expect_status 0
json "$work/pool.json" 'd["sampler"]["target_cpu_seconds"] > 1.5'
json "$work/pool.json" 'd["sampler"]["sampled_cpu_seconds"] < 0.7 * d["sampler"]["target_cpu_seconds"]'
n1top report "$work/pool.n1"
check "the report does not tell: $(head -6 "$out")" grep -q 'was not sampled' "$out"
as_user timeout -k 5 60 "$N1" doctor -p "$pid" > "$out" 2> "$err" < /dev/null
check "doctor does not tell: $(grep 'CPU time' "$out")" grep -q '^limited.*CPU time seen' "$out"

echo "with rights they are seen"
n1top record -p "$pid" -d 6 -r 99 --format json -o "$work/pool.json"
expect_status 0
json "$work/pool.json" 'd["sampler"]["sampled_cpu_seconds"] > 0.7 * d["sampler"]["target_cpu_seconds"]'
json "$work/pool.json" 'd["functions"]["pool!task"]["total_percent"] > 60'
