/*
 * Inside sampler/metrics/: where the files of a control group are, from the membership of a process and the
 * mounts.
 */
#ifndef N1_SAMPLER_METRICS_CGROUP_PLACE_H
#define N1_SAMPLER_METRICS_CGROUP_PLACE_H

#include "sampler/metrics/text.h"

#define N1_WHY_NO_CGROUP "no cgroup"

enum n1_controller { N1_CONTROLLER_MEMORY, N1_CONTROLLER_CPU, N1_CONTROLLER_UNIFIED, N1_CONTROLLERS };

/* The hierarchies below one root, as systemd and containers lay them out. */
struct n1_cgroup_mounts {
    int root_fd;
    char proc_self[4096];                  /* file of our own membership */
    const char *v2;                        /* below the root; NULL when there is none */
    const char *v1[N1_CONTROLLER_UNIFIED]; /* of memory and of cpu */
};

/* Where a controller's files of one process are. */
struct n1_cgroup_place {
    bool v2;
    char path[4096]; /* of the group below the root; its first `base` bytes are the mount */
    size_t base;
    const char *why; /* static text: why there is none; NULL when there is */
};

/* Finds the hierarchies below the folder `root`; `proc` is where our own membership stands. */
void n1_cgroup_mounts_init(struct n1_cgroup_mounts *mounts, const char *proc, const char *root);
void n1_cgroup_mounts_finish(struct n1_cgroup_mounts *mounts);
/* Fills `place` for the process whose /proc/PID/cgroup reads `members`. UNIFIED asks for v2 whatever v1 has.
 */
void n1_cgroup_find(struct n1_cgroup_place *place, const struct n1_cgroup_mounts *mounts,
                    enum n1_controller which, struct n1_text members);

#endif
