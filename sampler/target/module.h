/*
 * Modules: what code a process runs, shared by every process that maps the same image. A frame is the pair
 * (module, offset): for ELF images the offset is the ELF virtual address, for the kernel and for anonymous
 * (JIT) memory the absolute address. Modules open lazily: attaching records only (dev, inode, path); headers
 * are read when an address in the module is first seen, unwind tables by the walker through the `unwind`
 * slot. Reference counted; the registry owns them and keeps a few unused ones for a library that comes back.
 * Sampler thread only. Whatever comes from the target (path, image) is hostile.
 */
#ifndef N1_SAMPLER_TARGET_MODULE_H
#define N1_SAMPLER_TARGET_MODULE_H

#include "sampler/target/elf_image.h"

#include "n1/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum n1_module_state {
    N1_MODULE_UNSEEN, /* known by its mapping only */
    N1_MODULE_READY,  /* image is read */
    N1_MODULE_NO_ELF, /* readable, but not an ELF image of this machine: its code counts as anonymous */
    N1_MODULE_FAILED, /* could not be opened: `error` says why */
};

/* Where a module may be opened from: one mapping of it in one process. */
struct n1_module_hint {
    pid_t pid;
    uint64_t start, end, file_offset;
};

struct n1_module {
    enum n1_module_kind kind;
    enum n1_module_state state;
    int error;    /* -errno when FAILED */
    bool deleted; /* the mapping said " (deleted)" */
    char *
        path; /* as the target sees it, without " (deleted)"; "[vdso]", "[kernel]", "[anon]"; not sanitised */
    uint32_t dev_major, dev_minor;
    uint64_t inode;
    int fd;                    /* of the file once READY, O_RDONLY|O_CLOEXEC, owned by the module; else -1 */
    struct n1_elf_image image; /* valid when READY */
    uint32_t model_id;         /* id under which the feed published it; 0 = not yet. The feed's field. */

    void *unwind;                   /* the walker's struct n1_unwind, NULL until the first hit */
    void (*unwind_destroy)(void *); /* how to free them */

    struct n1_module_hint hint; /* of the latest mapping seen */
    uint32_t refs;
    uint64_t released;       /* order of the last release, to evict the oldest unused */
    int64_t mtime_ns;        /* of the file when it was opened */
    uint8_t *memory;         /* VDSO: the copied image */
    struct n1_modules *home; /* registry */
    struct n1_module *next;
};

/* The registry. Zero-initialised by n1_modules_init. */
struct n1_modules {
    struct n1_module *head;
    struct n1_module *kernel;
    size_t count, unused;
    uint64_t clock;      /* orders releases */
    uint64_t generation; /* last generation given to an address space: unique over all spaces */
};

void n1_modules_init(struct n1_modules *modules);
/* Destroys every module, referenced or not: address spaces must be finished first. */
void n1_modules_finish(struct n1_modules *modules);

/* The module for a mapping, created when it is new; takes one reference for the caller. `path` may carry
 * " (deleted)". A file overwritten in place since it was opened counts as new. NULL only without memory. */
struct n1_module *n1_modules_file(struct n1_modules *modules, const char *path, uint32_t dev_major,
                                  uint32_t dev_minor, uint64_t inode, const struct n1_module_hint *hint);
/* The vdso of process `pid`, copied from its memory now (process_vm_readv; needs ptrace rights); an identical
 * copy is shared. Without rights the result is FAILED. Takes one reference. NULL only without memory. */
struct n1_module *n1_modules_vdso(struct n1_modules *modules, const struct n1_module_hint *hint);
/* A fresh module for the anonymous executable memory of one process. Takes one reference. */
struct n1_module *n1_modules_anon(struct n1_modules *modules);
/* The kernel; lives as long as the registry, no reference taken. NULL only without memory. */
struct n1_module *n1_modules_kernel(struct n1_modules *modules);

void n1_module_ref(struct n1_module *module);
/* Drops one reference (NULL is fine). An unused module stays for a while and may be found again. */
void n1_module_unref(struct n1_module *module);

/* Opens the image when that has not been tried yet: through /proc/PID/map_files, /proc/PID/exe, the target's
 * root or the plain path, whichever is permitted and is the mapped file (device and inode, or the mapped
 * bytes where the file system reports other numbers). Returns 0 when READY, else -errno of the failure
 * (-ENOEXEC: not ELF). */
int n1_module_open(struct n1_module *module);

/* A new descriptor of the module's image, the caller's to close: of its file, or of a memory file with the
 * bytes of a vdso. -1 when it has none or none can be made. */
int n1_module_image_fd(const struct n1_module *module);

/* True when frames of the module carry absolute addresses instead of ELF virtual addresses. */
bool n1_module_absolute(const struct n1_module *module);

#endif
