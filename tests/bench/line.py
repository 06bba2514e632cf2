#!/usr/bin/env python3
"""What the screen does to the line: the real program on a pseudo-terminal that answers as a terminal does.

line.py bytes SECONDS ROWSxCOLS DELAY_MS PROGRAM ARG...   bytes and writes a second once settled, bytes of the start
line.py hangup ignored|default PROGRAM ARG...             time from the hang-up to the end, and what it cost
line.py quit PROGRAM ARG...                               time from q to the end
"""
import fcntl, os, pty, select, signal, struct, sys, termios, time

QUERIES = [(b"\033[?2026$p", b"\033[?2026;2$y"), (b"\033[5n", b"\033[0n")]


class Terminal:
    def __init__(self, argv, rows, cols, delay=0.0, ignore_hangup=False):
        self.delay, self.bytes, self.reads, self.pending, self.tail = delay, 0, 0, [], b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore_hangup else signal.SIG_DFL)
            os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", TZ="UTC")
            for name in ("LC_ALL", "NO_COLOR", "COLORTERM"):
                os.environ.pop(name, None)
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
                os.execv(argv[0], argv)
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def pump(self, until, want=None):
        """Reads and answers until a time or a text; every read is one write of the program, or more when it is quick."""
        seen = b""
        while time.monotonic() < until:
            now = time.monotonic()
            while self.pending and self.pending[0][0] <= now:
                os.write(self.fd, self.pending.pop(0)[1])
            wait = min(until, self.pending[0][0] if self.pending else until) - now
            ready, _, _ = select.select([self.fd], [], [], max(0, min(wait, 0.05)))
            if not ready:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.bytes += len(data)
            self.reads += 1
            seen = (seen + data)[-65536:]
            text = self.tail + data
            for query, answer in QUERIES:
                for _ in range(text.count(query) - self.tail.count(query)):
                    self.pending.append((time.monotonic() + self.delay, answer))
            self.tail = text[-16:]
            if want and want in seen:
                return True
        return want is None


def quiet_end(pid):
    return os.wait4(pid, 0)[2]


def main():
    what = sys.argv[1]
    if what == "bytes":
        seconds, size, delay = float(sys.argv[2]), sys.argv[3], float(sys.argv[4]) / 1000
        cols, rows = (int(x) for x in size.split("x"))
        t = Terminal(sys.argv[5:], rows, cols, delay)
        t.pump(time.monotonic() + 4)
        start = t.bytes
        t.pump(time.monotonic() + 28)  # the window of 30 s is full: shares move no more than they have to
        t.bytes = t.reads = 0
        begin = time.monotonic()
        t.pump(begin + seconds)
        took = time.monotonic() - begin
        print(f"{t.bytes / took:.0f} bytes/s, {t.bytes / max(t.reads, 1):.0f} bytes a write, "
              f"{t.reads / took:.2f} writes/s; first 4 s {start} bytes")
        os.write(t.fd, b"q")
        t.pump(time.monotonic() + 2)
        os.wait4(t.pid, 0)
    else:
        rest = sys.argv[3:] if what == "hangup" else sys.argv[2:]
        t = Terminal(rest, 24, 80, 0, what == "hangup" and sys.argv[2] == "ignored")
        if not t.pump(time.monotonic() + 20, b"FUNCTION"):
            sys.exit("no screen")
        t.pump(time.monotonic() + 1)
        before = os.sysconf("SC_CLK_TCK") and time.monotonic()
        if what == "hangup":
            os.close(t.fd)
        else:
            os.write(t.fd, b"q")
            t.pump(time.monotonic() + 1)
        usage = quiet_end(t.pid)
        print(f"{(time.monotonic() - before) * 1000:.1f} ms" + (f", {(usage.ru_utime + usage.ru_stime) * 1000:.0f} ms of CPU in all" if usage else ""))


main()
