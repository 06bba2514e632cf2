/*
 * The layouts. glibc pthread_mutex_t: {int lock; uint count; int owner; uint nusers; int kind}. Its waiters
 * sleep on `lock` with the value 2, those of robust and priority-inheritance mutexes with the owner's tid and
 * the kernel's bit "waiters". pthread_rwlock_t: {uint readers, writers, wrphase_futex, writers_futex, pad3,
 * pad4; int cur_writer}; waiters sleep on one of the first, third and fourth. pthread_cond_t: its waiters
 * sleep in its signal words with the value 0 or an even group number. musl's mutex: {int type, lock}, where
 * lock is the owner's tid and the bit.
 */
#include "sampler/waits/lock.h"

#include <linux/futex.h>
#include <stdio.h>
#include <string.h>

struct look {
    const uint8_t *bytes;
    size_t from, to;
    n1_lock_lives *lives;
    const void *context;
};

/* The 32-bit word `at` bytes from the futex word; false when it could not be read. */
static bool word(const struct look *l, int at, uint32_t *ret)
{
    size_t where = (size_t)(N1_LOCK_BEFORE + at);
    if (where < l->from || where + 4 > l->to)
        return false;
    memcpy(ret, l->bytes + where, 4);
    return true;
}

static bool lives(const struct look *l, uint32_t tid)
{
    return tid > 0 && tid <= INT32_MAX && l->lives(l->context, (pid_t)tid);
}

/* kind: type in the low two bits, robust 16, PI 32, protect 64, elision 256 and 512, shared 128. */
static bool mutex(const struct look *l, uint64_t address, struct n1_lock *ret)
{
    uint32_t lock, count, owner, users, kind;
    if (!word(l, 0, &lock) || !word(l, 4, &count) || !word(l, 8, &owner) || !word(l, 12, &users) ||
        !word(l, 16, &kind))
        return false;
    /* A lock that was released just now has no owner: nothing tells that it is a mutex then. */
    if ((kind & ~UINT32_C(0x3f3)) || users == 0 || users > 1 << 20 || !lives(l, owner))
        return false;
    *ret = (struct n1_lock){N1_LOCK_MUTEX, address, (pid_t)owner};
    return true;
}

/* `back`: how far the futex word lies in the lock. */
static bool rwlock(const struct look *l, uint64_t address, int back, struct n1_lock *ret)
{
    uint32_t readers, phase, futex, writer, shared;
    if (!word(l, -back, &readers) || !word(l, 8 - back, &phase) || !word(l, 12 - back, &futex) ||
        !word(l, 24 - back, &writer) || !word(l, 28 - back, &shared))
        return false;
    if (phase > 3 || futex > 3 || shared > 1)
        return false;
    bool held_by_readers = writer == 0 && readers >> 3 > 0 && readers >> 3 < 1 << 20;
    if (!held_by_readers && !lives(l, writer))
        return false;
    *ret = (struct n1_lock){N1_LOCK_RWLOCK, address - (uint64_t)back, (pid_t)writer};
    return true;
}

struct n1_lock n1_lock_decode(const uint64_t args[6], const uint8_t *bytes, size_t from, size_t to,
                              n1_lock_lives *alive, const void *context)
{
    const struct look l = {bytes, from, to, alive, context};
    uint64_t address = args[0];
    uint32_t op = (uint32_t)args[1] & FUTEX_CMD_MASK, value = (uint32_t)args[2], now = 0;
    bool known = word(&l, 0, &now), timed = op == FUTEX_WAIT_BITSET;
    struct n1_lock lock = {N1_LOCK_UNKNOWN, address, 0};

    if (op == FUTEX_LOCK_PI || op == 13 /* FUTEX_LOCK_PI2 */) {
        lock.kind = N1_LOCK_MUTEX;
        lock.owner = known && lives(&l, now & FUTEX_TID_MASK) ? (pid_t)(now & FUTEX_TID_MASK) : 0;
        return lock;
    }
    if ((value & FUTEX_WAITERS) && lives(&l, value & FUTEX_TID_MASK)) {
        /* robust, or musl's: whoever holds it now */
        lock.kind = N1_LOCK_MUTEX;
        lock.owner = known && lives(&l, now & FUTEX_TID_MASK) ? (pid_t)(now & FUTEX_TID_MASK) : 0;
        return lock;
    }
    if (!(args[1] & FUTEX_PRIVATE_FLAG) && now == value && lives(&l, value)) {
        /* the kernel clears this word when the thread ends */
        lock.kind = N1_LOCK_JOIN;
        lock.owner = (pid_t)value;
        return lock;
    }
    if (value == 2 && mutex(&l, address, &lock))
        return lock;
    if (value == 2 || value == 3) {
        if (rwlock(&l, address, 8, &lock) || rwlock(&l, address, 12, &lock))
            return lock;
    }
    if (timed && value > 3 && rwlock(&l, address, 0, &lock))
        return lock;
    lock.kind = value == 2 || (op == FUTEX_WAIT && value == 1) ? N1_LOCK_PLAIN
                : timed && value % 2 == 0                      ? N1_LOCK_CONDITION
                                                               : N1_LOCK_UNKNOWN;
    return lock;
}

size_t n1_lock_text(const struct n1_lock *lock, char *out, size_t cap)
{
    static const char *const names[] = {
        [N1_LOCK_UNKNOWN] = "futex", [N1_LOCK_MUTEX] = "mutex",         [N1_LOCK_RWLOCK] = "rwlock",
        [N1_LOCK_PLAIN] = "lock",    [N1_LOCK_CONDITION] = "condition", [N1_LOCK_JOIN] = "end of thread",
    };
    int n = lock->kind == N1_LOCK_JOIN
                ? snprintf(out, cap, "%s %d", names[lock->kind], (int)lock->owner)
                : snprintf(out, cap, "%s 0x%llx", names[lock->kind], (unsigned long long)lock->address);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}
