#!/usr/bin/env python3
"""Injects episodes into the target `episodes` and judges whether n1top's log names their culprits.

usage: episodes.py BUILD WORK COUNT

An episode is right when an anomaly of its rule begins with it and the first culprit is the function that the target says
it ran; a decoy runs beside it all the time, another one only with it. A CPU episode on a machine that gives the target
less than 60 % of a CPU is no spike: it is repeated, and left out when that does not help. Prints a table; exits 1 when fewer
than 95 in 100 are right.
"""
import json
import subprocess
import sys
import time

RULES = {"cpu": "cpu_spike", "memory": "memory_spike", "threads": "thread_growth", "fds": "fd_growth"}
COMMANDS = {"cpu": "cpu {} 4000", "memory": "memory {} 4000 300", "threads": "threads {} 4000 100",
            "fds": "fds {} 4000 200"}
NAMES = {"cpu": ["alpha", "bravo", "charlie", "delta", "echo"], "memory": ["foxtrot", "golf", "hotel"],
         "threads": ["india", "alpha", "golf"], "fds": ["juliet", "bravo", "hotel"]}
HISTORY_S, QUIET_S, TRIES = 25, 9, 3
GROUP = 12  # episodes of a recording: what comes back every minute is usual to a rule after some minutes


def run_ns(pid):
    with open(f"/proc/{pid}/task/{pid}/schedstat") as f:
        return int(f.read().split()[0])


def inject(target, kind, name):
    """One episode: (start, end, share of a CPU that the main thread got)."""
    before = run_ns(target.pid)
    target.stdin.write(COMMANDS[kind].format(name) + "\n")
    target.stdin.flush()
    start = int(target.stdout.readline().split()[3])
    end = int(target.stdout.readline().split()[3])
    return start, end, (run_ns(target.pid) - before) / (end - start)


def watch(build, report, plan):
    """Records a fresh target while the (kind, name) of plan are injected: (the episodes that count, void ones, the log)."""
    target = subprocess.Popen([f"{build}/targets/episodes", "--limit", "7200"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert target.stdout.readline().strip() == "ready"
    record = subprocess.Popen([f"{build}/n1top", "record", "-p", str(target.pid), "--format", "json", "-o", report],
                              stdout=subprocess.DEVNULL)
    wall = time.time() - time.monotonic()
    time.sleep(HISTORY_S)  # rules are silent until they know what is usual
    episodes, void = [], 0
    for kind, name in plan:
        for _ in range(TRIES):
            start, end, share = inject(target, kind, name)
            time.sleep(QUIET_S)
            if kind != "cpu" or share >= 0.6:
                episodes.append((kind, name, start / 1e9 + wall, end / 1e9 + wall))
                break
            void += 1
    record.send_signal(2)
    record.wait()
    target.kill()
    target.wait()
    with open(report) as f:
        return episodes, void, json.load(f)["anomalies"]


def main():
    build, work, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    kinds = list(COMMANDS)
    plan = [(kinds[i % 4], NAMES[kinds[i % 4]][i // 4 % len(NAMES[kinds[i % 4]])]) for i in range(count)]
    right = judged = void = 0
    for first in range(0, count, GROUP):
        episodes, repeated, anomalies = watch(build, f"{work}/episodes-{first}.json", plan[first:first + GROUP])
        void += repeated
        judged += len(episodes)
        for kind, name, start, end in episodes:
            found = [a for a in anomalies if a["rule"] == RULES[kind] and start - 2 <= a["start"] <= end + 2]
            culprit = found[0]["culprits"][0]["function"].split("!")[1] if found and found[0]["culprits"] else None
            good = culprit == f"culprit_{name}"
            right += good
            if not good:
                print(f"{kind:8} culprit_{name:8} named: {culprit} ({'no anomaly' if not found else found[0]['text']})")
    print(f"{right} of {judged} culprits right, {void} CPU episodes void (the machine was busy)")
    # One wrong is within 95 in 100 for a short run, too.
    sys.exit(0 if right >= min(0.95 * judged, judged - 1) else 1)


if __name__ == "__main__":
    main()
