#!/bin/bash
# The line table: a native function with a known split of CPU time and memory, and Python lines with their source.
. tests/integration/lib.sh
need root
need perf

target lines
n1top record -p "$pid" -d 3 -r 500 --memory -o "$work/run.n1"
expect_status 0
n1top lines "$work/run.n1" --function work
expect_status 0
cp "$out" "$work/table"
grep -q '^Line #' "$work/table" || fail "no head: $(cat "$work/table")"
# Column of the line that the source marks with a comment.
number_of() { grep -n "/\* $1 " tests/targets/lines.c | cut -d: -f1; }
cell() { awk -v line="$(number_of "$1")" -v column="$2" '$1 == line { print $column; exit }' "$work/table"; }
# The compiler was given a relative path: it is told, and found, below the folder that it ran in.
folder=$(readelf --debug-dump=info "$TARGETS/lines" | sed -n 's/.*DW_AT_comp_dir .*: //p' | head -1)
grep -q "^# file: $folder/tests/targets/lines.c" "$work/table" || fail "not its source: $(cat "$work/table")"
[ ! -r "$folder/tests/targets/lines.c" ] || grep -q 'three parts' "$work/table" || fail "no contents: $(cat "$work/table")"
python3 - "$(cell 'three parts' 5)" "$(cell 'one part' 5)" <<'PYTHON' || fail "not 3 : 1: $(cat "$work/table")"
import sys
three, one = map(float, sys.argv[1:])
sys.exit(not (abs(three / (three + one) - 0.75) < 0.08))
PYTHON
[ "$(cell 'memory' 3)" != - ] || fail "no increment: $(cat "$work/table")"
grep -q 'Increment is not known' "$work/table" && fail "page faults were sampled: $(cat "$work/table")"

# The report tells the same bytes by line.
n1top export "$work/run.n1" --format json -o "$work/report"
expect_status 0
valid_report "$work/report"
number=$(cell 'memory' 1)
json "$work/report" "[l['memory'] for f in d['functions'].values() if f['name'] == 'work' for k, l in f['lines'].items() if k.endswith(':$number')][0] > 100000"

# Live, by a part of its name.
n1top lines -p "$pid" --function wor -d 2
expect_status 0
grep -q "^ *$(number_of 'three parts') " "$out" || fail "no line: $(cat "$out")"
untouched "$pid"
stop

# What is wrong is said.
n1top lines "$work/run.n1" --function nothing_is_called_so
expect_status 2
n1top lines "$work/run.n1" --function o
expect_status 2
grep -q 'functions match' "$err" || fail "several are not listed: $(cat "$err")"
n1top lines "$work/run.n1"
expect_status 2
n1top lines --function work
expect_status 2

# Python lines with their source.
python3 "$PWD/tests/targets/python/split.py" < /dev/null > /dev/null 2>&1 &
pid=$!
started+=("$pid")
ran() { [ "$(cut -d' ' -f1 < "/proc/$pid/schedstat")" -gt 300000000 ]; }
wait_for 60 ran
n1top record -p "$pid" -d 3 -r 500 -o "$work/python.n1"
expect_status 0
n1top lines "$work/python.n1" --function leaf_a
expect_status 0
cp "$out" "$work/table"
[ "$(awk '/x \^= 1/ { print ($6 > 0 && $6 == $4) ; exit }' "$work/table")" = 1 ] || fail "no bytecode: $(cat "$work/table")"
grep -q 'Increment is not known' "$work/table" || fail "faults were not sampled, and that is not said"
