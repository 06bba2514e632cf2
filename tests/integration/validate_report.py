#!/usr/bin/env python3
"""Validates JSON reports: python3 tests/integration/validate_report.py FILE...

Against tests/report.schema.json, and for what a schema cannot say: that the figures hang together. Prints one line a
defect; exits 1 when there is one, 77 when the module jsonschema is not there.
"""
import json
import os
import sys

try:
    import jsonschema
except ImportError:
    print("skip: python3-jsonschema is not installed")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))


def no_repeats(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("a key stands twice: %s" % sorted(k for k in keys if keys.count(k) > 1)[:3])
    return dict(pairs)


def coherence(report):
    """Yields what contradicts itself."""
    functions, window, tree = report["functions"], report["window"], report["call_tree"]
    if report["summary"]["total_functions"] != len(functions):
        yield "total_functions is not the number of functions"
    if report["summary"]["total_measurements"] != sum(f["measurements"] for f in functions.values()):
        yield "total_measurements is not the sum of measurements"
    if list(functions) != tree["functions"]:
        yield "the call tree names other functions"
    selfs = [f["self_seconds"] for f in functions.values()]
    if selfs != sorted(selfs, reverse=True):
        yield "functions are not in order of self time"
    if abs(sum(selfs) - window["cpu_seconds"]) > 1e-6 * max(1, window["cpu_seconds"]):
        yield "self times do not add up: %g of %g" % (sum(selfs), window["cpu_seconds"])
    for key, f in functions.items():
        if f["total_seconds"] + 1e-9 < f["self_seconds"] or f["total_seconds"] > window["cpu_seconds"] * (1 + 1e-9):
            yield "%s: self, total and window contradict" % key
        time = f["execution_time"]
        if time["mean"] is not None and abs(time["mean"] * f["measurements"] - time["total"]) > 1e-6 * max(1, time["total"]):
            yield "%s: mean times measurements is not total" % key
        if time["min"] is not None and not time["min"] <= time["median"] <= time["max"]:
            yield "%s: min, median, max are out of order" % key
        if f["call_count"] is not None and f["basis"] == "sampled":
            yield "%s: samples know no calls" % key
    for spot in report["hotspots"]:
        if spot["function"] not in functions:
            yield "hotspot %s is not a function" % spot["function"]
    total = [n[2] for n in tree["nodes"]]
    for i in range(len(tree["nodes"]) - 1, 0, -1):
        parent, function = tree["nodes"][i][:2]
        if not 0 <= parent < i or function >= len(tree["functions"]):
            yield "node %d: no such parent or function" % i
            return
        total[parent] += total[i]
    if abs(total[0] / 1e9 - window["cpu_seconds"]) > 1e-6 * max(1, window["cpu_seconds"]):
        yield "the call tree does not add up"
    if tree["nodes"][0][3] != window["samples"]:
        yield "the call tree has other samples than the window"


def main(paths):
    with open(os.path.join(HERE, "..", "report.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator, bad = jsonschema.Draft7Validator(schema), 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                report = json.load(file, object_pairs_hook=no_repeats, parse_constant=lambda c: 1 / 0)
        except (ValueError, ZeroDivisionError) as error:
            print("%s: not JSON: %s" % (path, error))
            bad += 1
            continue
        defects = ["/".join(map(str, e.absolute_path)) + ": " + e.message for e in validator.iter_errors(report)]
        if not defects:
            defects = list(coherence(report))
        for defect in defects[:20]:
            print("%s: %s" % (path, defect[:300]))
        bad += bool(defects)
    return 1 if bad or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
