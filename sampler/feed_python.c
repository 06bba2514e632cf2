/*
 * Reading happens at the instant of the sample, everything else after it.
 */
#include "sampler/feed_python.h"

#include "sampler/feed.h"

#include "n1/log.h"

#include <errno.h>

#define LOOK_AGAIN_NS N1_SECOND_NS

void n1_feed_python_finish(struct n1_feed_python *f)
{
    n1_py_chain_reader_destroy(f->reader);
    f->reader = NULL;
}

static void tell(struct n1_feed *feed, struct n1_target *t, const char *runtime)
{
    struct n1_model_process entry = {
        .pid = (uint32_t)t->pid,
        .start_ticks = t->process->start_ticks,
        .runtime = n1_writer_string_z(feed->w, runtime),
    };
    n1_writer_process(feed->w, &entry);
}

void n1_feed_python_look(struct n1_feed *feed, struct n1_target *t, n1_ns now, bool force)
{
    if (t->python) {
        if (n1_python_list(t->python, now))
            return;
        n1_python_close(t->python);
        t->python = NULL;
    }
    if (t->no_python && !force)
        return;
    struct n1_error why = {0};
    if (!feed->python.reader)
        feed->python.reader = n1_py_chain_reader_create();
    int rc = feed->python.reader ? n1_python_open(&t->space, t->process, &t->python, &why) : -ENOMEM;
    if (rc == 0) {
        tell(feed, t, n1_python_name(t->python));
        return;
    }
    t->no_python = rc != -EAGAIN && rc != -EBADMSG;
    if (rc == -ENOENT || rc == -EAGAIN)
        return;
    if (!t->python_told)
        n1_log(N1_LOG_WARN, "python", "process %d: native frames only: %s", (int)t->pid, why.what);
    t->python_told = true;
    n1_error_set(&feed->python_why, rc, "process %d: %s", (int)t->pid, why.what);
}

void n1_feed_python_read(struct n1_feed *feed, pid_t pid, pid_t tid, bool running)
{
    struct n1_feed_python *f = &feed->python;
    struct n1_target *t = n1_targets_find(feed->targets, pid);
    f->there = t && t->python;
    if (!f->there)
        return;
    f->pid = pid;
    f->tid = tid;
    n1_python_read(t->python, f->reader, tid, !running, &f->chain);
}

struct n1_python_stack *n1_feed_python_take(struct n1_feed *feed, struct n1_target *t, pid_t tid, n1_ns now)
{
    struct n1_feed_python *f = &feed->python;
    if (!f->there || f->pid != t->pid || f->tid != tid || !t->python)
        return NULL;
    f->there = false;
    f->read++;
    n1_python_resolve(t->python, feed->w, &f->chain, tid, now, &f->stack);
    if (f->stack.end == N1_PY_CHAIN_TORN || f->stack.end == N1_PY_CHAIN_BAD)
        f->rejected++;
    return &f->stack;
}

size_t n1_feed_python_merge(struct n1_feed *feed, struct n1_target *t, const struct n1_python_stack *stack)
{
    static bool loops[N1_WALK_FRAMES_MAX], last[N1_PY_FRAMES_MAX];
    const struct n1_py_interpreter *interpreter = n1_python_interpreter(t->python);
    for (size_t i = 0; i < feed->walk.count; i++)
        loops[i] = n1_py_interpreter_is_eval(interpreter, feed->frames[i].module, feed->frames[i].offset);
    for (size_t i = 0; i < stack->count; i++)
        last[i] = stack->frames[i].last_of_loop;
    struct n1_merge_input input = {
        .native_loop = loops,
        .native_count = feed->walk.count,
        .native_complete = feed->walk.end == N1_WALK_COMPLETE,
        .python_last = last,
        .python_count = stack->count,
        .empty_loops = stack->empty_loops,
    };
    return n1_py_merge(&input, feed->python.merged,
                       sizeof feed->python.merged / sizeof feed->python.merged[0]);
}

uint32_t n1_feed_python_mark(struct n1_feed *feed, struct n1_target *t, const char *name,
                             enum n1_function_kind kind)
{
    (void)t;
    struct n1_model_module module = {.path = n1_writer_string_z(feed->w, "[python]"),
                                     .kind = N1_MODULE_PYTHON,
                                     .symbols = N1_SYMBOLS_LOADED};
    uint32_t id = n1_writer_module(feed->w, &module);
    uint32_t frame = id ? n1_writer_frame(feed->w, id, kind) : 0;
    if (!frame || n1_writer_frame_at(feed->w, frame)->state != N1_FRAME_UNNAMED)
        return frame;
    struct n1_model_function function = {
        .name = n1_writer_string_z(feed->w, name), .module = id, .kind = kind, .start = kind};
    n1_writer_frame_name(feed->w, frame, n1_writer_function(feed->w, &function), N1_FRAME_NAMED);
    return frame;
}
