#!/bin/bash
# A target whose names attack the terminal: no control or bidi byte leaves the product in any form.
. tests/integration/lib.sh
need perf

# What may not be in a text meant for people, beside line breaks: C0, DEL, C1, bidi and zero-width characters.
harmless() {
    python3 - "$1" <<'PYTHON' || fail "$1 carries what a terminal acts on"
import sys, unicodedata
text = open(sys.argv[1], "rb").read().decode("utf-8")  # and it is valid UTF-8
bad = {f"U+{ord(c):04X}" for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
if bad:
    print("found", sorted(bad))
sys.exit(bool(bad))
PYTHON
}

# The same for every string inside a JSON file, where escapes hide it from the eye.
harmless_json() {
    python3 - "$1" <<'PYTHON' > "$work/strings" || fail "$1 is not JSON"
import json, sys
def walk(x):
    if isinstance(x, str):
        print(x.replace("\n", "\x01").replace("\t", "\x01"))
    elif isinstance(x, dict):
        for k, v in x.items():
            walk(k); walk(v)
    elif isinstance(x, list):
        for v in x:
            walk(v)
walk(json.load(open(sys.argv[1])))
PYTHON
    harmless "$work/strings"
}

target noisy
n1top record -p "$pid" -d 2 -r 499 -o "$work/r.n1"
expect_status 0
harmless "$out"; harmless "$err"
n1top report "$work/r.n1"
expect_status 0
harmless "$out"
check "the hot function has no name" grep -q plugin_hot_a "$out"
for format in text collapsed svg; do
    n1top export "$work/r.n1" --format $format -o "$work/x.$format"
    expect_status 0
    harmless "$work/x.$format"
done
check "svg is not XML" python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" "$work/x.svg"
check "svg took markup from a name" sh -c "! grep -q '<b>' '$work/x.svg'"
n1top export "$work/r.n1" --format json -o "$work/x.json"
expect_status 0
valid_report "$work/x.json"
harmless_json "$work/x.json"
n1top dump -p "$pid"
expect_status 0
harmless "$out"
n1top dump -p "$pid" --json
expect_status 0
harmless_json "$out"
untouched "$pid"
