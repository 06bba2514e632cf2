#!/bin/bash
# Where perf events are refused to an ordinary user, in part or altogether: what is chosen instead, what is said of it, and
# that what is then seen is true. The level 3 of kernel.perf_event_paranoid, which only some distributions' kernels know, is put together
# of what it is made of: the file that says 3, and the call that answers EACCES.
. tests/integration/lib.sh
need root
make -s BUILD="$build" "$build/faults/refuse" > "$work/make" 2>&1 || fail "$(tail -3 "$work/make")"
paranoid=/proc/sys/kernel/perf_event_paranoid
chmod 1777 "$work"

# A target of nobody's, its binary deleted when it runs: mine [PREFIX...]; sets $pid and $truth.
mine() {
    truth=$work/mine-${#started[@]}.json
    cp "$TARGETS/split" "$work/mine"; chmod 0755 "$work/mine"
    as_user "$@" "$work/mine" --truth "$truth" > "$work/mine.out" 2>&1 & started+=($!)
    wait_for 20 grep -q ready "$work/mine.out"
    pid=$(pgrep -u 65534 -x mine | head -n 1)
    started+=("$pid")
    rm -f "$work/mine"
    fds_at_start[$pid]=$(count_fds "$pid")
}
# n1top as nobody where the level is LEVEL: at LEVEL ARG...
at() {
    local level=$1 refuse=(); shift
    [ "$level" -le 2 ] || refuse=("$build/faults/refuse" perf_event_open=EACCES)
    echo "$level" > "$work/level"
    timeout -k 5 "$limit" unshare -m bash -c 'mount --bind "$0" '$paranoid' && exec "$@"' "$work/level" \
        setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- \
        env XDG_RUNTIME_DIR= XDG_CONFIG_HOME=/nonexistent HOME=/nonexistent "${refuse[@]}" "$N1" "$@" > "$out" 2> "$err" < /dev/null
    status=$?
}
# What REPORT saw of the three functions agrees with what the target says of itself.
true_shares() {
    json "$1" 'sum(abs(sum(v["total_seconds"] for v in d["functions"].values() if v["name"] == f) / max(sum(v["self_seconds"] or 0 for v in d["functions"].values()), 1e-9) - p) for f, p in (("hot_a", .5), ("hot_b", .3), ("hot_c", .2))) < 6 * (d["sampler"]["samples"] or 1) ** -.5'
}

echo "an ordinary user at level 2: engine perf, without the kernel, and that is said"
mine
at 2 record -p "$pid" -d 2 --format json -o "$work/two.json"
expect_status 0
json "$work/two.json" 'd["sampler"]["engine"] == "perf" and not any(f["kind"] == "kernel" and f["self_seconds"] for f in d["functions"].values())'
true_shares "$work/two.json"
at 2 record -p "$pid" -d 1 -o "$work/two.n1"
at 2 report "$work/two.n1"
check "the report does not say what is hidden: $(head -4 "$out")" grep -q 'kernel hidden (not permitted)' "$out"
at 2 doctor -p "$pid"
check "doctor does not say it" grep -q '^limited.*kernel time: hidden, kernel.perf_event_paranoid is 2' "$out"

echo "at level 3 threads are stopped instead, and the reason is everywhere"
at 3 record -p "$pid" -d 2 --format json -o "$work/three.json"
expect_status 0
json "$work/three.json" 'd["sampler"]["engine"] == "ptrace" and d["sampler"]["samples"] > 10'
json "$work/three.json" 'd["sampler"]["engine_reason"] == "perf_event_open refused (kernel.perf_event_paranoid)"'
true_shares "$work/three.json"
at 3 record -p "$pid" -d 1 -o "$work/three.n1"
at 3 "$work/three.n1" --dump-frame --size 200x50
check "the screen does not say why: $(head -4 "$out")" grep -q 'ptrace .*perf_event_open refused (kernel.perf_event_paranoid)' "$out"
at 3 dump -p "$pid"
expect_status 0
at 3 doctor -p "$pid"
check "doctor does not say what refused: $(grep perf "$out")" grep -q '^refused.*engine perf: .*kernel.perf_event_paranoid is 3\. sysctl kernel.perf_event_paranoid=2' "$out"
check "doctor does not say what serves" grep -q '^ok .*engine ptrace' "$out"

echo "asked for perf there, it is one clear error with the remedy"
at 3 record -p "$pid" -d 1 --engine perf -o "$work/none.n1"
expect_status 4
check "not one clear error: $(cat "$err")" [ "$(wc -l < "$err")" -le 3 ]
check "it does not name the level: $(cat "$err")" grep -q 'kernel.perf_event_paranoid is 3' "$err"
check "it does not name the remedy: $(cat "$err")" grep -q 'sysctl kernel.perf_event_paranoid=2.*--engine ptrace' "$err"
check "a refused run left a file" [ ! -e "$work/none.n1" ]
untouched "$pid"
stop "$pid"

echo "a target in PID and mount namespaces of its own, its binary deleted, watched through a container's filter"
mine unshare --user --map-current-user --pid --mount --fork --kill-child --mount-proc
check "it is in no namespace of its own" [ "$(readlink "/proc/$pid/ns/pid")" != "$(readlink /proc/self/ns/pid)" ]
check "its binary is there" sh -c "readlink /proc/$pid/exe | grep -q deleted"
as_user "$build/faults/refuse" perf_event_open "$N1" record -p "$pid" -d 2 --format json -o "$work/ns.json" > "$out" 2> "$err"
status=$?; expect_status 0
json "$work/ns.json" 'd["sampler"]["engine"] == "ptrace" and d["sampler"]["engine_reason"] == "perf_event_open refused (seccomp)"'
true_shares "$work/ns.json"
as_user "$N1" record -p "$pid" -d 2 --format json -o "$work/ns-perf.json" > "$out" 2> "$err"
status=$?; expect_status 0
json "$work/ns-perf.json" 'd["sampler"]["engine"] == "perf"'
true_shares "$work/ns-perf.json"
untouched "$pid"
stop "$pid"

echo "n1top in the container too"
cp "$TARGETS/split" "$work/mine"
as_user unshare --user --map-current-user --pid --mount --fork --kill-child --mount-proc "$build/faults/refuse" perf_event_open \
    bash -c '"$0" --truth "$1/in.json" > "$1/in.out" & until grep -q ready "$1/in.out"; do sleep 0.05; done; rm -f "$0"
        "$2" record -p $! -d 2 --format json -o "$1/in-report.json"; status=$?; kill $!; exit $status' "$work/mine" "$work" "$N1" > "$out" 2> "$err"
status=$?; expect_status 0
json "$work/in-report.json" 'd["sampler"]["engine"] == "ptrace" and d["targets"][0]["pid"] < 100'
true_shares "$work/in-report.json"
