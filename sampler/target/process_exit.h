/*
 * How a process ended, from whoever still knows. Sampler thread only.
 */
#ifndef N1_SAMPLER_TARGET_PROCESS_EXIT_H
#define N1_SAMPLER_TARGET_PROCESS_EXIT_H

#include "sampler/target/process.h"

/* The exit of a process whose pidfd is readable. Asks, in this order: waitid on the pidfd (our own child,
 * which is reaped by it), the zombie's stat file (when the kernel shows field 52 to us), PIDFD_GET_INFO
 * (Linux 6.15, also after others have reaped it). N1_EXIT_UNKNOWN when none of them knows: unknown is not
 * zero. */
struct n1_exit n1_process_exit_read(pid_t pid, int pidfd, int proc_fd);

#endif
