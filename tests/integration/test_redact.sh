#!/bin/bash
# What --redact takes away is in no output, whatever its format; without it, the same search finds it.
. tests/integration/lib.sh
need perf
formats=$("$N1" export --help | sed -n 's/.*-f, --format F *//p' | tr -d ',')
check "no formats in the help" [ -n "$formats" ]

# A program whose folder, arguments, thread and user would each tell something.
host=$(uname -n)
mkdir -p "$work/home/zelda77/secret-project-x1"
cp "$TARGETS/split" "$work/home/zelda77/secret-project-x1/split"
"$work/home/zelda77/secret-project-x1/split" --limit 120 -- --token=hunter2-x1 "on $host" "/home/zelda77/keys" > "$work/said" &
pid=$!
started+=("$pid")
wait_for 10 grep -q ready "$work/said"

# FILE...: what a stranger must not find there
secrets() { grep -aliE "hunter2-x1|secret-project-x1|zelda77|$work" "$@"; [ ${#host} -lt 3 ] || grep -alwF "$host" "$@"; true; }

record() { n1top record -p "$pid" -d 1 -r 499 "$@"; expect_status 0; }
record -o "$work/open.n1"
check "the search finds nothing where everything is" [ -n "$(secrets "$work/open.n1")" ]
record --redact -o "$work/closed.n1"
check "secrets in the recording: $(strings "$work/closed.n1" | grep -E "hunter2|zelda77|secret-project" | head -3)" [ -z "$(secrets "$work/closed.n1")" ]
for format in $formats; do
    [ "$format" != model ] || continue
    record --redact --format "$format" -o "$work/recorded.$format"
    n1top export "$work/open.n1" --redact --format "$format" -o "$work/exported.$format"
    expect_status 0
    n1top export "$work/closed.n1" --format "$format" -o "$work/later.$format"
    expect_status 0
    check "nothing in $format" [ -s "$work/later.$format" ]
    found=$(secrets "$work/recorded.$format" "$work/exported.$format" "$work/later.$format")
    check "secrets in $format: $found" [ -z "$found" ]
done
for file in "$work/recorded.json" "$work/exported.json" "$work/later.json"; do
    valid_report "$file"
    json "$file" 'd["targets"][0]["exe"] == "split" and not d["targets"][0]["cmdline"]'
    json "$file" 'any("hot_a" in name for name in d["functions"])'
done
for command in "report $work/open.n1 --redact" "report $work/closed.n1" "dump -p $pid --redact" "dump -p $pid --json --redact"; do
    # shellcheck disable=SC2086
    n1top $command
    expect_status 0
    check "secrets in $command" [ -z "$(secrets "$out")" ]
done
n1top "$work/open.n1" --redact --dump-frame --size 120x40
expect_status 0
check "secrets on the screen" [ -z "$(secrets "$out")" ]
n1top "$work/open.n1" --dump-frame --size 160x40
check "the search finds nothing on the screen" [ -n "$(secrets "$out")" ]
untouched_by_hand() { [ "$(awk '/^TracerPid/ {print $2}' "/proc/$pid/status")" = 0 ]; }
check "still traced" untouched_by_hand
