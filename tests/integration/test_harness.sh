#!/bin/bash
# The harness can fail: a judge that says yes to everything proves nothing.
. tests/integration/lib.sh
unset N1_TEST_AGAIN # the runner is to say no at once
accuracy() { python3 tests/integration/accuracy.py "$@" > "$work/said" 2>&1; }
fails() {
    local text=$1; shift
    ! ("$@") > /dev/null 2>&1 || fail "$text passed"
}

# A report of 10,000 samples with the shares $1 $2 $3.
report() {
    python3 - "$work/report.json" "$@" <<'PYTHON'
import json, sys
shares = [float(x) for x in sys.argv[2:5]]
functions = {f"split!{n}": {"name": n, "self_seconds": 0.0, "total_seconds": 10 * s} for n, s in zip(("hot_a", "hot_b", "hot_c"), shares)}
functions["split!spin"] = {"name": "spin", "self_seconds": 10.0, "total_seconds": 10.0}
json.dump({"sampler": {"interval": 0.001}, "functions": functions, "summary": {"time_range": {"start": 100.0, "end": 110.0}}}, open(sys.argv[1], "w"))
PYTHON
}
echo '{"functions": {"hot_a": 5.0, "hot_b": 3.0, "hot_c": 2.0}}' > "$work/truth.json"
report 0.50 0.30 0.20; accuracy split "$work/report.json" - "$work/truth.json" hot_a hot_b hot_c || fail "the truth itself was refused"
report 0.51 0.30 0.19; accuracy split "$work/report.json" - "$work/truth.json" hot_a hot_b hot_c || fail "two sigma were refused"
report 0.52 0.30 0.18; fails "a share four sigma off" accuracy split "$work/report.json" - "$work/truth.json" hot_a hot_b hot_c
report 0.00 0.00 0.00; fails "no samples" accuracy split "$work/report.json" - "$work/truth.json" hot_a hot_b hot_c
report 0.50 0.30 0.20
accuracy share "$work/report.json" hot_a 0.49 0.51 || fail "a share inside"
fails "a share outside" accuracy share "$work/report.json" hot_a 0.52
python3 -c 'import json, sys
for name, rate in (("right", 1.0), ("wrong", 1.03)):
    json.dump({"steal": 0.0, "rows": [[95 + i / 50, rate * i / 50] for i in range(1000)]}, open(f"{sys.argv[1]}/{name}.json", "w"))' "$work"
accuracy cpu "$work/report.json" "$work/right.json" || fail "right CPU seconds: $(cat "$work/said")"
fails "CPU seconds 3 % off" accuracy cpu "$work/report.json" "$work/wrong.json"

# The judge of the comparison with perf: the same counts pass; one share, one rank, the number of samples, a frame
# outside of its function, a wrong name do not. OUT.json is changed by the Python statement $1.
against_perf() {
    python3 - "$work/perf.json" "$1" <<'PYTHON'
import json, sys
counts = [4000, 2000, 1500, 1000, 700, 500, 300]
d = {"expected": None, "threads": 1, "seconds": 10, "ours": 10000, "perf": 10000, "ours_lost": 0, "perf_lost": 0,
     "functions": [[f"f{i}", n, n] for i, n in enumerate(counts)], "callers": [["f0 <- main", 4000, 4000, 4000, 4000]],
     "periods_ns": [1003009], "outside": [], "both_name": 9000, "misnamed": []}
exec(sys.argv[2])
json.dump(d, open(sys.argv[1], "w"))
PYTHON
    python3 tests/integration/compare_perf.py judge "$work/perf.json"
}
against_perf pass > "$work/said" || fail "perf's own counts: $(cat "$work/said")"
against_perf 'd["functions"][0][1] = 4150' > "$work/said" || fail "two sigma beside perf: $(cat "$work/said")"
fails "a share 4 sigma off perf's" against_perf 'd["functions"][0][1] = 4300'
fails "a caller 4 sigma off perf's" against_perf 'd["callers"][0][1] = 3980'
fails "other ranks than perf's" against_perf 'd["functions"] = [[f"f{i}", 100 + 2 * (i + 3) % 7, 110 - i] for i in range(7)]'
fails "2 % more samples than perf" against_perf 'd["ours"] = 10200'
against_perf 'd["expected"] = {"cpu": 9900.0, "samples": 10000}' > "$work/said" || fail "1 % beside the CPU time: $(cat "$work/said")"
fails "samples 6 % short of the CPU time" against_perf 'd["expected"] = {"cpu": 9900.0, "samples": 9300}'
fails "samples that stand for nothing" against_perf 'd["periods_ns"] = [0]'
fails "a frame outside of its function" against_perf 'd["outside"] = ["f"]'
fails "a name that perf has not" against_perf 'd["misnamed"] = [["f0", "g0", 1]]'

echo '{"a": 1}' > "$work/a.json"
json "$work/a.json" 'd["a"] == 1'
fails "a false expression" json "$work/a.json" 'd["a"] == 2'
fails "an expression that raises" json "$work/a.json" 'd["b"]'
fails "a false check" check "text" false
fails "waiting in vain" wait_for 1 false

# A target that is stopped, or traced, or has more descriptors is not untouched.
target fds 200
sleep 0.3
fails "more descriptors" untouched "$pid"
stop
target split
untouched "$pid"
kill -STOP "$pid"
wait_for 5 grep -q '^State:.*T' "/proc/$pid/status"
fails "a stopped target" untouched "$pid"
stop
fails "a dead target" untouched "$pid"

# The runner: status by exit code, the reason of a skip, and what is left behind.
mkdir "$work/tests"
printf '#!/bin/sh\nexit 0\n' > "$work/tests/good"
printf '#!/bin/sh\necho wrong; exit 1\n' > "$work/tests/bad"
printf '#!/bin/sh\necho no tape drive; exit 77\n' > "$work/tests/skips"
printf '#!/bin/sh\nsleep 100 & exit 0\n' > "$work/tests/leaves"
printf '#!/bin/sh\nsleep 100\n' > "$work/tests/hangs"
chmod +x "$work"/tests/*
N1_TEST_LIMIT=1 tests/run probe "$work" "$work"/tests/* > "$work/run.out"
check "the runner passed" [ $? != 0 ]
check "the closing line: $(cat "$work/run.out")" grep -qx 'probe: 1 passed, 3 failed, 1 skipped' "$work/run.out"
check "the reason of the skip" grep -q '^skipped skips: no tape drive' "$work/run.out"
check "what was left" grep -q 'left behind: [0-9]* sleep 100' "$work/run.out"
check "the output of the failure" grep -q '    wrong' "$work/run.out"
