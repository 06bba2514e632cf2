"""What every part of the suite stands on: its folder, its random numbers, the copy of the product, and the rules of harm."""
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from accounts import eintr, start_all, wrong_books
from product import CRASHES

PR_SET_CHILD_SUBREAPER = 36
GONE_SECONDS = 10


class Row:
    """A line of the table."""

    def __init__(self, part):
        self.part, self.cycles, self.faults, self.well, self.refused, self.killed, self.harmed = part, 0, 0, 0, 0, 0, 0
        self.seconds = 0.0

    def outcome(self, status):
        if status == 0:
            self.well += 1
        elif status is not None and status < 0:
            self.killed += 1
        else:
            self.refused += 1


class Suite:
    def __init__(self, build, seed, sampler=None):
        self.build, self.seed, self.quiet = os.path.abspath(build), seed, sampler is not None
        self.random = random.Random(seed)
        self.work = tempfile.mkdtemp(prefix="n1-faults-")
        os.chmod(self.work, 0o755)
        self.harms, self.rows, self.row, self.numbers = [], [], None, 0
        self.before = outside()
        for name in ("tmp", "run", "config", "out", "bin"):
            os.mkdir(os.path.join(self.work, name), 0o700)
        os.mkdir(os.path.join(self.work, "config/n1top"))
        with open(os.path.join(self.work, "config/n1top/config.json"), "w") as file:
            file.write('{"profiling": {"linger": 0}}\n')
        os.environ.update(TMPDIR=self.work + "/tmp", XDG_RUNTIME_DIR=self.work + "/run",
                          XDG_CONFIG_HOME=self.work + "/config")
        # Copies of its own, so that every process of the product that this run started is known by its file.
        self.n1top, self.sampler = self.work + "/bin/n1top", self.work + "/bin/n1top-sampler"
        shutil.copy(os.path.join(self.build, "n1top"), self.n1top)
        shutil.copy(sampler or os.path.join(self.build, "n1top-sampler"), self.sampler)
        self.product_log = open(self.work + "/product.log", "ab")
        self.go, self.go_reason = (None, None) if sampler else build_go(self.work)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def number(self):
        self.numbers += 1
        return self.numbers

    def harm(self, text):
        """Counted once a text and part; told at once."""
        self.row.harmed += 1
        self.harms.append(text.replace("\n", " "))
        if not self.quiet:
            print(f"  HARM in {self.row.part}, cycle {self.row.cycles}: {text}", flush=True)

    def processes(self):
        """Processes that run the product's files of this suite."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if exe.startswith(self.work + "/bin/"):
                found.append(int(pid))
        return found

    def reap(self):
        """Orphans of the product come to us."""
        known = {t.pid for t in getattr(self, "targets", {}).values()}
        with open("/proc/self/task/%d/children" % os.getpid()) as file:
            for pid in map(int, file.read().split()):
                try:
                    with open(f"/proc/{pid}/stat") as stat:
                        zombie = stat.read().rpartition(")")[2].split()[0] == "Z"
                except OSError:
                    continue
                if zombie and pid not in known:
                    try:
                        os.waitpid(pid, os.WNOHANG)
                    except ChildProcessError:
                        pass

    def settle(self, status):
        """After each cycle: the product is gone, and every target is as it was."""
        if status is not None and -status in CRASHES:
            self.harm(f"the product crashed: signal {-status}")
        end = time.monotonic() + GONE_SECONDS
        while (left := self.processes()) and time.monotonic() < end:
            self.reap()
            time.sleep(0.005)
        self.reap()
        if left:
            names = [open(f"/proc/{p}/cmdline").read().replace("\0", " ") for p in left if os.path.exists(f"/proc/{p}")]
            self.harm(f"processes left behind: {names}")
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        for target in self.targets.values():
            harm = target.seen_harm()
            if harm:
                self.harm(f"{target.name}: {harm}")
                if target.alive():
                    os.kill(target.pid, signal.SIGCONT)

    def part(self, name, body, which=None):
        """Runs a part on fresh targets and judges their books at its end. The body returns how many EINTR are
        accounted for (None: none may be)."""
        self.row = Row(name)
        self.rows.append(self.row)
        start = time.monotonic()
        self.races = 0  # interrupted calls that the samplers themselves counted
        self.targets = start_all(self, which)
        allowed = 0
        try:
            allowed = (body(self.row) or 0) + self.races
        finally:
            for target in self.targets.values():
                wrong = target.end()
                if wrong:
                    self.harm(f"{target.name}: {wrong}")
                elif target.books is not None:
                    frozen = "freeze" in name or "frozen" in name
                    for text in wrong_books(target.books, allowed, "ptrace" in name or frozen, "frozen" in name):
                        self.harm(f"{target.name}: {text} {target.error_text()}".strip())
        self.row.races = self.races
        self.row.books = {name: t.books for name, t in self.targets.items() if t.books}
        self.targets = {}
        self.row.seconds = time.monotonic() - start
        if not self.quiet:
            print_row(self.row)

    def finish(self):
        """What is left outside of the processes. Removes the folder."""
        self.row = Row("left behind")
        self.rows.append(self.row)
        self.row.cycles = 1
        for folder in ("tmp", "run"):
            for name in os.listdir(os.path.join(self.work, folder)):
                self.harm(f"left in {folder}: {name}")
        now = outside()
        for name in now:
            for entry in sorted(now[name] - self.before[name]):
                self.harm(f"left in {name}: {entry}")
        if not self.quiet:
            print_row(self.row)
        self.product_log.close()
        shutil.rmtree(self.work, ignore_errors=True)
        return len(self.harms)


def build_go(work):
    """The Go target: (program, None), or (None, why not)."""
    compiler = shutil.which("go")
    if not compiler:
        return None, "no Go compiler: tools/deps --faults installs it"
    target = os.path.join(work, "account-go")
    environment = dict(os.environ, GOCACHE=work + "/go-cache", GOFLAGS="-mod=mod", GO111MODULE="off", HOME=work)
    made = subprocess.run([compiler, "build", "-o", target, "tests/faults/targets/account.go"], env=environment,
                          capture_output=True, text=True)
    shutil.rmtree(work + "/go-cache", ignore_errors=True)
    return (target, None) if made.returncode == 0 else (None, "go build: " + made.stderr.strip()[-200:])


def outside():
    """Things of this host that the product could leave behind."""
    def names(folder, wanted):
        """Of ours: what another user's n1top leaves is none of this run's."""
        try:
            return {entry.name for entry in os.scandir(folder)
                    if wanted in entry.name and entry.stat(follow_symlinks=False).st_uid == os.geteuid()}
        except OSError:
            return set()

    def lines(path, wanted):
        try:
            with open(path) as file:
                return {line.strip() for line in file if wanted in line}
        except OSError:
            return set()
    return {
        "/tmp": names("/tmp", "n1top"),
        "/dev/shm": names("/dev/shm", "n1"),
        "/run/n1top": names("/run/n1top", ""),
        "uprobe_events": lines("/sys/kernel/tracing/uprobe_events", ""),
        "kprobe_events": lines("/sys/kernel/tracing/kprobe_events", ""),
        "unix sockets": {line.split()[-1] for line in lines("/proc/net/unix", "n1top")},
    }


HEAD = f"{'part':34} {'cycles':>6} {'faults':>6} {'ended well':>10} {'refused':>7} {'killed':>6} {'seconds':>7} {'harmed':>6}"


def print_row(row):
    print(f"{row.part:34} {row.cycles:6} {row.faults:6} {row.well:10} {row.refused:7} {row.killed:6} "
          f"{row.seconds:7.0f} {row.harmed:6}", flush=True)
    books = getattr(row, "books", {}).get("account")
    spinner = getattr(row, "books", {}).get("spinner")
    if books and spinner:
        print(f"{'':34} its books: event loop {books['loop_p50_us']}/{books['loop_p99_us']}/{books['loop_max_us']} us "
              f"(p50/p99/max), stopped {spinner['stopped_times']} times in {spinner['stopped_blocks'] * 5} ms for "
              f"{spinner['stopped_us']} us, {spinner['stopped_p50_us']}/{spinner['stopped_max_us']} us (p50/max), EINTR {eintr(books)} (counted {row.races}), "
              f"timer overruns {books['timerfd_overruns'] + books['posix_overruns']}, "
              f"signals {books['signals_sent']}, children {books['children']}", flush=True)
