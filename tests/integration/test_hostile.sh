#!/bin/bash
# A hostile target in a place like a container (own PIDs, mounts, network and root, its binary deleted), watched by an
# ordinary user: nothing it brings reaches an output as it is, and it shows nothing that the user may not read.
. tests/integration/lib.sh
need root
need perf
hostile() { python3 tests/integration/hostile.py "$@"; }
chmod 0755 "$work"
mkdir -m 0777 "$work/free"
root=$work/root
mkdir -p "$root/tmp" "$root/out" "$root/proc" "$root/dev"
chmod 1777 "$root/tmp" "$root/out"
echo "topsecret-of-root-$$" > "$work/secret.txt"
chmod 0600 "$work/secret.txt"

hostile patch "$TARGETS/hostile-static" "$root/hostile" "$work/secret.txt"
hostile damage "$TARGETS/plugin-a.so" "$root/garbage"
chmod 0755 "$root/hostile" "$root/garbage"

# start MAP: in the container, as nobody, with a command line full of codes; sets $pid (ours) and $inside (its own).
start() {
    rm -f "$root/out/"*
    cp "$root/hostile" "$root/program"
    unshare --pid --mount --net --fork --kill-child -- chroot --userspec=65534:65534 "$root" /program \
        --truth /out/truth.json /garbage $'line\nfeed' $'\e]0;pwn\a' $'\xe2\x80\xae' $'\xff\xfe' -- x > "$work/said" 2>&1 &
    started+=($!)
    wait_for 10 grep -q ready "$work/said"
    pid=$(cat "/proc/$!/task/$!/children" | awk '{print $1}')
    started+=("$pid")
    inside=$(awk '/^NSpid/ {print $NF}' "/proc/$pid/status")
    rm -f "$root/program"
    fds_at_start[$pid]=$(count_fds "$pid")
    truth "$pid" "$root/out/truth.json"
    address=$(python3 -c "import json; print('%x' % json.load(open('$root/out/truth.json'))['counts']['jit_address'])")
}
watch() {
    as_user env XDG_RUNTIME_DIR= XDG_CONFIG_HOME=/nonexistent HOME=/nonexistent TMPDIR="$work/free" TERM=xterm-256color \
        timeout -k 5 90 "$N1" "$@" > "$out" 2> "$err" < /dev/null
    status=$?
    check "killed by a signal: n1top $*: $(tail -n 3 "$err")" [ "$status" -lt 124 ]
}
no_secret() { ! grep -al "topsecret-of-root" "$@" || fail "a file of root's was shown"; }

# Each output there is, of the target as it stands.
look() {
    rm -rf "$work/free"/*
    watch record -p "$pid" -r 499 -d 2 -o "$work/free/r.n1"
    expect_status 0
    hostile clean "$out" "$err"
    for format in $formats; do
        [ "$format" != model ] || continue
        watch export "$work/free/r.n1" --format "$format" -o "$work/free/r.$format"
        expect_status 0
        [ "$format" = pprof ] || hostile clean "$work/free/r.$format" || fail "$format"
    done
    watch report "$work/free/r.n1"
    expect_status 0
    cp "$out" "$work/free/report"
    watch dump -p "$pid"
    expect_status 0
    cp "$out" "$work/free/dump"
    watch dump -p "$pid" --json
    expect_status 0
    cp "$out" "$work/free/dump.json"
    python3 -m json.tool "$work/free/dump.json" > /dev/null || fail "the dump is no JSON"
    for keys in '' 'f' 't' 'M' '<Enter>'; do
        watch "$work/free/r.n1" --dump-frame --size 160x50 --keys "$keys"
        expect_status 0
        cp "$out" "$work/free/frame-${keys//[<>]/}"
    done
    hostile clean "$work/free/report" "$work/free/dump" "$work/free/dump.json" "$work/free"/frame-*
    no_secret "$work/free"/*
    valid_report "$work/free/r.json"
    check "the SVG is no XML" python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" "$work/free/r.svg"
}
# The outputs that a name from a perf map would come to.
glance() {
    rm -rf "$work/free"/*
    watch record -p "$pid" -r 499 -d 1 -o "$work/free/r.n1"
    expect_status 0
    watch report "$work/free/r.n1"
    expect_status 0
    cp "$out" "$work/free/report"
    hostile clean "$work/free/report"
    no_secret "$work/free"/*
}
formats=$("$N1" export --help | sed -n 's/.*-f, --format F *//p' | tr -d ',')
check "no formats in the help" [ -n "$formats" ]

echo "names of its own making, and no perf map"
start
look
json "$work/free/r.json" 'sum(f["self_seconds"] for f in d["functions"].values()) > 0.2'
check "the evil name is not there at all" grep -q 'evil?\]0;pwn' "$work/free/report"
json "$work/free/r.json" 'any("pwn" in t["name"] for t in d["threads"])'
untouched "$pid"

echo "a perf map with codes in its names"
printf '%s 20 jit\033]0;pwn\a\033[2J\xc2\x9b\xe2\x80\xae<b>\n' "$address" > "$root/tmp/perf-$inside.map"
chown 65534:65534 "$root/tmp/perf-$inside.map"
look
grep -q 'jit?\]0;pwn' "$work/free/report" || fail "the map was not read: $(head -20 "$work/free/report")"

echo "a perf map of another user, a fifo, a link to another user's file, a link out of the root, a folder, a huge one"
chown 0:0 "$root/tmp/perf-$inside.map"
glance
! grep -q 'jit?' "$work/free/report" || fail "another user's map was read"
rm "$root/tmp/perf-$inside.map"
mkfifo -m 0666 "$root/tmp/perf-$inside.map"
chown 65534:65534 "$root/tmp/perf-$inside.map"
glance
rm "$root/tmp/perf-$inside.map"
ln -s "$work/secret.txt" "$root/tmp/perf-$inside.map"
glance
rm "$root/tmp/perf-$inside.map"
ln -s ../../../../../../../../etc/passwd "$root/tmp/perf-$inside.map"
glance
! grep -q 'nologin' "$work/free/report" || fail "a file outside of its root was read"
rm "$root/tmp/perf-$inside.map"
python3 - "$root/tmp/perf-$inside.map" "$address" <<'PYTHON'
import sys
with open(sys.argv[1], "w") as file:
    file.write("ffffffffffffffff ffffffffffffffff wrap\n" + "x" * 100000 + "\n" + "0 0 \n" * 1000)
    file.writelines(f"{i:x} 10 name{i}\n" for i in range(200000))
    file.write(f"{sys.argv[2]} 20 the_last\n")
PYTHON
chown 65534:65534 "$root/tmp/perf-$inside.map"
glance
rm "$root/tmp/perf-$inside.map"
untouched "$pid"

echo "as root, with all rights, it shows no more of itself"
n1top record -p "$pid" -r 499 -d 2 -o "$work/root.n1"
expect_status 0
n1top export "$work/root.n1" --format json -o "$work/root.json"
hostile clean "$work/root.json"
no_secret "$work/root.n1" "$work/root.json"
untouched "$pid"
