/*
 * The bounds-checked ELF reader. What is not needed for names is not read: headers, the section table, and on
 * demand the bytes of single sections.
 */
#include "sampler/symbols/elf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTIONS_MAX 65536
#define SEGMENTS_MAX 1024
#define NOTES_MAX_BYTES 65536
#define LINK_MAX_BYTES 4096

bool n1_elf_read(const struct n1_elf *elf, uint64_t offset, void *out, size_t len)
{
    if (offset > elf->size || len > elf->size - offset)
        return false;
    if (elf->mem) {
        memcpy(out, elf->mem + offset, len);
        return true;
    }
    uint8_t *to = out;
    while (len > 0) {
        ssize_t n = pread(elf->fd, to, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

size_t n1_elf_read_text(const struct n1_elf *elf, uint64_t offset, uint64_t end, char *out, size_t cap)
{
    out[0] = '\0';
    if (end > elf->size)
        end = elf->size;
    if (offset >= end)
        return 0;
    /* Most names are short: a small read first spares copying the maximum each time. */
    size_t want = cap - 1 < 128 ? cap - 1 : 128;
    size_t have = 0;
    for (;;) {
        if (want > end - offset)
            want = (size_t)(end - offset);
        if (want <= have || !n1_elf_read(elf, offset + have, out + have, want - have))
            break;
        const char *nul = memchr(out + have, '\0', want - have);
        if (nul)
            return (size_t)(nul - out);
        have = want;
        want = cap - 1;
    }
    out[have] = '\0';
    return have;
}

bool n1_elf_section_holds(const struct n1_elf *elf, const Elf64_Shdr *section)
{
    return section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL &&
           section->sh_offset <= elf->size && section->sh_size <= elf->size - section->sh_offset;
}

static bool section_is_called(const struct n1_elf *elf, const Elf64_Shdr *section, const char *name)
{
    const Elf64_Shdr *names = &elf->sections[elf->names];
    char text[64];
    size_t len = strlen(name);
    if (section->sh_name >= names->sh_size || len + 1 > sizeof(text) ||
        len + 1 > names->sh_size - section->sh_name)
        return false;
    return n1_elf_read(elf, names->sh_offset + section->sh_name, text, len + 1) &&
           memcmp(text, name, len + 1) == 0;
}

const Elf64_Shdr *n1_elf_section(const struct n1_elf *elf, const char *name)
{
    if (elf->names == 0)
        return NULL;
    for (size_t i = 1; i < elf->section_count; i++)
        if (n1_elf_section_holds(elf, &elf->sections[i]) && section_is_called(elf, &elf->sections[i], name))
            return &elf->sections[i];
    return NULL;
}

const Elf64_Shdr *n1_elf_section_of_type(const struct n1_elf *elf, uint32_t type)
{
    for (size_t i = 1; i < elf->section_count; i++)
        if (elf->sections[i].sh_type == type && n1_elf_section_holds(elf, &elf->sections[i]))
            return &elf->sections[i];
    return NULL;
}

uint8_t *n1_elf_section_read(const struct n1_elf *elf, const Elf64_Shdr *section, size_t max, size_t *ret_len)
{
    if (!section || section->sh_size == 0 || section->sh_size > max)
        return NULL;
    uint8_t *bytes = malloc(section->sh_size);
    if (!bytes)
        return NULL;
    if (!n1_elf_read(elf, section->sh_offset, bytes, section->sh_size)) {
        free(bytes);
        return NULL;
    }
    *ret_len = section->sh_size;
    return bytes;
}

static enum n1_symbol_status read_sections(struct n1_elf *elf, const Elf64_Ehdr *header)
{
    if (header->e_shoff == 0)
        return N1_SYMBOL_FOUND;
    if (header->e_shentsize != sizeof(Elf64_Shdr))
        return N1_SYMBOL_DAMAGED;
    uint64_t count = header->e_shnum;
    uint32_t names = header->e_shstrndx;
    if (count == 0 || names == SHN_XINDEX) {
        Elf64_Shdr first;
        if (!n1_elf_read(elf, header->e_shoff, &first, sizeof(first)))
            return N1_SYMBOL_DAMAGED;
        if (count == 0)
            count = first.sh_size;
        if (names == SHN_XINDEX)
            names = first.sh_link;
    }
    if (count == 0)
        return N1_SYMBOL_FOUND;
    if (count > SECTIONS_MAX)
        return N1_SYMBOL_DAMAGED;
    elf->sections = malloc(count * sizeof(Elf64_Shdr));
    if (!elf->sections)
        return N1_SYMBOL_TOO_LARGE;
    if (!n1_elf_read(elf, header->e_shoff, elf->sections, count * sizeof(Elf64_Shdr))) {
        n1_elf_finish(elf);
        return N1_SYMBOL_DAMAGED;
    }
    elf->section_count = count;
    if (names < count && n1_elf_section_holds(elf, &elf->sections[names]))
        elf->names = names;
    return N1_SYMBOL_FOUND;
}

static void read_segments(struct n1_elf *elf, const Elf64_Ehdr *header)
{
    if (header->e_phentsize != sizeof(Elf64_Phdr))
        return;
    for (size_t i = 0; i < header->e_phnum && i < SEGMENTS_MAX && elf->exec_count < N1_ELF_EXEC_MAX; i++) {
        Elf64_Phdr segment;
        if (header->e_phoff > elf->size ||
            !n1_elf_read(elf, header->e_phoff + i * sizeof(segment), &segment, sizeof(segment)))
            return;
        if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X) || segment.p_memsz == 0 ||
            segment.p_memsz > UINT64_MAX - segment.p_vaddr)
            continue;
        elf->exec[elf->exec_count++] =
            (struct n1_elf_range){segment.p_vaddr, segment.p_vaddr + segment.p_memsz};
    }
}

static enum n1_symbol_status read_headers(struct n1_elf *elf)
{
    Elf64_Ehdr header;
    if (elf->size < SELFMAG || !n1_elf_read(elf, 0, header.e_ident, SELFMAG))
        return N1_SYMBOL_NOT_ELF;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return N1_SYMBOL_NOT_ELF;
    if (!n1_elf_read(elf, 0, &header, sizeof(header)))
        return N1_SYMBOL_DAMAGED;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return N1_SYMBOL_UNSUPPORTED;
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return N1_SYMBOL_UNSUPPORTED;
    elf->machine = header.e_machine;
    enum n1_symbol_status status = read_sections(elf, &header);
    if (status == N1_SYMBOL_FOUND)
        read_segments(elf, &header);
    return status;
}

enum n1_symbol_status n1_elf_init(struct n1_elf *elf, int fd)
{
    struct stat st;
    *elf = (struct n1_elf){.fd = fd};
    if (fstat(fd, &st) < 0 || st.st_size < 0)
        return N1_SYMBOL_UNREADABLE;
    elf->size = (uint64_t)st.st_size;
    return read_headers(elf);
}

enum n1_symbol_status n1_elf_init_memory(struct n1_elf *elf, const void *image, size_t size)
{
    *elf = (struct n1_elf){.fd = -1, .mem = image, .size = size};
    return read_headers(elf);
}

void n1_elf_finish(struct n1_elf *elf)
{
    free(elf->sections);
    elf->sections = NULL;
    elf->section_count = 0;
    elf->names = 0;
}

static size_t build_id_in_note(const uint8_t *notes, size_t len, uint8_t *out, size_t cap)
{
    size_t at = 0;
    while (len - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        at += sizeof(note);
        size_t name_len = ((size_t)note.n_namesz + 3) & ~(size_t)3;
        size_t desc_len = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        if (name_len > len - at || note.n_descsz > len - at - name_len)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + at, "GNU", 4) == 0 &&
            note.n_descsz > 0 && note.n_descsz <= cap) {
            memcpy(out, notes + at + name_len, note.n_descsz);
            return note.n_descsz;
        }
        if (desc_len > len - at - name_len)
            return 0;
        at += name_len + desc_len;
    }
    return 0;
}

size_t n1_elf_build_id(const struct n1_elf *elf, uint8_t *out, size_t cap)
{
    size_t found = 0;
    for (size_t i = 1; i < elf->section_count && found == 0; i++) {
        const Elf64_Shdr *section = &elf->sections[i];
        size_t len;
        if (section->sh_type != SHT_NOTE || !n1_elf_section_holds(elf, section))
            continue;
        uint8_t *notes = n1_elf_section_read(elf, section, NOTES_MAX_BYTES, &len);
        if (notes)
            found = build_id_in_note(notes, len, out, cap);
        free(notes);
    }
    return found;
}

bool n1_elf_debuglink(const struct n1_elf *elf, char *name, size_t cap, uint32_t *ret_crc)
{
    const Elf64_Shdr *section = n1_elf_section(elf, ".gnu_debuglink");
    size_t len;
    uint8_t *bytes = n1_elf_section_read(elf, section, LINK_MAX_BYTES, &len);
    if (!bytes)
        return false;
    size_t name_len = strnlen((const char *)bytes, len);
    size_t crc_at = (name_len + 4) & ~(size_t)3; /* the name's NUL, then padding to four bytes */
    bool ok = name_len > 0 && name_len < cap && crc_at + 4 <= len && !memchr(bytes, '/', name_len) &&
              strcmp((const char *)bytes, ".") != 0 && strcmp((const char *)bytes, "..") != 0;
    if (ok) {
        memcpy(name, bytes, name_len + 1);
        memcpy(ret_crc, bytes + crc_at, sizeof(*ret_crc));
    }
    free(bytes);
    return ok;
}

bool n1_elf_is_exec(const struct n1_elf *elf, uint64_t addr)
{
    for (size_t i = 0; i < elf->exec_count; i++)
        if (addr >= elf->exec[i].start && addr < elf->exec[i].end)
            return true;
    return false;
}
