/*
 * Inside of the symbol client, shared by its files only: client.c (what callers see), client_send.c (queues
 * to records), client_receive.c (records to answers), client_process.c (the helper's life). Sampler thread.
 */
#ifndef N1_SAMPLER_SYMBOLS_CLIENT_H
#define N1_SAMPLER_SYMBOLS_CLIENT_H

#include "n1/time.h"
#include "sampler/symbols/debug_file.h"
#include "sampler/symbols/wire.h"

#include <sys/stat.h>
#include <uthash.h>

#define N1_CLIENT_NONE UINT32_MAX
#define N1_CLIENT_BLAME_LIMIT 4 /* a crash counts 2, a kill from outside 1 */
#define N1_CLIENT_BATCHES                                                                                    \
    4 /* records in flight: enough to keep the helper busy, few to repeat after its death */

/* One request, from n1_symbols_request to its answer. */
struct n1_client_pending {
    uint64_t cookie, addr;
    uint32_t generation; /* of the slot, so that a late or forged answer is recognised */
    uint32_t next;       /* in its module's queue or the free list */
    uint8_t flags, retries;
    uint8_t batch; /* when sent: index of its batch */
    bool sent, used;
};

struct n1_client_batch {
    struct n1_client_module *module;
    uint32_t slots[N1_WIRE_LOOKUPS];
    uint32_t count, outstanding;
    bool lines;
};

enum n1_client_debug {
    N1_CLIENT_DEBUG_UNASKED,
    N1_CLIENT_DEBUG_OPEN_NEXT, /* the helper asked: candidate `debug_next` is to be opened and sent */
    N1_CLIENT_DEBUG_AWAIT,     /* sent, the verdict is awaited */
    N1_CLIENT_DEBUG_FOUND,     /* debug_fd is the accepted one */
    N1_CLIENT_DEBUG_NONE,
};

struct n1_client_module {
    UT_hash_handle hh;
    uint64_t key;
    uint32_t index; /* in client->modules; the module's number on the wire */
    enum n1_symbol_module_kind kind;
    int fd; /* owned */
    pid_t pid;
    char *path;
    bool sent;                         /* the running helper has it */
    bool ahead;                        /* kernel: to be sent before anything is asked */
    bool ready;                        /* kernel: the running helper has read it; it is asked only then */
    bool removed;                      /* freed when nothing is pending */
    enum n1_symbol_status final;       /* not FOUND: every request gets this answer */
    enum n1_symbol_status final_lines; /* not FOUND: lines are not asked for any more */
    uint8_t blame, line_blame;
    uint32_t head, tail, queued, in_flight;
    /* debug file */
    enum n1_client_debug debug_state;
    unsigned debug_next;
    int debug_fd;
    bool debug_by_crc;
    uint8_t build_id[N1_WIRE_BUILD_ID_MAX];
    size_t build_id_len;
    char link[256];
    /* perf map */
    enum n1_symbol_status absent; /* why there was no map at the last look */
    n1_ns checked;                /* when its path was last looked at, 0 never */
    dev_t dev;
    ino_t ino;
};

struct n1_symbols {
    uint32_t idle_ms;
    n1_ns watchdog_ns;
    char *debug_dir;
    int poll_fd, timer_fd;
    n1_ns wake_at; /* when the timer fires, 0 when it is not set */

    int socket; /* -1 when no helper runs */
    pid_t helper;
    bool dying;     /* its socket is closed, its exit status not yet known */
    bool killed;    /* by us */
    bool greeted;   /* it said HELLO */
    n1_ns progress; /* last sign of life while something was in flight */
    n1_ns retry_at; /* not to be started before; 0 any time */
    unsigned start_failures;
    bool ahead; /* a module is to be prepared before anything is asked: start a helper for it */

    struct n1_client_module *by_key;
    struct n1_client_module **modules;
    uint32_t module_count; /* capacity of modules */
    uint32_t cursor;       /* next module to serve */
    uint32_t next_index;   /* where the search for a free place starts */

    struct n1_client_pending *pending;
    uint32_t pending_max, free_head;
    uint32_t queued, in_flight;
    struct n1_client_batch batches[N1_CLIENT_BATCHES]; /* ring, oldest at batch_head */
    uint32_t batch_head, batch_count;

    struct n1_symbols_stats stats;
    n1_symbol_callback *callback;
    void *context;
    int delivered;
    struct n1_symbol_inline inlines[N1_SYMBOL_INLINES_MAX];
    uint8_t buffer[N1_WIRE_MAX];
    char text[N1_WIRE_MAX + 256]; /* sanitised texts of one answer */
    size_t text_len;
};

/* client.c: moves a request between queues, answers it. */
void n1_client_enqueue(struct n1_symbols *client, struct n1_client_module *module, uint32_t slot, bool front);
uint32_t n1_client_dequeue(struct n1_symbols *client, struct n1_client_module *module);
void n1_client_deliver(struct n1_symbols *client, uint32_t slot, struct n1_symbol_result *result);
/* Answers slot with a reason only. */
void n1_client_refuse(struct n1_symbols *client, struct n1_client_module *module, uint32_t slot,
                      enum n1_symbol_status status);

/* client_send.c: sends as much as the window allows. Returns false when the socket is full and a later try is
 * due. */
bool n1_client_send(struct n1_symbols *client);
/* client_send.c: tells the helper to drop a module. */
void n1_client_forget(struct n1_symbols *client, struct n1_client_module *module);
/* client_receive.c: takes records until none is left. Returns false when the helper has closed its end. */
bool n1_client_receive(struct n1_symbols *client);
/* client_process.c: starts a helper (0 or -errno); closes the socket of a gone one; reaps it and draws the
 * consequences; ends it for good. */
int n1_client_start(struct n1_symbols *client);
void n1_client_hang_up(struct n1_symbols *client);
void n1_client_reap(struct n1_symbols *client);
void n1_client_stop(struct n1_symbols *client);

#endif
