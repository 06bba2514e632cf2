#!/bin/bash
# Three programs of Debian's that nobody here wrote, under load, seen by perf record and by n1top at the same time:
# redis-server (switches all the time), pigz with more than 200 threads, xz (computes). compare_perf.py says what must
# agree. perf watches in the same way as n1top does:
#   threads  each by its own clock. Two clocks on one thread are started one after the other at each switch to it, and
#            the first one counts the start of the second as the thread's time: so there are two measurements, with
#            perf attached first and with n1top attached first, added up.
#   CPUs     as n1top does with what switches often, because the start of a clock at each switch is then much of what
#            a clock sees (finish_task_switch is 20 % of redis under perf record -p alone, and 5 % under perf record -a).
#            perf with copies of stacks counts up to 10 % more than the CPU time there, and without them 3 % less: its
#            reader runs just after a sample, and no sample of its own meets it. So the number of samples is held
#            against the CPU time that the kernel booked, and only shares against perf.
# If a share is off, once more and longer: what is off by chance is not off there.
. tests/integration/lib.sh
need root
for program in perf redis-check-rdb redis-benchmark pigz xz nm; do
    command -v "$program" > /dev/null || skip "$program is not installed: tools/deps --real"
done
perf record -q -N -e cpu-clock -o "$work/probe" true > "$work/probe.err" 2>&1 ||
    skip "perf record does not work here: $(tail -n 1 "$work/probe.err")"
rm -f "$work/probe"

threads_of() { find "/proc/$1/task" -mindepth 1 -maxdepth 1 2> /dev/null | wc -l; }

record_perf() { # SECONDS HZ WHOM...
    local seconds=$1 rate=$2; shift 2
    # Among 200 threads that want all CPUs it would lose more samples than it keeps.
    nice -n -15 perf record -q -N -k CLOCK_MONOTONIC -m 16M -e cpu-clock -F "$rate" --call-graph dwarf,16384 "$@" \
        -o "$work/perf.data" -- sleep "$seconds" > "$work/perf.err" 2>&1 &
    tool=$!
    started+=($tool)
}

# The sampler's own CPU limit would lower the rate, which perf has not; events of page faults would be counted with the clocks.
echo '{"profiling": {"limits": {"cpu_percent": 100}, "memory_tracking": false}}' > "$work/config.json"
record_n1() { # SECONDS
    "$N1" record --config "$work/config.json" -p "$pid" -d "$1" -r 997 -o "$work/real.n1" > "$work/n1.err" 2>&1 &
    tool=$!
    started+=($tool)
}

# The events of a tool, by its descriptors: opened anew, they have other numbers.
events_of() {
    local p
    for p in "$1" $(pgrep -P "$1"); do
        find "/proc/$p/fd" -lname 'anon_inode:\[perf_event\]' 2> /dev/null
    done | sort
}

# Until a tool has had the same events for 3 s: in its first seconds n1top opens them anew, once it knows how much
# stack is needed and how the process is watched best, and would then be the second to attach after all.
settle() {
    local now since=0 before=""
    for _ in $(seq 60); do
        now=$(events_of "$1")
        [ -n "$now" ] && [ "$now" = "$before" ] || since=$SECONDS before=$now
        [ $((SECONDS - since)) -lt 3 ] || return 0
        sleep 0.25
    done
    fail "the events of process $1 change all the time"
}

# Whether n1top watches whole CPUs: one event a CPU beside that of its ring, however many threads there are.
watches_cpus() { [ "$(threads_of "$pid")" -gt 1 ] && [ "$(events_of "$1" | wc -l)" -le $((2 * $(nproc))) ]; }

end() { # TOOL NAME
    kill -INT "$1" 2> /dev/null
    wait "$1"
    [ -s "$work/perf.data" ] || [ "$2" = n1 ] || fail "no recording of perf: $(cat "$work/perf.err")"
    [ -s "$work/real.n1" ] || [ "$2" = perf ] || fail "no recording of n1top: $(cat "$work/n1.err")"
}

# Time of the monotonic clock and CPU time of all threads, in ns.
cpu_time() { python3 -c 'import glob, sys, time
print(time.monotonic_ns(), sum(int(open(f).read().split()[0]) for f in glob.glob(f"/proc/{sys.argv[1]}/task/*/schedstat")))' "$pid"; }

keep() { # NAME
    mv "$work/real.n1" "$work/$1.n1"
    perf script -i "$work/perf.data" --pid "$pid" --no-inline --ns -F tid,time,event,ip,sym,dso --show-lost-events \
        > "$work/$1.script" 2> "$work/perf.err" || fail "perf script: $(tail -n 3 "$work/perf.err")"
    rm -f "$work/perf.data"
    recordings+=("$work/$1.n1" "$work/$1.script")
}

both() { # NAME SECONDS OUT
    local first how=threads recordings=()
    record_n1 $(($2 + 60)); first=$tool
    settle $first
    if watches_cpus $first; then
        how=cpus
        # At one rate each would always see the CPU just after the other's sample, when that one's reader may run.
        cpu_time > "$work/$1.cpu"
        record_perf "$2" 1009 --all-cpus --cpu "$cpus"
        wait $tool
        cpu_time >> "$work/$1.cpu"
        end $first n1; keep "$1-1"
        how=$work/$1.cpu
    else
        record_perf "$2" 997 --pid "$pid"
        wait $tool; end $first n1; keep "$1-1"
        record_perf $(($2 + 60)) 997 --pid "$pid"; first=$tool
        settle $first
        record_n1 "$2"
        wait $tool; end $first perf; keep "$1-2"
    fi
    python3 tests/integration/compare_perf.py count "$how" "$3" "${recordings[@]}" || fail "$1: cannot be compared"
}

failed=""
compare() { # NAME SECONDS
    echo "$1, process $pid, $(threads_of "$pid") threads"
    both "$1" "$2" "$work/$1.json"
    python3 tests/integration/compare_perf.py judge "$work/$1.json" && return
    echo "$1 once more, longer"
    both "$1" $((2 * $2)) "$work/$1-again.json"
    python3 tests/integration/compare_perf.py judge "$work/$1.json" "$work/$1-again.json" || failed="$failed $1"
}

start() { # COMMAND...
    taskset -c "$cpus" "$@" <&0 > /dev/null 2> "$work/start.err" & # of itself it would read /dev/null
    pid=$!
    started+=("$pid")
}

# Endless input that is neither random nor all the same, until its reader is gone.
text() { while cat "$(command -v perf)" /usr/share/common-licenses/GPL-3; do :; done 2> /dev/null; }

# Two CPUs are enough, and bound what perf writes when it watches all that runs on them.
cpus=$(python3 -c 'import os; print(",".join(map(str, sorted(os.sched_getaffinity(0))[:2])))')

# Debian has the server under two names, and only the other one comes without a service.
ln -s "$(command -v redis-check-rdb)" "$work/redis-server"
start "$work/redis-server" --port 0 --unixsocket "$work/redis.sock" --dir "$work" --save '' --appendonly no
server=$pid
wait_for 10 test -S "$work/redis.sock"
start redis-benchmark -s "$work/redis.sock" -c 50 -n 20000 -l -r 100000 -t set,get,lpush,lpop,sadd,zadd
load=$pid pid=$server
compare redis "${N1_REAL_SECONDS:-25}"
stop "$load"
stop "$server"

start pigz -p 220 -c < <(text)
more_than_200() { [ "$(threads_of "$pid")" -gt 200 ]; }
wait_for 20 more_than_200
compare pigz "${N1_REAL_SECONDS:-8}"
stop "$pid"

start xz -6 -T1 -c < <(text)
compare xz "${N1_REAL_SECONDS:-8}"
stop "$pid"

[ -z "$failed" ] || fail "not as perf sees it:$failed"
