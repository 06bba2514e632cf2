#!/usr/bin/env python3
"""A slow line: slow_line.py FROM_PORT TO_PORT DELAY_MS BYTES_A_SECOND. Passes TCP on, each chunk late and thinned out.

It reads only what it may pass on soon, so that a sender feels it as it feels a real one: by its full buffers.
"""
import selectors, socket, sys, time

source, target, delay, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000, float(sys.argv[4])
listener = socket.create_server(("127.0.0.1", source))
listener.setblocking(False)
peers, queues, free = {}, {}, {}
poll = selectors.DefaultSelector()
poll.register(listener, selectors.EVENT_READ)
print("ready", flush=True)


def drop(s):
    for end in (s, peers.get(s)):
        if end in peers:
            poll.unregister(end)
            peers.pop(end), queues.pop(end)
            end.close()


while True:
    now = time.monotonic()
    wait = 1.0
    for s in list(queues):
        while s in queues and queues[s] and queues[s][0][0] <= now:
            try:
                queues[s][0][1] = queues[s][0][1][s.send(queues[s][0][1]):]
            except BlockingIOError:
                break
            except OSError:
                drop(s)
                break
            if not queues[s][0][1]:
                queues[s].pop(0)
        if s in queues and queues[s]:
            wait = min(wait, max(0.005, queues[s][0][0] - now))
    for key, _ in poll.select(wait):
        s = key.fileobj
        if s is listener:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", target))
            for a, b in ((near, far), (far, near)):
                a.setblocking(False)
                a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                peers[a], queues[a], free[a] = b, [], 0.0
                poll.register(a, selectors.EVENT_READ)
            continue
        if s not in peers:
            continue
        other = peers[s]
        if sum(len(c[1]) for c in queues[other]) > max(rate, 1000):
            time.sleep(0.005)
            continue
        try:
            data = s.recv(1024)
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        if not data:
            drop(s)
            continue
        now = time.monotonic()
        free[other] = max(free[other], now) + len(data) / rate
        queues[other].append([free[other] + delay, data])
