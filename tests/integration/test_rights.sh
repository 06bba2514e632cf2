#!/bin/bash
# Who may watch whom, and what each of the three processes may still do while it runs.
. tests/integration/lib.sh
need root
need perf

field() { awk -v name="$2:" '$1 == name {print $2}' "/proc/$1/status" 2> /dev/null; }
child_of() { cat "/proc/$1/task/$1/children" 2> /dev/null | awk '{print $1}'; }
# as NOBODY with its own folders
user_n1top() {
    as_user env XDG_RUNTIME_DIR= XDG_CONFIG_HOME=/nonexistent TMPDIR="$work/free" \
        timeout -k 5 60 "$@" > "$out" 2> "$err" < /dev/null
    status=$?
}
chmod 0755 "$work"
mkdir -m 0777 "$work/free"

echo "what the three processes hold while they run"
target split
"$N1" record -p "$pid" -d 30 -o "$work/r.n1" > "$out" 2> "$err" < /dev/null &
recorder=$!
started+=("$recorder")
sampled() { sampler=$(child_of "$recorder"); [ -n "$sampler" ] && [ "$(field "$sampler" Seccomp)" = 2 ] && [ "$(field "$recorder" NoNewPrivs)" = 1 ]; }
wait_for 10 sampled
check "the screen has capabilities: $(field "$recorder" CapPrm)" [ "$(field "$recorder" CapPrm)" = 0000000000000000 ]
check "the sampler can gain rights" [ "$(field "$sampler" NoNewPrivs)" = 1 ]
# sys_admin 21, perfmon 38, sys_ptrace 19, dac_read_search 2, checkpoint_restore 40, syslog 34, ipc_lock 14, sys_nice 23, setgid 6,
# setuid 7, kill 5
most=$((1 << 21 | 1 << 38 | 1 << 19 | 1 << 2 | 1 << 40 | 1 << 34 | 1 << 14 | 1 << 23 | 1 << 6 | 1 << 7 | 1 << 5))
check "the sampler holds more than it needs: $(field "$sampler" CapPrm)" [ $((0x$(field "$sampler" CapPrm) & ~most)) = 0 ]
helped() { helper=$(child_of "$sampler"); [ -n "$helper" ] && [ "$(field "$helper" Uid)" = 65534 ] && [ "$(field "$helper" Seccomp)" = 2 ]; }
wait_for 15 helped
check "the helper has capabilities" [ "$(field "$helper" CapPrm)" = 0000000000000000 ]
check "the helper can gain rights" [ "$(field "$helper" NoNewPrivs)" = 1 ]
kill -INT "$recorder"
wait "$recorder"
check "the recording failed: $(cat "$err")" [ -s "$work/r.n1" ]
check "the recording can be read by others" [ "$(stat -c %a "$work/r.n1")" = 600 ]

echo "under sudo everything on this side is the invoking user's"
SUDO_UID=65534 SUDO_GID=65534 n1top record -p "$pid" -d 1 -o "$work/free/sudo.n1"
expect_status 0
check "the owner is $(stat -c %u:%g "$work/free/sudo.n1")" [ "$(stat -c %u:%g "$work/free/sudo.n1")" = 65534:65534 ]
mkdir -m 0700 "$work/closed"
SUDO_UID=65534 SUDO_GID=65534 n1top record -p "$pid" -d 1 -o "$work/closed/x.n1"
expect_status 4
for bad in "0 0" "abc 0" "65534 0" "-1 -1" "4294967295 1"; do
    SUDO_UID=${bad% *} SUDO_GID=${bad#* } n1top record -p "$pid" -d 0.2 -o "$work/closed/y.n1"
    expect_status 0
    check "$bad: the owner is $(stat -c %u "$work/closed/y.n1")" [ "$(stat -c %u "$work/closed/y.n1")" = 0 ]
done
untouched "$pid"

echo "a setuid sampler, and a setuid screen, refuse to run"
mkdir "$work/suid"
cp "$N1" "$N1-sampler" "$work/suid/"
chmod 0755 "$work/suid" "$work/suid/n1top"
chmod 4755 "$work/suid/n1top-sampler"
user_n1top "$work/suid/n1top" record -p "$pid" -d 1 -o "$work/free/no.n1"
expect_status 4
grep -q setuid "$err" || fail "it does not say why: $(cat "$err")"
chmod 4755 "$work/suid/n1top"
user_n1top "$work/suid/n1top" status
expect_status 4

echo "what root may, the reduced sampler still can: probes on the allocator"
target memory
n1top leaks -p "$pid" -d 2 --trace
expect_status 0
! grep -q 'need CAP_' "$err" "$out" || fail "probes are refused: $(cat "$err" "$out")"
stop
target split

echo "with file capabilities on the sampler a user sees the kernel in own processes, and nothing of others"
mkdir -m 0755 "$work/caps"
cp "$N1" "$N1-sampler" "$TARGETS/pingpong" "$work/caps/"
chmod 0755 "$work/caps/"*
setcap cap_perfmon,cap_sys_ptrace+ep "$work/caps/n1top-sampler" || skip "setcap does not work here"
user_n1top "$work/caps/n1top" record --format json -o "$work/free/caps.json" -- "$work/caps/pingpong" --for 2
expect_status 0
json "$work/free/caps.json" 'any(f["kind"] == "kernel" for f in d["functions"].values())'
user_n1top "$N1" record --format json -o "$work/free/plain.json" -- "$work/caps/pingpong" --for 2
[ "$(cat /proc/sys/kernel/perf_event_paranoid)" -lt 2 ] ||
    json "$work/free/plain.json" 'not any(f["kind"] == "kernel" and f["self_seconds"] for f in d["functions"].values())'
user_n1top "$work/caps/n1top" record -p "$pid" -d 1 -o "$work/free/no.n1"
expect_status 4
user_n1top "$work/caps/n1top" dump -p "$pid"
expect_status 4

echo "an allowed group is the administrator's word, not the caller's"
echo '{"profiling": {"allow_group": "nogroup"}}' > "$work/free/config.json"
user_n1top "$work/caps/n1top" record --config "$work/free/config.json" -p "$pid" -d 1 -o "$work/free/no.n1"
expect_status 4
mkdir -p "$work/etc"
with_etc() { # in a mount namespace whose /etc/n1top is ours
    unshare -m bash -c 'mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work &&
        mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work none /etc &&
        mkdir -p /etc/n1top && cp "$0" /etc/n1top/config.json && chmod 644 /etc/n1top/config.json && exec "$@"' "$@"
}
if with_etc "$work/free/config.json" true 2> /dev/null; then
    with_etc "$work/free/config.json" setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- \
        env XDG_RUNTIME_DIR= XDG_CONFIG_HOME=/nonexistent HOME=/nonexistent \
        timeout 60 "$work/caps/n1top" record -p "$pid" -d 1 -o "$work/free/allowed.n1" > "$out" 2> "$err" < /dev/null
    status=$?
    expect_status 0
    # Whoever is not of the group stays out.
    with_etc "$work/free/config.json" setpriv --reuid=65533 --regid=65533 --clear-groups --inh-caps=-all -- \
        env XDG_RUNTIME_DIR= XDG_CONFIG_HOME=/nonexistent HOME=/nonexistent \
        timeout 60 "$work/caps/n1top" record -p "$pid" -d 1 -o "$work/free/no.n1" > "$out" 2> "$err" < /dev/null
    status=$?
    expect_status 4
else
    echo "skipped: no overlay over /etc can be had here"
fi
untouched "$pid"

echo "a process that closed itself to its owner, and one with another's rights"
cat > "$work/closed.py" <<'PYTHON'
import ctypes, time
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
print("ready", flush=True)
time.sleep(60)
PYTHON
chmod 0644 "$work/closed.py"
setpriv --reuid=65534 --regid=65534 --clear-groups -- /usr/bin/python3 "$work/closed.py" > "$work/free/closed.out" &
closed=$!
started+=("$closed")
wait_for 10 grep -q ready "$work/free/closed.out"
for program in "$N1" "$work/caps/n1top"; do
    user_n1top "$program" record -p "$closed" -d 1 -o "$work/free/no.n1"
    expect_status 4
    grep -q "not dumpable" "$err" || fail "it does not say why: $(cat "$err")"
done
cp /bin/sleep "$work/suid/sleep"
chmod 4755 "$work/suid/sleep"
setpriv --reuid=65534 --regid=65534 --clear-groups -- "$work/suid/sleep" 60 &
other=$!
started+=("$other")
runs_as_root() { [ "$(awk '/^Uid:/ {print $3}' "/proc/$other/status")" = 0 ]; }
if findmnt -no OPTIONS -T "$work" | grep -q nosuid; then
    echo "skipped: the folder is mounted nosuid"
else
    wait_for 5 runs_as_root
    for program in "$N1" "$work/caps/n1top"; do
        user_n1top "$program" record -p "$other" -d 1 -o "$work/free/no.n1"
        expect_status 4
        grep -q "setuid program" "$err" || fail "it does not say why: $(cat "$err")"
    done
fi

echo "a process in a user namespace of its own is still its owner's"
if as_user unshare -Ur true 2> /dev/null; then
    setpriv --reuid=65534 --regid=65534 --clear-groups -- unshare -Ur "$work/caps/pingpong" --for 6 > "$work/free/spaced.out" &
    spaced=$!
    started+=("$spaced")
    inside() { [ "$(readlink "/proc/$spaced/ns/user")" != "$(readlink /proc/self/ns/user)" ] && [ "$(cat "/proc/$spaced/comm")" = pingpong ]; }
    wait_for 5 inside
    user_n1top "$N1" record -p "$spaced" -d 1 -o "$work/free/spaced.n1"
    expect_status 0
else
    echo "skipped: no user namespaces here"
fi
check "a refused run left a file" [ ! -e "$work/free/no.n1" ]
