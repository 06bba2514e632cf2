/*
 * Truth: leak_here keeps argument 1 KiB (64) a second in blocks of 256 bytes; 0: none. churn_here beside it
 * allocates and gives back argument 2 MB (50) a second in blocks of 1 to 64 KiB, some dozens alive at a time.
 * counts.leaked_bytes and .churned_bytes tell what happened.
 */
#include "target.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, ALIVE = 48 };
static struct truth_row *leaked, *churned;
static void *volatile last;

TARGET_FUNCTION static void leak_here(void)
{
    char *p = malloc(BLOCK);
    if (!p)
        target_die("malloc");
    memset(p, 1, BLOCK);
    last = p;
    truth_add(leaked, BLOCK);
}

TARGET_FUNCTION static size_t churn_here(unsigned *state)
{
    static void *alive[ALIVE];
    *state = *state * 1664525u + 1013904223u;
    size_t bytes = 1024 + (*state >> 8) % (63 * 1024);
    void **slot = &alive[(*state >> 3) % ALIVE];
    free(*slot);
    *slot = malloc(bytes);
    if (!*slot)
        target_die("malloc");
    memset(*slot, 2, bytes);
    truth_add(churned, bytes);
    return bytes;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    double leak = (argc > 1 ? atof(argv[1]) : 64) * 1024, churn = (argc > 2 ? atof(argv[2]) : 50) * 1e6;
    unsigned state = 1;
    leaked = truth_count("leaked_bytes");
    churned = truth_count("churned_bytes");
    target_ready();
    uint64_t start = mono_ns();
    while (target_poll()) {
        double at = (double)(mono_ns() - start) / 1e9;
        while ((double)truth_value(leaked) < leak * at)
            leak_here();
        for (int i = 0; i < 64 && (double)truth_value(churned) < churn * at; i++)
            churn_here(&state);
        sleep_ms(2);
    }
    target_end(0);
}
