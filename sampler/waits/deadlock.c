/*
 * Each thread waits for at most one lock and each lock has at most one owner here, so the graph has one way
 * out of each thread: a circle is found by walking at most as many steps as there are threads.
 */
#include "sampler/waits/set.h"

static struct n1_wait_thread *owner_of(const struct n1_wait_set *set, const struct n1_wait_thread *thread)
{
    if (!thread->open || !thread->blocked || !thread->lock.owner)
        return NULL;
    return n1_wait_set_find(set, thread->lock.owner);
}

/* Still blocked in the same wait, and for a lock of the same owner. */
static bool still(struct n1_wait_set *set, const struct n1_target *t, struct n1_wait_thread *thread)
{
    struct n1_sched_times times;
    struct n1_lock lock = n1_wait_lock(t, thread->args, n1_wait_set_lives, set);
    return lock.kind == thread->lock.kind && lock.owner == thread->lock.owner &&
           n1_wait_set_read(set, t, thread, &times) == 0 && times.slices == thread->times.slices;
}

size_t n1_wait_deadlocks(struct n1_wait_set *set, const struct n1_target *t, struct n1_writer *w)
{
    size_t dead = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct n1_wait_thread *start = &set->list[i], *at = start;
        bool circle = false;
        if (!owner_of(set, start) || (start->flags & N1_WAIT_DEAD)) {
            dead += start->open && (start->flags & N1_WAIT_DEAD);
            continue;
        }
        for (size_t steps = 0; at && steps < set->count; steps++) {
            at = owner_of(set, at);
            if (at == start) {
                circle = true;
                break;
            }
        }
        for (at = start; circle; at = owner_of(set, at)) {
            circle = at && still(set, t, at);
            if (!circle || owner_of(set, at) == start)
                break;
        }
        if (!circle)
            continue;
        at = start;
        do {
            at->flags |= N1_WAIT_DEAD;
            n1_writer_wait_owner(w, at->index, at->owner, at->flags);
            at = owner_of(set, at);
        } while (at && at != start);
        dead++;
    }
    return dead;
}
