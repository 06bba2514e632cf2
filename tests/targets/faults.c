/*
 * Truth: first touches: of every 1000 anonymous pages touch_heavy touches 700 and touch_light 300, about
 * argument 1 pages a second (20000); touch_file touches every page of the program's own file, mapped anew,
 * after each 100 rounds. counts.touch_heavy and .touch_light are pages (4 KiB each, huge pages refused);
 * memory is given back.
 */
#include "target.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)4096)
#define ROUND_PAGES 1000

static struct truth_row *heavy, *light;

TARGET_FUNCTION static void touch_heavy(volatile char *p, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        p[i * PAGE_BYTES] = 1;
    truth_add(heavy, pages);
}

TARGET_FUNCTION static void touch_light(volatile char *p, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        p[i * PAGE_BYTES] = 2;
    truth_add(light, pages);
}

TARGET_FUNCTION static unsigned touch_file(void)
{
    struct stat st;
    unsigned sum = 0;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        target_die("/proc/self/exe");
    volatile const char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        target_die("mmap");
    for (size_t i = 0; i < (size_t)st.st_size; i += PAGE_BYTES)
        sum += (unsigned char)p[i];
    munmap((void *)p, (size_t)st.st_size);
    close(fd);
    return sum;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    double rate = argc > 1 ? atof(argv[1]) : 20000;
    heavy = truth_count("touch_heavy");
    light = truth_count("touch_light");
    target_ready();
    uint64_t start = mono_ns();
    for (unsigned round = 1; target_poll(); round++) {
        size_t bytes = ROUND_PAGES * PAGE_BYTES;
        char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            target_die("mmap");
        madvise(p, bytes, MADV_NOHUGEPAGE);
        touch_heavy(p, ROUND_PAGES * 7 / 10);
        touch_light(p + ROUND_PAGES * 7 / 10 * PAGE_BYTES, ROUND_PAGES * 3 / 10);
        munmap(p, bytes);
        if (round % 100 == 0)
            touch_file();
        while (target_poll() && (double)round * ROUND_PAGES > rate * (double)(mono_ns() - start) / 1e9)
            sleep_ms(1);
    }
    target_end(0);
}
