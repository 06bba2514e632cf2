/*
 * What callers see of the symbol client: modules, requests, and the pump that turns the crank. Requests live
 * in a fixed array of slots, linked into one queue a module; nothing here waits and nothing grows with the
 * request rate.
 */
#include "sampler/symbols/client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define QUEUE_DEFAULT 8192
#define QUEUE_MAX 65536
#define IDLE_MS_DEFAULT 60000
#define WATCHDOG_MS_DEFAULT 15000
#define MODULES_MAX 65536
#define RETRY_SOON_NS 2000000

const char *n1_symbol_reason(enum n1_symbol_status status)
{
    static const char *const reasons[] = {
#define X(code, text) [code] = text,
        N1_SYMBOL_STATUS_MAP(X)
#undef X
    };
    return (unsigned)status < N1_SYMBOL_STATUS_COUNT ? reasons[status] : "";
}

int n1_symbols_create(struct n1_symbols **ret_client, const struct n1_symbols_options *options,
                      struct n1_error *reterr)
{
    static const struct n1_symbols_options none;
    struct n1_symbols *client = calloc(1, sizeof(*client));
    struct epoll_event event = {.events = EPOLLIN};
    int rc = -ENOMEM;
    if (!options)
        options = &none;
    if (!client)
        goto fail;
    client->socket = client->poll_fd = client->timer_fd = -1;
    client->idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS_DEFAULT;
    client->watchdog_ns =
        (n1_ns)(options->watchdog_ms ? options->watchdog_ms : WATCHDOG_MS_DEFAULT) * 1000000;
    client->pending_max = options->queue_max ? options->queue_max : QUEUE_DEFAULT;
    if (client->pending_max > QUEUE_MAX)
        client->pending_max = QUEUE_MAX;
    client->debug_dir = strdup(options->debug_dir ? options->debug_dir : "/usr/lib/debug");
    client->pending = calloc(client->pending_max, sizeof(*client->pending));
    if (!client->debug_dir || !client->pending)
        goto fail;
    for (uint32_t i = 0; i < client->pending_max; i++)
        client->pending[i].next = i + 1 < client->pending_max ? i + 1 : N1_CLIENT_NONE;
    client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    rc = 0;
    if (client->poll_fd < 0 || client->timer_fd < 0 ||
        epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, client->timer_fd, &event) < 0)
        rc = -errno;
    if (rc == 0) {
        *ret_client = client;
        return 0;
    }
fail:
    n1_symbols_destroy(client);
    return n1_error_set(reterr, rc, "cannot prepare the symbol helper: %s", strerror(-rc));
}

static void module_free(struct n1_symbols *client, struct n1_client_module *module)
{
    if (!module->removed)
        HASH_DEL(client->by_key, module);
    client->modules[module->index] = NULL;
    if (module->fd >= 0)
        close(module->fd);
    if (module->debug_fd >= 0)
        close(module->debug_fd);
    free(module->path);
    free(module);
}

void n1_symbols_destroy(struct n1_symbols *client)
{
    if (!client)
        return;
    if (client->socket >= 0 || client->helper > 0)
        n1_client_stop(client);
    for (uint32_t i = 0; i < client->module_count; i++)
        if (client->modules[i])
            module_free(client, client->modules[i]);
    if (client->timer_fd >= 0)
        close(client->timer_fd);
    if (client->poll_fd >= 0)
        close(client->poll_fd);
    free(client->modules);
    free(client->pending);
    free(client->debug_dir);
    free(client);
}

/* Makes the descriptor readable after `delay_ns` (0 = at once) unless it becomes so earlier. */
static void wake(struct n1_symbols *client, n1_ns delay_ns)
{
    n1_ns at = delay_ns ? n1_time_mono() + delay_ns : 1;
    if (client->wake_at && client->wake_at <= at)
        return;
    client->wake_at = at;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at / N1_SECOND_NS), .tv_nsec = (long)(at % N1_SECOND_NS)}};
    timerfd_settime(client->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static struct n1_client_module *module_by_key(const struct n1_symbols *client, uint64_t key)
{
    struct n1_client_module *module;
    HASH_FIND(hh, client->by_key, &key, sizeof(key), module);
    return module;
}

bool n1_symbols_module_known(const struct n1_symbols *client, uint64_t key)
{
    return module_by_key(client, key) != NULL;
}

/* A free place in the table of modules, grown when needed; N1_CLIENT_NONE when there is none. */
static uint32_t free_index(struct n1_symbols *client)
{
    /* Places are reused as late as possible: a late record about a removed module must not meet its
     * successor. */
    for (uint32_t i = 0; i < client->module_count; i++) {
        uint32_t at = (client->next_index + i) % client->module_count;
        if (!client->modules[at]) {
            client->next_index = at + 1;
            return at;
        }
    }
    if (client->module_count >= MODULES_MAX)
        return N1_CLIENT_NONE;
    uint32_t index = client->module_count, count = index ? index * 2 : 64;
    struct n1_client_module **grown = realloc(client->modules, count * sizeof(struct n1_client_module *));
    if (!grown)
        return N1_CLIENT_NONE;
    memset(grown + index, 0, (count - index) * sizeof(struct n1_client_module *));
    client->modules = grown;
    client->module_count = count;
    client->next_index = index + 1;
    return index;
}

int n1_symbols_module_add(struct n1_symbols *client, uint64_t key, const struct n1_symbol_module *description)
{
    int fd = description->kind == N1_SYMBOL_ELF ? description->take_fd : -1;
    struct n1_client_module *module = NULL;
    int rc = module_by_key(client, key) ? -EEXIST : -ENOMEM;
    uint32_t index = rc == -EEXIST ? N1_CLIENT_NONE : free_index(client);
    if (index != N1_CLIENT_NONE)
        module = calloc(1, sizeof(*module));
    if (module && description->path && !(module->path = strdup(description->path))) {
        free(module);
        module = NULL;
    }
    if (!module) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    module->key = key;
    module->index = index;
    module->kind = description->kind;
    module->fd = fd;
    module->pid = description->pid;
    module->debug_fd = -1;
    module->head = module->tail = N1_CLIENT_NONE;
    if (description->kind == N1_SYMBOL_ELF && fd < 0)
        module->final = N1_SYMBOL_NO_FILE;
    client->modules[index] = module;
    HASH_ADD(hh, client->by_key, key, sizeof(module->key), module);
    return 0;
}

void n1_symbols_prepare(struct n1_symbols *client, uint64_t key)
{
    struct n1_client_module *module = module_by_key(client, key);
    if (!module || module->kind != N1_SYMBOL_KALLSYMS || module->sent)
        return;
    module->ahead = client->ahead = true;
    wake(client, 0);
}

int n1_symbols_module_remove(struct n1_symbols *client, uint64_t key)
{
    struct n1_client_module *module = module_by_key(client, key);
    if (!module)
        return -ENOENT;
    HASH_DEL(client->by_key, module);
    module->removed = true;
    module->final = N1_SYMBOL_NO_FILE;
    wake(client, 0);
    return 0;
}

void n1_client_enqueue(struct n1_symbols *client, struct n1_client_module *module, uint32_t slot, bool front)
{
    struct n1_client_pending *pending = &client->pending[slot];
    pending->next = front ? module->head : N1_CLIENT_NONE;
    if (module->head == N1_CLIENT_NONE)
        module->head = module->tail = slot;
    else if (front)
        module->head = slot;
    else {
        client->pending[module->tail].next = slot;
        module->tail = slot;
    }
    module->queued++;
    client->queued++;
}

uint32_t n1_client_dequeue(struct n1_symbols *client, struct n1_client_module *module)
{
    uint32_t slot = module->head;
    module->head = client->pending[slot].next;
    if (module->head == N1_CLIENT_NONE)
        module->tail = N1_CLIENT_NONE;
    module->queued--;
    client->queued--;
    return slot;
}

int n1_symbols_request(struct n1_symbols *client, uint64_t cookie, uint64_t key, uint64_t addr,
                       unsigned flags)
{
    struct n1_client_module *module = module_by_key(client, key);
    uint32_t slot = client->free_head;
    if (!module)
        return -ENOENT;
    if (slot == N1_CLIENT_NONE) {
        client->stats.dropped++;
        return -EAGAIN;
    }
    struct n1_client_pending *pending = &client->pending[slot];
    client->free_head = pending->next;
    pending->cookie = cookie;
    pending->addr = addr;
    pending->flags = flags & (N1_SYMBOL_LINE | N1_SYMBOL_INLINES);
    pending->retries = 0;
    pending->sent = false;
    pending->used = true;
    pending->generation++;
    n1_client_enqueue(client, module, slot, false);
    client->stats.requested++;
    wake(client, 0);
    return 0;
}

void n1_client_deliver(struct n1_symbols *client, uint32_t slot, struct n1_symbol_result *result)
{
    struct n1_client_pending *pending = &client->pending[slot];
    result->cookie = pending->cookie;
    result->addr = pending->addr;
    pending->used = false;
    pending->next = client->free_head;
    client->free_head = slot;
    client->stats.answered++;
    client->stats.found += result->status == N1_SYMBOL_FOUND;
    client->delivered++;
    client->callback(client->context, result);
}

void n1_client_refuse(struct n1_symbols *client, struct n1_client_module *module, uint32_t slot,
                      enum n1_symbol_status status)
{
    struct n1_symbol_result result = {.key = module->key,
                                      .status = status,
                                      .name = "",
                                      .linkage = "",
                                      .line_status = N1_SYMBOL_NO_LINES,
                                      .file = "",
                                      .own_file = "",
                                      .decl_file = ""};
    n1_client_deliver(client, slot, &result);
}

/* Answers what can be answered without a helper, frees removed modules. `all` refuses every queued request.
 */
static void settle(struct n1_symbols *client, enum n1_symbol_status all)
{
    for (uint32_t i = 0; i < client->module_count; i++) {
        struct n1_client_module *module = client->modules[i];
        enum n1_symbol_status status = !module ? N1_SYMBOL_FOUND : module->final ? module->final : all;
        if (status == N1_SYMBOL_FOUND)
            continue;
        /* As many as are queued now: the callback may ask again. */
        for (uint32_t n = module->queued; n > 0; n--)
            n1_client_refuse(client, module, n1_client_dequeue(client, module), status);
        if (module->removed && module->queued == 0 && module->in_flight == 0) {
            n1_client_forget(client, module);
            module_free(client, module);
        } else if (module->kind == N1_SYMBOL_PERF_MAP && module->fd < 0 && !module->removed) {
            module->final = N1_SYMBOL_FOUND; /* the map may appear: the path is looked at again */
        }
    }
}

static bool awaits_verdict(const struct n1_symbols *client)
{
    for (uint32_t i = 0; i < client->module_count; i++)
        if (client->modules[i] && client->modules[i]->debug_state == N1_CLIENT_DEBUG_AWAIT)
            return true;
    return false;
}

/* Ends a helper that hangs, and sees to it that the next look at it happens in time. */
static void watch(struct n1_symbols *client)
{
    if (client->helper <= 0)
        return;
    if (client->dying) {
        wake(client, RETRY_SOON_NS);
        return;
    }
    if (client->in_flight == 0 && !awaits_verdict(client))
        return;
    if (n1_time_mono() - client->progress > client->watchdog_ns) {
        client->killed = true;
        kill(client->helper, SIGKILL);
    }
    wake(client, client->watchdog_ns / 4 + 1);
}

/* Starts a helper when there is work for one; while it cannot run, requests are answered so. */
static void ensure_helper(struct n1_symbols *client)
{
    if ((client->queued == 0 && !client->ahead) || client->helper != 0)
        return;
    n1_ns now = n1_time_mono();
    if (now >= client->retry_at && n1_client_start(client) < 0)
        client->retry_at = now + N1_SECOND_NS;
    if (client->helper == 0)
        settle(client, N1_SYMBOL_NO_HELPER);
}

int n1_symbols_pump(struct n1_symbols *client, n1_symbol_callback *callback, void *context)
{
    uint64_t ticks;
    client->callback = callback;
    client->context = context;
    client->delivered = 0;
    if (read(client->timer_fd, &ticks, sizeof(ticks)) > 0 || client->wake_at <= n1_time_mono())
        client->wake_at = 0;
    if (client->socket >= 0 && !n1_client_receive(client))
        n1_client_hang_up(client);
    if (client->dying)
        n1_client_reap(client);
    settle(client, N1_SYMBOL_FOUND);
    ensure_helper(client);
    if (client->socket >= 0 && !n1_client_send(client))
        wake(client, RETRY_SOON_NS);
    settle(client, N1_SYMBOL_FOUND);
    watch(client);
    return client->delivered;
}

int n1_symbols_fd(const struct n1_symbols *client)
{
    return client->poll_fd;
}

void n1_symbols_stats(const struct n1_symbols *client, struct n1_symbols_stats *ret_stats)
{
    *ret_stats = client->stats;
    ret_stats->pending = client->queued + client->in_flight;
}

pid_t n1_symbols_helper_pid(const struct n1_symbols *client)
{
    return client->helper;
}
