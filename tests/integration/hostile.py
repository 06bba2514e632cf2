"""hostile.py patch IN OUT SECRET: names with terminal codes, a bidi override and broken UTF-8 into the symbol table, and
SECRET as the path of a source file. hostile.py damage IN OUT: an ELF file whose section headers and symbol table claim to
be huge and point anywhere. hostile.py clean FILE...: fails when a file holds a byte that no output may hold."""
import re
import struct
import sys

EVIL = b"evil\x1b]0;pwn\x07\x1b[2J\xc2\x9b31m\xe2\x80\xae\xff\xc0\xaf<script>&\"'\r"


def patch(source, target, secret):
    data = open(source, "rb").read()
    symbol = re.search(rb"hostile_symbol_a+", data).group()
    path = re.search(rb"b{60,}\.c", data).group()
    assert len(EVIL) < len(symbol) and len(secret) < len(path), "no room"
    data = data.replace(symbol, EVIL.ljust(len(symbol), b"\0"))
    data = data.replace(path, secret.encode().ljust(len(path), b"\0"))
    open(target, "wb").write(data)


def damage(source, target):
    data = bytearray(open(source, "rb").read())
    offset, = struct.unpack_from("<Q", data, 0x28)
    count, = struct.unpack_from("<H", data, 0x3c)
    for i in range(count):
        at = offset + 64 * i
        kind, = struct.unpack_from("<I", data, at + 4)
        if kind in (2, 3, 11):  # symbols, strings, dynamic symbols
            struct.pack_into("<QQ", data, at + 24, 0x40 if kind == 3 else 1 << 40, 1 << 44)
            struct.pack_into("<I", data, at + 40, 0xffff)
    struct.pack_into("<HH", data, 0x3c, 0xfff0, 0xffff)
    open(target, "wb").write(data)


def clean(paths):
    bad = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe]")
    for path in paths:
        data = open(path, "rb").read()
        text = data.decode("utf-8")  # broken UTF-8 fails here
        found = bad.search(text)
        if found:
            sys.exit(f"{path}: {found.group()!r} at {found.start()}: {text[max(0, found.start() - 60):found.end() + 20]!r}")


{"patch": patch, "damage": damage, "clean": lambda *paths: clean(paths)}[sys.argv[1]](*sys.argv[2:])
