#!/usr/bin/env python3
"""Time from a command's start to the first function that it names: attach.py ROUNDS PATTERN COMMAND...

Runs the command ROUNDS times in a pseudo-terminal of 120x40 and reads what it writes until PATTERN (a regular expression
over the bytes, escape sequences taken out) appears. Prints median, least and most in ms, and the time of the first
output at all."""
import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import sys
import termios
import time

LIMIT_S = 20.0
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78]")


def once(pattern, command):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        time.sleep(0.05)  # the parent is ready
        os.execvp(command[0], command)
    start = time.monotonic() + 0.05
    seen, first, found = b"", None, None
    while found is None and time.monotonic() - start < LIMIT_S:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        first = first or time.monotonic()
        seen += data
        if re.search(pattern, ESCAPES.sub(b"", seen)):
            found = time.monotonic()
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            break
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if select.select([fd], [], [], 0)[0]:
                try:
                    os.read(fd, 65536)
                except OSError:
                    pass
            if os.waitpid(pid, os.WNOHANG)[0]:
                os.close(fd)
                return found and 1000 * (found - start), first and 1000 * (first - start), seen
            time.sleep(0.01)
    os.waitpid(pid, 0)
    os.close(fd)
    return found and 1000 * (found - start), first and 1000 * (first - start), seen


def main():
    rounds, pattern, command = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
    runs = [once(pattern, command) for _ in range(rounds)]
    named = [r[0] for r in runs if r[0] is not None]
    if not named:
        print("no function was named:", ESCAPES.sub(b"", runs[-1][2])[-300:])
        return 1
    first = statistics.median(r[1] for r in runs if r[1] is not None)
    print(f"first named function {statistics.median(named):6.0f} ms ({min(named):.0f} to {max(named):.0f}, {len(named)} of "
          f"{rounds} runs), first output {first:.0f} ms")  # fmt: skip
    return 0


sys.exit(main())
