#!/bin/bash
# One recording in every format: the reports validate, agree with each other, and with the target's own clock.
. tests/integration/lib.sh
need perf

target split
n1top record -p "$pid" -d 3 -r 499 -o "$work/run.n1"
expect_status 0
for format in json text collapsed svg; do
    n1top export "$work/run.n1" --format $format -o "$work/run.$format"
    expect_status 0
done
check "the report does not validate" python3 tests/integration/validate_report.py "$work/run.json"

# hot_a, hot_b and hot_c get 50, 30 and 20 %; a share of n samples strays by sqrt(p(1-p)/n), three times that at most.
json "$work/run.json" 'all(abs(d["functions"]["split!" + f]["total_percent"] / 100 - p) < 3 * (p * (1 - p) / d["window"]["samples"]) ** .5 + .01 for f, p in (("hot_a", .5), ("hot_b", .3), ("hot_c", .2)))'
json "$work/run.json" 'd["hotspots"][0]["function"] == "split!spin" and d["targets"][0]["pid"] == '"$pid"
json "$work/run.json" 'd["functions"]["split!spin"]["measurements"] >= 2 and d["functions"]["split!spin"]["rss_peak"] > 4096'
json "$work/run.json" 'abs(d["targets"][0]["started"] - d["window"]["start"]) < 60'

samples=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["window"]["samples"])' "$work/run.json")
check "collapsed stacks have other samples" [ "$(awk '{n += $NF} END {print n}' "$work/run.collapsed")" = "$samples" ]
check "the text has other samples" grep -q "^# $samples samples" "$work/run.text"
check "the text lacks the callers of spin" grep -qx 'split!spin, called from' "$work/run.text"
check "the flame graph is not XML" python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$work/run.svg"
check "the flame graph has other samples" grep -q ", $samples samples</title>" "$work/run.svg"

# The path of the target is on every line of the report that names a module, so redaction is easy to see.
n1top record -p "$pid" -d 1 --format json --redact -o "$work/redacted.json"
expect_status 0
check "the redacted report does not validate" python3 tests/integration/validate_report.py "$work/redacted.json"
check "a path is in the redacted report" sh -c "! grep -q '$PWD\|/usr/lib' $work/redacted.json"
json "$work/redacted.json" 'd["targets"][0]["cmdline"] is None and d["targets"][0]["exe"] == "split"'
untouched "$pid"

# A full disk is an error, not half a report.
n1top export "$work/run.n1" --format json -o /dev/full
expect_status 1
