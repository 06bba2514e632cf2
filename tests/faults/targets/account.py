"""A Python program that keeps books on itself, as account.c does: threads that sum, wait, and pass events, and signals
that must arrive. "ready" on standard output; SIGTERM ends it."""
import hashlib, json, queue, signal, sys, threading, time

truth = sys.argv[sys.argv.index("--truth") + 1]
ending = threading.Event()
counts = dict.fromkeys("sums sums_bad loop_events loop_missing signals_sent signals_received".split(), 0)
text = bytes(range(256)) * 8
right = hashlib.sha256(text).hexdigest()


def sums():
    while not ending.is_set():
        counts["sums_bad"] += hashlib.sha256(text).hexdigest() != right or sum(range(500)) != 124750
        counts["sums"] += 1
        time.sleep(0.002)


def feed(events):
    number = 0
    while not ending.is_set():
        number += 1
        events.put(number)
        time.sleep(0.001)
    events.put(None)


def take(events):
    last = 0
    while (number := events.get()) is not None:
        last += 1
        counts["loop_missing"] += number != last
        counts["loop_events"] += 1


def on_signal(number, frame):
    counts["signals_received"] += 1


events = queue.Queue()
signal.signal(signal.SIGUSR2, on_signal)
signal.signal(signal.SIGTERM, lambda number, frame: ending.set())
threads = [threading.Thread(target=run, args=arguments)
           for run, arguments in [(sums, ()), (feed, (events,)), (take, (events,))]]
for thread in threads:
    thread.start()
print("ready", flush=True)
while not ending.is_set():  # one at a time: signals of one number merge while one is pending
    counts["signals_sent"] += 1
    signal.raise_signal(signal.SIGUSR2)
    time.sleep(0.002)
for thread in threads:
    thread.join()
with open(truth, "w") as file:
    json.dump({"target": "python", "counts": counts}, file)
