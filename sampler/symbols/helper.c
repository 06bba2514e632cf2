/*
 * The symbol helper: a process without rights between two records. It opens nothing by name, keeps
 * descriptors it was given, answers look-ups in the order they came, and ends when its socket closes or it
 * has idled. It holds no request: after its death the client asks the next helper again.
 */
#include "sampler/symbols/demangle.h"
#include "sampler/symbols/helper_module.h"
#include "sampler/symbols/sandbox.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULES_MAX 65536
#define LINES_OPEN_MAX 4
#define CPU_SECONDS_PER_RECORD 10
#define IDLE_MS_DEFAULT 60000

struct helper {
    int socket;
    int idle_ms;
    struct n1_helper_module **modules;
    uint32_t module_count;
    struct n1_helper_module *reading; /* the kernel's, until its symbols are read */
    uint32_t reading_index;
    uint64_t clock; /* counts line look-ups, to find the table used longest ago */
    struct n1_symbol_hit hit;
    struct n1_line_answer line;
    char name[N1_SYMBOL_NAME_MAX];
    uint8_t in[N1_WIRE_MAX], out[N1_WIRE_MAX];
};

static struct n1_helper_module *module_at(const struct helper *helper, uint32_t index)
{
    return index < helper->module_count ? helper->modules[index] : NULL;
}

/* Replaces what stands at `index`; false when out of memory. */
static bool set_module(struct helper *helper, uint32_t index, struct n1_helper_module *module)
{
    if (index >= MODULES_MAX)
        return false;
    if (index >= helper->module_count) {
        uint32_t count = index + 64;
        struct n1_helper_module **grown = realloc(helper->modules, count * sizeof(struct n1_helper_module *));
        if (!grown)
            return false;
        memset(grown + helper->module_count, 0,
               (count - helper->module_count) * sizeof(struct n1_helper_module *));
        helper->modules = grown;
        helper->module_count = count;
    }
    if (helper->reading && helper->reading == helper->modules[index])
        helper->reading = NULL;
    n1_helper_module_destroy(helper->modules[index]);
    helper->modules[index] = module;
    return true;
}

static void send_record(const struct helper *helper, const struct n1_wire *wire)
{
    if (n1_wire_send(helper->socket, wire, -1, 0) < 0)
        _exit(0); /* the client is gone */
}

static void ask_for_debug(struct helper *helper, uint32_t index, struct n1_helper_module *module)
{
    struct n1_wire wire;
    uint8_t id[N1_WIRE_BUILD_ID_MAX];
    char link[256] = "";
    uint32_t crc = 0;
    size_t id_len = n1_elf_build_id(&module->elf, id, sizeof(id));
    n1_elf_debuglink(&module->elf, link, sizeof(link), &crc);
    n1_wire_begin(&wire, helper->out, N1_WIRE_NEED_DEBUG, index);
    n1_wire_put_text(&wire, (const char *)id, id_len);
    n1_wire_put_text(&wire, link, strlen(link));
    n1_wire_put_u32(&wire, crc);
    send_record(helper, &wire);
    module->debug_state = N1_DEBUG_ASKED;
}

/* Line tables are large: only the few used last stay open. */
static void close_old_lines(struct helper *helper, const struct n1_helper_module *keep)
{
    struct n1_helper_module *oldest = NULL;
    unsigned open = 0;
    for (uint32_t i = 0; i < helper->module_count; i++) {
        struct n1_helper_module *module = helper->modules[i];
        if (!module || !module->lines)
            continue;
        open++;
        if (module != keep && (!oldest || module->lines_used < oldest->lines_used))
            oldest = module;
    }
    if (open > LINES_OPEN_MAX && oldest)
        n1_helper_module_close_lines(oldest);
}

static void put_text(struct n1_wire *wire, const char *text)
{
    n1_wire_put_text(wire, text, strlen(text));
}

static void put_line(struct n1_wire *wire, const struct n1_line_answer *line)
{
    put_text(wire, line->file);
    n1_wire_put_u32(wire, line->line);
    put_text(wire, line->own_file);
    n1_wire_put_u32(wire, line->own_line);
    put_text(wire, line->decl_file);
    n1_wire_put_u32(wire, line->decl_line);
    n1_wire_put_u32(wire, (uint32_t)line->inline_count);
    for (size_t i = 0; i < line->inline_count; i++) {
        put_text(wire, line->inlines[i].name);
        put_text(wire, line->inlines[i].file);
        n1_wire_put_u32(wire, line->inlines[i].line);
    }
}

struct answer {
    uint64_t id;
    uint32_t status, line_status, mangled;
};

static void put_answer(struct n1_wire *wire, const struct helper *helper, const struct answer *answer)
{
    n1_wire_put_u64(wire, answer->id);
    n1_wire_put_u32(wire, answer->status);
    n1_wire_put_u32(wire, answer->line_status);
    n1_wire_put_u64(wire, helper->hit.start);
    n1_wire_put_u64(wire, helper->hit.size);
    if (answer->status == N1_SYMBOL_FOUND) {
        n1_wire_put_u32(wire, answer->mangled);
        put_text(wire, helper->name);
        if (answer->mangled == N1_DEMANGLE_DONE)
            n1_wire_put_text(wire, helper->hit.linkage, strnlen(helper->hit.linkage, N1_SYMBOL_NAME_MAX - 1));
    }
    if (answer->line_status == N1_SYMBOL_FOUND)
        put_line(wire, &helper->line);
}

static void look_up(struct helper *helper, uint32_t index, uint64_t addr, unsigned flags,
                    struct answer *answer)
{
    struct n1_helper_module *module = module_at(helper, index);
    answer->status = N1_SYMBOL_NO_FILE;
    answer->line_status = N1_SYMBOL_NO_LINES;
    helper->hit.start = helper->hit.size = 0;
    if (!module)
        return;
    if (n1_helper_module_needs_debug(module, flags)) {
        answer->status = N1_WIRE_RETRY;
        return;
    }
    answer->status = n1_helper_module_find(module, addr, &helper->hit);
    if (answer->status == N1_SYMBOL_FOUND)
        answer->mangled = n1_demangle(helper->hit.linkage, helper->name, sizeof(helper->name));
    if (flags) {
        module->lines_used = ++helper->clock;
        answer->line_status = n1_helper_module_find_line(module, addr, flags, &helper->line);
        close_old_lines(helper, module);
    }
}

static void serve_lookups(struct helper *helper, struct n1_wire *request, uint32_t index)
{
    uint32_t count = n1_wire_get_u32(request);
    struct n1_helper_module *module = module_at(helper, index);
    struct n1_wire wire;
    bool begun = false;
    for (uint32_t i = 0; i < count && i < N1_WIRE_LOOKUPS; i++) {
        struct answer answer = {.id = n1_wire_get_u64(request)};
        uint64_t addr = n1_wire_get_u64(request);
        unsigned flags = n1_wire_get_u32(request);
        if (request->bad)
            break;
        if (module && module->debug_state == N1_DEBUG_UNASKED &&
            n1_helper_module_needs_debug(module, flags)) {
            if (begun)
                send_record(helper, &wire);
            begun = false;
            ask_for_debug(helper, index, module);
        }
        look_up(helper, index, addr, flags, &answer);
        if (!begun)
            n1_wire_begin(&wire, helper->out, N1_WIRE_RESULT, index);
        begun = true;
        size_t mark = wire.len;
        put_answer(&wire, helper, &answer);
        if (wire.bad) { /* full: send what went before, then this one alone */
            wire.len = mark;
            wire.bad = false;
            send_record(helper, &wire);
            n1_wire_begin(&wire, helper->out, N1_WIRE_RESULT, index);
            put_answer(&wire, helper, &answer);
        }
    }
    if (begun)
        send_record(helper, &wire);
}

static void take_debug(struct helper *helper, uint32_t index, bool by_crc, int take_fd)
{
    struct n1_helper_module *module = module_at(helper, index);
    struct n1_wire wire;
    bool accepted = false;
    if (module && take_fd >= 0)
        accepted = n1_helper_module_take_debug(module, take_fd, by_crc);
    else if (take_fd >= 0)
        close(take_fd);
    n1_wire_begin(&wire, helper->out, N1_WIRE_DEBUG_RESULT, index);
    n1_wire_put_u32(&wire, accepted);
    send_record(helper, &wire);
}

static void serve(struct helper *helper, size_t len, int take_fd)
{
    struct n1_wire wire;
    uint32_t type, index;
    struct n1_helper_module *module;
    if (!n1_wire_open(&wire, helper->in, len, &type, &index))
        type = UINT32_MAX;
    switch (type) {
    case N1_WIRE_CONFIG:
        helper->idle_ms = (int)n1_wire_get_u32(&wire);
        break;
    case N1_WIRE_MODULE: {
        uint32_t kind = n1_wire_get_u32(&wire), settled = n1_wire_get_u32(&wire);
        module = n1_helper_module_create((enum n1_symbol_module_kind)kind, take_fd, settled);
        if (!module || !set_module(helper, index, module)) {
            n1_helper_module_destroy(module);
        } else if (module->kind == N1_SYMBOL_KALLSYMS) {
            helper->reading = module;
            helper->reading_index = index;
        }
        return;
    }
    case N1_WIRE_DEBUG:
        take_debug(helper, index, n1_wire_get_u32(&wire), take_fd);
        return;
    case N1_WIRE_NO_DEBUG:
        module = module_at(helper, index);
        if (module)
            module->debug_state = N1_DEBUG_SETTLED;
        break;
    case N1_WIRE_FORGET:
        set_module(helper, index, NULL);
        break;
    case N1_WIRE_LOOKUP:
        serve_lookups(helper, &wire, index);
        break;
    default:
        break;
    }
    if (take_fd >= 0)
        close(take_fd);
}

/* Reading the kernel's symbols takes long, and nobody waits for them as for the target's own: a bit at a
 * time, while there is nothing else to do. */
static void read_kernel(struct helper *helper)
{
    struct n1_wire wire;
    if (n1_helper_module_prepare(helper->reading))
        return;
    helper->reading = NULL;
    n1_wire_begin(&wire, helper->out, N1_WIRE_READY, helper->reading_index);
    send_record(helper, &wire);
}

int n1_symbols_helper_main(int fd)
{
    static struct helper helper;
    struct n1_wire wire;
    helper.socket = fd;
    helper.idle_ms = IDLE_MS_DEFAULT;
    if (n1_sandbox_enter() < 0)
        return 1;
    n1_wire_begin(&wire, helper.out, N1_WIRE_HELLO, 0);
    send_record(&helper, &wire);
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, helper.reading ? 0 : helper.idle_ms);
        if (ready == 0 && helper.reading) {
            n1_sandbox_allow_cpu(CPU_SECONDS_PER_RECORD);
            read_kernel(&helper);
            continue;
        }
        if (ready == 0)
            _exit(0);
        int passed;
        ssize_t len = n1_wire_receive(fd, helper.in, &passed, 0);
        if (len <= 0)
            _exit(0);
        n1_sandbox_allow_cpu(CPU_SECONDS_PER_RECORD);
        serve(&helper, (size_t)len, passed);
    }
}
