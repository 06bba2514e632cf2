/*
 * `n1top status`: which samplers run on this host, for whom, since when and at what cost, from /proc; and, of
 * those that can be joined, how many screens watch and how long they stay without one, from themselves.
 * Another user's are listed as far as /proc shows them.
 */
#include "tui/commands/command.h"
#include "tui/waiting.h"

#include "n1/sanitise.h"
#include "n1/time.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t slurp(const char *pid, const char *name, char *buf, size_t cap)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.16s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t got = read(fd, buf, cap - 1);
    int code = errno;
    close(fd);
    if (got < 0)
        return -code;
    buf[got] = '\0';
    return got;
}

/* Fields after the name's closing bracket, from 3 on (proc(5)): utime 14, stime 15, starttime 22, rss 24. */
static bool stat_fields(char *text, double *cpu_s, double *age_s, double *rss_mb)
{
    char *at = strrchr(text, ')');
    unsigned long long value[25] = {0};
    if (!at)
        return false;
    at += at[1] ? 3 : 1;
    for (int field = 4; field <= 24; field++) {
        char *end;
        while (*at && *at != ' ')
            at++;
        value[field] = strtoull(at, &end, 10);
        at = end;
    }
    char uptime[64];
    double up = slurp("self/..", "uptime", uptime, sizeof uptime) > 0 ? strtod(uptime, NULL) : 0;
    double hz = (double)sysconf(_SC_CLK_TCK);
    *cpu_s = (double)(value[14] + value[15]) / hz;
    *age_s = up - (double)value[22] / hz;
    *rss_mb = (double)value[24] * (double)sysconf(_SC_PAGESIZE) / 1048576;
    return true;
}

/* The watched PIDs, from the sampler's own arguments. */
static void targets(const char *args, size_t len, char *ret, size_t cap)
{
    size_t used = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < len; i += strlen(args + i) + 1) {
        if (strcmp(args + i, "-p") || i + 3 >= len)
            continue;
        i += 3;
        char clean[32];
        n1_sanitise(clean, sizeof clean, args + i, strlen(args + i));
        int n = snprintf(ret + used, cap - used, "%s%s", used ? "," : "", clean);
        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

enum { ASK_MS = 500 };

/* "2 screens", "lingers 540 s", "-" for a recording's, whose time is that of its command; and the names of
 * the targets, which the arguments lack. */
static void company(const struct n1_waiting_list *list, pid_t pid, char *ret, size_t cap, char watched[256])
{
    snprintf(ret, cap, "-");
    for (size_t i = 0; i < list->count; i++) {
        const struct n1_waiting *w = &list->items[i];
        if (w->sampler != pid)
            continue;
        if (w->answered)
            snprintf(watched, 256, "%s", w->targets);
        if (!w->answered)
            snprintf(ret, cap, "no answer");
        else if (w->left_ns)
            snprintf(ret, cap, "lingers %llu s", (unsigned long long)(w->left_ns / N1_SECOND_NS));
        else
            snprintf(ret, cap, "%d screen%s", w->screens, w->screens == 1 ? "" : "s");
    }
}

static bool print_sampler(const char *pid, const struct n1_waiting_list *list)
{
    char comm[32], stat[1024], args[4096], watched[256];
    if (slurp(pid, "comm", comm, sizeof comm) <= 0 || strcmp(comm, "n1top-sampler\n"))
        return false;
    ssize_t len = slurp(pid, "cmdline", args, sizeof args);
    double cpu, age, rss;
    /* The symbol helper runs the same program; it is part of its sampler. */
    if (len <= 0 || memmem(args, (size_t)len, "--symbol-helper", 15) ||
        slurp(pid, "stat", stat, sizeof stat) <= 0 || !stat_fields(stat, &cpu, &age, &rss))
        return false;
    targets(args, (size_t)len, watched, sizeof watched);
    struct stat st;
    char path[64];
    snprintf(path, sizeof path, "/proc/%.16s", pid);
    unsigned uid = lstat(path, &st) == 0 ? st.st_uid : 0;
    char who[48];
    company(list, (pid_t)strtol(pid, NULL, 10), who, sizeof who, watched);
    printf("%7s %6u %8.0f s %8.2f s %5.1f %% %6.1f MB  %-15s  %s\n", pid, uid, age, cpu,
           age > 0 ? 100 * cpu / age : 0, rss, who, watched);
    return true;
}

static int run(const struct n1_command_args *args, const struct n1_config *config)
{
    (void)args;
    (void)config;
    DIR *proc = opendir("/proc");
    size_t found = 0;
    if (!proc) {
        struct n1_error err;
        n1_error_set(&err, -errno, "cannot read /proc: %s", strerror(errno));
        return n1_error_print(&err);
    }
    struct n1_waiting_list list;
    n1_waiting_find(&list, ASK_MS);
    printf("%7s %6s %10s %10s %7s %9s  %-15s  %s\n", "SAMPLER", "UID", "RUNNING", "CPU", "SHARE", "RSS",
           "SCREENS", "WATCHES");
    for (struct dirent *entry; (entry = readdir(proc));)
        if (isdigit((unsigned char)entry->d_name[0]))
            found += print_sampler(entry->d_name, &list);
    closedir(proc);
    if (!found)
        printf("no sampler is running\n");
    if (list.wrong.code)
        printf("some cannot be asked: %s\n", list.wrong.what);
    n1_waiting_finish(&list);
    return 0;
}

const struct n1_command n1_command_status = {
    .name = "status",
    .usage = "status",
    .text = "samplers that run on this host, who watches, and what they cost",
    .options = "",
    .run = run,
};
