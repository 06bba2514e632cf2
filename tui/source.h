/*
 * Source files and code bytes that the drill-down shows: opened with the user's own rights, bounded, and
 * never trusted. Main thread.
 */
#ifndef N1_TUI_SOURCE_H
#define N1_TUI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file's text as lines. */
struct n1_source {
    char path[512]; /* asked for */
    char *text;
    uint32_t *lines; /* offset of each line in the text, which is cut by NULs */
    size_t count;    /* 0: not readable, and `why` says why */
    char why[160];
};

/* Reads `path` unless it is the one that is loaded; `pid` (0: none) is a process through whose root it is
 * looked for, too. Failure is told in `why`. */
void n1_source_load(struct n1_source *source, const char *path, pid_t pid);
void n1_source_finish(struct n1_source *source);
/* Line from 1, sanitised with tabs made blanks; "" beyond the end. */
void n1_source_line(const struct n1_source *source, size_t number, char *out, size_t cap);

/* One instruction. */
struct n1_instruction {
    uint64_t address;
    uint8_t size;
    char text[96];
};

/* The code of a function. */
struct n1_code {
    char path[512];
    uint64_t start, size;
    struct n1_instruction *instructions;
    size_t count; /* 0: not there, and `why` says why */
    char why[160];
};

#define N1_CODE_BYTES_MAX 65536u

/* Reads [start, start + size) (ELF virtual addresses) of an x86-64 ELF file, whose build id must be the given
 * one when both have one, and takes it apart; does nothing when it is the code that is loaded. */
void n1_code_load(struct n1_code *code, const char *path, pid_t pid, const uint8_t *build_id,
                  size_t build_id_len, uint64_t start, uint64_t size);
void n1_code_finish(struct n1_code *code);

/* Opens a regular file by its path as the process sees it (through /proc/PID/root), else as we do. Returns a
 * descriptor or -errno. */
int n1_source_open(const char *path, pid_t pid);
/* The bytes of an ELF file at a virtual address. Returns 0 with `size` bytes in *ret (the caller's), or -1
 * with the reason in `why`. */
int n1_code_bytes(int fd, const uint8_t *build_id, size_t build_id_len, uint64_t start, uint64_t size,
                  uint8_t **ret, char why[160]);

#endif
