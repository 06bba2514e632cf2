/*
 * Records between the client and the symbol helper, over one SOCK_SEQPACKET pair: a record is a header and a
 * payload, in native byte order (both ends are the same program). Descriptors travel with MODULE and DEBUG
 * records. Both ends treat a record as hostile: the helper may have been taken over by the file it parsed.
 */
#ifndef N1_SAMPLER_SYMBOLS_WIRE_H
#define N1_SAMPLER_SYMBOLS_WIRE_H

#include "sampler/symbols/symbols.h"

#define N1_WIRE_MAX 65536  /* bytes of a record */
#define N1_WIRE_LOOKUPS 64 /* addresses in one record */
#define N1_WIRE_BUILD_ID_MAX 64
#define N1_WIRE_RETRY 255 /* as the status of an answer: ask again when the debug file is settled */

enum n1_wire_type {
    N1_WIRE_CONFIG,       /* to helper: u32 idle_ms */
    N1_WIRE_MODULE,       /* to helper: u32 kind, u32 debug settled; with the descriptor */
    N1_WIRE_DEBUG,        /* to helper: candidate, u32 must match the CRC; with the descriptor */
    N1_WIRE_NO_DEBUG,     /* to helper: there is no (further) debug file */
    N1_WIRE_FORGET,       /* to helper */
    N1_WIRE_LOOKUP,       /* to helper: u32 count, then count times u64 id, u64 addr, u32 flags */
    N1_WIRE_HELLO,        /* from helper: sealed off and ready */
    N1_WIRE_NEED_DEBUG,   /* from helper: text build id (bytes), text debuglink, u32 its CRC */
    N1_WIRE_DEBUG_RESULT, /* from helper: u32 accepted */
    N1_WIRE_RESULT,       /* from helper: answers until the end of the record */
    N1_WIRE_READY,        /* from helper: what a kernel module holds has been read (or cannot be) */
};

struct n1_wire {
    uint8_t *data;
    size_t len; /* written, or at hand */
    size_t at;  /* read so far */
    bool bad;   /* a put found no room, or a get ran over the end */
};

/* Starts a record of `type` about `module` in `data`, which holds N1_WIRE_MAX bytes. */
void n1_wire_begin(struct n1_wire *wire, uint8_t *data, enum n1_wire_type type, uint32_t module);
void n1_wire_put_u32(struct n1_wire *wire, uint32_t value);
void n1_wire_put_u64(struct n1_wire *wire, uint64_t value);
void n1_wire_put_text(struct n1_wire *wire, const char *text, size_t len); /* at most 65535 bytes */

/* Opens a received record of `len` bytes; false when it is too short to be one. */
bool n1_wire_open(struct n1_wire *wire, uint8_t *data, size_t len, uint32_t *ret_type, uint32_t *ret_module);
uint32_t n1_wire_get_u32(struct n1_wire *wire); /* 0 and bad at the end */
uint64_t n1_wire_get_u64(struct n1_wire *wire);
/* A text inside the record, not terminated; "" and bad when it runs over the end. */
const char *n1_wire_get_text(struct n1_wire *wire, size_t *ret_len);

/* Sends the record, with `fd` unless it is -1. Returns 0 or -errno. */
int n1_wire_send(int socket, const struct n1_wire *wire, int fd, int flags);
/* Receives one record into `data`, with at most one descriptor (else -1), owned by the caller; with `ret_fd`
 * NULL the kernel drops what was sent. Returns its bytes, 0 when the other end is gone, -errno. */
ssize_t n1_wire_receive(int socket, uint8_t *data, int *ret_fd, int flags);

#endif
