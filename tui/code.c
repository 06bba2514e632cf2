/*
 * Code bytes and what they say. Of an ELF file only the header, the program headers and the build id are
 * read, each with its bounds checked: the file belongs to somebody else. Capstone takes the bytes apart;
 * without it (a build with few libraries) the pane says so.
 */
#include "tui/source.h"

#include "n1/sanitise.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef N1_HAVE_CAPSTONE
#include <capstone/capstone.h>
#endif

#define HEADERS_MAX 256u
#define NOTES_MAX 4096u

static int fail(char why[160], const char *text)
{
    snprintf(why, 160, "%s", text);
    return -1;
}

/* 1: the file has this build id, 0: another one, -1: it has none that can be read. */
static int same_build(int fd, const Elf64_Phdr *headers, size_t count, const uint8_t *id, size_t len)
{
    uint8_t notes[NOTES_MAX];
    for (size_t i = 0; i < count; i++) {
        if (headers[i].p_type != PT_NOTE || headers[i].p_filesz > sizeof notes ||
            headers[i].p_offset > INT64_MAX)
            continue;
        ssize_t got = pread(fd, notes, headers[i].p_filesz, (off_t)headers[i].p_offset);
        for (size_t at = 0; got > 0 && at + sizeof(Elf64_Nhdr) <= (size_t)got;) {
            Elf64_Nhdr note;
            memcpy(&note, notes + at, sizeof note);
            size_t name = at + sizeof note, align = headers[i].p_align == 8 ? 7 : 3;
            if (note.n_namesz > NOTES_MAX || note.n_descsz > NOTES_MAX)
                break;
            size_t text = (name + note.n_namesz + align) & ~align, end = text + note.n_descsz;
            if (end > (size_t)got)
                break;
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0)
                return note.n_descsz == len && memcmp(notes + text, id, len) == 0;
            at = (end + align) & ~align;
        }
    }
    return -1;
}

int n1_code_bytes(int fd, const uint8_t *build_id, size_t build_id_len, uint64_t start, uint64_t size,
                  uint8_t **ret, char why[160])
{
    Elf64_Ehdr elf;
    Elf64_Phdr headers[HEADERS_MAX];
    if (size == 0 || size > N1_CODE_BYTES_MAX || start > UINT64_MAX - size)
        return fail(why, size == 0 ? "its length is not known" : "it is too long");
    if (pread(fd, &elf, sizeof elf, 0) != sizeof elf || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
        elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64)
        return fail(why, "the file is no x86-64 ELF file");
    if (elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum == 0 || elf.e_phnum > HEADERS_MAX ||
        elf.e_phoff > INT64_MAX ||
        pread(fd, headers, elf.e_phnum * sizeof *headers, (off_t)elf.e_phoff) !=
            (ssize_t)(elf.e_phnum * sizeof *headers))
        return fail(why, "the file's program headers cannot be read");
    if (build_id_len > 0 && same_build(fd, headers, elf.e_phnum, build_id, build_id_len) == 0)
        return fail(why, "the file has been replaced since (another build id)");
    for (size_t i = 0; i < elf.e_phnum; i++) {
        const Elf64_Phdr *h = &headers[i];
        if (h->p_type != PT_LOAD || start < h->p_vaddr || start - h->p_vaddr > h->p_filesz ||
            size > h->p_filesz - (start - h->p_vaddr) || h->p_offset > (uint64_t)INT64_MAX - h->p_filesz)
            continue;
        uint8_t *bytes = malloc(size);
        if (bytes == NULL)
            return fail(why, "no memory for it");
        if (pread(fd, bytes, size, (off_t)(h->p_offset + (start - h->p_vaddr))) != (ssize_t)size) {
            free(bytes);
            return fail(why, "the file ends before it");
        }
        *ret = bytes;
        return 0;
    }
    return fail(why, "the file has no code there");
}

#ifdef N1_HAVE_CAPSTONE
static void take_apart(struct n1_code *code, const uint8_t *bytes)
{
    csh handle;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        fail(code->why, "capstone cannot be used");
        return;
    }
    cs_option(handle, CS_OPT_SKIPDATA, CS_OPT_ON);
    cs_insn *all = NULL;
    size_t count = cs_disasm(handle, bytes, code->size, code->start, 0, &all);
    code->instructions = calloc(count ? count : 1, sizeof *code->instructions);
    for (size_t i = 0; i < count && code->instructions != NULL; i++) {
        char text[256];
        struct n1_instruction *in = &code->instructions[code->count++];
        in->address = all[i].address;
        in->size = (uint8_t)all[i].size;
        int len = snprintf(text, sizeof text, "%-7.31s %.180s", all[i].mnemonic, all[i].op_str);
        n1_sanitise(in->text, sizeof in->text, text, (size_t)len);
    }
    cs_free(all, count);
    cs_close(&handle);
    if (code->count == 0)
        fail(code->why, "nothing in it can be taken apart");
}
#else
static void take_apart(struct n1_code *code, const uint8_t *bytes)
{
    (void)bytes;
    fail(code->why, "built without capstone");
}
#endif

void n1_code_load(struct n1_code *code, const char *path, pid_t pid, const uint8_t *build_id,
                  size_t build_id_len, uint64_t start, uint64_t size)
{
    uint8_t *bytes = NULL;
    if (strcmp(path, code->path) == 0 && start == code->start && size == code->size)
        return;
    n1_code_finish(code);
    snprintf(code->path, sizeof code->path, "%s", path);
    code->start = start;
    code->size = size;
    int fd = n1_source_open(path, pid);
    if (fd < 0) {
        if (path[0] != '/')
            fail(code->why, "its code is in no file");
        else
            snprintf(code->why, sizeof code->why, "%s", strerror(-fd));
        return;
    }
    if (n1_code_bytes(fd, build_id, build_id_len, start, size, &bytes, code->why) == 0)
        take_apart(code, bytes);
    free(bytes);
    close(fd);
}

void n1_code_finish(struct n1_code *code)
{
    free(code->instructions);
    memset(code, 0, sizeof *code);
}
