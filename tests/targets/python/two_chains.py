"""Two call chains of calls of about a microsecond, called in turn: hot -> inner -> leaf, _a and _b.

Truth: a stack that holds both letters is impossible.
"""


def leaf_a():
    x = 1
    x += 1
    return x


def leaf_b():
    x = 2
    x += 2
    return x


def inner_a():
    leaf_a()
    leaf_a()


def inner_b():
    leaf_b()
    leaf_b()


def hot():
    while True:
        inner_a()
        inner_b()


hot()
