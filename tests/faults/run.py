#!/usr/bin/env python3
"""The harmlessness suite: run.py BUILD. Prints a table; exits 1 when anything was harmed.

N1_FAULTS=long    10,000 attachments and 1,000 kills; otherwise the short form (500 and 50)
N1_FAULTS_SEED=N  the random moments of an earlier run
N1_FAULTS_PART=T  only parts with this in their name
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import parts
from accounts import start_all
from product import Sampler
from suite import HEAD, Suite

LONG = os.environ.get("N1_FAULTS") == "long"
ONLY = os.environ.get("N1_FAULTS_PART", "")
ATTACH, KILL, OTHER = (10_000, 1_000, 200) if LONG else (500, 50, 20)
HARMS = "interrupt freeze stop trace stay poke signal nice kill litter crash".split()


def engines(suite):
    """Engines that this build has and this host permits, and why the others are not run."""
    found, why = [], []
    suite.races = 0
    suite.targets = start_all(suite, ["account", "python"])
    for engine, target in (("perf", "account"), ("ptrace", "account"), ("nonstop", "python")):
        sampler = Sampler(suite, [suite.targets[target].pid], engine)
        if sampler.ready():
            sampler.detach()
            found.append(engine)
        else:
            why.append(f"engine {engine}: {sampler.failure[1] if sampler.failure else 'no answer'}")
        sampler.end()
    for target in suite.targets.values():
        target.kill()
    suite.targets = {}
    return found, why


def wanted(name):
    return ONLY in name


def judged(suite, name, body, which):
    """Runs a part. In the short form, harm must show twice: a neighbour that takes the CPU, or the debugger itself, can
    look like harm once. The long form forgives nothing."""
    before = len(suite.harms)
    suite.part(name, body, which)
    found = len(suite.harms)
    if found == before or LONG:
        return
    suite.part(f"{name}, again", body, which)
    if len(suite.harms) == found:
        del suite.harms[before:]


def the_product(build, seed):
    suite = Suite(build, seed)
    print(f"harmlessness suite: {'long' if LONG else 'short'} form, seed {seed} (N1_FAULTS_SEED={seed} repeats it)")
    found, why = engines(suite)
    for line in why + ([f"target go: {suite.go_reason}"] if suite.go_reason else []):
        print(f"  not run: {line}")
    print(HEAD)
    suite.part("nobody watches", parts.unwatched(suite, 3))
    share = max(1, len(found))
    for engine in found:
        python = engine == "nonstop"  # it reads CPython, and only that
        main = ["python"] if python else ["account", "spinner", "go", "python"]
        calm = ["python"] if python else ["calm", "python"]
        plan = [
            (f"{engine}: attach and detach", parts.attach(suite, engine, ATTACH // share), main),
            (f"{engine}: 2,000 threads", parts.attach(suite, engine, OTHER // 2), ["threads"]),
            (f"{engine}: kill -9", parts.kills(suite, engine, KILL // share + 1), main),
            (f"{engine}: stopped or hung up", parts.stops(suite, engine, OTHER // 2), main),
            (f"{engine}: frozen within its stops", parts.frozen(suite, OTHER), ["account", "spinner"]),
            (f"{engine}: starved", parts.starve(suite, engine, 2 * OTHER), main),
            (f"{engine}: memory of a cgroup", parts.memory(suite, engine, OTHER), main),
            (f"{engine}: full disk", parts.disk(suite, engine, OTHER // 2), main),
            (f"{engine}: beside a debugger", parts.debugger(suite, engine, OTHER // 2), calm),
            (f"{engine}: the target is stopped", parts.stopped(suite, engine, OTHER), calm[:1]),
        ]
        for name, body, which in plan:
            if "frozen" in name and engine != "ptrace": # the others stop nobody
                continue
            if wanted(name) and not (python and "threads" in name):
                judged(suite, name, body, which)
    harmed = suite.finish()
    cycles, faults = sum(r.cycles for r in suite.rows), sum(r.faults for r in suite.rows)
    print(f"cycles {cycles}, faults {faults}, seed {seed}, harmed = {harmed}")
    return harmed


def the_suite_itself(build, seed):
    """Samplers that do harm must be found, each, and one that does none must not."""
    missed = []
    for how in ["none"] + HARMS:
        suite = Suite(build, seed, sampler=os.path.join(build, "faults/harmful"))
        os.environ["N1_HARM"] = how
        suite.part(how, parts.attach(suite, "perf", 1), ["account"])
        del os.environ["N1_HARM"]
        harmed = suite.finish()
        if (harmed == 0) != (how == "none"):
            missed.append(how)
        print(f"  a sampler that does '{how}': {'harm found' if harmed else 'no harm'}"
              + (f" ({suite.harms[0][:110]})" if harmed else ""), flush=True)
    print(f"the suite can say no: {len(HARMS) + 1 - len(missed)} of {len(HARMS) + 1} fake samplers judged rightly")
    return len(missed)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    seed = int(os.environ.get("N1_FAULTS_SEED") or int.from_bytes(os.urandom(3), "little"))
    start = time.monotonic()
    bad = the_suite_itself(build, seed) if wanted("itself") else 0
    bad += the_product(build, seed) if ONLY != "itself" else 0
    print(f"{time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
