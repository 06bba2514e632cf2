/*
 * Lines of /proc/net/tcp: "sl local rem st tx:rx tr:tm retr uid timeout inode …", addresses as hexadecimal
 * words in host order. A connection that came in at a port where somebody listens is named by that port
 * and the peer's address without its port, so that a thousand clients are not a thousand resources.
 */
#include "sampler/waits/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 8 << 20, LISTEN = 0x0A, TIMES = 50 };

void n1_sockets_finish(struct n1_sockets *s)
{
    free(s->list);
    *s = (struct n1_sockets){0};
}

static struct n1_socket *add(struct n1_sockets *s)
{
    if (s->count == N1_SOCKETS_MAX)
        return NULL;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 64;
        struct n1_socket *list = realloc(s->list, capacity * sizeof *list);
        if (!list)
            return NULL;
        s->list = list;
        s->capacity = capacity;
    }
    return &s->list[s->count++];
}

/* "0100007F:1F90" or 32 digits; false when it is neither. */
static bool address(const char *text, char *out, size_t cap, unsigned *ret_port)
{
    uint32_t words[4];
    const char *colon = strchr(text, ':');
    size_t digits = colon ? (size_t)(colon - text) : 0;
    if ((digits != 8 && digits != 32) || sscanf(colon + 1, "%4x", ret_port) != 1)
        return false;
    for (size_t i = 0; i < digits / 8; i++) {
        char one[9] = {0};
        memcpy(one, text + 8 * i, 8);
        words[i] = (uint32_t)strtoul(one, NULL, 16);
    }
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const void *from = words;
    int family = digits == 8 ? AF_INET : AF_INET6;
    if (family == AF_INET6 && memcmp(words, mapped, 12) == 0) {
        family = AF_INET;
        from = &words[3];
    }
    char number[INET6_ADDRSTRLEN];
    if (!inet_ntop(family, from, number, sizeof number))
        return false;
    snprintf(out, cap, family == AF_INET6 ? "[%s]" : "%s", number);
    return true;
}

struct inet_line {
    char local[64], peer[64];
    unsigned local_port, peer_port, state;
    unsigned long long inode;
};

static bool inet_line(const char *line, struct inet_line *ret)
{
    char local[40], peer[40];
    return sscanf(line, "%*u: %39s %39s %x %*s %*s %*s %*u %*u %llu", local, peer, &ret->state,
                  &ret->inode) == 4 &&
           address(local, ret->local, sizeof ret->local, &ret->local_port) &&
           address(peer, ret->peer, sizeof ret->peer, &ret->peer_port) && ret->inode != 0;
}

static void parse_inet(struct n1_sockets *s, const char *kind, char *text)
{
    static uint64_t listens[65536 / 64];
    struct inet_line line;
    char name[5] = {0}, *save = NULL;
    memcpy(name, kind, strnlen(kind, 3));
    memset(listens, 0, sizeof listens);
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (inet_line(at, &line) && line.state == LISTEN)
            listens[line.local_port / 64 % 1024] |= UINT64_C(1) << line.local_port % 64;
    for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
        struct n1_socket *socket = inet_line(at, &line) ? add(s) : NULL;
        if (!socket)
            continue;
        socket->inode = line.inode;
        bool came_in = listens[line.local_port / 64 % 1024] >> line.local_port % 64 & 1;
        if (line.state == LISTEN || line.peer_port == 0)
            snprintf(socket->text, sizeof socket->text, "%s listening at %s:%u", name, line.local,
                     line.local_port);
        else if (came_in)
            snprintf(socket->text, sizeof socket->text, "%s client %s at port %u", name, line.peer,
                     line.local_port);
        else
            snprintf(socket->text, sizeof socket->text, "%s %s:%u", name, line.peer, line.peer_port);
    }
}

/* "Num RefCount Protocol Flags Type St Inode Path" */
static void parse_unix(struct n1_sockets *s, char *text)
{
    char *save = NULL;
    for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
        unsigned long long inode;
        int end = 0;
        if (sscanf(at, "%*s %*s %*s %*s %*s %*s %llu%n", &inode, &end) != 1 || inode == 0)
            continue;
        struct n1_socket *socket = add(s);
        if (!socket)
            return;
        socket->inode = inode;
        snprintf(socket->text, sizeof socket->text, "unix%.110s", at + end);
    }
}

void n1_sockets_parse(struct n1_sockets *s, const char *kind, char *text)
{
    if (strcmp(kind, "unix") == 0)
        parse_unix(s, text);
    else
        parse_inet(s, kind, text);
}

static int by_inode(const void *a, const void *b)
{
    uint64_t x = ((const struct n1_socket *)a)->inode, y = ((const struct n1_socket *)b)->inode;
    return (x > y) - (x < y);
}

void n1_sockets_sort(struct n1_sockets *s)
{
    if (s->count)
        qsort(s->list, s->count, sizeof *s->list, by_inode);
}

/* A table whole, at most TEXT_MAX bytes of it; NULL when it is not there. */
static char *read_table(int proc_fd, const char *path)
{
    size_t capacity = 65536, used = 0;
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(capacity);
    while (text) {
        if (used + 1 == capacity) {
            char *grown = capacity < TEXT_MAX ? realloc(text, 2 * capacity) : NULL;
            if (!grown)
                break;
            text = grown;
            capacity *= 2;
        }
        ssize_t got = read(fd, text + used, capacity - used - 1);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    if (text)
        text[used] = '\0';
    return text;
}

static n1_ns cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (n1_ns)t.tv_sec * N1_SECOND_NS + (n1_ns)t.tv_nsec;
}

static void read_all(struct n1_sockets *s, int proc_fd, n1_ns now)
{
    static const char *const kinds[] = {"tcp", "tcp6", "udp", "udp6", "unix"};
    n1_ns begun = cpu_now();
    s->count = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[16];
        snprintf(path, sizeof path, "net/%s", kinds[i]);
        char *text = read_table(proc_fd, path);
        if (text)
            n1_sockets_parse(s, kinds[i], text);
        free(text);
    }
    n1_sockets_sort(s);
    n1_ns pause = TIMES * (cpu_now() - begun);
    s->next = now + (pause > N1_SECOND_NS / 4 ? pause : N1_SECOND_NS / 4);
}

const char *n1_sockets_find(struct n1_sockets *s, int proc_fd, uint64_t inode, n1_ns now)
{
    struct n1_socket key = {.inode = inode};
    for (int again = 0; again < 2; again++) {
        const struct n1_socket *found =
            s->count ? bsearch(&key, s->list, s->count, sizeof key, by_inode) : NULL;
        if (found)
            return found->text;
        if (now < s->next)
            break;
        read_all(s, proc_fd, now);
    }
    return "socket";
}
