"""Targets that keep books on themselves, what their books must say, and what can be seen of them from outside."""
import json
import os
import signal
import subprocess
import time

ZERO = ("sums_bad canary_bad loop_missing signals_disorder children_bad stops_wrong state_changed "
        "stuck_threads timerfd_missing posix_missing").split()
EQUAL = [("signals_sent", "signals_received"),
         ("stops_sent", "stops_seen"), ("stops_sent", "continues_seen"), ("threads_made", "threads_ended"),
         ("joined", "passed")]
WORK = "sums loop_events waits timerfd_expired posix_expired signals_sent children stops_sent threads_made".split()
STOPPED_MAX_US = 150_000  # a frozen sampler may hold a target no longer
STOPPED_PART = 0.05       # of the time that a spinning thread was watched, on a busy machine


class Target:
    """A running target. `books` are its accounts once it has ended."""

    def __init__(self, suite, name, argv):
        self.name, self.books = name, None
        self.truth = os.path.join(suite.work, f"{name}-{suite.number()}.json")
        self.errors = open(self.truth + ".err", "wb+")
        self.process = subprocess.Popen(argv + ["--truth", self.truth], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        self.pid = self.process.pid
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{name} does not start: {self.error_text()}")
        time.sleep(0.1)  # its threads open what they need; a target that starts programs holds pipes for moments
        self.descriptors = set()
        for _ in range(100):
            self.descriptors.add(self.count_descriptors())
            time.sleep(0.002)

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read(2000).decode(errors="replace").strip()

    def count_descriptors(self):
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return -1

    def alive(self):
        return self.process.poll() is None

    def seen_harm(self, stopped=False):
        """What an onlooker sees: dead, stopped, traced, another number of descriptors. None when it is well."""
        if not self.alive():
            return f"ended with status {self.process.returncode}: {self.error_text()}"
        for tid in list_tids(self.pid):
            state, tracer = thread_state(self.pid, tid)
            if state is None:
                continue
            if tracer:
                return f"thread {tid} is traced by {tracer}"
            if (state in "Tt") != stopped:
                return f"thread {tid} is in state {state}"
        end = time.monotonic() + 2
        while (now := self.count_descriptors()) not in self.descriptors:
            if time.monotonic() > end:
                return f"{now} descriptors, not as at its start: {sorted(self.descriptors)}"
            time.sleep(0.001)
        return None

    def end(self):
        """Ends it and reads its books. Returns what is wrong, or None."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return "does not end when asked"
        if self.process.returncode != 0:
            return f"ended with status {self.process.returncode}: {self.error_text()}"
        with open(self.truth) as file:
            self.books = json.load(file)["counts"]
        return None

    def kill(self):
        if self.alive():
            self.process.kill()
            self.process.wait()


def list_tids(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def thread_state(pid, tid):
    try:
        with open(f"/proc/{pid}/task/{tid}/status") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        return lines["State"].split()[0], int(lines["TracerPid"])
    except (OSError, KeyError, ValueError):
        return None, 0


def eintr(books):
    return sum(value for name, value in books.items() if name.startswith("eintr_"))


def wrong_books(books, allowed_eintr, may_stop=True, frozen=False):
    """Every account that is not as an unwatched run's, as text. `frozen`: the sampler is stopped within each stop."""
    wrong = [f"{name} is {books[name]}" for name in ZERO if books.get(name)]
    wrong += [f"{a} {books[a]} is not {b} {books[b]}" for a, b in EQUAL
              if a in books and books[a] != books[b]]
    wrong += [f"{name} is 0: it did no work" for name in WORK if books.get(name) == 0]
    if eintr(books) > allowed_eintr:
        calls = {k[6:]: v for k, v in books.items() if k.startswith("eintr_") and v}
        wrong.append(f"EINTR {calls}, and {allowed_eintr} are accounted for")
    if not may_stop and books.get("stopped_times"):
        wrong.append(f"stopped {books['stopped_times']} times")
    blocks = books.get("stopped_blocks", 0)
    if blocks:
        if books["stopped_max_us"] > STOPPED_MAX_US:
            wrong.append(f"held for {books['stopped_max_us']} us at once")
        if not frozen and books["stopped_us"] > blocks * 5000 * STOPPED_PART:
            wrong.append(f"held for {books['stopped_us']} us of {blocks * 5000} us")
    return wrong


def start_all(suite, which=None):
    """The targets of a part: {name: Target}."""
    account = os.path.join(suite.build, "faults/account")
    known = {
        "account": lambda: Target(suite, "account", [account, "--limit", "7200"]),
        "calm": lambda: Target(suite, "calm", [account, "--limit", "7200", "sum", "signals", "forks", "timers"]),
        "spinner": lambda: Target(suite, "spinner", [account, "--limit", "7200", "stopped", "loop"]),
        "threads": lambda: Target(suite, "threads", [account, "--limit", "7200", "threads", "loop"]),
        "python": lambda: Target(suite, "python", ["/usr/bin/python3", "tests/faults/targets/account.py"]),
    }
    if suite.go:
        known["go"] = lambda: Target(suite, "go", [suite.go])
    return {name: known[name]() for name in (which or known) if name in known}
