/*
 * A CPython process as the rest of the sampler sees it: which interpreter it is, its threads, the Python
 * stack of one of them, and the state of the GIL and of the collector with it. Nothing here stops or writes
 * to the target. Sampler thread only.
 */
#ifndef N1_SAMPLER_PYTHON_PYTHON_H
#define N1_SAMPLER_PYTHON_PYTHON_H

#include "sampler/python/chain.h"
#include "sampler/python/codes.h"
#include "sampler/python/interpreter.h"
#include "sampler/target/process.h"

#include "n1/writer.h"

struct n1_python;

/* Looks for CPython in a process; `space` must outlive the result, which n1_python_close() frees. Returns 0,
 * or the errors of n1_py_interpreter_find(): -ENOENT when it is none, -EAGAIN when it has not started yet. */
int n1_python_open(struct n1_space *space, const struct n1_process *process, struct n1_python **ret,
                   struct n1_error *reterr);
void n1_python_close(struct n1_python *python);

const struct n1_py_interpreter *n1_python_interpreter(const struct n1_python *python);
/* "python 3.11.2"; the python's. */
const char *n1_python_name(const struct n1_python *python);

/* Lists the interpreter's threads anew: once a second, and when a thread that runs is not known. Returns how
 * many there are; 0 when its state cannot be read any more (it may have become another program). */
size_t n1_python_list(struct n1_python *python, n1_ns now);
/* True when the thread is one of the interpreter's, as of the last list. */
bool n1_python_knows(const struct n1_python *python, pid_t tid);

/* Reads the raw chain of a thread; `stopped`: it does not run meanwhile. Safe between stop and resume. A
 * thread that is not the interpreter's has an empty chain. `chain` is large (20 KB): the caller keeps one. */
void n1_python_read(struct n1_python *python, struct n1_py_chain_reader *reader, pid_t tid, bool stopped,
                    struct n1_py_chain *chain);

/* One Python function on a stack. */
struct n1_python_frame {
    uint32_t frame;    /* in the model; 0: no room */
    bool last_of_loop; /* the frame below it was called from outside of its evaluation loop */
};

struct n1_python_stack {
    enum n1_py_chain_end end;
    size_t count;       /* leaf first */
    size_t empty_loops; /* evaluation loops on top of it that run no function yet, or no more */
    uint32_t flags; /* N1_SAMPLE_GIL_HELD, GIL_WAIT, IN_GC; TRUNCATED when the oldest frames are missing */
    struct n1_python_frame frames[N1_PY_FRAMES_MAX];
};

/* Turns a chain into the model's frames, after the thread goes on: looks up code objects, names and lines. A
 * chain that holds what is no code object is BAD, for it was torn. */
void n1_python_resolve(struct n1_python *python, struct n1_writer *w, const struct n1_py_chain *chain,
                       pid_t tid, n1_ns now, struct n1_python_stack *ret);

/* What the samples stand for that this thread's stack `whole` (neither torn nor bad) may be booked for, one a
 * call until 0; the sample whose chain it is was added by n1_python_draw(). See draws.h. */
void n1_python_draw(struct n1_python *python, const struct n1_py_chain *chain, pid_t tid, uint64_t weight_ns,
                    n1_ns now);
uint64_t n1_python_drawn(struct n1_python *python, const struct n1_py_chain *chain, pid_t tid);

/* Takes a sample whose function (ret_frame; 0: no Python code ran) is known, but of which no whole stack
 * came. Returns what it stands for in ns, 0 when there is none. */
uint64_t n1_python_overdue(struct n1_python *python, struct n1_writer *w, pid_t tid, n1_ns now,
                           uint32_t *ret_frame);

/* Both in one: the stack of a thread that is stopped or blocked, or (stopped false) of one that may run. */
void n1_python_stack(struct n1_python *python, struct n1_py_chain_reader *reader, struct n1_writer *w,
                     pid_t tid, bool stopped, n1_ns now, struct n1_python_stack *ret);

/* After a generation step of the model. */
void n1_python_remap(struct n1_python *python);

#endif
