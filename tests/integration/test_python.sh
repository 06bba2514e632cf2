#!/bin/bash
# CPython targets with a known truth, under every Python that is here (tools/pythons list): functions by qualified name,
# their split, both ways of reading, and stacks that cannot have existed.
# N1_TEST_PYTHONS=N takes only the first N of them (3; 0: all).
. "$(dirname "$0")/lib.sh"
scripts=tests/targets/python
most=${N1_TEST_PYTHONS:-3}

# Starts a script and waits until it has worked for a while.
start() { # command of the Python, script
    $1 "$scripts/$2" < /dev/null > /dev/null 2>&1 &
    pid=$!
    started+=("$pid")
    wait_for 60 worked
    fds_at_start[$pid]=$(count_fds "$pid")
}
worked() { [ "$(cut -d' ' -f1 < "/proc/$pid/schedstat")" -gt 300000000 ]; }
record() { # engine, format, output
    n1top record -p "$pid" -d 4 -r 500 --engine "$1" --format "$2" -o "$3"
    expect_status 0
}

# Shares of the four leaves among their own sum, whichever native code they called: 50, 30, 15, 5.
split() { # collapsed file
    awk '{n = $NF; $NF = ""; for (i = 1; i <= 4; i++) { l = substr("abcd", i, 1); if (index($0, ";leaf_" l)) {s[l] += n; t += n} }}
        END { if (!t) { print "no samples of the leaves"; exit 1 }
              split("50 30 15 5", want, " ")
              for (i = 1; i <= 4; i++) { l = substr("abcd", i, 1); d = 100 * s[l] / t - want[i]; if (d < 0) d = -d
                  if (d > 8) { printf "leaf_%s has %.1f %%, not %d %%\n", l, 100 * s[l] / t, want[i]; bad = 1 } }
              exit bad }' "$1"
}
# Stacks without callers are the exception, where functions run some microseconds.
mostly_whole() {
    awk '{t += $NF} /callers not seen/ {bad += $NF}
        END { if (!t || bad / t > 0.25) { printf "%d of %d have no callers\n", bad, t; exit 1 } }' "$1"
}
# Both chains in one stack, and chains that lost their middle without saying so.
impossible() {
    awk '/callers not seen/ {next} {n = $NF; t += n; a = index($0, "leaf_a") || index($0, "inner_a"); b = index($0, "leaf_b") || index($0, "inner_b")
          if ((a && b) || (index($0, ";leaf_") && !index($0, ";inner_"))) bad += n}
        END { if (!t || bad / t > limit) { printf "%d of %d are impossible\n", bad, t; exit 1 } }' limit="$2" "$1"
}

count=0
while read -r python; do
    [ "$most" = 0 ] || [ $count -lt "$most" ] || break
    count=$((count + 1))
    echo "$python"
    start "$python" split.py
    for engine in auto nonstop; do
        record $engine collapsed "$work/split"
        split "$work/split" || fail "$engine: wrong split"
        mostly_whole "$work/split" || fail "$engine: callers are missing"
        grep -q ';outer;' "$work/split" || fail "$engine: no stack has its callers"
    done
    record auto json "$work/report"
    json "$work/report" 'd["targets"][0]["runtime"].startswith("python 3.")'
    json "$work/report" 'any(f["kind"] == "python" and f["line"] and f["file"].endswith("split.py") for f in d["functions"].values())'
    untouched "$pid"
    stop "$pid"
    start "$python" two_chains.py
    record auto collapsed "$work/chains"
    impossible "$work/chains" 0 || fail "auto: impossible stacks"
    record nonstop collapsed "$work/chains"
    impossible "$work/chains" 0.002 || fail "nonstop: impossible stacks"
    stop "$pid"
done < <(tools/pythons list)
[ $count -gt 0 ] || skip "no Python here"
