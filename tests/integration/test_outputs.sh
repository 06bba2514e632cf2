#!/bin/bash
# Output files appear whole or not at all, mode 0600, and never instead of something that was there.
. tests/integration/lib.sh
need perf

# Nothing but what was there before may be in a folder: no half file, no temporary one.
only() {
    local folder=$1 want; shift
    want=$([ $# = 0 ] || printf '%s\n' "$@" | sort)
    check "in $folder: $(find "$folder" -mindepth 1 -printf '%P ')" [ "$(find "$folder" -mindepth 1 -printf '%P\n' | sort)" = "$want" ]
}

target split
n1top record -p "$pid" -d 2 -r 997 -o "$work/r.n1"
expect_status 0

echo "a name is made in output_dir when none is given"
mkdir "$work/out.d"
echo "{\"profiling\": {\"output_dir\": \"$work/out.d/reports\"}}" > "$work/c.json"
n1top record -p "$pid" -d 1 --format json --config "$work/c.json"
expect_status 0
made=$(cat "$out")
check "the name '$made'" sh -c "echo '$made' | grep -Eq '^$work/out.d/reports/n1top_${pid}_[0-9]{8}-[0-9]{6}\.json\$'"
valid_report "$made"
check "mode of the file" [ "$(stat -c %a "$made")" = 600 ]

echo "an existing file is replaced whole"
mkdir "$work/replace"
echo old > "$work/replace/x.json"
n1top export "$work/r.n1" --format json -o "$work/replace/x.json"
expect_status 0
valid_report "$work/replace/x.json"
only "$work/replace" x.json

echo "a folder that is not there"
n1top export "$work/r.n1" --format json -o "$work/nowhere/x.json"
check "exit status $status" [ "$status" != 0 ]
check "no message" grep -q '^n1top: ' "$err"

echo "a folder as the output"
mkdir "$work/folder"
n1top export "$work/r.n1" --format json -o "$work/folder"
check "exit status $status" [ "$status" != 0 ]
only "$work/folder"

echo "standard output that is closed, full, or nobody reads"
"$N1" export "$work/r.n1" --format json -o - >&- 2> "$err" < /dev/null
check "a closed output gave 0" [ $? != 0 ]
"$N1" export "$work/r.n1" --format json -o - > /dev/full 2> "$err" < /dev/null
check "a full output gave 0" [ $? != 0 ]
timeout -k 5 20 "$N1" export "$work/r.n1" --format json -o - 2> "$err" < /dev/null | head -c 1 > /dev/null
check "nobody read, and it hung" [ "${PIPESTATUS[0]}" != 124 ]

echo "killed in the midst of it"
mkdir "$work/killed"
for delay in 0.005 0.02 0.05 0.1; do
    "$N1" export "$work/r.n1" --format json -o "$work/killed/x.json" > /dev/null 2>&1 < /dev/null &
    victim=$!
    sleep $delay
    kill -KILL "$victim" 2> /dev/null
    wait "$victim" 2> /dev/null
    [ ! -e "$work/killed/x.json" ] || valid_report "$work/killed/x.json"
    rm -f "$work/killed/x.json"
done

if [ "$(id -u)" = 0 ]; then
    echo "a disk that fills up"
    need tmpfs
    small_disk "$work/small" 16
    echo precious > "$work/small/x.json"
    n1top export "$work/r.n1" --format json -o "$work/small/x.json"
    if [ "$status" = 0 ]; then valid_report "$work/small/x.json"; else
        check "no message" grep -qi 'space' "$err"
        check "the old file is gone" [ "$(cat "$work/small/x.json")" = precious ]
    fi
    dd if=/dev/zero of="$work/small/fill" bs=1k 2> /dev/null
    n1top export "$work/r.n1" --format json -o "$work/small/y.json"
    check "a full disk gave 0" [ "$status" != 0 ]
    check "no message of a full disk: $(cat "$err")" grep -qi 'space' "$err"
    only "$work/small" fill x.json

    # The path that a recording of one second, meant for small/z.n1, went to instead.
    rescued() {
        expect_status 1
        check "no word of the full disk: $(cat "$err")" grep -q 'No space left' "$err"
        made=$(cat "$out")
        check "no place told: $(cat "$err")" grep -qF "went to $made" "$err"
        check "the name '$made'" sh -c "echo '$made' | grep -Eq '^$TMPDIR/n1top_${pid}_[0-9]{8}-[0-9]{6}(-[0-9]+)?\.$1\$'"
        check "mode of the file" [ "$(stat -c %a "$made")" = 600 ]
    }
    n1top record -p "$pid" -d 1 -r 997 -o "$work/small/z.n1"
    rescued n1
    only "$work/small" fill x.json
    n1top report "$made"
    expect_status 0
    check "what was saved elsewhere is empty" grep -q hot_ "$out"
    rm "$made"
    n1top record -p "$pid" -d 1 -r 997 --format json -o "$work/small/z.json"
    rescued json
    valid_report "$made"
    rm "$made"

    echo "room nowhere: the samples wait for it"
    "$N1" record -p "$pid" -d 1 -r 997 -o "$work/late.n1" > "$out" 2> "$err" < /dev/null &
    recorder=$!
    started+=("$recorder")
    sampler_there() { pgrep -P "$recorder" > /dev/null; }
    wait_for 10 sampler_there
    prlimit --fsize=4096:unlimited --pid "$recorder"
    wait_for 30 grep -q 'trying again' "$err"
    check "a half file" [ ! -e "$work/late.n1" ]
    prlimit --fsize=unlimited:unlimited --pid "$recorder"
    wait "$recorder"
    status=$?
    expect_status 0
    check "the name of the file" [ "$(cat "$out")" = "$work/late.n1" ]
    n1top report "$work/late.n1"
    expect_status 0
    check "the late recording is empty" grep -q hot_ "$out"

    echo "a folder that may not be written"
    mkdir -m 0555 "$work/locked"
    chmod 0644 "$work/r.n1"
    as_user timeout -k 5 20 "$N1" export "$work/r.n1" --format json -o "$work/locked/x.json" > "$out" 2> "$err" < /dev/null
    status=$?
    expect_status 4
    only "$work/locked"
else
    echo "skipped: full disk and locked folder need root"
fi
untouched "$pid"
