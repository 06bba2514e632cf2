"""Four leaf functions with one loop body, called in the ratio 50 : 30 : 15 : 5 under a chain of four.

Truth: their shares, of Python self time, are 50, 30, 15 and 5 %. One call of any of them takes some microseconds.
"""

N = 40


def leaf_a():
    x = 0
    for _ in range(N):
        x ^= 1
    return x


def leaf_b():
    x = 0
    for _ in range(N):
        x ^= 1
    return x


def leaf_c():
    x = 0
    for _ in range(N):
        x ^= 1
    return x


def leaf_d():
    x = 0
    for _ in range(N):
        x ^= 1
    return x


ORDER = [leaf_a] * 10 + [leaf_b] * 6 + [leaf_c] * 3 + [leaf_d]


class Work:
    def inner(self):
        for call in ORDER:
            call()


def outer(work):
    work.inner()


def main():
    work = Work()
    while True:
        outer(work)


main()
