#!/usr/bin/env python3
"""Compares recordings of n1top with a `perf record` of the same process over the same time.

compare_perf.py count threads|CPU_TIMES OUT.json RECORDING PERF_SCRIPT [RECORDING PERF_SCRIPT]
    RECORDING    a .n1 file, read by read_model.py, without any code of the product.
    PERF_SCRIPT  perf script --no-inline --ns -F tid,time,event,ip,sym,dso --show-lost-events, recorded with
                 -k CLOCK_MONOTONIC: perf prints file offsets for user code, which the ELF program headers turn
                 into the addresses of the recording, and absolute addresses for the kernel.
    Each pair is cut to the span that both cover. Addresses of perf fall into the functions of the recordings by
    module and address alone; names are compared afterwards. Counts of the pairs are added up.
    With CPU_TIMES (lines: monotonic time, CPU time of the process, in ns), perf recorded whole CPUs at 1009 Hz.
compare_perf.py judge OUT.json [SECOND.json]
    * as many samples on both sides (1 % with the lost ones), or with CPU_TIMES as many as the CPU time makes (1 % and
      3 sigma: clocks of CPUs meet the process by chance), each frame of the recording inside the function it is booked under;
    * functions of 1 % or more: ranked alike (Spearman >= 0.95), each share within 3 sigma of both samples;
    * direct callers of the functions of 4 % or more: each share of 4 % or more likewise;
    * where both name a function, it is the same name, or another name of the same address.
    One in some hundred shares is off by 3 sigma by chance: with SECOND, a share must be off in both and to the same
    side, or by 4.5 sigma in one, and ranks of both together may differ as much as those of a second perf would.
Exit status 0: so; 1: not so; 2: cannot be compared.
"""
import bisect
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict

import read_model

LEAST_SHARE = 0.01
LEAST_CALLED = 0.04
SIGMAS, FAR_SIGMAS = 3.0, 4.5
LEAST_SPEARMAN = 0.95


class Recording:
    """What a profile needs of a .n1 file."""

    def __init__(self, path):
        m = read_model.read(path)
        strings = m["STRINGS"]
        self.modules = [None] + [(strings[x.path], x.kind, x.build_id[: x.build_id_len].hex()) for x in m["MODULES"][1:]]
        self.functions = [None] + [
            {"name": strings[f.name], "module": f.module, "named": not f.reason, "start": f.start, "size": f.size}
            for f in m["FUNCTIONS"][1:]
        ]
        self.frames, self.nodes, self.samples = m["FRAMES"], m["NODES"], m["SAMPLES"][1:]
        self.threads, self.lost = len(m["THREADS"]) - 1, int(m["META"]["self"]["LOST"])
        self.period_ns = int(m["META"]["self"]["PERIOD_NS"])

    def path_of(self, module):
        path, kind, _ = self.modules[module] if module else ("unmapped", 0, "")
        return "[kernel]" if kind == 3 else path

    def place(self, frame):
        """(module's path, start of the function), as in Functions."""
        f = self.frames[frame]
        return self.path_of(f.module), self.functions[f.function]["start"] if f.function else None

    def outside(self):
        """Frames that are booked under a function which does not hold their address."""
        for frame in self.frames[1:]:
            f = self.functions[frame.function] if frame.function else None
            at = frame.offset - f["start"] if f else 0
            if f and (f["module"] != frame.module or at < 0 or (f["size"] and at >= f["size"])):
                yield f"{f['name']} [{f['start']:#x}+{f['size']:#x}] holds {frame.offset:#x}"


class Functions:
    """Address to function, (module's path, start), over all recordings of a program."""

    def __init__(self, recordings):
        self.known, self.build_ids, by_module = {}, {}, defaultdict(set)
        for r in recordings:
            for f in r.functions[1:]:
                path = r.path_of(f["module"])
                self.known[path, f["start"]] = f
                self.build_ids[path] = r.modules[f["module"]][2]
                by_module[path].add((f["start"], f["size"]))
        self.by_module = {path: sorted(table) for path, table in by_module.items()}

    def find(self, path, address):
        table = self.by_module.get(path, [])
        at = bisect.bisect_right(table, (address, math.inf)) - 1
        if at >= 0 and (address < table[at][0] + table[at][1] or not table[at][1]):
            return path, table[at][0]
        return path, None

    def label(self, key):
        path, start = key
        return f"{os.path.basename(path)}!{self.known[key]['name']}" if start is not None else f"{path}!elsewhere"


class Segments:
    """File offset to ELF virtual address."""

    def __init__(self):
        self.files = {}

    def load(self, path):
        segments = []
        try:
            data = open(path, "rb").read(4096)
            phoff, phentsize, phnum = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
            for i in range(phnum):
                kind, _, offset, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", data, phoff + i * phentsize)
                if kind == 1:
                    segments.append((offset, filesz, vaddr))
        except (OSError, struct.error):
            pass
        return segments

    def address(self, path, offset):
        if path not in self.files:
            self.files[path] = self.load(path)
        for start, size, vaddr in self.files[path]:
            if start <= offset < start + size:
                return vaddr + offset - start
        return offset


class Perf:
    """Samples of perf script: (time in ns, [(address, module, symbol), ...]), leaf first."""

    def __init__(self, path):
        self.samples, self.lost, segments = [], 0, Segments()
        header = re.compile(r"\s*(?:\S.*\s)?(\d+)\s+(\d+)\.(\d{9}):\s+(?:\d+\s+)?cpu-clock")
        frame = re.compile(r"\s+([0-9a-f]+)\s+(.*) \((.*)\)$")
        frames = None
        for line in open(path, errors="replace"):
            m = frame.match(line)
            if m and frames is not None:
                address, symbol, module = int(m.group(1), 16), m.group(2), m.group(3)
                if module.startswith(("[kernel", "[guest")) or address >= 1 << 63:
                    module = "[kernel]"
                else:
                    address = segments.address(module, address)
                frames.append((address, module, re.sub(r"(\+0x[0-9a-f]+)?$", "", symbol)))
                continue
            m = header.match(line)
            if m:
                frames = []
                self.samples.append((int(m.group(2)) * 10**9 + int(m.group(3)), frames))
            elif "PERF_RECORD_LOST" in line:
                self.lost += int(re.search(r"lost (\d+)", line).group(1))
        self.samples = [s for s in self.samples if s[1]]


def vdso_image(folder):
    for line in open("/proc/self/maps"):
        if line.rstrip().endswith("[vdso]"):
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            with open("/proc/self/mem", "rb") as memory, open(f"{folder}/vdso", "wb") as image:
                memory.seek(start)
                image.write(memory.read(end - start))
    return f"{folder}/vdso"


def symbols_of(path, build_id):
    """Every name of every address of a file and of its debug file."""
    names = defaultdict(set)
    if path == "[kernel]":
        for line in open("/proc/kallsyms"):
            address, _, name = line.split()[:3]
            names[int(address, 16)].add(name)
        return names
    with tempfile.TemporaryDirectory() as folder:
        file = vdso_image(folder) if path == "[vdso]" else path
        debug = f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
        for arguments in (["-D", file], [file], [debug]):
            if os.path.exists(arguments[-1]):
                said = subprocess.run(["nm", "--defined-only", *arguments], capture_output=True, text=True).stdout
                for line in said.splitlines():
                    fields = line.split()
                    if len(fields) == 3:
                        names[int(fields[0], 16)].add(plain(fields[2]))
    return names


def plain(name):
    return name.split("@")[0]


def misnamed(functions, names):
    """[function, name that perf gives it, samples] for names that are not of the function's address, and the number
    of samples that both name."""
    tables, wrong, both = {}, [], 0
    for key, counts in names.items():
        known = functions.known.get(key)
        if not known or not known["named"]:
            continue
        for name, count in counts.items():
            if name == "[unknown]":
                continue
            both += count
            if plain(name) == plain(known["name"]):
                continue
            if key[0] not in tables:
                tables[key[0]] = symbols_of(key[0], functions.build_ids[key[0]])
            aliases = tables[key[0]].get(key[1], ())
            if plain(name) not in aliases or plain(known["name"]) not in aliases:
                wrong.append((f"{functions.label(key)} [{key[1]:#x}+{known['size']:#x}]", name, count))
    return sorted(wrong, key=lambda r: -r[2]), both


def count(how, out_path, *paths):
    pairs = [(Recording(a), Perf(b)) for a, b in zip(paths[::2], paths[1::2])]
    functions = Functions([recording for recording, _ in pairs])
    # Each side: function of the leaf -> samples, (function of the leaf, of its direct caller) -> samples.
    ours, our_callers, perfs, perf_callers = Counter(), Counter(), Counter(), Counter()
    names, seconds = defaultdict(Counter), 0.0
    for recording, perf in pairs:
        if not recording.samples or not perf.samples:
            print(f"nothing to compare: {len(recording.samples)} samples of n1top, {len(perf.samples)} of perf")
            return 2
        start = max(recording.samples[0].time, perf.samples[0][0])
        end = min(recording.samples[-1].time, perf.samples[-1][0])
        seconds += (end - start) / 1e9
        for s in recording.samples:
            if start <= s.time <= end and s.leaf:
                at = recording.place(s.leaf)
                ours[at] += 1
                our_callers[at, recording.place(recording.nodes[s.node].frame) if s.node else None] += 1
        for time, frames in perf.samples:
            if start <= time <= end:
                at = [functions.find(path, address) for address, path, _ in frames[:2]]
                perfs[at[0]] += 1
                perf_callers[at[0], at[1] if len(at) > 1 else None] += 1
                names[at[0]][frames[0][2]] += 1

    n, m = sum(ours.values()), sum(perfs.values())
    expected = None
    if how != "threads":
        (t0, cpu0), (t1, cpu1) = [map(int, line.split()) for line in open(how)]
        seen = sum(1 for s in pairs[0][0].samples if t0 <= s.time <= t1 and s.leaf)
        expected = {"cpu": (cpu1 - cpu0) * 997 / 1e9, "samples": seen}
    rows, callers = [], []
    for key in set(ours) | set(perfs):
        a, b = ours[key], perfs[key]
        share = (a / n + b / m) / 2
        if share >= LEAST_SHARE:
            rows.append((functions.label(key), a, b))
        if share < LEAST_CALLED or key[1] is None or not a or not b:
            continue
        for caller in {c for f, c in set(our_callers) | set(perf_callers) if f == key}:
            c, d = our_callers[key, caller], perf_callers[key, caller]
            if (c / a + d / b) / 2 >= LEAST_CALLED:
                by = functions.label(caller) if caller else "nobody"
                callers.append((f"{functions.label(key)} <- {by}", c, a, d, b))
    wrong, both = misnamed(functions, names)
    result = {
        "expected": expected,
        "seconds": seconds,
        "ours": n,
        "perf": m,
        "threads": sum(recording.threads for recording, _ in pairs),
        "periods_ns": [recording.period_ns for recording, _ in pairs],
        "ours_lost": sum(recording.lost for recording, _ in pairs),
        "perf_lost": sum(perf.lost for _, perf in pairs),
        "outside": [text for recording, _ in pairs for text in recording.outside()],
        "functions": sorted(rows, key=lambda r: -r[2]),
        "callers": sorted(callers, key=lambda r: -r[3]),
        "both_name": both,
        "misnamed": wrong,
    }
    with open(out_path, "w") as out:
        json.dump(result, out, indent=1)
    return 0


def sigmas(a, n, b, m):
    """Distance of two shares a/n and b/m in standard errors of their difference."""
    pooled = (a + b) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return (a / n - b / m) / error if error else 0.0


def ranks(values):
    order = sorted(values)
    return [(bisect.bisect_left(order, v) + bisect.bisect_right(order, v) + 1) / 2 for v in values]


def spearman(pairs):
    if len(pairs) < 3:
        return 1.0
    x, y = ranks([p[0] for p in pairs]), ranks([p[1] for p in pairs])
    mean = sum(x) / len(x)
    cov = sum((a - mean) * (b - mean) for a, b in zip(x, y))
    spread = math.sqrt(sum((a - mean) ** 2 for a in x) * sum((b - mean) ** 2 for b in y))
    return cov / spread if spread else 1.0


def second_perf(counts, rounds=400):
    """The Spearman that 99 of 100 second recordings by perf itself would reach against the first: shares that differ
    by less than counting tells apart change places."""
    dice, found = random.Random(1), []
    for _ in range(rounds):
        found.append(spearman([(max(0.0, dice.gauss(y, math.sqrt(2 * y))), y) for y in counts]))
    return sorted(found)[rounds // 100]


def offs(d):
    """Label -> sigmas of every share of one comparison."""
    found = {name: sigmas(a, d["ours"], b, d["perf"]) for name, a, b in d["functions"]}
    return found | {name: sigmas(c, a, e, b) for name, c, a, e, b in d["callers"]}


def judge(paths):
    runs, good = [json.load(open(p)) for p in paths], True

    def require(condition, text):
        nonlocal good
        good = good and condition
        print(f"{'ok ' if condition else 'OFF'} {text}")

    for d in runs:
        a, b = d["ours"], d["perf"]
        print(f"{d['seconds']:.1f} s seen by both: {a} samples of n1top (lost {d['ours_lost']}), {b} of perf (lost {d['perf_lost']})")
        for name, x, y in d["functions"]:
            print(f"    {name:52} {100 * x / a:6.2f} %  perf {100 * y / b:6.2f} %  {sigmas(x, a, y, b):+5.1f} sigma")
        for name, x, xn, y, yn in d["callers"]:
            print(f"    {name:52} {100 * x / xn:6.2f} %  perf {100 * y / yn:6.2f} %  {sigmas(x, xn, y, yn):+5.1f} sigma")
    last = runs[-1]
    a, b = last["ours"] + last["ours_lost"], last["perf"] + last["perf_lost"]
    if last["expected"]:
        print(f"    n1top counts {100 * (a / (b * 997 / 1009) - 1):+.2f} % against perf -a")
        a, b = last["expected"]["samples"] + last["ours_lost"], last["expected"]["cpu"]
        require(abs(a - b) <= 0.01 * b + 3 * math.sqrt(b), f"samples: {a}, by CPU time {b:.0f}, {100 * (a / b - 1):+.2f} %")
    else:  # a thread's first sample comes after a whole period, also when a recorder opens its events anew
        allowed = 0.01 * b + 0.5 * last["threads"]
        require(abs(a - b) <= allowed, f"samples, with the lost ones: {a} and {b:.0f}, {100 * (a / b - 1):+.2f} %")
    require(len(last["functions"]) >= 1, f"functions of 1 % or more: {len(last['functions'])}, callers: {len(last['callers'])}")
    both = Counter(), Counter()
    for d in runs:
        for name, x, y in d["functions"]:
            both[0][name] += x
            both[1][name] += y
    pairs = [(both[0][name], both[1][name]) for name, _, _ in last["functions"]]
    rho, least = spearman(pairs), LEAST_SPEARMAN
    if len(runs) > 1:
        least = min(least, second_perf([y for _, y in pairs]))
    require(rho >= least, f"Spearman {rho:.3f} (least {least:.3f})")
    found = [offs(d) for d in runs]
    worst = max(found[-1].items(), key=lambda item: abs(item[1]), default=("none", 0.0))
    if len(found) == 1:
        bad = {k: v for k, v in found[0].items() if abs(v) > SIGMAS}
    else:
        bad = {k: v for f in found for k, v in f.items() if abs(v) > FAR_SIGMAS}
        bad |= {k: v for k, v in found[1].items() if abs(v) > SIGMAS and found[0].get(k, 0) * v > SIGMAS * abs(v)}
    require(not bad, f"{len(found[-1])} shares within 3 sigma (largest {worst[1]:+.1f}: {worst[0]}) {bad or ''}")
    require(all(abs(p * 997 / 1e9 - 1) < 0.01 for p in last["periods_ns"]), f"a sample stands for {last['periods_ns']} ns")
    require(not last["outside"], f"frames outside of their function: {last['outside'][:5]}")
    wrong = sum(x[2] for x in last["misnamed"])
    require(wrong == 0, f"names: {last['both_name']} samples named by both, {wrong} differently {last['misnamed'][:5] or ''}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(judge(sys.argv[2:]) if sys.argv[1] == "judge" else count(*sys.argv[2:]))
