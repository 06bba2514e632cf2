#!/bin/bash
# Reports agree with what the targets measured of themselves: shares within 3 sigma of counting statistics. One run in
# some hundred is outside by chance alone, so a share that is gets one longer run, in which a real bias weighs more
# sigmas, not fewer; that run decides.
. tests/integration/lib.sh
need perf
accuracy() { python3 tests/integration/accuracy.py "$@"; }
rate=997

# Records $pid for $1 s between two truths: sets $report $before $after.
record_between() {
    report=$work/report.json before=$work/before.json after=$work/after.json
    truth; cp "$truth" "$before"
    n1top record -p "$pid" -d "$1" -r $rate --format json -o "$report" ${options-}
    expect_status 0
    truth; cp "$truth" "$after"
    untouched "$pid"
    valid_report "$report"
}

# split_of NAME FUNCTION... [--symbols FILE]
split_of() {
    local name=$1; shift
    target "$name"
    record_between 3
    if ! accuracy split "$report" "$before" "$after" "$@" > "$work/figures"; then
        cat "$work/figures"
        record_between 12
        accuracy split "$report" "$before" "$after" "$@" > "$work/figures" || fail "$name: $(cat "$work/figures")"
    fi
    echo "$name: $(cat "$work/figures")"
    stop
}

for name in split split-fp split-static-pie split-debuglink split-minidebug; do
    split_of $name hot_a hot_b hot_c
done
split_of split-stripped hot_a hot_b hot_c --symbols "$TARGETS/split"
split_of cxx app::Circle::area 'app::fold<double>' 'app::Handler::operator()' app::risky
split_of dlopen plugin_hot_a plugin_hot_b
split_of threads16 work_even work_odd
options=--children split_of forks parent_hot worker_hot

# Recursion counts once, and the stack is whole: main, run, 60 times descend, bottom, spin.
target recursion
record_between 3
accuracy share "$report" descend 0.98 || fail "descend"
accuracy share "$report" bottom 0.98 || fail "bottom"
accuracy share "$report" main 0.98 || fail "main: the stack is cut"
json "$report" 'd["sampler"]["truncated"] <= 0.005 * d["sampler"]["samples"]'
stop

target threads16
record_between 5
if ! accuracy threads "$report" "$before" "$after"; then
    record_between 20
    accuracy threads "$report" "$before" "$after" || fail "threads"
fi
stop

# Threads that live for a millisecond are seen too.
target churn
record_between 3
accuracy share "$report" churn_work 0.75 || fail "churn_work"
stop

# Samples times their weight is CPU time.
target split
python3 tests/integration/accuracy.py watch "$pid" "$work/watched.json" &
watcher=$!; started+=("$watcher")
sleep 0.2
record_between 8
sleep 0.2
kill -TERM "$watcher"; wait "$watcher"
accuracy cpu "$report" "$work/watched.json" || fail "CPU seconds"
