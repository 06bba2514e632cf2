/*
 * Candidates are the executable and whatever mapped file has "python" in its name. A symbol, or the section
 * that holds the runtime state since 3.10, gives the place; the symbol Py_Version (3.11), the block of
 * offsets (3.13) or the version text among the constants (before) gives the version; what the state then
 * shows must fit, or it is not believed.
 */
#include "sampler/python/interpreter.h"

#include "sampler/python/elf_symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOL_RUNTIME, SYMBOL_VERSION, SYMBOL_EVAL, SYMBOL_EVAL_COLD, SYMBOL_CODE_TYPE, SYMBOLS };
enum { SCAN_BLOCK = 1 << 20, SCAN_OVERLAP = 32, THREADS_LOOKED_AT = 4096 };
#define SCAN_MOST (UINT64_C(64) << 20)
#define EVAL_MOST (UINT64_C(4) << 20) /* no evaluation loop is larger */

uint32_t n1_py_version_of_text(const char *text, size_t len)
{
    unsigned part[3] = {0}, at = 0;
    size_t i = 0;
    for (; i < len && at < 3; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            part[at] = part[at] * 10 + (unsigned)(text[i] - '0');
        else if (text[i] == '.' && at < 2 && i > 0 && text[i - 1] != '.')
            at++;
        else
            break;
        if (part[at] > 255)
            return 0;
    }
    if (at != 2 || text[i - 1] == '.' || i < len - (len && text[len - 1] == '+'))
        return 0;
    return (uint32_t)(part[0] << 24 | part[1] << 16 | part[2] << 8 | 0xf0);
}

/* A constant that ends with a zero byte; the linker may have made it the tail of a longer one. */
static uint32_t version_in(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + 7 < len; i++) {
        bool inside = bytes[i] == '.' || (bytes[i] >= '0' && bytes[i] <= '9');
        if (inside || bytes[i + 1] != '3' || bytes[i + 2] != '.')
            continue;
        const uint8_t *end = memchr(bytes + i + 1, 0, len - i - 1);
        if (!end || end - (bytes + i + 1) > 10)
            continue;
        uint32_t hex = n1_py_version_of_text((const char *)bytes + i + 1, (size_t)(end - (bytes + i + 1)));
        if (hex && n1_py_offsets_table(hex >> 16))
            return hex;
    }
    return 0;
}

static uint32_t scan_version(const struct n1_elf_image *image)
{
    uint8_t *block = malloc(SCAN_BLOCK + SCAN_OVERLAP);
    uint32_t hex = 0;
    for (size_t l = 0; block && l < image->load_count && !hex; l++) {
        const struct n1_elf_load *load = &image->loads[l];
        uint64_t size = load->file_size < SCAN_MOST ? load->file_size : SCAN_MOST;
        for (uint64_t at = 0; at < size && !hex; at += SCAN_BLOCK) {
            uint64_t left = size - at;
            int64_t n =
                n1_elf_image_read(image, load->offset + at, block,
                                  left < SCAN_BLOCK + SCAN_OVERLAP ? left : SCAN_BLOCK + SCAN_OVERLAP);
            if (n > 0)
                hex = version_in(block, (size_t)n);
        }
    }
    free(block);
    return hex;
}

/* What a first look at the state must show. Returns 0, -EAGAIN, -EBADMSG or -EPERM. */
static int check_state(struct n1_memory *memory, uint64_t runtime, const struct n1_py_offsets *o)
{
    uint64_t interp, thread, back;
    if (!n1_memory_u64(memory, runtime + o->runtime_interpreters, &interp))
        return -EPERM;
    if (!interp)
        return -EAGAIN;
    if (interp % 8 || !n1_memory_u64(memory, interp + o->interp_threads, &thread))
        return -EBADMSG;
    if (!thread)
        return -EAGAIN;
    if (thread % 8 || !n1_memory_u64(memory, thread + o->thread_interp, &back) || back != interp)
        return -EBADMSG;
    return 0;
}

static int choose_offsets(struct n1_memory *memory, const struct n1_module *module, uint64_t version_vaddr,
                          struct n1_py_interpreter *p, struct n1_error *reterr)
{
    int rc = n1_py_offsets_read(memory, p->runtime, &p->offsets, &p->hex, reterr);
    if (rc != -ENOENT)
        return rc < 0 ? rc : check_state(memory, p->runtime, &p->offsets);
    if (version_vaddr) {
        uint32_t hex = 0;
        if (n1_elf_image_read_vaddr(&module->image, version_vaddr, &hex, sizeof(hex)) == sizeof(hex))
            p->hex = hex;
    } else {
        p->hex = scan_version(&module->image);
    }
    const struct n1_py_offsets *table = n1_py_offsets_table(p->hex >> 16);
    if (p->hex && !table)
        return n1_error_set(reterr, -ENOTSUP, "CPython %u.%u is not one that this n1top knows",
                            p->hex >> 24 & 0xff, p->hex >> 16 & 0xff);
    if (table) {
        p->offsets = *table;
        return check_state(memory, p->runtime, table);
    }
    /* The version is nowhere to be read: the one whose offsets fit the state. */
    for (size_t i = 0; (table = n1_py_offsets_at(i)); i++) {
        p->offsets = *table;
        rc = check_state(memory, p->runtime, table);
        if (rc == 0) {
            p->hex = table->version << 16;
            return 0;
        }
    }
    return rc;
}

static void add_eval(struct n1_py_interpreter *p, const struct n1_elf_symbol *symbol)
{
    if (!symbol->vaddr || !symbol->size || symbol->size > EVAL_MOST || p->eval_count == N1_PY_EVAL_RANGES)
        return;
    p->eval[p->eval_count].start = symbol->vaddr;
    p->eval[p->eval_count++].end = symbol->vaddr + symbol->size;
}

static int look_into(struct n1_space *space, struct n1_range *range, struct n1_memory *memory,
                     struct n1_py_interpreter *p, struct n1_error *reterr)
{
    range = n1_space_resolve(space, range->start);
    if (!range || range->module->state != N1_MODULE_READY)
        return -ENOENT;
    struct n1_module *module = range->module;
    struct n1_elf_symbol symbols[SYMBOLS] = {
        [SYMBOL_RUNTIME] = {.name = "_PyRuntime"},
        [SYMBOL_VERSION] = {.name = "Py_Version"},
        [SYMBOL_EVAL] = {.name = "_PyEval_EvalFrameDefault"},
        [SYMBOL_EVAL_COLD] = {.name = "_PyEval_EvalFrameDefault.cold"},
        [SYMBOL_CODE_TYPE] = {.name = "PyCode_Type"},
    };
    n1_elf_symbols_find(&module->image, symbols, SYMBOLS);
    uint64_t vaddr = symbols[SYMBOL_RUNTIME].vaddr, size;
    if (!vaddr && !n1_elf_section_find(&module->image, ".PyRuntime", &vaddr, &size))
        return -ENOENT;
    *p = (struct n1_py_interpreter){.runtime = vaddr - range->delta};
    int rc = choose_offsets(memory, module, symbols[SYMBOL_VERSION].vaddr, p, reterr);
    if (rc < 0)
        return rc;
    if (symbols[SYMBOL_CODE_TYPE].vaddr)
        p->code_type = symbols[SYMBOL_CODE_TYPE].vaddr - range->delta;
    add_eval(p, &symbols[SYMBOL_EVAL]);
    add_eval(p, &symbols[SYMBOL_EVAL_COLD]);
    n1_module_ref(module);
    p->module = module;
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int n1_py_interpreter_find(struct n1_space *space, const char *exe, struct n1_memory *memory,
                           struct n1_py_interpreter *ret, struct n1_error *reterr)
{
    static const char gone[] = " (deleted)";
    size_t exe_len = strlen(exe), gone_len = sizeof(gone) - 1;
    if (exe_len > gone_len && !strcmp(exe + exe_len - gone_len, gone))
        exe_len -= gone_len;
    int result = -ENOENT;
    const struct n1_module *last = NULL;
    /* A shared library is asked before the executable: where there is one, the executable is a stub. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < space->count; i++) {
            struct n1_module *module = space->ranges[i].module;
            if (module == last || module->kind != N1_MODULE_FILE)
                continue;
            bool is_exe = strlen(module->path) == exe_len && !strncmp(module->path, exe, exe_len);
            if (pass == 0 ? is_exe || !strstr(base_name(module->path), "python") : !is_exe)
                continue;
            last = module;
            struct n1_py_interpreter found;
            int rc = look_into(space, &space->ranges[i], memory, &found, reterr);
            if (rc == 0) {
                *ret = found;
                return 0;
            }
            if (rc != -ENOENT)
                result = rc;
        }
    }
    if (result == -EBADMSG && !reterr->code)
        n1_error_set(reterr, -EBADMSG, "the interpreter's state is not what its version has");
    return result;
}

void n1_py_interpreter_finish(struct n1_py_interpreter *interpreter)
{
    n1_module_unref(interpreter->module);
    interpreter->module = NULL;
}

void n1_py_interpreter_name(const struct n1_py_interpreter *interpreter, char *text, size_t cap)
{
    unsigned major = interpreter->hex >> 24 & 0xff, minor = interpreter->hex >> 16 & 0xff;
    if (interpreter->hex & 0xffff)
        snprintf(text, cap, "python %u.%u.%u", major, minor, interpreter->hex >> 8 & 0xff);
    else
        snprintf(text, cap, "python %u.%u", major, minor);
}

bool n1_py_interpreter_is_eval(const struct n1_py_interpreter *interpreter, const struct n1_module *module,
                               uint64_t offset)
{
    if (module != interpreter->module)
        return false;
    for (size_t i = 0; i < interpreter->eval_count; i++)
        if (offset >= interpreter->eval[i].start && offset < interpreter->eval[i].end)
            return true;
    return false;
}
