/*
 * Truth: one thread; work spends its CPU time on two lines, marked "three parts" and "one part", 3 : 1, and
 * takes, touches and gives back memory on the one marked "memory". counts.touched_bytes is what was touched
 * there.
 */
#include "target.h"

#include <stddef.h>
#include <sys/mman.h>

#define PART UINT64_C(300000) /* rounds of spin */
#define BYTES ((size_t)64 * 1024)
#define PAGE_BYTES 4096

TARGET_FUNCTION static uint64_t touch(void)
{
    char *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return 0;
    for (size_t i = 0; i < BYTES; i += PAGE_BYTES)
        *(volatile char *)(at + i) = 1;
    munmap(at, BYTES);
    return BYTES;
}

TARGET_FUNCTION static uint64_t work(uint64_t *touched)
{
    uint64_t sum = spin(3 * PART); /* three parts */
    sum += spin(PART);             /* one part */
    *touched += touch();           /* memory */
    return sum;
}

int main(int argc, char **argv)
{
    uint64_t touched = 0;
    target_begin(&argc, argv);
    struct truth_row *counted = truth_count("touched_bytes");
    target_ready();
    while (target_poll()) {
        uint64_t before = touched;
        work(&touched);
        truth_add(counted, touched - before);
    }
    target_end(0);
}
