#!/usr/bin/env python3
"""Compares reports of the product with what the targets say about themselves.

accuracy.py split REPORT BEFORE AFTER FUNCTION... [--symbols ELF]
    Shares of functions that exclude each other, between two truth files (BEFORE may be -: from zero), each within
    3 sigma of counting statistics. --symbols gives names of module+0x12 frames (for stripped targets).
accuracy.py share REPORT FUNCTION LEAST [MOST]
    The function's total over all samples lies between the two fractions.
accuracy.py threads REPORT BEFORE AFTER
    The same as split for threads by name.
accuracy.py watch PID OUT
    Until PID ends or the program is terminated: [epoch seconds, CPU seconds of PID] 50 times a second, and steal.
accuracy.py cpu REPORT WATCHED
    CPU seconds of all samples against the kernel's clock over the same span, within 1 % and a sample.
Exit status 0: so; 1: not so, with the figures. All print their figures.
"""
import bisect
import json
import math
import re
import signal
import subprocess
import sys
import time


def load(path):
    with open(path) as f:
        return json.load(f)


def interval_of(report):
    """Seconds a sample stands for."""
    return report["sampler"]["interval"]


class Symbols:
    """Names of addresses in an ELF file, by nm."""

    def __init__(self, path):
        self.starts, self.names = [], []
        for line in subprocess.run(["nm", "-nC", "--defined-only", path], capture_output=True, text=True, check=True).stdout.splitlines():
            address, kind, name = line.split(maxsplit=2)
            if kind in "tTwW":
                self.starts.append(int(address, 16))
                self.names.append(name)

    def name(self, text):
        m = re.fullmatch(r".*\+0x([0-9a-f]+)", text)
        i = bisect.bisect_right(self.starts, int(m.group(1), 16)) - 1 if m else -1
        return self.names[i] if i >= 0 else text


def is_function(name, wanted):
    """`wanted` is a demangled name up to the parenthesis; a return type may stand before it."""
    return re.search(r"(^|\s)" + re.escape(wanted) + r"($|\(|\s)", name) is not None


def total_seconds(report, wanted, symbols=None):
    seconds = 0.0
    for f in report["functions"].values():
        name = symbols.name(f["name"]) if symbols else f["name"]
        if is_function(name, wanted):
            seconds += f["total_seconds"]
    return seconds


def all_seconds(report):
    return sum(f["self_seconds"] for f in report["functions"].values())


def judge(rows, interval):
    """rows: (name, seconds sampled, seconds true). Prints a table; True when each share is within 3 sigma."""
    sampled, true = sum(r[1] for r in rows), sum(r[2] for r in rows)
    n = sampled / interval
    good = n >= 100
    print(f"{n:.0f} samples")
    for name, got, want in rows:
        p = want / true
        sigma = math.sqrt(max(p * (1 - p), 1e-9) / max(n, 1))
        off = (got / sampled if sampled else 0) - p
        # The truth is booked a step of a millisecond at a time.
        within = abs(off) <= 3 * sigma + 0.002
        good = good and within
        print(f"{'ok ' if within else 'OFF'} {name:28} sampled {100 * (p + off):6.2f} %  true {100 * p:6.2f} %  {off / sigma:+5.1f} sigma")
    return good


def split(args):
    symbols = None
    if "--symbols" in args:
        at = args.index("--symbols")
        symbols = Symbols(args[at + 1])
        del args[at : at + 2]
    report, before, after, names = load(args[0]), args[1], load(args[2]), args[3:]
    zero = {"functions": {}} if before == "-" else load(before)
    rows = [(n, total_seconds(report, n, symbols), after["functions"][n] - zero["functions"].get(n, 0)) for n in names]
    return judge(rows, interval_of(report))


def threads(args):
    report, before, after = load(args[0]), load(args[1]), load(args[2])
    sampled = {}
    for t in report["threads"]:
        sampled[t["name"]] = sampled.get(t["name"], 0) + t["cpu_seconds"]
    rows = [(n, sampled.get(n, 0), after["threads"][n] - before["threads"][n]) for n in after["threads"]]
    return judge(rows, interval_of(report))


def share(args):
    report = load(args[0])
    got, most = total_seconds(report, args[1]) / all_seconds(report), float(args[3]) if len(args) > 3 else 1.0001
    print(f"{args[1]}: {100 * got:.2f} %, wanted {100 * float(args[2]):.2f} to {100 * most:.2f} %")
    return float(args[2]) <= got <= most


def steal():
    with open("/proc/stat") as f:
        fields = [int(x) for x in f.readline().split()[1:]]
    return fields[7], sum(fields[:8])


def watch(args):
    pid, rows, running = int(args[0]), [], [True]
    clock = (~pid << 3) | 2  # the process CPU clock of another process, as clock_getcpuclockid(3) makes it
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    before = steal()
    while running:
        try:
            a = time.time()
            cpu = time.clock_gettime(clock)
            rows.append([(a + time.time()) / 2, cpu])
        except OSError:
            break
        time.sleep(0.02)
    after = steal()
    with open(args[1], "w") as f:
        json.dump({"rows": rows, "steal": (after[0] - before[0]) / max(1, after[1] - before[1])}, f)
    return True


def cpu(args):
    report, watched = load(args[0]), load(args[1])
    rows, span = watched["rows"], report["summary"]["time_range"]

    def at(t):
        i = min(max(bisect.bisect([r[0] for r in rows], t), 1), len(rows) - 1)
        (t0, c0), (t1, c1) = rows[i - 1], rows[i]
        return c0 + (c1 - c0) * (t - t0) / (t1 - t0)

    if not rows or span["start"] < rows[0][0] - 0.05 or span["end"] > rows[-1][0] + 0.05:
        print(f"the report's span {span} is not inside what was watched")
        return False
    true, sampled = at(span["end"]) - at(span["start"]), all_seconds(report)
    off = sampled / true - 1 if true else math.inf
    allowed = 0.01 + interval_of(report) / true
    print(f"sampled {sampled:.3f} s, kernel {true:.3f} s, off {100 * off:+.2f} % (allowed {100 * allowed:.2f}), steal {100 * watched['steal']:.2f} %")
    if watched["steal"] >= 0.01 and abs(off) > allowed:
        # A stolen tick is CPU time to one clock and not to the other: beyond 1 % nobody can be right.
        print("steal is over 1 %: allowed that much more")
        allowed += watched["steal"]
    return abs(off) <= allowed


sys.exit(0 if {"split": split, "threads": threads, "share": share, "watch": watch, "cpu": cpu}[sys.argv[1]](sys.argv[2:]) else 1)
