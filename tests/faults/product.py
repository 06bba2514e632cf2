"""The product under test: a sampler spoken to directly, the live screen on a pseudo-terminal, and commands."""
import fcntl
import os
import pty
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import termios
import time

SELF_OFFSET = 1472  # of the figures about itself in the header of the model (include/README.md)
RECORD = struct.Struct("=IIQQii256s256s")
MAGIC = 0x6E314354
DETACH, HELLO, READY, FAILED, DONE = 6, 100, 101, 102, 103
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSYS)


def limits(values):
    """For preexec_fn: {RLIMIT_…: value}."""
    def apply():
        for what, value in values.items():
            resource.setrlimit(what, (value, value))
    return apply if values else None


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def self_index(name):
    """Place of a figure in N1_SELF_MAP; None when this version has none of that name."""
    with open("include/n1/model.h") as file:
        names = re.findall(r"^    X\((\w+), \"", file.read().split("#define N1_SELF_MAP")[1], re.M)
    return names.index(name) if name in names else None


class Model:
    """The shared memory of a sampler: it outlives its writer as long as we hold it."""

    def __init__(self, fd):
        self.fd = fd

    def figure(self, name):
        index = self_index(name)
        if self.fd is None or index is None:
            return 0
        data = os.pread(self.fd, 8, SELF_OFFSET + 8 * index)
        return struct.unpack("<Q", data)[0] if len(data) == 8 else 0

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
        self.fd = None


class Sampler:
    """n1top-sampler with us in the place of n1top."""

    def __init__(self, suite, pids, engine, more=(), wrap=(), rlimits=None, rate=997):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.set_inheritable(theirs.fileno(), True)
        argv = list(wrap) + [suite.sampler, "--control", str(theirs.fileno())]
        for pid in pids:
            argv += ["-p", str(pid)]
        argv += ["--engine", engine, "--rate", str(rate), "--memory", "8", *more]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=suite.product_log, close_fds=True, pass_fds=[theirs.fileno()],
                                        preexec_fn=limits(rlimits))
        theirs.close()
        self.failure, self.model, self.suite = None, Model(None), suite

    def wait_for(self, wanted, seconds=20):
        """True when a record of that type came; False when the sampler failed, hung up or is silent."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.ours], [], [], left)[0]:
                continue
            try:
                data, descriptors, _, _ = socket.recv_fds(self.ours, RECORD.size, 4)
            except OSError:
                return False
            for fd in descriptors:
                if self.model.fd is None:
                    self.model.fd = fd
                else:
                    os.close(fd)
            if len(data) != RECORD.size:
                return False
            magic, kind, _, _, code, _, text, _ = RECORD.unpack(data)
            if magic != MAGIC:
                return False
            if kind == FAILED:
                self.failure = (code, text.split(b"\0")[0].decode(errors="replace"))
            if kind in (wanted, FAILED):
                return kind == wanted
        return False

    def ready(self):
        return self.wait_for(READY)

    def helper(self):
        return next(iter(children(self.process.pid)), None)

    def detach(self):
        record = RECORD.pack(MAGIC, DETACH, 0, 0, 0, 0, b"", b"")
        try:
            self.ours.send(record)
        except OSError:
            return False
        return self.wait_for(DONE)

    def end(self, seconds=20):
        """Hangs up and waits; returns the exit status (negative: signal), or None when it would not end."""
        if self.model.fd is None:
            self.wait_for(HELLO, 0.001)  # it may have been sent and not yet taken
        self.ours.close()
        status = end_process(self.process, seconds)
        self.suite.races += self.model.figure("RACES")
        self.model.close()
        return status


def end_process(process, seconds):
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


class Screen:
    """The live screen. Its output is read and thrown away, so that it never waits for us."""

    def __init__(self, suite, pids, engine, rlimits=None):
        argv = [suite.n1top]
        for pid in pids:
            argv += ["-p", str(pid)]
        if engine != "auto":
            argv += ["--engine", engine]
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        apply = limits(rlimits)

        def become():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if apply:
                apply()
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=become,
                                        env=dict(os.environ, TERM="xterm-256color", LANG="C.UTF-8"))
        os.close(slave)
        self.seen, self.model, self.suite = b"", Model(None), suite

    def read_for(self, seconds, until=None):
        """Reads so long, or until that text came or the screen has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.master >= 0:
            if not select.select([self.master], [], [], left)[0]:
                return
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            self.seen = (self.seen + data)[-65536:]
            if not data or (until and until in self.seen):
                return

    def hold_model(self):
        """Takes a hold of the model that it reads, so that the figures can be read at the end."""
        folder = f"/proc/{self.process.pid}/fd"
        try:
            for name in os.listdir(folder):
                if self.model.fd is None and "memfd:n1top-model" in os.readlink(f"{folder}/{name}"):
                    self.model.fd = os.open(f"{folder}/{name}", os.O_RDONLY)
        except OSError:
            pass

    def drawn(self):
        self.read_for(10, b"LIVE")
        self.hold_model()
        return b"LIVE" in self.seen

    def sampler(self):
        return next(iter(children(self.process.pid)), None)

    def keys(self, text):
        try:
            os.write(self.master, text)
        except OSError:
            pass

    def hang_up(self):
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def end(self, seconds=20):
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read_for(0.05)
            time.sleep(0.005)
        status = end_process(self.process, 0.1)
        self.hang_up()
        self.suite.races += self.model.figure("RACES")
        self.model.close()
        return status


def run(suite, *argv, rlimits=None, wrap=(), seconds=60):
    """A command of n1top; returns (status or None, what it printed)."""
    process = subprocess.Popen([*wrap, suite.n1top, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=suite.product_log, preexec_fn=limits(rlimits))
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, ""
    return process.returncode, printed.decode(errors="replace").strip()
