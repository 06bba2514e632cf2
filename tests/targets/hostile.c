/*
 * A target that means harm to whoever looks at it: a thread whose name holds terminal codes, code made at run
 * time that only a perf map can name, functions and a source path whose names a test patches into something
 * worse (they are of fixed length for that), and a mapped file of garbage that is executable. Truth: three
 * functions share its CPU time; counts.jit_address is where the run-time code lies. hostile [MAPPED-FILE]
 */
#include "target.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* mov $1000000, %ecx; loop: dec %rcx; jnz loop; ret */
static const unsigned char loop_code[] = {0xb9, 0x40, 0x42, 0x0f, 0x00, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3};

static void (*made_code)(void);

TARGET_FUNCTION uint64_t hostile_symbol_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa(uint64_t ns)
{
    return spin(ns);
}

#line 1 "/hostile/source/path/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.c"
TARGET_FUNCTION uint64_t hostile_source(uint64_t ns)
{
    return spin(ns);
}

TARGET_FUNCTION static uint64_t hostile_jit(uint64_t ns)
{
    (void)ns;
#ifdef __x86_64__
    made_code();
#endif
    return 0;
}

static void map_code(const char *path)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        target_die("mmap of code");
    memcpy(page, loop_code, sizeof loop_code);
    made_code = (void (*)(void))page;
    truth_add(truth_count("jit_address"), (uint64_t)page);
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd >= 0 && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
        target_die("mmap of a file");
}

/* The same work under a thread name that would set a window's title and turn the writing round. */
static void *named(void *arg)
{
    struct share *shares = arg;
    prctl(PR_SET_NAME, "\033]0;pwn\a\033[2J\x9b\n");
    for (;;) {
        share_step(shares, 3);
        sleep_ms(1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    target_begin(&argc, argv);
    map_code(argc > 1 ? argv[1] : NULL);
    static struct share shares[3];
    shares[0] = (struct share){hostile_symbol_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,
                               truth_function("symbol"), 1.0 / 3};
    shares[1] = (struct share){hostile_source, truth_function("source"), 1.0 / 3};
    shares[2] = (struct share){hostile_jit, truth_function("jit"), 1.0 / 3};
    target_thread("named", named, shares);
    target_ready();
    target_wait();
    target_end(0);
}
