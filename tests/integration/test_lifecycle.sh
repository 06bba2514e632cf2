#!/bin/bash
# What a target may do while it is watched, or be before: each gives a right report or one clear line, never a hang.
. tests/integration/lib.sh
need perf

record() { n1top record "$@" -r 499 --format json -o "$work/r.json"; }
share() { python3 tests/integration/accuracy.py share "$work/r.json" "$@" || fail "share of $1"; }
one_clear_line() {
    check "no message" [ -s "$err" ]
    check "more than three lines: $(cat "$err")" [ "$(wc -l < "$err")" -le 3 ]
    check "not our message: $(cat "$err")" grep -q '^n1top: ' "$err"
}

echo "the target ends during the recording"
target early 1500
record -p "$pid" -d 20
expect_status 0
valid_report "$work/r.json"
share last_words 0.9

echo "it becomes another program"
target execs 1500 -- "$TARGETS/split" --limit 30
record -p "$pid" -d 4
expect_status 0
valid_report "$work/r.json"
share before_exec 0.1 0.7
share hot_a 0.1 0.6
untouched_exe=$(readlink "/proc/$pid/exe")
check "it is not split" [ "$(basename "$untouched_exe")" = split ]
stop

echo "its workers come and go"
target forks 3 200
record -p "$pid" --children -d 3
expect_status 0
valid_report "$work/r.json"
share worker_hot 0.4
share parent_hot 0.05
stop

echo "without --children only the process itself counts"
target forks 3
record -p "$pid" -d 2
expect_status 0
share parent_hot 0.9
stop

echo "libraries come and go"
target dlopen
record -p "$pid" -d 3
expect_status 0
share plugin_hot_a 0.3
share plugin_hot_b 0.2
untouched "$pid"
stop

echo "hundreds of threads a second"
target churn 500
record -p "$pid" -d 3
expect_status 0
share churn_work 0.6
kill -0 "$pid" || fail "the target died"
stop

echo "it sleeps: no samples are no error"
target sleepers
record -p "$pid" -d 2
expect_status 0
valid_report "$work/r.json"
json "$work/r.json" 'sum(f["self_seconds"] for f in d["functions"].values()) < 0.1'
untouched "$pid"
stop

echo "it is stopped, and goes on later"
target split
kill -STOP "$pid"
record -p "$pid" -d 1
expect_status 0
valid_report "$work/r.json"
check "it was set running" grep -q '^State:.*T' "/proc/$pid/status"
(sleep 1; kill -CONT "$pid") &
record -p "$pid" -d 3
expect_status 0
share hot_a 0.3
untouched "$pid"

echo "Ctrl-C writes what there is"
timeout -k 5 30 "$N1" record -p "$pid" -r 499 --format json -o "$work/r.json" > "$out" 2> "$err" < /dev/null &
recorder=$!
started+=("$recorder")
sleep 2
rm -f "$work/r.json"
kill -INT "$(pgrep -P "$recorder" | head -n 1)"
wait "$recorder"
check "exit status $? after Ctrl-C" [ $? = 0 ]
valid_report "$work/r.json"
share hot_a 0.3
untouched "$pid"
stop

echo "a command is started, watched, and its end is seen"
n1top record -r 499 --format json -o "$work/r.json" -- "$TARGETS/split" --for 2
expect_status 0
valid_report "$work/r.json"
share hot_a 0.3
n1top record -r 499 --format json -o "$work/r.json" -- /nonexistent/program
check "a command that is not there gives $status" [ "$status" != 0 ]
one_clear_line

echo "no such process"
n1top record -p 4194304 -d 1 -o "$work/none.json" --format json
expect_status 3
one_clear_line
n1top record -p surely-no-such-name -d 1 -o "$work/none.json" --format json
expect_status 3
one_clear_line

echo "a zombie"
target zombie
zombie=$(python3 -c "import json; print(json.load(open('$truth'))['counts']['zombie'])")
n1top record -p "$zombie" -d 1 -o "$work/none.json" --format json
expect_status 3
one_clear_line
stop

echo "a kernel thread"
kernel=$(ps --ppid 2 -o pid= 2> /dev/null | head -n 1 | tr -d ' ')
if [ -n "$kernel" ]; then
    n1top record -p "$kernel" -d 1 -o "$work/none.json" --format json
    expect_status 2
    one_clear_line
    check "the message does not say why: $(cat "$err")" grep -q 'kernel thread' "$err"
else
    echo "skipped: there is no kernel thread to see here"
fi

echo "a process of another user"
if [ "$(id -u)" = 0 ]; then
    target split
    chmod 0777 "$work"
    as_user env XDG_RUNTIME_DIR= timeout -k 5 20 "$N1" record -p "$pid" -d 1 --format json -o "$work/none.json" > "$out" 2> "$err" < /dev/null
    status=$?
    expect_status 4
    one_clear_line
    untouched "$pid"
    stop

    echo "an ordinary user on a process of its own"
    cp "$TARGETS/split" "$work/split"; chmod 0755 "$work/split"
    mkdir -m 0777 "$work/free"
    as_user timeout -k 5 40 "$N1" record --format json -o "$work/free/own.json" -- "$work/split" --for 2 > "$out" 2> "$err" < /dev/null
    status=$?
    if [ "$(cat /proc/sys/kernel/perf_event_paranoid)" -le 2 ]; then
        expect_status 0
        cp "$work/free/own.json" "$work/r.json"
        valid_report "$work/r.json"
        share hot_a 0.3
    else
        [ "$status" = 0 ] || one_clear_line
    fi
else
    echo "skipped: another user's process needs root to set up"
fi
check "a file was left by a failure" [ ! -e "$work/none.json" ]
