/*
 * What a blocked thread waits for, from its system call and arguments alone: the class of the wait, and where
 * the resource behind it is to be looked up. Pure; any thread.
 */
#ifndef N1_SAMPLER_WAITS_CLASSIFY_H
#define N1_SAMPLER_WAITS_CLASSIFY_H

#include "n1/model.h"

#include <stddef.h>
#include <stdint.h>

/* Where the resource stands. */
enum n1_wait_how {
    N1_HOW_NONE,   /* nowhere: the text of the row says it all */
    N1_HOW_FD,     /* a descriptor, which also decides the class */
    N1_HOW_FD_OF,  /* a descriptor whose file is named, the class stays */
    N1_HOW_PATH,   /* a path in the target's memory */
    N1_HOW_FUTEX,  /* a futex word; the class depends on whose it is */
    N1_HOW_POLL,   /* an array of pollfd and its length */
    N1_HOW_SELECT, /* number of descriptors: none is a sleep */
    N1_HOW_EPOLL,  /* an epoll descriptor */
    N1_HOW_KERNEL  /* only the kernel function it sleeps in says */
};

struct n1_wait_call {
    enum n1_wait_class wait_class;
    enum n1_wait_how how;
    int arg;          /* of the descriptor, path, word or array */
    const char *text; /* static; NULL: none */
};

/* `syscall` -1 is a page fault, any unknown number is OTHER with the kernel's function to tell. */
struct n1_wait_call n1_wait_classify(int32_t syscall, const uint64_t args[6]);

/* What a descriptor is, by the text of its link in /proc/PID/fd. */
enum n1_wait_file {
    N1_FILE_IS_PATH,
    N1_FILE_IS_SOCKET,
    N1_FILE_IS_PIPE,
    N1_FILE_IS_TERMINAL,
    N1_FILE_IS_TIMER,
    N1_FILE_IS_SIGNAL,
    N1_FILE_IS_OTHER
};
enum n1_wait_file n1_wait_file_kind(const char *link);

/* A better class by a function on the stack ("take_gil" waits for Python's lock, whatever the call): 0 when
 * the name says nothing. `name` has `len` bytes. */
enum n1_wait_class n1_wait_class_by_name(const char *name, size_t len);

/* A class and a text by the kernel's function (wchan); OTHER and NULL when it says nothing. */
enum n1_wait_class n1_wait_class_by_kernel(const char *wchan, const char **ret_text);

#endif
