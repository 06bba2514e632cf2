# The harness of the integration tests, for bash: source it first. One test is one program, run from the root of the
# sources by tests/run; exit 0 passed, 77 skipped (reason last), anything else failed.
#
#   target NAME [ARG...]     start a test target and wait for "ready"; sets $pid, $truth (its truth file), $said (its
#                            standard output). Never in $( ): it would die with the subshell.
#   truth [PID FILE]         have the target write its truth now, and wait for it
#   n1top [ARG...]           run the product under a hard limit ($limit seconds, 60); sets $status, $out, $err (files)
#   expect_status N          … and fail with both outputs unless it exited so
#   stop [PID]               end a target at once (the others go on until the end of the test)
#   check TEXT COMMAND...    fail unless the command succeeds
#   json FILE EXPRESSION     a Python expression over d, the parsed file, must be true
#   wait_for SECONDS COMMAND...   poll until it succeeds, else fail
#   as_user COMMAND...       run as nobody (needs root)
#   need root|perf|tmpfs     skip unless that can be had
#   untouched PID            the target runs on: not stopped, not traced, no descriptor more than at its start
#   fail TEXT / skip TEXT
# At the end everything that was started is killed, mounts are undone, $work is removed, and what the product left
# behind (processes, temporary files, sockets) is a failure.
set -u
build=${BUILD:-build}
N1=$build/n1top TARGETS=$build/targets
limit=60 status=0 pid=0
work=$(mktemp -d "${TMPDIR:-/tmp}/n1-test-XXXXXX")
chmod 0755 "$work"
out=$work/out err=$work/err
export XDG_CONFIG_HOME=$work/config XDG_RUNTIME_DIR=$work/run TERM=xterm-256color LC_ALL=C.UTF-8
export TMPDIR=$work/tmp
export CCACHE_DISABLE=1 # where one is used, it leaves files that are not the product's
mkdir -p "$XDG_CONFIG_HOME" "$TMPDIR"; mkdir -m 0700 "$XDG_RUNTIME_DIR"; chmod 1777 "$TMPDIR"
started=() mounts=()
declare -A fds_at_start=()

fail() { echo "FAILED: $*"; exit 1; }
skip() { echo "$*"; exit 77; }

# Files that the product made where temporary files go (a folder of this test's own) and did not take away.
product_litter() { find "$TMPDIR" "$XDG_RUNTIME_DIR" -mindepth 1 2> /dev/null | sort; }

# Sampler and helper processes of this test (all inherit its mark), which must be gone with the product.
product_processes() {
    local mark=${N1_TEST_MARK-} p exe
    [ -n "$mark" ] || return 0
    for p in $(grep -lsz "^N1_TEST_MARK=$mark\$" /proc/[0-9]*/environ | cut -d/ -f3); do
        exe=$(readlink "/proc/$p/exe" 2> /dev/null)
        case $exe in */n1top | */n1top-sampler) echo "$p" ;; esac
    done
}

cleanup() {
    local rc=$? p m left
    trap - EXIT
    for p in "${started[@]}"; do
        kill -CONT "$p" 2> /dev/null; kill -KILL "$p" 2> /dev/null
    done
    wait 2> /dev/null
    for _ in $(seq 30); do
        left=$(product_processes)
        [ -n "$left" ] || break
        sleep 0.1
    done
    if [ -n "$left" ]; then
        echo "left behind by the product:"
        for p in $left; do echo "  $p $(tr '\0' ' ' < "/proc/$p/cmdline" 2> /dev/null)"; kill -KILL "$p" 2> /dev/null; done
        [ $rc != 0 ] || rc=1
    fi
    left=$(product_litter)
    if [ -n "$left" ]; then
        echo "files left behind by the product:"; echo "$left"
        [ $rc != 0 ] || rc=1
    fi
    for m in "${mounts[@]}"; do umount "$m"; done
    rm -rf "$work"
    exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT TERM

count_fds() { find "/proc/$1/fd" -mindepth 1 2> /dev/null | wc -l; }

target() {
    local name=$1; shift
    truth=$work/$name-$((${#started[@]} + 1)).json said=$work/$name-$((${#started[@]} + 1)).out
    [ -x "$TARGETS/$name" ] || fail "no target $name: make targets"
    "$TARGETS/$name" --truth "$truth" "$@" > "$said" 2> "$said.err" < "${stdin:-/dev/null}" &
    pid=$!
    started+=("$pid")
    for _ in $(seq 200); do
        grep -q '^ready$' "$said" && break
        kill -0 "$pid" 2> /dev/null || fail "target $name ended before it was ready: $(cat "$said.err")"
        sleep 0.05
    done
    grep -q '^ready$' "$said" || fail "target $name is not ready after 10 s"
    fds_at_start[$pid]=$(count_fds "$pid")
}

stop() {
    kill -KILL "${1:-$pid}" 2> /dev/null
    wait "${1:-$pid}" 2> /dev/null
}

sequence() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["sequence"])' "$1" 2> /dev/null || echo 0; }

truth() {
    local p=${1:-$pid} file=${2:-$truth} before
    before=$(sequence "$file")
    kill -USR1 "$p" || fail "target $p is gone"
    for _ in $(seq 200); do
        [ "$(sequence "$file")" -gt "$before" ] && return 0
        sleep 0.02
    done
    fail "target $p wrote no truth"
}

n1top() {
    timeout -k 5 "$limit" "$N1" "$@" > "$out" 2> "$err" < /dev/null
    status=$?
    [ $status != 124 ] && [ $status != 137 ] || fail "over $limit s: n1top $*: $(tail -n 5 "$err")"
    [ $status -lt 128 ] || fail "killed by signal $((status - 128)): n1top $*: $(tail -n 5 "$err")"
}

expect_status() {
    [ "$status" = "$1" ] || fail "exit status $status, not $1; standard error: $(head -c 2000 "$err"); output: $(head -c 500 "$out")"
}

check() {
    local text=$1; shift
    "$@" || fail "$text"
}

json() {
    python3 - "$1" "$2" <<'PYTHON' || fail "$1: not so: $2"
import json, sys
d = json.load(open(sys.argv[1]))
value = eval(sys.argv[2])
if not value:
    print("value:", repr(value)[:2000])
sys.exit(not value)
PYTHON
}

# The report against tests/report.schema.json.
valid_report() {
    python3 - "$1" <<'PYTHON' || fail "$1 does not match tests/report.schema.json"
import json, sys, jsonschema
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open("tests/report.schema.json")))
PYTHON
}

wait_for() {
    local end=$(($(date +%s) + $1)); shift
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || fail "in vain: $*"
        sleep 0.05
    done
}

as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- "$@"; }

need() {
    case $1 in
    root) [ "$(id -u)" = 0 ] || skip "needs root" ;;
    perf) [ "$(id -u)" = 0 ] || [ "$(cat /proc/sys/kernel/perf_event_paranoid 2> /dev/null || echo 9)" -le 2 ] || skip "perf_event_paranoid forbids perf events" ;;
    tmpfs) need root; mkdir -p "$work/probe"; mount -t tmpfs none "$work/probe" 2> /dev/null || skip "cannot mount a tmpfs"; umount "$work/probe" ;;
    esac
}

# A file system of that many KiB, undone at the end: small_disk FOLDER KIB
small_disk() {
    mkdir -p "$1"
    mount -t tmpfs -o "size=${2}k,mode=0777" none "$1" || fail "cannot mount a tmpfs"
    mounts+=("$1")
}

untouched() {
    local state tracer
    state=$(awk '/^State:/ {print $2}' "/proc/$1/status" 2> /dev/null) || fail "target $1 is gone"
    tracer=$(awk '/^TracerPid:/ {print $2}' "/proc/$1/status")
    case $state in R | S | D) ;; *) fail "target $1 is in state '$state'" ;; esac
    [ "$tracer" = 0 ] || fail "target $1 is still traced by $tracer"
    [ "$(count_fds "$1")" = "${fds_at_start[$1]}" ] || fail "target $1 has $(count_fds "$1") descriptors, not ${fds_at_start[$1]}"
}
