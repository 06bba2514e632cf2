/*
 * From the queues to records: modules in turn, up to N1_WIRE_LOOKUPS addresses a record, N1_CLIENT_BATCHES
 * records in flight. A module and its debug file precede its first look-up in each helper's life.
 */
#include "sampler/symbols/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PERF_MAP_CHECK_NS N1_SECOND_NS

static bool send_wire(struct n1_symbols *client, const struct n1_wire *wire, int fd)
{
    return n1_wire_send(client->socket, wire, fd, MSG_DONTWAIT) == 0;
}

void n1_client_forget(struct n1_symbols *client, struct n1_client_module *module)
{
    struct n1_wire wire;
    if (!module->sent || client->socket < 0)
        return;
    n1_wire_begin(&wire, client->buffer, N1_WIRE_FORGET, module->index);
    send_wire(client, &wire, -1);
    module->sent = false;
}

static enum n1_symbol_status status_of(int rc, enum n1_symbol_status absent)
{
    return rc == -ENOENT || rc == -ESRCH || rc == -ENOTDIR ? absent
           : rc == -EMFILE || rc == -ENFILE                ? N1_SYMBOL_UNREADABLE
                                                           : N1_SYMBOL_NOT_PERMITTED;
}

/* A runtime may replace its map or begin one late, so its path is looked at again, once a second. */
static void refresh_perf_map(struct n1_symbols *client, struct n1_client_module *module)
{
    n1_ns now = n1_time_mono();
    struct stat st;
    int fd;
    if (module->checked && now - module->checked < PERF_MAP_CHECK_NS) {
        if (module->fd < 0)
            module->final = module->absent;
        return;
    }
    module->checked = now;
    int rc = n1_perf_map_open(module->pid, &fd);
    if (rc == 0 && fstat(fd, &st) < 0) {
        rc = -errno;
        close(fd);
    }
    if (rc < 0) {
        if (module->fd < 0) /* a map that was open stays in use: after the target's end its path is gone */
            module->final = module->absent = status_of(rc, N1_SYMBOL_NO_MAP);
        return;
    }
    if (module->fd >= 0 && st.st_dev == module->dev && st.st_ino == module->ino) {
        close(fd);
        return;
    }
    n1_client_forget(client, module);
    if (module->fd >= 0)
        close(module->fd);
    module->fd = fd;
    module->dev = st.st_dev;
    module->ino = st.st_ino;
    module->final = module->blame < N1_CLIENT_BLAME_LIMIT ? N1_SYMBOL_FOUND : N1_SYMBOL_DAMAGED;
}

static void open_kallsyms(struct n1_client_module *module)
{
    if (module->fd >= 0)
        return;
    module->fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
    if (module->fd < 0)
        module->final = status_of(-errno, N1_SYMBOL_NO_FILE);
}

/* Makes the module known to the helper. False when the socket is full. */
static bool send_module(struct n1_symbols *client, struct n1_client_module *module)
{
    struct n1_wire wire;
    bool settled = module->debug_state == N1_CLIENT_DEBUG_NONE;
    if (module->sent)
        return true;
    n1_wire_begin(&wire, client->buffer, N1_WIRE_MODULE, module->index);
    n1_wire_put_u32(&wire, module->kind);
    n1_wire_put_u32(&wire, settled);
    if (!send_wire(client, &wire, module->fd))
        return false;
    module->sent = true;
    if (module->debug_state == N1_CLIENT_DEBUG_FOUND) {
        n1_wire_begin(&wire, client->buffer, N1_WIRE_DEBUG, module->index);
        n1_wire_put_u32(&wire, module->debug_by_crc);
        module->sent = send_wire(client, &wire, module->debug_fd);
    }
    return module->sent;
}

/* Opens and sends the next candidate for a module's debug file, or tells that there is none. */
static bool send_debug(struct n1_symbols *client, struct n1_client_module *module)
{
    struct n1_debug_query query = {.pid = module->pid,
                                   .path = module->path,
                                   .host_dir = client->debug_dir,
                                   .build_id = module->build_id,
                                   .build_id_len = module->build_id_len,
                                   .link = module->link};
    struct n1_wire wire;
    if (!send_module(client, module))
        return false;
    while (module->debug_fd < 0 && module->debug_next < N1_DEBUG_CANDIDATES)
        if (n1_debug_file_open(&query, module->debug_next, &module->debug_fd, &module->debug_by_crc) < 0)
            module->debug_next++;
    if (module->debug_fd < 0) {
        n1_wire_begin(&wire, client->buffer, N1_WIRE_NO_DEBUG, module->index);
        if (!send_wire(client, &wire, -1))
            return false;
        module->debug_state = N1_CLIENT_DEBUG_NONE;
        return true;
    }
    n1_wire_begin(&wire, client->buffer, N1_WIRE_DEBUG, module->index);
    n1_wire_put_u32(&wire, module->debug_by_crc);
    if (!send_wire(client, &wire, module->debug_fd))
        return false;
    module->debug_state = N1_CLIENT_DEBUG_AWAIT;
    client->progress = n1_time_mono();
    return true;
}

static unsigned flags_to_send(const struct n1_client_module *module, const struct n1_client_pending *pending)
{
    return module->final_lines == N1_SYMBOL_FOUND ? pending->flags : 0;
}

/* Sends one record of look-ups of one kind (with or without lines). False when the socket is full. */
static bool send_batch(struct n1_symbols *client, struct n1_client_module *module)
{
    uint32_t ring = (client->batch_head + client->batch_count) % N1_CLIENT_BATCHES;
    struct n1_client_batch *batch = &client->batches[ring];
    struct n1_wire wire;
    uint32_t limit = module->queued < N1_WIRE_LOOKUPS ? module->queued : N1_WIRE_LOOKUPS;
    batch->module = module;
    batch->lines = flags_to_send(module, &client->pending[module->head]) != 0;
    batch->count = 0;
    /* After a crash a module goes one address at a time, so that the blame lands where it belongs. */
    if (module->blame || (batch->lines && module->line_blame))
        limit = 1;
    for (uint32_t slot = module->head; slot != N1_CLIENT_NONE && batch->count < limit;
         slot = client->pending[slot].next) {
        if ((flags_to_send(module, &client->pending[slot]) != 0) != batch->lines)
            break;
        batch->slots[batch->count++] = slot;
    }
    n1_wire_begin(&wire, client->buffer, N1_WIRE_LOOKUP, module->index);
    n1_wire_put_u32(&wire, batch->count);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct n1_client_pending *pending = &client->pending[batch->slots[i]];
        n1_wire_put_u64(&wire, (uint64_t)pending->generation << 32 | batch->slots[i]);
        n1_wire_put_u64(&wire, pending->addr);
        n1_wire_put_u32(&wire, flags_to_send(module, pending));
    }
    if (!send_wire(client, &wire, -1))
        return false;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct n1_client_pending *pending = &client->pending[n1_client_dequeue(client, module)];
        pending->sent = true;
        pending->batch = (uint8_t)ring;
    }
    if (client->in_flight == 0)
        client->progress = n1_time_mono();
    client->in_flight += batch->count;
    module->in_flight += batch->count;
    batch->outstanding = batch->count;
    client->batch_count++;
    return true;
}

/* The helper reads the kernel's symbols when it has nothing better to do; who asked for them before would
 * hold up the target's own names. */
static bool prepare_kernel(struct n1_symbols *client, struct n1_client_module *module)
{
    if (module->sent || (module->queued == 0 && !module->ahead))
        return true;
    open_kallsyms(module);
    return module->final != N1_SYMBOL_FOUND || send_module(client, module);
}

static bool serve_module(struct n1_symbols *client, struct n1_client_module *module)
{
    if (module->debug_state == N1_CLIENT_DEBUG_OPEN_NEXT && !send_debug(client, module))
        return false;
    if (module->kind == N1_SYMBOL_KALLSYMS && !module->ready)
        return prepare_kernel(client, module);
    if (module->queued == 0 || module->debug_state == N1_CLIENT_DEBUG_AWAIT)
        return true;
    if (module->kind == N1_SYMBOL_PERF_MAP)
        refresh_perf_map(client, module);
    if (module->final != N1_SYMBOL_FOUND)
        return true;
    return send_module(client, module) && send_batch(client, module);
}

bool n1_client_send(struct n1_symbols *client)
{
    for (uint32_t i = 0; i < client->module_count && client->batch_count < N1_CLIENT_BATCHES; i++) {
        uint32_t at = (client->cursor + i) % client->module_count;
        struct n1_client_module *module = client->modules[at];
        if (!module)
            continue;
        if (!serve_module(client, module)) {
            client->cursor = at;
            return false;
        }
        /* One module alone may fill the window. */
        while (client->queued == module->queued && module->queued > 0 &&
               client->batch_count < N1_CLIENT_BATCHES && module->debug_state != N1_CLIENT_DEBUG_AWAIT &&
               module->debug_state != N1_CLIENT_DEBUG_OPEN_NEXT && module->final == N1_SYMBOL_FOUND &&
               module->sent && (module->kind != N1_SYMBOL_KALLSYMS || module->ready))
            if (!send_batch(client, module))
                return false;
        if (client->batch_count == N1_CLIENT_BATCHES)
            client->cursor = (at + 1) % client->module_count;
    }
    return true;
}
