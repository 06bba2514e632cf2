#!/usr/bin/env python3
"""An independent reader of recordings, written from include/README.md alone: no line of it is shared with n1top.

read_model.py FILE prints, as JSON, figures that n1top has by its own ways: counts, CPU seconds by function, thread and
second, waits, memory, the last point of each series. It checks every sum, count and id; damage is an exception."""
import collections
import json
import struct
import sys
import zlib

MAGIC = b"n1top\r\n\x1a"
# name: chunk type, struct format of a record, members, and of which chunk each member that is an id names a record
RECORDS = {
    "PROCESSES": (3, "IIIIQIIIIIIIIQQ", "pid parent ns_pid uid start exe cmdline comm runtime container labels state exit "
                  "attached ended", dict.fromkeys("exe cmdline comm runtime container labels".split(), "STRINGS")),
    "THREADS": (4, "IIQIIQQQQ", "process tid start name flags from to run wait", {"process": "PROCESSES", "name": "STRINGS"}),
    "MODULES": (5, "II20sIQQII", "path kind build_id build_id_len device inode symbols reason",
                {"path": "STRINGS", "reason": "STRINGS"}),
    "MAPPINGS": (6, "IIQQQQQ", "process module start end offset from to", {"process": "PROCESSES", "module": "MODULES"}),
    "FUNCTIONS": (7, "IIIIQQII", "name module kind reason start size file line",
                  {"name": "STRINGS", "module": "MODULES", "reason": "STRINGS", "file": "STRINGS"}),
    "FRAMES": (8, "QIIIII", "offset module function state file line",
               {"module": "MODULES", "function": "FUNCTIONS", "file": "STRINGS"}),
    "NODES": (9, "III", "parent frame depth", {"parent": "NODES", "frame": "FRAMES"}),
    "SERIES": (10, "IIII", "metric unit scope scope_kind", {"metric": "STRINGS", "unit": "STRINGS"}),
    "POINTS": (11, "IQq", "series time value", {"series": "SERIES"}),
    "SAMPLES": (12, "QIIIIII", "time thread node leaf flags weight cpu",
                {"thread": "THREADS", "node": "NODES", "leaf": "FRAMES"}),
    "WAITS": (13, "QQIIIIIIII", "start end thread node leaf class resource syscall owner flags",
              {"thread": "THREADS", "owner": "THREADS", "node": "NODES", "leaf": "FRAMES", "resource": "STRINGS"}),
    "SECONDS": (14, "IIIIIIQQ", "second thread node leaf count flags weight bytes",
                {"thread": "THREADS", "node": "NODES", "leaf": "FRAMES"}),
    "MEMORY": (15, "QQQIIII", "time bytes address thread node leaf kind",
               {"thread": "THREADS", "node": "NODES", "leaf": "FRAMES"}),
    "ANOMALIES": (16, "QQIIIIqqIIIIIIIIIII", "start end process rule severity unit value expected c0 c1 c2 s0 s1 s2 b0 b1 b2 "
                  "resource text", {"process": "PROCESSES", "rule": "STRINGS", "unit": "STRINGS", "c0": "FUNCTIONS",
                                    "c1": "FUNCTIONS", "c2": "FUNCTIONS", "resource": "STRINGS", "text": "STRINGS"}),
}
BY_TYPE = {row[0]: (name, struct.Struct("<" + row[1]), collections.namedtuple(name, row[2], rename=True))
           for name, row in RECORDS.items()}


def need(condition, what):
    if not condition:
        raise ValueError(what)


def read(path):
    """The chunks of a file: {"META": {...}, "STRINGS": [None, text...], "SAMPLES": [None, record...], ...}."""
    data = open(path, "rb").read()
    need(data[:8] == MAGIC, "not a recording")
    major, _, flags, header, crc = struct.unpack_from("<IIQII", data, 8)
    need(major == 1 and flags == 0 and header == 32 and zlib.crc32(data[:28]) == crc, "bad header")
    model = {name: [None] for name in RECORDS} | {"STRINGS": [None], "META": None}
    at, ended = header, False
    while at < len(data):
        kind, version, length, crc, flags = struct.unpack_from("<IIQII", data, at)
        payload = data[at + 24:at + 24 + length]
        need(not ended and len(payload) == length and zlib.crc32(payload) == crc, f"bad chunk at {at}")
        at += 24 + length
        if kind == 1:
            model["META"] = json.loads(payload)
        elif kind == 2:
            where = 0
            while where < length:
                size, = struct.unpack_from("<I", payload, where)
                model["STRINGS"].append(payload[where + 4:where + 4 + size].decode())
                where += 4 + size
        elif kind in BY_TYPE:
            name, fields, record = BY_TYPE[kind]
            if kind == 13 and version == 1: # ended before owner and flags
                payload = b"".join(payload[i:i + 40] + bytes(8) for i in range(0, length, 40))
            need(version == (2 if kind == 13 else 1) or kind == 13 and version == 1, f"chunk {kind} of version {version}")
            model[name] += [record(*values) for values in fields.iter_unpack(payload)]
        elif kind == 17:
            names = {1: "META", 2: "STRINGS"} | {t: BY_TYPE[t][0] for t in BY_TYPE}
            for chunk, _, records in struct.iter_unpack("<IIQ", payload):
                need(records == (1 if chunk == 1 else len(model[names[chunk]]) - 1), f"bad count of {names[chunk]}")
            ended = True
        else:
            need(not flags & 1, f"chunk {kind} must be understood")
    need(ended and model["META"], "the file has no end")
    for name, (_, _, members, ids) in RECORDS.items():
        for record in model[name][1:]:
            for member, target in ids.items():
                need(0 <= record[members.split().index(member)] < len(model[target]), f"bad {member} in {name}")
    need(all(node.parent < i for i, node in enumerate(model["NODES"]) if node), "a chain loops")
    return model


def figures(m):
    def function_of(frame_id):
        function = m["FRAMES"][frame_id].function if frame_id else 0
        return m["STRINGS"][m["FUNCTIONS"][function].name] if function else "-"

    self_ns, total_ns, thread_ns, row_ns = (collections.Counter() for _ in range(4))
    for s in m["SAMPLES"][1:]:
        chain, node = {function_of(s.leaf)}, s.node
        while node:
            chain.add(function_of(m["NODES"][node].frame))
            node = m["NODES"][node].parent
        self_ns[function_of(s.leaf)] += s.weight
        total_ns.update(dict.fromkeys(chain, s.weight))
        thread_ns[str(m["THREADS"][s.thread].tid if s.thread else 0)] += s.weight
    for row in m["SECONDS"][1:]:
        row_ns[str(row.second)] += row.weight
    last = {}
    for p in m["POINTS"][1:]:
        name = m["STRINGS"][m["SERIES"][p.series].metric]
        last[name] = m["STRINGS"][p.value] if p.time >> 63 else p.value
    return {"counts": {name: len(m[name]) - 1 for name in m if name != "META"}, "self_ns": self_ns, "total_ns": total_ns,
            "thread_ns": thread_ns, "row_ns": row_ns, "last": last, "first_touch_bytes": sum(f.bytes for f in m["MEMORY"][1:]),
            "open_waits": sum(w.end == 0 for w in m["WAITS"][1:]), "self": m["META"]["self"],
            "anomalies": [m["STRINGS"][a.text] for a in m["ANOMALIES"][1:]],
            "culprits": [m["STRINGS"][m["FUNCTIONS"][a.c0].name] for a in m["ANOMALIES"][1:] if a.c0]}


if __name__ == "__main__":
    json.dump(figures(read(sys.argv[1])), sys.stdout, indent=1, ensure_ascii=False)
