/*
 * Truth: open_and_keep opens argument 1 descriptors a second (50), up to 4000, and keeps them; decoy_open
 * opens and closes ten times as many. counts.kept is the number held beside the standard three.
 */
#include "target.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define KEPT_MAX 4000

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        target_die("open");
    return fd;
}

TARGET_FUNCTION static void open_and_keep(struct truth_row *kept)
{
    open_null();
    truth_add(kept, 1);
}

TARGET_FUNCTION static void decoy_open(void)
{
    for (int i = 0; i < 10; i++)
        close(open_null());
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    target_begin(&argc, argv);
    double rate = argc > 1 ? atof(argv[1]) : 50;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    uint64_t most = limit.rlim_cur > KEPT_MAX + 100 ? KEPT_MAX : limit.rlim_cur - 100;
    struct truth_row *kept = truth_count("kept");
    target_ready();
    uint64_t start = mono_ns();
    while (target_poll()) {
        double at = (double)(mono_ns() - start) / 1e9;
        while ((double)truth_value(kept) < rate * at && truth_value(kept) < most) {
            open_and_keep(kept);
            decoy_open();
        }
        sleep_ms(5);
    }
    target_end(0);
}
