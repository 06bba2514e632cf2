/*
 * Fuzz entry of the sampler's two conversations. With any process of the same user, who may join and say
 * anything: each command is answered once, one screen controls at most, and no descriptor is left behind.
 * With the symbol helper, which may have been taken over by a file that it parsed: each question is answered
 * at most once, with text that holds no control byte.
 *
 * The first byte chooses; the rest is a row of packets {length u16, who u8, bytes}.
 */
#include "sampler/symbols/client.h"
#include "sampler/viewers/attend.h"
#include "sampler/watch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SCREENS = 4, PACKETS_MAX = 64, QUESTIONS = 16, MODULES = 3 };

struct packet {
    const uint8_t *bytes;
    size_t len;
    unsigned who;
};

static bool next_packet(const uint8_t **at, const uint8_t *end, struct packet *ret)
{
    if (end - *at < 3)
        return false;
    size_t len = (size_t)((*at)[0] | (*at)[1] << 8);
    *ret = (struct packet){*at + 3, len, (*at)[2]};
    if (ret->len > (size_t)(end - ret->bytes))
        ret->len = (size_t)(end - ret->bytes);
    *at = ret->bytes + ret->len;
    return true;
}

static int lowest_free_fd(void)
{
    int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0)
        close(fd);
    return fd;
}

/* The sampler's side: a watch without targets and engine, as it is after the target has gone. */
static struct n1_watch *make_watch(int control)
{
    static struct n1_watch watch;
    static struct n1_options options;
    static struct n1_writer *writer;
    static struct n1_naming *naming;
    struct n1_writer_options small = {.memory_bytes = 4 << 20};
    if (!writer &&
        (n1_writer_create(&small, &writer, NULL) < 0 || n1_naming_create(writer, &naming, NULL) < 0))
        abort();
    options.control = control;
    watch = (struct n1_watch){.options = &options, .w = writer, .naming = naming};
    n1_targets_init(&watch.targets);
    watch.feed.w = writer;
    watch.feed.targets = &watch.targets;
    watch.feed.naming = naming;
    if (n1_attend_start(&watch, NULL) < 0)
        abort();
    return &watch;
}

static void say(int fd, const struct packet *packet)
{
    struct n1_control record = {.magic = N1_CONTROL_MAGIC};
    if (packet->who & 0x40) { /* as it comes, a record or not */
        send(fd, packet->bytes, packet->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        return;
    }
    /* type and value, then text: most inputs should get beyond the first check */
    size_t len = packet->len < sizeof record - 4 ? packet->len : sizeof record - 4;
    if (len)
        record.type = packet->bytes[0];
    if (len > 1)
        memcpy(&record.value, packet->bytes + 1, len - 1 < 8 ? len - 1 : 8);
    if (len > 9)
        memcpy(record.text, packet->bytes + 9, len - 9 < sizeof record.text ? len - 9 : sizeof record.text);
    if (record.type != N1_CONTROL_MEMORY) /* would open events on nothing */
        n1_control_send(fd, &record, packet->who & 0x20 ? 0 : -1);
}

/* Takes what the sampler said; returns how many commands it answered. */
static unsigned hear_out(int fd)
{
    struct n1_control record;
    unsigned answers = 0;
    int rc;
    while ((rc = n1_control_receive(fd, &record, NULL)) == 1) {
        if (record.type < N1_CONTROL_HELLO || record.type > N1_CONTROL_STATUS)
            abort();
        answers += record.type == N1_CONTROL_DONE;
    }
    if (rc == -EBADMSG)
        abort();
    return answers;
}

static void try_screens(const uint8_t *at, const uint8_t *end)
{
    int screens[SCREENS], ends[2], before = lowest_free_fd();
    struct packet packet;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return;
    struct n1_watch *watch = make_watch(ends[1]);
    screens[0] = ends[0];
    for (int i = 1; i < SCREENS; i++) {
        screens[i] = -1;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
            continue;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = ends[1]};
        epoll_ctl(watch->viewers.epoll, EPOLL_CTL_ADD, ends[1], &event);
        watch->viewers.items[watch->viewers.count++] = (struct n1_viewer){.socket = ends[1], .since = 1};
        screens[i] = ends[0];
    }
    for (int n = 0; n < PACKETS_MAX && !watch->stop && next_packet(&at, end, &packet); n++) {
        int *who = &screens[packet.who % SCREENS];
        if (*who < 0)
            continue;
        if (packet.who & 0x80) {
            close(*who);
            *who = -1;
        } else {
            say(*who, &packet);
        }
        n1_attend_pump(watch);
        n1_watch_answer_names(watch, UINT64_MAX);
        n1_attend_tick(watch, (n1_ns)n * N1_SECOND_NS);
        size_t joined = n1_viewers_joined(&watch->viewers);
        if (watch->viewers.count > SCREENS || (joined > 0) != (n1_viewers_controller(&watch->viewers) >= 0))
            abort();
        for (unsigned i = 0; i < SCREENS; i++)
            if (screens[i] >= 0 && hear_out(screens[i]) > (i == packet.who % SCREENS))
                abort();
    }
    n1_viewers_finish(&watch->viewers);
    n1_targets_finish(&watch->targets);
    for (int i = 0; i < SCREENS; i++)
        if (screens[i] >= 0)
            close(screens[i]);
    if (lowest_free_fd() != before)
        abort();
}

static unsigned answered[QUESTIONS];

static void check_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            abort();
}

static void on_answer(void *context, const struct n1_symbol_result *result)
{
    (void)context;
    if (result->cookie >= QUESTIONS || answered[result->cookie]++)
        abort();
    if (result->status >= N1_SYMBOL_STATUS_COUNT || result->line_status >= N1_SYMBOL_STATUS_COUNT)
        abort();
    check_text(result->name);
    check_text(result->linkage);
    check_text(result->file);
    check_text(result->own_file);
    check_text(result->decl_file);
    for (size_t i = 0; i < result->inline_count; i++) {
        check_text(result->inlines[i].name);
        check_text(result->inlines[i].file);
    }
}

/* The other end of the client's socket is ours, as if a helper had been started. */
static void try_helper(const uint8_t *at, const uint8_t *end)
{
    struct n1_symbols *client;
    struct n1_symbols_options options = {.queue_max = QUESTIONS, .debug_dir = "/nonexistent"};
    struct packet packet;
    uint8_t *record = malloc(N1_WIRE_MAX);
    int ends[2];
    if (!record || n1_symbols_create(&client, &options, NULL) < 0)
        abort();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        abort();
    client->socket = ends[0];
    client->helper = -1; /* nobody to start, to kill or to bury */
    memset(answered, 0, sizeof answered);
    for (uint64_t key = 0; key < MODULES; key++) {
        struct n1_symbol_module module = {
            .kind = N1_SYMBOL_ELF, .take_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), .path = "/x"};
        n1_symbols_module_add(client, key, &module);
    }
    for (uint64_t i = 0; i < QUESTIONS; i++)
        n1_symbols_request(client, i, i % MODULES, 0x1000 + i,
                           i % 2 ? N1_SYMBOL_LINE | N1_SYMBOL_INLINES : 0);
    n1_symbols_pump(client, on_answer, NULL);
    for (int n = 0; n < PACKETS_MAX && client->socket >= 0 && next_packet(&at, end, &packet); n++) {
        int fd;
        while (n1_wire_receive(ends[1], record, &fd, MSG_DONTWAIT) > 0)
            if (fd >= 0)
                close(fd);
        send(ends[1], packet.bytes, packet.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        n1_symbols_pump(client, on_answer, NULL);
    }
    close(ends[1]);
    n1_symbols_destroy(client);
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2)
        try_helper(data + 1, data + size);
    else
        try_screens(data + 1, data + size);
    return 0;
}
