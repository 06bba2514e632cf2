"""Judges a report of the target `waits` or `deadlock` against its truth: waits.py shares|owners|sleepers REPORT BEFORE AFTER."""
import collections
import json
import sys


def by_class(report, skip=("own_lock", "target_wait")):
    seconds = collections.Counter()
    for wait in report["waits"]:
        if not wait["function"].endswith(skip):
            seconds[wait["class"]] += wait["seconds"]
    return seconds


def shares(report, before, after):
    kinds = {"lock": "wait_lock", "disk": "wait_disk", "sleep": "wait_sleep"}
    truth = {k: after["counts"][v] - before["counts"][v] for k, v in kinds.items()}
    seen = by_class(report)
    whole, all_seen = sum(truth.values()), sum(seen[k] for k in kinds)
    # A thread that woke and found no CPU is not seen where it waited before: on a busy machine short waits count less.
    queued = by_class(report)["run queue"]
    tolerance = TOLERANCE + 50 * queued / max(queued + all_seen, 1e-9)
    good = whole > 0 and all_seen > 0
    for kind in kinds:
        want, got = 100 * truth[kind] / whole, 100 * seen[kind] / max(all_seen, 1e-9)
        print(f"{kind:6} true {want:5.1f} %  seen {got:5.1f} %")
        good &= abs(want - got) <= tolerance
    print(f"within {tolerance:.1f} points, since {queued:.1f} s were spent in the run queue")
    print(f"total  true {whole / 1e9:5.1f} s  seen {all_seen:5.1f} s")
    return good


if __name__ == "__main__":
    TOLERANCE = float(sys.argv[4]) if len(sys.argv) > 4 else 5
    report, before, after = (json.load(open(p)) for p in sys.argv[1:4])
    sys.exit(not shares(report, before, after))
