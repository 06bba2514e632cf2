/*
 * The registry of modules and the careful opening of a target's file: see the header. A path is first opened
 * with O_PATH and judged by fstat, so that a FIFO, a device or another process' file is never really opened.
 */
#include "sampler/target/module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define UNUSED_MAX 32
#define VDSO_MAX_BYTES 65536
#define COMPARE_BYTES 4096

void n1_modules_init(struct n1_modules *modules)
{
    *modules = (struct n1_modules){0};
}

static void drop_unwind(struct n1_module *module)
{
    if (module->unwind && module->unwind_destroy)
        module->unwind_destroy(module->unwind);
    module->unwind = NULL;
}

static void destroy(struct n1_module *module)
{
    drop_unwind(module);
    n1_elf_image_finish(&module->image);
    if (module->fd >= 0)
        close(module->fd);
    free(module->memory);
    free(module->path);
    free(module);
}

void n1_modules_finish(struct n1_modules *modules)
{
    while (modules->head) {
        struct n1_module *module = modules->head;
        modules->head = module->next;
        destroy(module);
    }
    *modules = (struct n1_modules){0};
}

static struct n1_module *create(struct n1_modules *modules, enum n1_module_kind kind, const char *path)
{
    struct n1_module *module = calloc(1, sizeof(*module));
    if (!module)
        return NULL;
    module->path = strdup(path);
    if (!module->path) {
        free(module);
        return NULL;
    }
    module->kind = kind;
    module->fd = -1;
    module->image.fd = -1;
    module->refs = 1;
    module->home = modules;
    module->next = modules->head;
    modules->head = module;
    modules->count++;
    return module;
}

void n1_module_ref(struct n1_module *module)
{
    if (module->refs++ == 0)
        module->home->unused--;
}

static void evict(struct n1_modules *modules, struct n1_module **at)
{
    struct n1_module *module = *at;
    *at = module->next;
    modules->count--;
    modules->unused--;
    destroy(module);
}

static void evict_oldest(struct n1_modules *modules)
{
    struct n1_module **oldest = NULL;
    for (struct n1_module **at = &modules->head; *at; at = &(*at)->next)
        if ((*at)->refs == 0 && (!oldest || (*at)->released < (*oldest)->released))
            oldest = at;
    if (oldest)
        evict(modules, oldest);
}

void n1_module_unref(struct n1_module *module)
{
    if (!module || --module->refs > 0)
        return;
    struct n1_modules *modules = module->home;
    module->released = ++modules->clock;
    modules->unused++;
    if (module->kind == N1_MODULE_ANON) { /* nothing can ask for it again */
        struct n1_module **at = &modules->head;
        while (*at != module)
            at = &(*at)->next;
        evict(modules, at);
    }
    while (modules->unused > UNUSED_MAX)
        evict_oldest(modules);
}

/* A file that was changed in place while open is another image, though device and inode are the same. */
static bool changed_since_open(const struct n1_module *module)
{
    struct stat st;
    if (module->fd < 0 || fstat(module->fd, &st) < 0)
        return false;
    return (uint64_t)st.st_size != module->image.size ||
           st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec != module->mtime_ns;
}

struct n1_module *n1_modules_file(struct n1_modules *modules, const char *path, uint32_t dev_major,
                                  uint32_t dev_minor, uint64_t inode, const struct n1_module_hint *hint)
{
    static const char suffix[] = " (deleted)";
    size_t len = strlen(path);
    bool deleted = len > sizeof(suffix) - 1 && strcmp(path + len - (sizeof(suffix) - 1), suffix) == 0;
    for (struct n1_module *m = modules->head; m; m = m->next) {
        if (m->kind != N1_MODULE_FILE || m->inode != inode || m->dev_major != dev_major ||
            m->dev_minor != dev_minor || changed_since_open(m))
            continue;
        /* An unopened or failed one pins no inode: after unmapping, the number may belong to another file. */
        if (m->fd < 0 && m->refs == 0 && strncmp(m->path, path, strlen(m->path)) != 0)
            continue;
        n1_module_ref(m);
        m->deleted |= deleted;
        m->hint = *hint;
        if (m->state == N1_MODULE_FAILED)
            m->state = N1_MODULE_UNSEEN; /* another mapping is another chance to open it */
        return m;
    }
    struct n1_module *module = create(modules, N1_MODULE_FILE, path);
    if (!module)
        return NULL;
    if (deleted)
        module->path[len - (sizeof(suffix) - 1)] = '\0';
    module->deleted = deleted;
    module->dev_major = dev_major;
    module->dev_minor = dev_minor;
    module->inode = inode;
    module->hint = *hint;
    return module;
}

static ssize_t read_target(pid_t pid, uint64_t address, void *buffer, size_t len)
{
    struct iovec local = {.iov_base = buffer, .iov_len = len};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = len};
    ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    return n < 0 ? -errno : n;
}

struct n1_module *n1_modules_vdso(struct n1_modules *modules, const struct n1_module_hint *hint)
{
    uint64_t size = hint->end - hint->start;
    uint8_t *memory = size > 0 && size <= VDSO_MAX_BYTES ? malloc((size_t)size) : NULL;
    ssize_t n = memory ? read_target(hint->pid, hint->start, memory, (size_t)size) : -E2BIG;
    if (n > 0 && (uint64_t)n != size)
        n = -EFAULT;
    for (struct n1_module *m = modules->head; n > 0 && m; m = m->next) {
        if (m->kind == N1_MODULE_VDSO && m->state == N1_MODULE_READY && m->image.size == size &&
            memcmp(m->memory, memory, (size_t)size) == 0) {
            free(memory);
            n1_module_ref(m);
            return m;
        }
    }
    struct n1_module *module = create(modules, N1_MODULE_VDSO, "[vdso]");
    if (!module) {
        free(memory);
        return NULL;
    }
    module->hint = *hint;
    module->memory = memory;
    int r = n > 0 ? n1_elf_image_init_memory(&module->image, memory, (size_t)size) : (int)n;
    module->error = r;
    module->state = r == 0 ? N1_MODULE_READY : r == -ENOEXEC ? N1_MODULE_NO_ELF : N1_MODULE_FAILED;
    return module;
}

struct n1_module *n1_modules_anon(struct n1_modules *modules)
{
    struct n1_module *module = create(modules, N1_MODULE_ANON, "[anon]");
    if (module)
        module->state = N1_MODULE_NO_ELF;
    return module;
}

struct n1_module *n1_modules_kernel(struct n1_modules *modules)
{
    if (!modules->kernel) {
        modules->kernel = create(modules, N1_MODULE_KERNEL, "[kernel]");
        if (modules->kernel)
            modules->kernel->state = N1_MODULE_NO_ELF;
    }
    return modules->kernel;
}

bool n1_module_absolute(const struct n1_module *module)
{
    return module->kind == N1_MODULE_KERNEL || module->kind == N1_MODULE_ANON ||
           module->state == N1_MODULE_NO_ELF;
}

/* Some file systems (btrfs, overlay) show other device and inode numbers in maps than fstat gives. Then the
 * first page of the mapping decides: program text is mapped unchanged. */
static bool same_bytes(const struct n1_module *module, int fd)
{
    uint8_t mapped[COMPARE_BYTES], file[COMPARE_BYTES];
    ssize_t n = read_target(module->hint.pid, module->hint.start, mapped, sizeof(mapped));
    return n == (ssize_t)sizeof(mapped) &&
           pread(fd, file, sizeof(file), (off_t)module->hint.file_offset) == (ssize_t)sizeof(file) &&
           memcmp(mapped, file, sizeof(file)) == 0;
}

/* The file behind a descriptor has the module's path, as the kernel tells it. */
static bool same_path(const struct n1_module *module, const char *self)
{
    static const char suffix[] = " (deleted)";
    char path[4096 + sizeof(suffix)];
    ssize_t n = readlink(self, path, sizeof(path) - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    size_t len = strlen(module->path);
    return strncmp(path, module->path, len) == 0 && (path[len] == '\0' || strcmp(path + len, suffix) == 0);
}

/*
 * Opens `path` for reading if it is the module's file. `by_mapping`: the path was made from the addresses,
 * where by now another file may be mapped (dlclose, dlopen), so its bytes prove nothing; device numbers of
 * overlays differ from those in maps, so there the path decides. Returns a descriptor or -errno.
 */
static int open_checked(const struct n1_module *module, const char *path, bool by_mapping)
{
    char self[64];
    struct stat st;
    int handle = open(path, O_PATH | O_CLOEXEC);
    if (handle < 0)
        return -errno;
    int fd = -ESTALE;
    if (fstat(handle, &st) < 0) {
        fd = -errno;
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        fd = -ENOEXEC;
        goto out;
    }
    snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
    fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        fd = -errno;
        goto out;
    }
    bool device = major(st.st_dev) == module->dev_major && minor(st.st_dev) == module->dev_minor;
    bool same = device && st.st_ino == module->inode;
    if (!same && !(by_mapping ? !device && same_path(module, self) : same_bytes(module, fd))) {
        close(fd);
        fd = -ESTALE;
    }
out:
    close(handle);
    return fd;
}

static int open_file(const struct n1_module *module)
{
    const struct n1_module_hint *hint = &module->hint;
    char path[4096 + 64];
    int fd, first;
    snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", hint->pid, (unsigned long long)hint->start,
             (unsigned long long)hint->end);
    first = fd = open_checked(module, path, true);
    if (fd < 0) {
        snprintf(path, sizeof(path), "/proc/%d/exe", hint->pid);
        fd = open_checked(module, path, false);
    }
    if (fd < 0 && module->path[0] == '/') {
        if ((size_t)snprintf(path, sizeof(path), "/proc/%d/root%s", hint->pid, module->path) < sizeof(path))
            fd = open_checked(module, path, false);
        if (fd < 0)
            fd = open_checked(module, module->path, false);
    }
    return fd >= 0 ? fd : first == -EPERM || first == -EACCES ? first : fd;
}

int n1_module_open(struct n1_module *module)
{
    if (module->state == N1_MODULE_READY)
        return 0;
    if (module->state != N1_MODULE_UNSEEN)
        return module->error ? module->error : -ENOEXEC;
    struct stat st;
    int r = open_file(module);
    if (r >= 0) {
        module->fd = r;
        r = fstat(module->fd, &st) < 0 ? -errno : n1_elf_image_init_file(&module->image, module->fd);
        if (r == 0)
            module->mtime_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
        else {
            close(module->fd);
            module->fd = -1;
        }
    }
    module->error = r;
    module->state = r == 0 ? N1_MODULE_READY : r == -ENOEXEC ? N1_MODULE_NO_ELF : N1_MODULE_FAILED;
    return r;
}

int n1_module_image_fd(const struct n1_module *module)
{
    if (module->fd >= 0)
        return fcntl(module->fd, F_DUPFD_CLOEXEC, 3);
    if (!module->memory || module->state != N1_MODULE_READY)
        return -1;
    int fd = memfd_create("vdso", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, module->memory, module->image.size) != (ssize_t)module->image.size) {
        close(fd);
        return -1;
    }
    return fd;
}
