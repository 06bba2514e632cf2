/*
 * The sampler's side of the control socket. Sampler thread only; nothing here waits: when n1top does not
 * read, what cannot be sent is dropped (notices) or kept as the last word (failure).
 */
#ifndef N1_SAMPLER_SERVER_H
#define N1_SAMPLER_SERVER_H

#include "n1/control.h"

/* Sends HELLO with the model's memfd. Returns 0 or -errno. */
int n1_server_hello(int socket, int memfd);
int n1_server_ready(int socket);
void n1_server_failed(int socket, const struct n1_error *err);
/* Answers command `type`; `err` with code 0 (or NULL) means done. */
void n1_server_done(int socket, uint32_t type, const struct n1_error *err);
void n1_server_notice(int socket, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
