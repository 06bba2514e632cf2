/*
 * The demo program of `make demo`: looks like a small service, so that the live screen has something to show.
 * Threads accept-0, http-N, json-N, db-1, cache-1, batch-1 parse, hash, compress, sort and allocate in waves,
 * wait on a queue lock, and now and then (every 20 s or so) rebuild_index or refresh_cache makes a spike.
 * Takes about 60 % of a CPU, at most 150 MB, touches no file, and ends after 10 minutes or with its parent.
 */
#include "target.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define QUEUE_SLOTS 64
#define BODY_BYTES 16384

struct request {
    char body[BODY_BYTES];
    size_t length;
};

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static struct request *queue[QUEUE_SLOTS];
static unsigned queue_head, queue_tail;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static double table[65536];
static volatile double sink;

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

TARGET_FUNCTION static size_t render_json(char *out, size_t cap, unsigned *seed)
{
    size_t n = (size_t)snprintf(out, cap, "{\"items\":[");
    while (n + 80 < cap)
        n += (size_t)snprintf(out + n, cap - n, "{\"id\":%u,\"name\":\"item-%u\",\"price\":%u.%02u},",
                              next_random(seed), next_random(seed) % 1000, next_random(seed) % 500,
                              next_random(seed) % 100);
    return n + (size_t)snprintf(out + n, cap - n, "{}]}");
}

TARGET_FUNCTION static double parse_number(const char **s)
{
    char *end;
    double value = strtod(*s, &end);
    *s = end > *s ? end : *s + 1;
    return value;
}

TARGET_FUNCTION static double parse_json(const char *s)
{
    double sum = 0;
    while (*s)
        if ((*s >= '0' && *s <= '9') || *s == '-')
            sum += parse_number(&s);
        else
            s++;
    return sum;
}

TARGET_FUNCTION static unsigned hash_body(const char *s, size_t n)
{
    unsigned h = 2166136261u;
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < n; i++)
            h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

TARGET_FUNCTION static size_t compress_body(const char *s, size_t n)
{
    static __thread unsigned char out[2 * BODY_BYTES];
    uLongf length = sizeof(out);
    return compress2(out, &length, (const unsigned char *)s, n, 6) == Z_OK ? length : 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

TARGET_FUNCTION static void query_table(unsigned *seed)
{
    pthread_mutex_lock(&table_lock);
    for (int i = 0; i < 4000; i++)
        table[next_random(seed) % 65536] = next_random(seed);
    qsort(table + next_random(seed) % 60000, 4000, sizeof(table[0]), compare_doubles);
    pthread_mutex_unlock(&table_lock);
}

TARGET_FUNCTION static void rebuild_index(unsigned *seed)
{
    uint64_t end = mono_ns() + 2500000000;
    while (mono_ns() < end)
        for (int i = 0; i < 20000; i++)
            sink += sqrt(table[next_random(seed) % 65536]) * sin(i);
}

TARGET_FUNCTION static void *refresh_cache(size_t bytes)
{
    char *p = malloc(bytes);
    for (size_t i = 0; p && i < bytes; i += 64)
        p[i] = (char)i;
    return p;
}

static void *serve_http(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg + 7;
    for (;;) {
        struct request *r = malloc(sizeof(*r));
        if (!r)
            return NULL;
        r->length = render_json(r->body, sizeof(r->body), &seed);
        pthread_mutex_lock(&queue_lock);
        bool full = queue_head - queue_tail == QUEUE_SLOTS;
        if (!full)
            queue[queue_head++ % QUEUE_SLOTS] = r;
        pthread_cond_signal(&queue_filled);
        pthread_mutex_unlock(&queue_lock);
        if (full)
            free(r);
        sleep_ms(8 + next_random(&seed) % 12);
    }
}

static void *handle_json(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&queue_lock);
        while (queue_head == queue_tail)
            pthread_cond_wait(&queue_filled, &queue_lock);
        struct request *r = queue[queue_tail++ % QUEUE_SLOTS];
        pthread_mutex_unlock(&queue_lock);
        sink +=
            parse_json(r->body) + hash_body(r->body, r->length) + (double)compress_body(r->body, r->length);
        free(r);
    }
    return arg;
}

static void *query_db(void *arg)
{
    unsigned seed = 3;
    for (;;) {
        query_table(&seed);
        sleep_ms(10);
    }
    return arg;
}

static void *keep_cache(void *arg)
{
    void *kept[20] = {NULL};
    for (unsigned i = 0;; i++) {
        /* A wave: the cache fills over 20 s in steps of 3 MB, then empties; each fourth wave has a spike. */
        unsigned slot = i % 20;
        if (slot == 0)
            for (int k = 0; k < 20; k++) {
                free(kept[k]);
                kept[k] = NULL;
            }
        kept[slot] = refresh_cache(3000000);
        if (i % 80 == 50) {
            void *spike = refresh_cache(80000000);
            sleep_ms(1500);
            free(spike);
        }
        sleep_ms(1000);
    }
    return arg;
}

static void *run_batch(void *arg)
{
    unsigned seed = 11;
    for (;;) {
        sleep_ms(15000 + next_random(&seed) % 10000);
        rebuild_index(&seed);
    }
    return arg;
}

static void *accept_connections(void *arg)
{
    for (;;)
        sleep_ms(100);
    return arg;
}

int main(int argc, char **argv)
{
    char limit[] = "--limit", seconds[] = "600", *with_limit[16];
    int n = 0;
    for (int i = 0; i < argc && i < 12; i++) {
        with_limit[n++] = argv[i];
        if (i == 0) { /* a limit of the command line comes later and wins */
            with_limit[n++] = limit;
            with_limit[n++] = seconds;
        }
    }
    with_limit[n] = NULL;
    target_begin(&n, with_limit);
    target_thread("accept-0", accept_connections, NULL);
    target_thread("http-1", serve_http, (void *)1);
    target_thread("http-2", serve_http, (void *)2);
    target_thread("http-3", serve_http, (void *)3);
    target_thread("json-1", handle_json, NULL);
    target_thread("json-2", handle_json, NULL);
    target_thread("db-1", query_db, NULL);
    target_thread("cache-1", keep_cache, NULL);
    target_thread("batch-1", run_batch, NULL);
    target_ready();
    target_wait();
    target_end(0);
}
