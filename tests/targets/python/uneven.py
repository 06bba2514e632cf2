"""Two leaf functions of one loop body, one in many short calls and one in few long ones, 50 : 50 of the loop's rounds.

Truth: a sampler that keeps stacks the likelier the longer they stand still shows leaf_long above its half.
"""


def leaf_short(n):
    x = 0
    for _ in range(n):
        x ^= 1
    return x


def leaf_long(n):
    x = 0
    for _ in range(n):
        x ^= 1
    return x


def main():
    while True:
        for _ in range(100):
            leaf_short(30)
        leaf_long(3000)


main()
