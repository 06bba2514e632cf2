/*
 * The resource behind a wait as text, and the class where it depends on the resource. Reads the target's
 * memory and /proc; what is read is hostile and bounded. Sampler thread only.
 */
#ifndef N1_SAMPLER_WAITS_RESOURCE_H
#define N1_SAMPLER_WAITS_RESOURCE_H

#include "sampler/blocked.h"
#include "sampler/waits/lock.h"
#include "sampler/waits/sockets.h"

struct n1_wait_resource {
    enum n1_wait_class wait_class;
    uint32_t flags;      /* enum n1_wait_flags */
    struct n1_lock lock; /* kind UNKNOWN, address 0: it waits for no futex */
    char text[512];      /* "" unknown */
};

/* What the thread that stands at `where` waits for. `lives` tells living threads by their number in the
 * target. */
void n1_wait_resource(const struct n1_target *t, pid_t tid, const struct n1_blocked *where,
                      struct n1_sockets *sockets, n1_lock_lives *lives, const void *context,
                      struct n1_wait_resource *ret);

/* Only the lock's owner anew: UNKNOWN when it cannot be read. */
struct n1_lock n1_wait_lock(const struct n1_target *t, const uint64_t args[6], n1_lock_lives *lives,
                            const void *context);

#endif
