/*
 * Recordings: the stable, self-contained file format of n1top (magic "n1top\r\n\x1a", chunks with length and
 * CRC, little endian), described byte by byte in include/README.md. Readable on another host and by later
 * versions. Any thread. A file is loaded through n1_reader_open_file() in n1/reader.h.
 */
#ifndef N1_FILE_H
#define N1_FILE_H

#include "n1/reader.h"

/* Writes what `r` holds of [from, to] (0, UINT64_MAX: everything), with every name that it refers to, to the
 * open descriptor `fd`, in one pass over a consistent generation; retries on a generation step. Buffers are
 * bounded. Errors: -errno of write, N1_E_DAMAGED, -EAGAIN when the writer never held still (bounded number of
 * tries). */
int n1_file_write(struct n1_reader *r, int fd, n1_ns from, n1_ns to, struct n1_error *reterr);

/* Output that appears whole or not at all, mode 0600: a temporary file beside `path` (O_EXCL, never through a
 * link), fsync, rename, fsync of the folder. `path` "-" is standard output (no rename then). */
struct n1_output;
int n1_output_open(const char *path, struct n1_output **ret, struct n1_error *reterr);
int n1_output_fd(const struct n1_output *o);
/* Makes it appear; on failure nothing is left behind. Frees `o` either way. */
int n1_output_commit(struct n1_output *o, struct n1_error *reterr);
/* Throws it away. NULL is fine. */
void n1_output_abandon(struct n1_output *o);

#endif
