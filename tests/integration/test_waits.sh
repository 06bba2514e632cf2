#!/bin/bash
# Waits of targets with a known truth: classes and shares, functions, resources, owners of locks, a deadlock; nothing is
# stopped or slowed, also as an ordinary user.
. tests/integration/lib.sh
need perf

# Threads that each wait for one thing below a function of its own.
target sleepers
n1top record -p "$pid" -d 3 -o "$work/s.n1"; expect_status 0
n1top export "$work/s.n1" --format json -o "$work/s.json"; expect_status 0
valid_report "$work/s.json"
json "$work/s.json" '{w["function"].split("!")[1]: w["class"] for w in d["waits"] if w["class"] != "run queue" and w["seconds"] > 1.5} == {"wait_lock": "lock", "wait_futex": "other", "wait_epoll": "poll", "wait_poll": "poll", "wait_pipe": "pipe", "sleep_ms": "sleep", "target_wait": "other"}'
json "$work/s.json" 'all(w["count"] == 1 for w in d["waits"] if w["class"] in ("lock", "poll", "pipe"))'
json "$work/s.json" '[w["resource"] for w in d["waits"] if w["class"] == "lock"][0].startswith("mutex 0x")'
json "$work/s.json" '[w["resource"] for w in d["waits"] if w["class"] == "pipe"][0].startswith("pipe:")'
n1top export "$work/s.n1" --format collapsed --of waits -o "$work/s.folded"; expect_status 0
check "wait_epoll is in the wait stacks" grep -q '^.*;wait_epoll;epoll_wait [0-9]*$' "$work/s.folded"
n1top report "$work/s.n1"; expect_status 0
check "the text report tells of waits" grep -q '^waits, summed over threads' "$out"
# The owner of the lock, asked many times: always the holder, and its stack beside it.
holder=$(grep -l '^lock-holder$' /proc/"$pid"/task/*/comm | cut -d/ -f5)
for _ in 1 2; do
    n1top dump -p "$pid" --json; expect_status 0
    json "$out" "[t['wait']['owner'] for t in d['threads'] if t['name'] == 'lock-waiter'] == [$holder]"
    json "$out" "any(f['name'] == 'hold_lock' for t in d['threads'] if t['tid'] == $holder for f in t['stack'])"
    json "$out" "d['deadlocks'] == []"
done
untouched "$pid"
stop

# A deadlock: three of the five threads, told by a dump, by a line of alerts within 3 s, and in the report.
target deadlock --after 3
"$N1" alerts -p "$pid" -d 9 > "$work/alerts" 2> "$work/alerts.err" &
alerts=$!
started+=("$alerts")
n1top record -p "$pid" -d 8 -o "$work/d.n1"; expect_status 0
wait "$alerts"
truth
n1top dump -p "$pid" --json; expect_status 0
python3 - "$out" "$truth" <<'PYTHON' || fail "the dump does not name the deadlock"
import json, sys
dump, truth = (json.load(open(p)) for p in sys.argv[1:])
members = sorted(truth["counts"][f"tid-dead-{i}"] for i in range(3))
assert [sorted(c) for c in dump["deadlocks"]] == [members], (dump["deadlocks"], members)
marked = sorted(t["tid"] for t in dump["threads"] if t["wait"] and t["wait"]["deadlock"])
assert marked == members, (marked, members)
for i in range(3):
    thread = next(t for t in dump["threads"] if t["tid"] == truth["counts"][f"tid-dead-{i}"])
    assert thread["wait"]["owner"] == truth["counts"][f"tid-dead-{(i + 1) % 3}"], thread["wait"]
victim = next(t for t in dump["threads"] if t["tid"] == truth["counts"]["tid-victim"])
assert victim["wait"]["owner"] == truth["counts"]["tid-dead-0"] and not victim["wait"]["deadlock"]
PYTHON
n1top export "$work/d.n1" --format json -o "$work/d.json"; expect_status 0
json "$work/d.json" '[(a["rule"], a["severity"], "held by" in a["resource"], [c["function"] for c in a["culprits"]]) for a in d["anomalies"] if a["rule"] == "deadlock"] == [("deadlock", "critical", True, ["deadlock!take_second"])]'
check "alerts tell of the deadlock" grep -q '"event":"begin","rule":"deadlock","severity":"critical"' "$work/alerts"
untouched "$pid"
stop

# Shares over classes: lock 40, disk 30, sleep 30, most waits shorter than a sweep is long.
mkdir -p "$work/disk"
target waits --dir "$work/disk"
truth; cp "$truth" "$work/before.json"
n1top record -p "$pid" -d 12 -o "$work/w.n1"; expect_status 0
truth
n1top export "$work/w.n1" --format json -o "$work/w.json"; expect_status 0
# Waits for the disk that are much shorter than a sweep still count up to a third too little (sampler/waits/README.md).
python3 tests/integration/waits.py "$work/w.json" "$work/before.json" "$truth" 13 || fail "shares of waits"
json "$work/w.json" 'd["io"]["files"] and d["io"]["functions"][0]["function"].endswith("wait_disk")'
untouched "$pid"
stop

# As an ordinary user, on a process of their own.
if [ "$(id -u)" = 0 ]; then
    as_user "$TARGETS/sleepers" --for 20 > "$work/user.out" 2>&1 &
    user=$!
    started+=("$user")
    wait_for 5 grep -q ready "$work/user.out"
    user=$(pgrep -P "$user" sleepers || echo "$user")
    (umask 0; : > "$work/u.json"; as_user "$N1" dump -p "$user" --json > "$work/u.json" 2> "$work/u.err") || fail "dump as a user: $(cat "$work/u.err")"
    json "$work/u.json" '[t["wait"]["class"] for t in d["threads"] if t["name"] == "lock-waiter"] == ["lock"]'
fi
