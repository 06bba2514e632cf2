/*
 * The screen and the commands hold no rights: once what needs them has been opened (the sampler started, the
 * file that the user named read), they drop every capability, can gain none, and under sudo become the
 * invoking user, so that files are read and written as that user. One thread.
 */
#ifndef N1_TUI_RIGHTS_H
#define N1_TUI_RIGHTS_H

#include "n1/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Refuses to run setuid, setgid or with file capabilities. Errors: N1_E_NOT_PERMITTED. */
int n1_rights_check_own(struct n1_error *reterr);

/* Drops all rights for good; a second call does nothing. After it no sampler can be started that needs more
 * than the user has. Errors: N1_E_FAILED when rights would be left. */
int n1_rights_drop(struct n1_error *reterr);

/* The user behind sudo by its variables, checked against each other and the user database. False when there
 * is none, or it is root. `name` is static storage of the C library. */
bool n1_rights_invoking_user(const char *uid_text, const char *gid_text, uid_t *ret_uid, gid_t *ret_gid,
                             const char **ret_name);

#endif
