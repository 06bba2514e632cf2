/*
 * The chain of Python frames of one thread, read as close to one instant as can be. Either the thread is
 * stopped, then each byte is read once; or it runs on, then all bytes are copied twice in one call and the
 * chain counts only when both copies show the same one from end to end. What was needed for a thread's last
 * sample is guessed for its next, so that one call is the rule. Frames come leaf first, raw: entries of the
 * evaluation loop ("shims") are among them. All bytes are hostile. Sampler thread only.
 */
#ifndef N1_SAMPLER_PYTHON_CHAIN_H
#define N1_SAMPLER_PYTHON_CHAIN_H

#include "sampler/python/offsets.h"

enum { N1_PY_FRAMES_MAX = 512, N1_PY_GUESSES = 192, N1_PY_CHUNKS = 64 };

struct n1_py_frame {
    uint64_t address;
    uint64_t code;  /* what it executes, without tag bits; a code object, or anything for a shim */
    uint64_t instr; /* address of an instruction from 3.11 on; before, the byte of the last one */
    bool shim;      /* marks where the evaluation loop was entered; no function (3.12 and later) */
    bool entry;     /* first frame of its evaluation loop (3.11; always true before) */
    bool generator; /* lies in a generator or coroutine */
    bool executes;  /* its value stack is in the evaluation loop's hands: it is on top of its loop */
};

enum n1_py_chain_end {
    N1_PY_CHAIN_COMPLETE,
    N1_PY_CHAIN_EMPTY, /* the thread runs no Python code */
    N1_PY_CHAIN_DEEP,  /* more frames than are kept: the oldest are missing */
    N1_PY_CHAIN_TORN,  /* it changed while it was read */
    N1_PY_CHAIN_BAD,   /* it makes no sense, or could not be read */
};

/* Words that are read in the same call, for the state of the interpreter at that instant. */
struct n1_py_instant {
    bool gil_known, gc_known;
    bool gil_locked;
    uint64_t gil_holder; /* thread state; stale unless gil_locked */
    bool collecting;
    bool wants_gil;      /* this thread (3.15) */
    uint64_t generation; /* of code objects (3.14), 0 unknown */
};

struct n1_py_chain {
    enum n1_py_chain_end end;
    size_t count;
    bool drawn_known; /* also of a torn chain, of versions before 3.11, read without a stop */
    uint64_t drawn;   /* code on top at the first instant of the read; 0: none */
    struct n1_py_instant instant;
    struct n1_py_frame frames[N1_PY_FRAMES_MAX];
};

/* What is known of a thread between samples. */
struct n1_py_place {
    uint64_t thread;               /* address of its thread state */
    uint64_t identity;             /* tid (3.11) or pthread_t that the state must show; 0: any */
    uint64_t cframe;               /* last seen, 3.11 and 3.12 */
    uint64_t chunks[N1_PY_CHUNKS]; /* of the data stack, newest first */
    uint32_t chunk_bytes[N1_PY_CHUNKS];
    size_t chunk_count;
    uint64_t guesses[N1_PY_GUESSES]; /* frames outside of the data stack */
    size_t guess_count;
    uint32_t chunk_used; /* bytes of the newest chunk that frames lay in */
};

/* One interpreter to read from: memory and offsets are borrowed. */
struct n1_py_source {
    struct n1_memory *memory;
    const struct n1_py_offsets *offsets;
    uint64_t runtime;
    uint64_t interp, gil;               /* whose GIL and collector are read along; 0: unknown */
    uint32_t frame_bytes, thread_bytes; /* of a frame and of a thread state that are looked at */
};

/* Fills `source`; false when the structs are larger than what is ever copied. */
bool n1_py_source_init(struct n1_py_source *source, struct n1_memory *memory,
                       const struct n1_py_offsets *offsets, uint64_t runtime);
void n1_py_source_interp(struct n1_py_source *source, uint64_t interp);

/* Scratch memory for reading chains, one for all processes: about 600 KB. NULL without memory. */
struct n1_py_chain_reader;
struct n1_py_chain_reader *n1_py_chain_reader_create(void);
void n1_py_chain_reader_destroy(struct n1_py_chain_reader *reader);

/* Reads the chain of a thread that does not run (`stopped`), or that may. Never fails: ret->end says how it
 * went. Safe between stop and resume: allocates nothing, makes no other call than process_vm_readv. */
void n1_py_chain_read(struct n1_py_chain_reader *reader, const struct n1_py_source *source,
                      struct n1_py_place *place, bool stopped, struct n1_py_chain *ret);

#endif
