/*
 * Where a sampler that outlives its screen is found again: a socket a sampler, named PID.sock, in a folder of
 * its user. The folder is /run/n1top/UID when root has made it (for itself root does), else /tmp/n1top-UID;
 * N1TOP_RUN names another one. Not the login session's own folder: that is deleted at the very moment a line
 * drops.
 *
 * A folder counts only when it is a folder (not a link), belongs to the user, and nobody else may enter it;
 * the place it lies in must belong to root and be closed to others or sticky. What is wrong is an error,
 * never mended: somebody may have put it there on purpose. Any thread; no state.
 */
#ifndef N1_RENDEZVOUS_H
#define N1_RENDEZVOUS_H

#include "n1/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Opens the folder `name` in `parent` (a descriptor), which must be the owner's, mode 0700 or closer; makes
 * it with `make` (then it is the caller's). Returns a descriptor, -ENOENT, or N1_E_NOT_PERMITTED with what is
 * wrong. */
int n1_rendezvous_enter(int parent, const char *name, uid_t owner, bool make, struct n1_error *reterr);

/* Opens a place in which others' folders lie: owned by root, and not writable for others unless sticky.
 * Returns a descriptor, -errno, or N1_E_NOT_PERMITTED. */
int n1_rendezvous_place(const char *path, struct n1_error *reterr);

/* The folder in which a sampler of the calling user puts its socket; made when it is not there. Returns a
 * descriptor (the caller's) with its path in *ret_path, or a negative code. */
int n1_rendezvous_open(char *ret_path, size_t cap, struct n1_error *reterr);

/* Listens in the folder as `pid`.sock, mode 0600. The name appears once connections are taken, so that a
 * socket which refuses is a dead one. Returns a non-blocking SOCK_SEQPACKET descriptor or -errno. */
int n1_rendezvous_listen(int folder, pid_t pid, struct n1_error *reterr);
void n1_rendezvous_remove(int folder, pid_t pid);

/* Connects to `name` in the folder; the other end must be a process of `owner` or of root. Returns a
 * non-blocking descriptor or -errno; the socket of a dead sampler is removed and gives -ECONNREFUSED.
 * *ret_pid is the peer. */
int n1_rendezvous_connect(int folder, const char *name, uid_t owner, pid_t *ret_pid);

/* Whether the peer of a connected socket is of the calling user or of root; its PID in *ret_pid (0: unknown).
 */
bool n1_rendezvous_peer_allowed(int socket, uid_t owner, pid_t *ret_pid);

/* Connects to every sampler that the calling user may join: its own, for root everybody's. `take` gets each
 * connected socket (and closes it), the PID of the sampler and its user. Folders that are not as they should
 * be are told through `wrong` (may be NULL), once each. */
void n1_rendezvous_each(void (*take)(void *context, int socket, pid_t pid, uid_t uid),
                        void (*wrong)(void *context, const struct n1_error *error), void *context);

#endif
