/*
 * Finding CPython in a process: which mapped file holds the interpreter (the executable, or a libpython),
 * where its runtime state lies, which version it is and where its structs have their fields. Nothing is run
 * and nothing written: files are read through the modules of the address space (so containers and deleted
 * files work), state by process_vm_readv. Sampler thread only.
 */
#ifndef N1_SAMPLER_PYTHON_INTERPRETER_H
#define N1_SAMPLER_PYTHON_INTERPRETER_H

#include "sampler/python/offsets.h"
#include "sampler/target/space.h"

enum { N1_PY_EVAL_RANGES = 4 };

struct n1_py_interpreter {
    uint64_t runtime;   /* address of _PyRuntime in the target */
    uint64_t code_type; /* address of the type of code objects; 0: not known */
    uint32_t hex;       /* PY_VERSION_HEX; the patch and release bytes are 0 when only the minor is known */
    struct n1_py_offsets offsets;
    struct n1_module *module; /* one reference held */
    /* Code of the evaluation loop, offsets in `module`: each of its frames stands for Python frames. */
    struct {
        uint64_t start, end;
    } eval[N1_PY_EVAL_RANGES];
    size_t eval_count;
};

/* Looks for an interpreter in `space`, whose executable is `exe` (as its mapping names it). Returns 0;
 * -ENOENT when the process is not CPython; -EAGAIN when it is, and has not started its interpreter yet;
 * -ENOTSUP for a version that is not known, -EBADMSG for state that makes no sense, each with the reason in
 * one line; -EPERM when its memory may not be read. */
int n1_py_interpreter_find(struct n1_space *space, const char *exe, struct n1_memory *memory,
                           struct n1_py_interpreter *ret, struct n1_error *reterr);
void n1_py_interpreter_finish(struct n1_py_interpreter *interpreter);

/* "python 3.11.2" into `text`. */
void n1_py_interpreter_name(const struct n1_py_interpreter *interpreter, char *text, size_t cap);

/* True when a walked frame lies in the evaluation loop. */
bool n1_py_interpreter_is_eval(const struct n1_py_interpreter *interpreter, const struct n1_module *module,
                               uint64_t offset);

/* Version as PY_VERSION_HEX from a text such as "3.10.13" or "3.9.2+"; 0 when it is none. */
uint32_t n1_py_version_of_text(const char *text, size_t len);

#endif
