#!/bin/bash
# Exit statuses and messages of the commands, as the contract says.
. tests/integration/lib.sh

# usage TEXT ARGS...: wrong use gives 2, nothing on standard output, one to three lines on standard error.
refused() {
    local want=$1; shift
    n1top "$@"
    expect_status "$want"
    check "output of a refusal: n1top $*" [ ! -s "$out" ]
    check "no message: n1top $*" grep -q '^n1top: ' "$err"
    check "more than three lines: n1top $*: $(cat "$err")" [ "$(wc -l < "$err")" -le 3 ]
    check "control bytes: n1top $*" sh -c "! LC_ALL=C grep -q '[[:cntrl:]]' '$err'"
}

for command in record report export dump doctor status; do
    n1top $command --help
    expect_status 0
    check "help of $command does not name it" grep -q "n1top $command" "$out"
    check "help of $command on standard error" [ ! -s "$err" ]
done
n1top --help
expect_status 0
for command in record report export dump doctor status; do
    check "--help does not list $command" grep -q "n1top $command" "$out"
done
n1top --version
expect_status 0
check "no version" grep -Eq '[0-9]+\.[0-9]+\.[0-9]+' "$out"

refused 2 no-such-command
refused 2 --no-such-option
refused 2 record
refused 2 record --no-such-option
refused 2 record -p
refused 2 record -p 1 -d x
refused 2 record -p 1 -d -1
refused 2 record -p 1 -d 1e999
refused 2 record -p 1 -r 0
refused 2 record -p 1 -r 1000000
refused 2 record -p 1 -d 1 --format nonsense
refused 2 record -p 1 -d 1 --engine nonsense
refused 2 record -p 1 -d 1 --config /nonexistent.json
refused 2 record -p ''
refused 2 record -p a/b
refused 2 record -p 1 surplus
refused 2 record --
refused 2 report
refused 2 report /nonexistent.n1
refused 2 report /nonexistent.n1 other
refused 2 export "$work/x.n1"
refused 2 export "$work/x.n1" --format nonsense
refused 2 dump
refused 3 record -p 999999999999 -d 1
refused 3 record -p $'no\033[31msuch' -d 1
refused 3 dump -p 4194304

echo '{"profiling": {"samplng": 1}}' > "$work/bad.json"
refused 2 record -p 1 -d 1 --config "$work/bad.json"
check "no place in the message: $(cat "$err")" grep -q 'bad.json:1: profiling.samplng: unknown key' "$err"

: > "$work/empty.n1"
refused 5 report "$work/empty.n1"
head -c 100000 /dev/urandom > "$work/random.n1"
refused 5 report "$work/random.n1"
refused 5 export "$work/random.n1" --format json -o "$work/none.json"
cp /bin/true "$work/elf.n1"
refused 5 report "$work/elf.n1"
check "a failed export left a file" [ ! -e "$work/none.json" ]

n1top status
expect_status 0
n1top doctor
expect_status 0
check "doctor does not speak of perf" grep -qi perf "$out"

need perf
target split
n1top record -p "$pid" -d 2 -r 499 -o "$work/r.n1"
expect_status 0
check "record did not name its file" [ "$(cat "$out")" = "$work/r.n1" ]
check "the file's mode" [ "$(stat -c %a "$work/r.n1")" = 600 ]

n1top report "$work/r.n1" --top 3
expect_status 0
check "report does not name spin" grep -q spin "$out"
for format in json text collapsed svg; do
    n1top export "$work/r.n1" --format $format -o "$work/x.$format"
    expect_status 0
    check "$format is empty" [ -s "$work/x.$format" ]
    n1top export "$work/r.n1" --format $format -o -
    expect_status 0
    check "$format differs on standard output" cmp -s "$out" "$work/x.$format"
    check "$format does not name hot_a" grep -q hot_a "$work/x.$format"
done
valid_report "$work/x.json"
check "svg is not XML" python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" "$work/x.svg"
check "a collapsed line has no count" sh -c "! grep -vEq '^.+ [0-9]+\$' '$work/x.collapsed'"
check "hot_a is not below main" grep -Eq '(^|;)main;.*hot_a;spin [0-9]+$' "$work/x.collapsed"

# A recording that was cut or hurt is damaged, at every length, never a crash.
size=$(stat -c %s "$work/r.n1")
for part in 1 8 64 $((size / 3)) $((size / 2)) $((size - 1)); do
    head -c "$part" "$work/r.n1" > "$work/cut.n1"
    refused 5 report "$work/cut.n1"
done

n1top dump -p "$pid" --json
expect_status 0
json "$out" 'any(f["name"] in ("hot_a", "hot_b", "hot_c", "spin") for t in d["threads"] for f in t["stack"])'
n1top dump -p "$pid"
expect_status 0
check "dump does not name main" grep -q main "$out"

# Pictures without a terminal: as many as asked for, by the keys pressed first, and none for a reader that left.
n1top -p "$pid" --batch -n 2 --refresh 0.5 --size 90x30 --keys f
expect_status 0
check "not two pictures of 30 rows: $(wc -l < "$out")" [ "$(wc -l < "$out")" = 62 ]
check "no hotspot in a picture" grep -q 'N spin' "$out"
check "the key was not pressed" grep -q 'flame' "$out"
check "bytes of a terminal" sh -c "! LC_ALL=C grep -q '[[:cntrl:]]' '$out'"
"$N1" -p "$pid" --batch --refresh 0.25 2> "$err" | head -n 3 > "$out"
check "the end of its reader ended it with ${PIPESTATUS[0]}" [ "${PIPESTATUS[0]}" = 0 ]
n1top "$work/r.n1" --batch
expect_status 0
check "a recording is one picture: $(wc -l < "$out")" [ "$(wc -l < "$out")" = 41 ]
refused 2 --batch
refused 2 -p "$pid" --batch -n 0
refused 3 -p 4194304 --batch -n 1
untouched "$pid"
stop

target sleepers
n1top dump -p "$pid" --json
expect_status 0
json "$out" 'len(d["threads"]) == 8'
for f in wait_futex wait_lock hold_lock wait_epoll wait_poll wait_pipe wait_sleep; do
    json "$out" "any(f['name'] == '$f' for t in d['threads'] for f in t['stack'])"
done
untouched "$pid"
stop

n1top doctor -p 4194304
expect_status 3
