#!/bin/bash
# Engine B: it takes over where perf is refused and says so; its shares agree with the target's own truth; it leaves
# the target as it was, also when it is killed or stopped in the midst; a debugger and it make way for each other.
# N1_PTRACE_KILLS=N: how often the sampler is killed and stopped (5).
. tests/integration/lib.sh
kills=${N1_PTRACE_KILLS:-5}
make -s BUILD="$build" "$build/faults/refuse" "$build/faults/account" > "$work/make" 2>&1 || fail "$(tail -3 "$work/make")"
refuse() { timeout -k 5 "$limit" "$build/faults/refuse" "$@" > "$out" 2> "$err" < /dev/null; status=$?; }

# Shares of REPORT against the target's truth between two files. Weights vary where samples are missed, so the
# samples that were taken are counted, and each is allowed twice the variance.
shares() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import json, math, sys
report, before, after = (json.load(open(p)) for p in sys.argv[1:])
n = report["sampler"]["samples"]
names = list(after["functions"])
truth = {f: after["functions"][f] - before["functions"].get(f, 0) for f in names}
seen = {f: sum(v["total_seconds"] for v in report["functions"].values() if v["name"] == f) for f in names}
bad = n < 50
for f in names:
    want, got = truth[f] / sum(truth.values()), seen[f] / max(sum(seen.values()), 1e-9)
    sigma = math.sqrt(2 * want * (1 - want) / max(n, 1))
    print(f"{f} {got:.3f} of {want:.3f}, {(got - want) / sigma:+.1f} sigma;", end=" ")
    bad |= abs(got - want) > 3 * sigma
print(f"{n} samples, {report['sampler']['missed']} missed, stops p50 {report['sampler']['pause_us']['p50']:.0f} us")
sys.exit(bad)
PYTHON
}

measure() { # SECONDS COMMAND...: a report of $pid by COMMAND between two truths
    local seconds=$1; shift
    truth; cp "$truth" "$work/before"
    timeout -k 5 "$limit" "$@" record -p "$pid" -d "$seconds" -r 241 --engine "$engine" --format json -o "$work/r.json" > "$out" 2> "$err" < /dev/null
    status=$?; expect_status 0
    truth; cp "$truth" "$work/after"
    untouched "$pid"
    valid_report "$work/r.json"
    json "$work/r.json" "d['sampler']['engine'] == 'ptrace'"
}

split_by() { # one run in some hundred is outside by chance: a longer one decides
    measure 3 "$@"
    shares "$work/r.json" "$work/before" "$work/after" || { measure 10 "$@"; shares "$work/r.json" "$work/before" "$work/after"; } ||
        fail "shares are not the truth's"
}

target split
engine=ptrace; split_by "$N1"
json "$work/r.json" "d['sampler']['engine_reason'] == 'asked for' and d['sampler']['races'] == 0"
engine=auto; split_by "$build/faults/refuse" perf_event_open "$N1"
json "$work/r.json" "d['sampler']['engine_reason'] == 'perf_event_open refused (seccomp)'"

refuse perf_event_open "$N1" dump -p "$pid"; expect_status 0
check "the dump has the running thread's stack" grep -q main "$out"
refuse perf_event_open "$N1" doctor -p "$pid"
check "doctor says that ptrace serves" grep -q '^ok .*engine ptrace on it' "$out"
refuse perf_event_open,ptrace "$N1" record -p "$pid" -d 1 -o "$work/none.n1"; expect_status 4
check "both refusals are said" grep -q 'perf_event_open.*ptrace refused' "$err"
untouched "$pid"
stop

# Threads that sleep most of the time and many more than CPUs: the time is where they work, not where they wait.
target threads16
engine=ptrace; measure 3 "$N1"
json "$work/r.json" "sum(f['self_percent'] or 0 for f in d['functions'].values() if 'nanosleep' in f['name']) < 10"
stop

if [ "$(id -u)" = 0 ]; then
    # An ordinary user under a filter, and a target in namespaces of its own.
    cp "$TARGETS/split" "$work/mine"; chmod 0755 "$work/mine"; chmod 1777 "$work"
    as_user "$work/mine" --truth "$work/mine.json" > "$work/mine.out" & started+=($!); pid=$!
    wait_for 20 grep -q ready "$work/mine.out"
    pid=$(pgrep -u 65534 -x mine | head -1)
    engine=auto limit=30
    as_user "$build/faults/refuse" perf_event_open "$N1" record -p "$pid" -d 2 --format json -o "$work/user.json" > "$out" 2> "$err"
    status=$?; expect_status 0
    json "$work/user.json" "d['sampler']['engine'] == 'ptrace' and d['sampler']['samples'] > 10"
    # Its samples stand for kernel time too: nothing is hidden, and nothing was refused that would show it.
    as_user "$build/faults/refuse" perf_event_open "$N1" record -p "$pid" -d 2 -o "$work/user.n1" > "$out" 2> "$err"
    n1top report "$work/user.n1"; expect_status 0
    check "where kernel time went: $(head -4 "$out")" grep -q 'kernel time counts to its callers' "$out"
    n1top "$work/user.n1" --dump-frame --size 120x40; expect_status 0
    check "hidden where nothing is: $(head -4 "$out")" sh -c "! grep -q hidden '$out'"
    as_user "$build/faults/refuse" perf_event_open "$N1" record -p $$ -d 1 -o "$work/none.n1" > "$out" 2> "$err"
    status=$?; expect_status 4
    stop

    unshare --pid --mount --fork --mount-proc "$TARGETS/split" --truth "$work/ns.json" > "$work/ns.out" & started+=($!)
    unshare=$!
    wait_for 20 grep -q ready "$work/ns.out"
    pid=$(pgrep -P "$unshare")
    started+=("$pid")
    n1top record -p "$pid" -d 2 --engine ptrace --format json -o "$work/ns-report.json"; expect_status 0
    json "$work/ns-report.json" "any('hot_a' in k for k in d['functions'])"
    stop "$pid"
fi

# The target's own books, and a sampler that is stopped and killed at random moments.
said=$work/account.out truth=$work/account.json
"$build/faults/account" --truth "$truth" sum loop waits timers signals > "$said" 2> "$said.err" & pid=$!
started+=("$pid"); fds_at_start[$pid]=
wait_for 20 grep -q '^ready$' "$said"
state_of_threads() { cat /proc/"$pid"/task/*/status | awk '/^State:/ {s = $2} /^TracerPid:/ {if (s ~ /[tT]/ || $2) bad = 1} END {exit bad}'; }
for i in $(seq "$kills"); do
    "$N1" record -p "$pid" -d 30 -r 241 --engine ptrace -o "$work/k.n1" > /dev/null 2>&1 & run=$!
    wait_for 20 pgrep -P "$run" -x n1top-sampler > /dev/null
    sampler=$(pgrep -P "$run" -x n1top-sampler | head -1)
    sleep 0.$((RANDOM % 40 + 10))
    kill -STOP "$sampler"
    wait_for 5 state_of_threads # within 150 ms; a busy machine needs longer to look
    kill -KILL "$sampler"
    wait "$run" 2> /dev/null
    wait_for 5 state_of_threads
done
rm -f "$work"/k.n1* 
n1top record -p "$pid" -d 3 -r 241 --engine ptrace --format json -o "$work/account-report.json"; expect_status 0
races=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["sampler"]["races"])' "$work/account-report.json")
kill -TERM "$pid"; wait "$pid"
python3 - "$truth" "$races" "$kills" <<'PYTHON' || fail "the target's books are not those of an unwatched run"
import json, sys
books, races, kills = json.load(open(sys.argv[1]))["counts"], int(sys.argv[2]), int(sys.argv[3])
eintr = sum(v for k, v in books.items() if k.startswith("eintr_"))
print({k: v for k, v in books.items() if v}, "races", races)
# The killed samplers took their counts with them: at most one a thread a second is possible, by the rest after a race.
wrong = [k for k in books if k.endswith(("_bad", "_wrong", "_lost")) and books[k]]
sys.exit(bool(wrong) or eintr > races + 4 * kills)
PYTHON

# A debugger: while it is there nothing is sampled, and nothing of it disturbed; it can come between two samples.
target split
python3 - "$pid" <<'PYTHON' &
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
seize = 0x4206
print(libc.ptrace(seize, int(sys.argv[1]), 0, 0), flush=True)
time.sleep(30)
PYTHON
debugger=$!; started+=("$debugger")
wait_for 10 grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$pid/status"
n1top record -p "$pid" -d 1 --engine ptrace --format json -o "$work/held.json"
check "the debugger still holds it" grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$pid/status"
kill -KILL "$debugger"; wait "$debugger" 2> /dev/null
n1top record -p "$pid" -d 1 --engine ptrace --format json -o "$work/free.json"; expect_status 0
json "$work/free.json" "d['sampler']['samples'] > 0"
untouched "$pid"
