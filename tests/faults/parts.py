"""The parts of the suite: what is done to the product while the targets keep their books."""
import math
import os
import resource
import shutil
import signal
import subprocess
import time

from product import Sampler, Screen, children, run

MIB = 1 << 20


def pause(suite, most):
    time.sleep(suite.random.random() * most)


def some_pids(suite):
    """Mostly one target, sometimes all of them at once."""
    pids = [t.pid for t in suite.targets.values()]
    return pids if suite.random.random() < 0.1 else [suite.random.choice(pids)]


def options(suite):
    return suite.random.choice([(), (), ("--children",)])


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
        return True
    except (OSError, TypeError):
        return False


def unwatched(suite, seconds):
    """The truth to compare with: the same targets, and nobody there."""
    def body(row):
        row.cycles = 1
        time.sleep(seconds)
        suite.settle(0)
    return body


def attach(suite, engine, cycles):
    """Attach, sample a moment, detach."""
    def body(row):
        for _ in range(cycles):
            row.cycles += 1
            sampler = Sampler(suite, some_pids(suite), engine, options(suite))
            if sampler.ready():
                pause(suite, 0.03)
                if not sampler.detach():
                    suite.harm("no answer to detach")
            else:
                suite.harm(f"could not attach: {sampler.failure}")
            status = sampler.end()
            if status is None:
                suite.harm("does not end after detach")
            row.outcome(status)
            suite.settle(status)
    return body


def kills(suite, engine, cycles):
    """kill -9 of the sampler, its helper or the screen at a random moment of its life."""
    def sampler_case(row):
        sampler = Sampler(suite, some_pids(suite), engine, options(suite))
        pause(suite, 0.15)
        victim = sampler.helper() if suite.random.random() < 0.3 else sampler.process.pid
        row.faults += kill(victim)
        if victim != sampler.process.pid:
            pause(suite, 0.1)
        return sampler.end()

    def screen_case(row):
        screen = Screen(suite, some_pids(suite), engine)
        screen.read_for(suite.random.random() * 0.4)
        screen.hold_model()
        sampler = screen.sampler()
        victim = suite.random.choice([screen.process.pid, sampler, next(iter(children(sampler or 0)), None)])
        row.faults += kill(victim)
        if victim != screen.process.pid:
            screen.read_for(0.1)
            screen.keys(b"q")
        return screen.end()

    def body(row):
        for number in range(cycles):
            row.cycles += 1
            status = screen_case(row) if number % 5 == 0 else sampler_case(row)
            if status is None:
                suite.harm("does not end")
            row.outcome(status)
            suite.settle(status)
    return body


def stops(suite, engine, cycles):
    """SIGSTOP of one of the three for a while, then SIGCONT, or an end while it is stopped."""
    def body(row):
        for _ in range(cycles):
            row.cycles += 1
            screen = Screen(suite, some_pids(suite), engine)
            if not screen.drawn():
                suite.harm(f"no picture: {screen.seen[-300:]!r}")
            sampler = screen.sampler()
            victim = suite.random.choice([screen.process.pid, sampler, next(iter(children(sampler or 0)), sampler)])
            row.faults += kill(victim, signal.SIGSTOP)
            screen.read_for(0.1 + 0.3 * suite.random.random())
            if suite.random.random() < 0.5:
                kill(victim, signal.SIGCONT)
                screen.read_for(0.05)
                screen.keys(b"q")
            else:
                screen.hang_up()
                kill(screen.process.pid)
                time.sleep(0.02)
                kill(victim, signal.SIGCONT) # a stopped process cannot see that its peer has gone
            status = screen.end()
            if status is None:
                suite.harm("does not end")
            row.outcome(status)
            suite.settle(status)
    return body


def frozen(suite, cycles):
    """SIGSTOP of the sampler at a random moment within each of its stops: its guard lets it go on, and the target's
    own clock says how long it was held."""
    preload = os.path.join(suite.build, "faults/freeze.so")

    def body(row):
        spinner = suite.targets["spinner"].pid
        for _ in range(cycles):
            row.cycles += 1
            wrap = ("env", f"LD_PRELOAD={preload}", f"N1_FREEZE_SEED={suite.random.randrange(1 << 30)}")
            sampler = Sampler(suite, [spinner], "ptrace", wrap=wrap)
            if not sampler.ready():
                suite.harm(f"could not attach: {sampler.failure}")
            pause(suite, 1)
            if not sampler.detach():
                suite.harm("no answer to detach")
            status = sampler.end()
            row.faults += 1
            row.outcome(status)
            suite.settle(status)
    return body


def starve(suite, engine, cycles):
    """Too few descriptors, too little memory, refused calls: it says so and ends, or works with less."""
    def body(row):
        for _ in range(cycles):
            row.cycles += 1
            row.faults += 1
            kind = suite.random.choice(["nofile", "nofile", "as", "as", "data", "nproc", "memlock", "refuse"])
            rlimits, wrap = {
                "nofile": lambda: ({resource.RLIMIT_NOFILE: suite.random.randrange(4, 40)}, ()),
                "as": lambda: ({resource.RLIMIT_AS: suite.random.randrange(12, 160) * MIB}, ()),
                "data": lambda: ({resource.RLIMIT_DATA: suite.random.randrange(1, 24) * MIB}, ()),
                "nproc": lambda: ({resource.RLIMIT_NPROC: 0}, ()),
                "memlock": lambda: ({resource.RLIMIT_MEMLOCK: 0}, ()),
                "refuse": lambda: (None, (os.path.join(suite.build, "faults/refuse"), suite.random.choice(
                    ["perf_event_open", "process_vm_readv", "ptrace", "pidfd_open", "memfd_create", "openat",
                     "socketpair,vfork", "perf_event_open,ptrace", "prctl", "seccomp"]))),
            }[kind]()
            if suite.random.random() < 0.7:
                sampler = Sampler(suite, some_pids(suite), engine, options(suite), wrap=wrap, rlimits=rlimits)
                if sampler.ready():
                    pause(suite, 0.06)
                    sampler.detach()
                status = sampler.end()
            else:
                status, _ = run(suite, "record", "-p", str(some_pids(suite)[0]), "-d", "0.05", "-o", "/dev/null",
                                "--format", "text", rlimits=rlimits, wrap=wrap)
            if status is None:
                suite.harm(f"does not end under {kind} {rlimits} {wrap}")
            row.outcome(status)
            suite.settle(status)
    return body


def memory(suite, engine, cycles):
    """A cgroup with less memory than it wants: the kernel kills it."""
    def body(row):
        group, limit = make_group()
        if not group:
            print("  skipped: no cgroup with a memory limit can be made here")
            return
        try:
            for _ in range(cycles):
                row.cycles += 1
                with open(limit, "w") as file:
                    file.write(str(suite.random.randrange(1 * MIB, 24 * MIB)))
                sampler = Sampler(suite, some_pids(suite), engine, options(suite),
                                  wrap=("sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"))
                if sampler.ready():
                    pause(suite, 0.1)
                    sampler.detach()
                status = sampler.end()
                row.faults += status != 0
                row.outcome(status)
                suite.settle(status)
        finally:
            os.rmdir(group)
    return body


def make_group():
    """A cgroup of ours with a memory limit, of version 2 or 1: (folder, file of the limit), or (None, None)."""
    for root, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        group = f"{root}/n1-faults-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        if os.path.exists(f"{group}/{limit}"):
            return group, f"{group}/{limit}"
        os.rmdir(group)
    return None, None


def disk(suite, engine, cycles):
    """Recordings onto a disk that is full, or becomes so, or files that may not grow."""
    folder = suite.work + "/disk"

    def body(row):
        os.makedirs(folder, exist_ok=True)
        mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True).returncode == 0
        try:
            for _ in range(cycles):
                row.cycles += 1
                row.faults += 1
                rlimits = None
                if not mounted or suite.random.random() < 0.3:
                    rlimits = {resource.RLIMIT_FSIZE: suite.random.randrange(0, 65536)}
                else:
                    with open(folder + "/filler", "wb") as file:
                        file.write(bytes(4096 * suite.random.randrange(2, 16)))
                status, saved = run(suite, "record", "-p", str(some_pids(suite)[0]), "-d", "0.05", "-o",
                                    folder + "/out.n1", rlimits=rlimits)
                if saved.startswith(suite.work + "/tmp/"):
                    os.unlink(saved) # it went where there was room, and said so
                if status is None:
                    suite.harm("does not end on a full disk")
                row.outcome(status)
                suite.settle(status)
                left = [name for name in os.listdir(folder) if name not in ("out.n1", "filler")]
                if left:
                    suite.harm(f"temporary files left: {left}")
                for name in os.listdir(folder):
                    os.unlink(os.path.join(folder, name))
        finally:
            if mounted:
                subprocess.run(["umount", folder])
    return body


def debugger(suite, engine, cycles):
    """strace or gdb attached before the sampler comes, and after: both work, and neither hurts the other."""
    tools = [tool for tool in ("strace", "gdb") if shutil.which(tool)]

    def start(tool, pid):
        argv = {"strace": ["strace", "-f", "-e", "trace=none", "-p", str(pid)],
                "gdb": ["gdb", "-q", "-nx", "-batch", "-p", str(pid), "-ex", "bt 1"]}[tool]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def traced(pid, process):
        end = time.monotonic() + 20
        while time.monotonic() < end and process.poll() is None:
            with open(f"/proc/{pid}/status") as file:
                if "TracerPid:\t0\n" not in file.read():
                    return True
            time.sleep(0.002)
        return False

    def body(row):
        if not tools:
            print("  skipped: neither strace nor gdb is installed")
            return
        for _ in range(cycles):
            row.cycles += 1
            row.faults += 1
            pid = suite.random.choice(list(suite.targets.values())).pid
            tool = suite.random.choice(tools)
            before = suite.random.random() < 0.6
            tracer = None
            if before:
                tracer = start(tool, pid)
                traced(pid, tracer)
            sampler = Sampler(suite, [pid], engine, options(suite))
            ready = sampler.ready()
            if not before:
                tracer = start(tool, pid)
                if not traced(pid, tracer) and tracer.poll() not in (0, None):
                    suite.harm(f"{tool} could not attach beside the sampler")
            pause(suite, 0.05)
            if ready:
                sampler.detach()
            row.outcome(sampler.end())
            if tool == "strace":
                tracer.send_signal(signal.SIGINT)
            try:
                tracer.wait(60)
            except subprocess.TimeoutExpired:
                suite.harm(f"{tool} does not end")
                tracer.kill()
                tracer.wait()
            suite.settle(0)
        return math.inf # the debugger's own interruptions
    return body


def stopped(suite, engine, cycles):
    """A target that is stopped before we come stays stopped, and goes on when it is told to."""
    def body(row):
        target = next(iter(suite.targets.values()))
        for _ in range(cycles):
            row.cycles += 1
            row.faults += 1
            os.kill(target.pid, signal.SIGSTOP)
            sampler = Sampler(suite, [target.pid], engine)
            ready = sampler.ready()
            pause(suite, 0.1)
            harm = target.seen_harm(stopped=True)
            if harm:
                suite.harm(f"while stopped: {harm}")
            if suite.random.random() < 0.3:
                kill(sampler.process.pid)
            elif ready:
                sampler.detach()
            status = sampler.end()
            row.outcome(status)
            if target.seen_harm(stopped=True):
                suite.harm(f"after the sampler had gone: {target.seen_harm(stopped=True)}")
            os.kill(target.pid, signal.SIGCONT)
            end = time.monotonic() + 5
            while target.seen_harm() and time.monotonic() < end:
                time.sleep(0.002)
            suite.settle(status)
        return math.inf # the stops' own
    return body
