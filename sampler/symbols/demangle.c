/*
 * The libiberty printer calls back with pieces of text. A hostile name of 100 bytes can describe gigabytes of
 * text, so when the buffer is full we jump out of the printer: it keeps nothing on the heap, only stack.
 * libiberty itself refuses C++ names of more than 1,024 bytes, which bounds its recursion; those stay
 * mangled.
 */
#include "sampler/symbols/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <string.h>

#define MANGLED_MAX 4096 /* the decoder's stack grows with the input */

struct output {
    char *text;
    size_t len, cap;
    jmp_buf full;
};

static void append(const char *piece, size_t len, void *opaque)
{
    struct output *output = opaque;
    size_t room = output->cap - 1 - output->len;
    bool is_full = len > room;
    if (is_full)
        len = room;
    memcpy(output->text + output->len, piece, len);
    output->len += len;
    if (is_full)
        longjmp(output->full, 1);
}

static bool print(const char *name, bool rust, struct output *output)
{
    output->len = 0;
    if (setjmp(output->full)) {
        memcpy(output->text + output->cap - 4, "...", 4);
        return true;
    }
    int ok = rust ? rust_demangle_callback(name, DMGL_PARAMS | DMGL_ANSI, append, output)
                  : cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, append, output);
    output->text[output->len] = '\0';
    return ok && output->len > 0;
}

static void copy(const char *name, char *out, size_t cap)
{
    size_t len = strnlen(name, cap);
    if (len < cap) {
        memcpy(out, name, len + 1);
        return;
    }
    memcpy(out, name, cap - 4);
    memcpy(out + cap - 4, "...", 4);
}

enum n1_demangle_result n1_demangle(const char *name, char *out, size_t cap)
{
    struct output output = {.text = out, .cap = cap};
    bool cxx = name[0] == '_' && name[1] == 'Z', rust_v0 = name[0] == '_' && name[1] == 'R';
    if (cxx || rust_v0) {
        /* Rust's older form is valid C++ with a hash behind it, so it has to be tried first. */
        if (strnlen(name, MANGLED_MAX) < MANGLED_MAX &&
            (print(name, true, &output) || (cxx && print(name, false, &output))))
            return N1_DEMANGLE_DONE;
        copy(name, out, cap);
        return N1_DEMANGLE_FAILED;
    }
    copy(name, out, cap);
    return N1_DEMANGLE_PLAIN;
}
