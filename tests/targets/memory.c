/*
 * Truth: RSS grows by argument 1 MB (10^6 bytes) a second (8), up to 512 MB, from leak_here, which keeps what
 * it touches; decoy_churn touches twice as much and gives it back at once. With arguments 2, 3, 4, spike_here
 * takes that many MB at that second after "ready" and drops them that many seconds later.
 * counts.leaked_bytes, .churned_bytes and .spike_bytes (now held) tell what happened.
 */
#include "target.h"

#include <stdlib.h>
#include <sys/mman.h>

#define STEP_BYTES ((size_t)256 * 1024)
#define PAGE_BYTES 4096
#define CAP_BYTES 512000000u

static struct truth_row *leaked, *churned, *spike;

TARGET_FUNCTION static char *take(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        target_die("mmap");
    madvise(p, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < bytes; i += PAGE_BYTES)
        ((volatile char *)p)[i] = 1;
    return p;
}

TARGET_FUNCTION static void leak_here(void)
{
    take(STEP_BYTES);
    truth_add(leaked, STEP_BYTES);
}

TARGET_FUNCTION static void decoy_churn(void)
{
    for (int i = 0; i < 2; i++)
        munmap(take(STEP_BYTES), STEP_BYTES);
    truth_add(churned, 2 * STEP_BYTES);
}

TARGET_FUNCTION static char *spike_here(size_t bytes)
{
    char *p = take(bytes);
    truth_add(spike, bytes);
    return p;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    double rate = (argc > 1 ? atof(argv[1]) : 8) * 1e6;
    size_t spike_bytes = argc > 4 ? (size_t)(atof(argv[2]) * 1e6) : 0;
    double spike_at = argc > 4 ? atof(argv[3]) : 0, spike_end = argc > 4 ? spike_at + atof(argv[4]) : 0;
    char *held = NULL;
    leaked = truth_count("leaked_bytes");
    churned = truth_count("churned_bytes");
    spike = truth_count("spike_bytes");
    target_ready();
    uint64_t start = mono_ns();
    while (target_poll()) {
        double at = (double)(mono_ns() - start) / 1e9;
        while ((double)truth_value(leaked) < rate * at && truth_value(leaked) < CAP_BYTES) {
            leak_here();
            decoy_churn();
        }
        if (spike_bytes && !held && at >= spike_at && at < spike_end)
            held = spike_here(spike_bytes);
        if (held && at >= spike_end) {
            munmap(held, spike_bytes);
            held = NULL;
            truth_add(spike, (uint64_t)0 - spike_bytes);
        }
        sleep_ms(5);
    }
    target_end(0);
}
