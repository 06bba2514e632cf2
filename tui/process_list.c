/* Reading /proc for the picker. A field that cannot be parsed drops the process: half a line helps nobody. */
#include "tui/process_list.h"

#include "n1/sanitise.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t slurp(int proc, const char *pid, const char *name, char *buf, size_t cap)
{
    char path[64];
    if (snprintf(path, sizeof path, "%.16s/%s", pid, name) >= (int)sizeof path)
        return -1;
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, buf, cap - 1);
    close(fd);
    buf[got > 0 ? got : 0] = '\0';
    return got;
}

static bool read_entry(int proc, const char *pid, struct n1_process_entry *entry)
{
    char text[4096];
    struct stat st;
    if (slurp(proc, pid, "stat", text, sizeof text) <= 0 || fstatat(proc, pid, &st, 0) < 0)
        return false;
    char *open = strchr(text, '('), *close = strrchr(text, ')'); /* the name may hold anything */
    uint64_t user, system, start;
    int parent;
    long pages;
    if (open == NULL || close == NULL || close < open ||
        sscanf(close + 1,
               " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
               " %*d %*d %*d %*d %*d %*d %" SCNu64 " %*u %ld",
               &parent, &user, &system, &start, &pages) != 5)
        return false;
    entry->pid = (pid_t)strtol(pid, NULL, 10);
    if (parent == 2 || entry->pid == 2)
        return false;
    entry->uid = st.st_uid;
    entry->start_ticks = start;
    entry->cpu_ticks = user + system;
    entry->rss_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
    entry->cpu = NAN;
    n1_sanitise(entry->name, sizeof entry->name, open + 1, (size_t)(close - open - 1));
    ssize_t got = slurp(proc, pid, "cmdline", text, sizeof text);
    for (ssize_t i = 0; i < got; i++) {
        if (text[i] == '\0')
            text[i] = ' ';
    }
    while (got > 0 && text[got - 1] == ' ')
        got--;
    if (got > 0)
        n1_sanitise(entry->command, sizeof entry->command, text, (size_t)got);
    else
        snprintf(entry->command, sizeof entry->command, "%s", entry->name);
    return true;
}

static int by_cpu(const void *a, const void *b)
{
    const struct n1_process_entry *x = a, *y = b;
    double p = isnan(x->cpu) ? -1 : x->cpu, q = isnan(y->cpu) ? -1 : y->cpu;
    if (p != q)
        return p < q ? 1 : -1;
    if (x->cpu_ticks != y->cpu_ticks)
        return x->cpu_ticks < y->cpu_ticks ? 1 : -1;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static void set_cpu(const struct n1_process_list *before, struct n1_process_entry *entry, double seconds)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct n1_process_entry *old = &before->entries[i];
        if (old->pid == entry->pid && old->start_ticks == entry->start_ticks && seconds > 0) {
            double ticks = (double)(entry->cpu_ticks - old->cpu_ticks) / (double)sysconf(_SC_CLK_TCK);
            entry->cpu = ticks / seconds * 100;
            return;
        }
    }
}

int n1_process_list_read(struct n1_process_list *list)
{
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    if (proc < 0)
        return -errno;
    DIR *dir = fdopendir(proc);
    if (dir == NULL) {
        rc = -errno;
        close(proc);
        return rc;
    }
    struct n1_process_list next = {.read_at = n1_time_mono()};
    double seconds = list->read_at ? (double)(next.read_at - list->read_at) / 1e9 : 0;
    size_t capacity = 0;
    for (struct dirent *item; (item = readdir(dir)) != NULL;) {
        if (!isdigit((unsigned char)item->d_name[0]))
            continue;
        if (next.count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            struct n1_process_entry *entries = realloc(next.entries, capacity * sizeof *entries);
            if (entries == NULL) {
                rc = -ENOMEM;
                break;
            }
            next.entries = entries;
        }
        if (read_entry(proc, item->d_name, &next.entries[next.count]))
            set_cpu(list, &next.entries[next.count++], seconds);
    }
    closedir(dir);
    if (rc < 0) {
        free(next.entries);
        return rc;
    }
    if (next.count > 0)
        qsort(next.entries, next.count, sizeof *next.entries, by_cpu);
    free(list->entries);
    *list = next;
    return 0;
}

void n1_process_list_finish(struct n1_process_list *list)
{
    free(list->entries);
    memset(list, 0, sizeof *list);
}
