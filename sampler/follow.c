/*
 * Lists of children are read only when they are to be watched. An exec shows in the link to the executable;
 * one of the same file shows to its run-time's reader, whose state is then gone.
 */
#include "sampler/follow.h"

#include "sampler/watch_state.h"

#include "n1/log.h"

#include <string.h>
#include <unistd.h>

static bool same_program(const struct n1_process *p)
{
    static const char gone[] = " (deleted)"; /* the file was replaced: the program is the same */
    static char exe[sizeof p->exe];
    ssize_t n = readlinkat(p->proc_fd, "exe", exe, sizeof exe - 1);
    if (n <= 0)
        return true;
    exe[n] = '\0';
    size_t len = strlen(p->exe), now = (size_t)n;
    if (now > sizeof gone && !strcmp(exe + now - (sizeof gone - 1), gone))
        now -= sizeof gone - 1;
    if (len > sizeof gone && !strcmp(p->exe + len - (sizeof gone - 1), gone))
        len -= sizeof gone - 1;
    return len == now && !memcmp(exe, p->exe, len);
}

static void adopt_children(struct n1_watch *watch, const struct n1_target *parent)
{
    pid_t pids[N1_TARGETS_MAX];
    size_t n = n1_target_children(parent, pids, N1_TARGETS_MAX);
    for (size_t i = 0; i < n && !watch->targets.full; i++) {
        struct n1_error why;
        const struct n1_target *known = n1_targets_find(&watch->targets, pids[i]);
        if ((!known || known->gone) && n1_watch_attach(watch, pids[i], true, &why) < 0)
            n1_log(N1_LOG_WARN, "follow", "child %d: %s", (int)pids[i], why.what);
    }
}

void n1_follow(struct n1_watch *watch)
{
    for (size_t i = 0; i < watch->targets.count; i++) { /* grows: grandchildren follow */
        struct n1_target *t = watch->targets.items[i];
        if (t->gone)
            continue;
        if (!same_program(t->process))
            n1_target_exec(t, &watch->feed.caller, watch->w);
        if (watch->options->children)
            adopt_children(watch, t);
    }
}
