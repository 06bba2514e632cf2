/*
 * From records to answers. The helper is not trusted: ids carry a generation, texts are sanitised, a record
 * that does not parse ends the helper.
 */
#include "sampler/symbols/client.h"

#include "n1/sanitise.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORDS_A_CALL 32
#define RETRIES_MAX 4

/* Takes one text of an answer into the client's text store. */
static const char *take_text(struct n1_symbols *client, struct n1_wire *wire)
{
    size_t len;
    const char *text = n1_wire_get_text(wire, &len);
    size_t room = sizeof(client->text) - client->text_len;
    if (len == 0 || room < 2)
        return "";
    if (room > N1_SYMBOL_NAME_MAX)
        room = N1_SYMBOL_NAME_MAX;
    char *out = client->text + client->text_len;
    client->text_len += n1_sanitise(out, room, text, len) + 1;
    return out;
}

static enum n1_symbol_status take_status(struct n1_wire *wire)
{
    uint32_t status = n1_wire_get_u32(wire);
    if (status < N1_SYMBOL_STATUS_COUNT || status == N1_WIRE_RETRY)
        return (enum n1_symbol_status)status;
    wire->bad = true;
    return N1_SYMBOL_NO_SYMBOL;
}

static void take_line(struct n1_symbols *client, struct n1_wire *wire, struct n1_symbol_result *result)
{
    result->file = take_text(client, wire);
    result->line = n1_wire_get_u32(wire);
    result->own_file = take_text(client, wire);
    result->own_line = n1_wire_get_u32(wire);
    result->decl_file = take_text(client, wire);
    result->decl_line = n1_wire_get_u32(wire);
    uint32_t count = n1_wire_get_u32(wire);
    if (count > N1_SYMBOL_INLINES_MAX) {
        wire->bad = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        client->inlines[i].name = take_text(client, wire);
        client->inlines[i].file = take_text(client, wire);
        client->inlines[i].line = n1_wire_get_u32(wire);
    }
    result->inlines = client->inlines;
    result->inline_count = count;
}

static void take_answer(struct n1_symbols *client, struct n1_wire *wire, uint64_t *ret_id,
                        struct n1_symbol_result *result)
{
    *result = (struct n1_symbol_result){.name = "",
                                        .linkage = "",
                                        .file = "",
                                        .own_file = "",
                                        .decl_file = "",
                                        .line_status = N1_SYMBOL_NO_LINES};
    client->text_len = 0;
    *ret_id = n1_wire_get_u64(wire);
    result->status = take_status(wire);
    result->line_status = take_status(wire);
    result->start = n1_wire_get_u64(wire);
    result->size = n1_wire_get_u64(wire);
    if (result->status == N1_SYMBOL_FOUND) {
        uint32_t mangled = n1_wire_get_u32(wire);
        result->mangled = mangled == 2;
        result->name = take_text(client, wire);
        if (mangled == 1)
            result->linkage = take_text(client, wire);
    }
    if (result->line_status == N1_SYMBOL_FOUND)
        take_line(client, wire, result);
}

/* The request behind an id of `module`, or NULL when there is none such in flight. */
static struct n1_client_pending *pending_of(struct n1_symbols *client, const struct n1_client_module *module,
                                            uint64_t id)
{
    uint32_t slot = (uint32_t)id;
    if (slot >= client->pending_max)
        return NULL;
    struct n1_client_pending *pending = &client->pending[slot];
    if (!pending->used || !pending->sent || pending->generation != (uint32_t)(id >> 32) ||
        client->batches[pending->batch].module != module)
        return NULL;
    return pending;
}

static void leave_batch(struct n1_symbols *client, struct n1_client_module *module,
                        struct n1_client_pending *pending)
{
    client->batches[pending->batch].outstanding--;
    pending->sent = false;
    client->in_flight--;
    module->in_flight--;
    while (client->batch_count > 0 && client->batches[client->batch_head].outstanding == 0) {
        client->batch_head = (client->batch_head + 1) % N1_CLIENT_BATCHES;
        client->batch_count--;
    }
}

static void take_results(struct n1_symbols *client, struct n1_wire *wire, struct n1_client_module *module)
{
    while (!wire->bad && wire->at < wire->len) {
        struct n1_symbol_result result;
        uint64_t id;
        take_answer(client, wire, &id, &result);
        struct n1_client_pending *pending = wire->bad ? NULL : pending_of(client, module, id);
        if (!pending)
            continue;
        uint32_t slot = (uint32_t)id;
        leave_batch(client, module, pending);
        if ((unsigned)result.status == N1_WIRE_RETRY && pending->retries++ < RETRIES_MAX) {
            n1_client_enqueue(client, module, slot, false);
            continue;
        }
        if ((unsigned)result.status == N1_WIRE_RETRY)
            result.status = N1_SYMBOL_DAMAGED;
        if ((unsigned)result.line_status == N1_WIRE_RETRY || (pending->flags && module->final_lines))
            result.line_status = N1_SYMBOL_LINES_DAMAGED;
        result.key = module->key;
        n1_client_deliver(client, slot, &result);
    }
}

static void take_need(struct n1_wire *wire, struct n1_client_module *module)
{
    size_t id_len, link_len;
    const char *id = n1_wire_get_text(wire, &id_len), *link = n1_wire_get_text(wire, &link_len);
    if (wire->bad || module->debug_state != N1_CLIENT_DEBUG_UNASKED)
        return;
    if (id_len > sizeof(module->build_id))
        id_len = 0;
    if (link_len >= sizeof(module->link))
        link_len = 0;
    memcpy(module->build_id, id, id_len);
    module->build_id_len = id_len;
    memcpy(module->link, link, link_len);
    module->link[link_len] = '\0';
    module->debug_state = N1_CLIENT_DEBUG_OPEN_NEXT;
}

static void take_verdict(struct n1_wire *wire, struct n1_client_module *module)
{
    bool accepted = n1_wire_get_u32(wire);
    if (module->debug_state != N1_CLIENT_DEBUG_AWAIT)
        return;
    if (accepted) {
        module->debug_state = N1_CLIENT_DEBUG_FOUND;
        return;
    }
    close(module->debug_fd);
    module->debug_fd = -1;
    module->debug_next++;
    module->debug_state = N1_CLIENT_DEBUG_OPEN_NEXT;
}

static void take_record(struct n1_symbols *client, struct n1_wire *wire, uint32_t type, uint32_t index)
{
    struct n1_client_module *module = index < client->module_count ? client->modules[index] : NULL;
    if (type == N1_WIRE_HELLO) {
        client->greeted = true;
        client->start_failures = 0;
    } else if (module && type == N1_WIRE_RESULT) {
        take_results(client, wire, module);
    } else if (module && type == N1_WIRE_NEED_DEBUG) {
        take_need(wire, module);
    } else if (module && type == N1_WIRE_DEBUG_RESULT) {
        take_verdict(wire, module);
    } else if (module && type == N1_WIRE_READY) {
        module->ready = true;
    }
    if (wire->bad && client->helper > 0) {
        client->killed = true;
        kill(client->helper, SIGKILL);
    }
}

bool n1_client_receive(struct n1_symbols *client)
{
    for (unsigned i = 0; i < RECORDS_A_CALL; i++) {
        struct n1_wire wire;
        uint32_t type, index;
        ssize_t len = n1_wire_receive(client->socket, client->buffer, NULL, MSG_DONTWAIT);
        if (len == -EAGAIN)
            return true;
        if (len <= 0)
            return false;
        client->progress = n1_time_mono();
        if (!n1_wire_open(&wire, client->buffer, (size_t)len, &type, &index))
            wire.bad = true;
        take_record(client, &wire, type, index);
    }
    return true;
}
