/*
 * Whose futex it is: the bytes around a futex word against the layouts of glibc (2.31 to 2.41, x86-64) and
 * musl. Every byte is the target's: a guess is only taken for true when what it names as the owner is a
 * living thread. Pure; any thread.
 */
#ifndef N1_SAMPLER_WAITS_LOCK_H
#define N1_SAMPLER_WAITS_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes before and after the futex word that a look needs. */
enum { N1_LOCK_BEFORE = 48, N1_LOCK_BYTES = 112 };

enum n1_lock_kind {
    N1_LOCK_UNKNOWN,   /* a futex of unknown use */
    N1_LOCK_MUTEX,     /* owner known when there is one */
    N1_LOCK_RWLOCK,    /* owner: the writer; 0: readers hold it */
    N1_LOCK_PLAIN,     /* a lock without an owner in it (malloc, stdio, Rust, Go) */
    N1_LOCK_CONDITION, /* a condition variable: not a lock */
    N1_LOCK_JOIN       /* the end of a thread, which is the "owner" */
};

struct n1_lock {
    enum n1_lock_kind kind;
    uint64_t address; /* of the object that the word belongs to */
    pid_t owner;      /* in the target's own numbering; 0 unknown */
};

/* Whether a thread of that number (in the target's own numbering) lives. */
typedef bool n1_lock_lives(const void *context, pid_t tid);

/* `args` are those of the futex call, `bytes` N1_LOCK_BYTES of memory from args[0] - N1_LOCK_BEFORE; those in
 * [from, to) could be read. */
struct n1_lock n1_lock_decode(const uint64_t args[6], const uint8_t *bytes, size_t from, size_t to,
                              n1_lock_lives *lives, const void *context);

/* "mutex 0x55d0c0a2e040", "thread 1234". Returns the length. */
size_t n1_lock_text(const struct n1_lock *lock, char *out, size_t cap);

#endif
