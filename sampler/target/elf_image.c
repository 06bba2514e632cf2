/*
 * ELF headers of a hostile image by pread: see the header. Program headers are trusted for layout because the
 * kernel or the dynamic loader used them to map the image; section headers are only an aid to find
 * .eh_frame's exact size and .debug_frame, and a file without them still works through PT_GNU_EH_FRAME.
 */
#include "sampler/target/elf_image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PHDR_MAX 256
#define SHDR_MAX 16384
#define SECTION_MAX_BYTES (UINT64_C(64) << 20)
#define NOTES_MAX_BYTES 65536
#define NAMES_MAX_BYTES (1 << 20)
#define PAGE_BYTES UINT64_C(4096)

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#endif

int64_t n1_elf_image_read(const struct n1_elf_image *image, uint64_t offset, void *buffer, size_t len)
{
    if (offset >= image->size)
        return 0;
    if (len > image->size - offset)
        len = (size_t)(image->size - offset);
    if (image->memory) {
        memcpy(buffer, image->memory + offset, len);
        return (int64_t)len;
    }
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(image->fd, (uint8_t *)buffer + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return done ? (int64_t)done : -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

int64_t n1_elf_image_read_vaddr(const struct n1_elf_image *image, uint64_t vaddr, void *buffer, size_t len)
{
    for (size_t i = 0; i < image->load_count; i++) {
        const struct n1_elf_load *load = &image->loads[i];
        if (vaddr < load->vaddr || vaddr - load->vaddr >= load->file_size)
            continue;
        uint64_t left = load->file_size - (vaddr - load->vaddr);
        return n1_elf_image_read(image, load->offset + (vaddr - load->vaddr), buffer,
                                 len < left ? len : (size_t)left);
    }
    return 0;
}

static int read_exact(const struct n1_elf_image *image, uint64_t offset, void *buffer, size_t len)
{
    int64_t n = n1_elf_image_read(image, offset, buffer, len);
    return n < 0 ? (int)n : (size_t)n == len ? 0 : -EBADMSG;
}

static int inflate_section(const uint8_t *packed, size_t packed_len, uint8_t **ret_data, size_t *ret_len)
{
    Elf64_Chdr header;
    if (packed_len < sizeof(header))
        return -EBADMSG;
    memcpy(&header, packed, sizeof(header));
    /* Deflate cannot expand more than about 1032 times: a larger claim is a lie meant to make us allocate. */
    if (header.ch_type != ELFCOMPRESS_ZLIB || header.ch_size / 1040 > packed_len)
        return -EBADMSG;
    if (header.ch_size > SECTION_MAX_BYTES)
        return -E2BIG;
    uLongf len = (uLongf)header.ch_size;
    uint8_t *data = malloc(len ? len : 1);
    if (!data)
        return -ENOMEM;
    if (uncompress(data, &len, packed + sizeof(header), packed_len - sizeof(header)) != Z_OK ||
        len != header.ch_size) {
        free(data);
        return -EBADMSG;
    }
    *ret_data = data;
    *ret_len = len;
    return 0;
}

int n1_elf_image_section(const struct n1_elf_image *image, const struct n1_elf_section *section,
                         uint8_t **ret_data, size_t *ret_len)
{
    if (section->size == 0 || section->offset > image->size || section->size > image->size - section->offset)
        return -EBADMSG;
    if (section->size > SECTION_MAX_BYTES)
        return -E2BIG;
    uint8_t *data = malloc((size_t)section->size);
    if (!data)
        return -ENOMEM;
    int r = read_exact(image, section->offset, data, (size_t)section->size);
    if (r == 0 && section->compressed) {
        uint8_t *packed = data;
        r = inflate_section(packed, (size_t)section->size, &data, ret_len);
        free(packed);
        if (r < 0)
            return r;
        *ret_data = data;
        return 0;
    }
    if (r < 0) {
        free(data);
        return r;
    }
    *ret_data = data;
    *ret_len = (size_t)section->size;
    return 0;
}

bool n1_elf_image_vaddr(const struct n1_elf_image *image, uint64_t file_offset, uint64_t *ret_vaddr)
{
    /* Segments may share a page of the file, so: executable and exact, then executable and rounded, then any.
     */
    for (int pass = 0; pass < 4; pass++) {
        for (size_t i = 0; i < image->load_count; i++) {
            const struct n1_elf_load *load = &image->loads[i];
            uint64_t slack = pass & 1 ? load->vaddr % PAGE_BYTES : 0;
            uint64_t size = load->file_size;
            if ((pass < 2 && !load->exec) || slack > load->offset)
                continue;
            if (pass & 1)
                size = (size + slack + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
            if (file_offset < load->offset - slack || file_offset - (load->offset - slack) >= size)
                continue;
            *ret_vaddr = load->vaddr - slack + (file_offset - (load->offset - slack));
            return true;
        }
    }
    return false;
}

bool n1_elf_image_is_text(const struct n1_elf_image *image, uint64_t vaddr)
{
    for (size_t i = 0; i < image->load_count; i++) {
        const struct n1_elf_load *load = &image->loads[i];
        if (load->exec && vaddr >= load->vaddr && vaddr - load->vaddr < load->memory_size)
            return true;
    }
    return false;
}

static void read_build_id(struct n1_elf_image *image, const Elf64_Phdr *phdr)
{
    uint64_t size = phdr->p_filesz < NOTES_MAX_BYTES ? phdr->p_filesz : NOTES_MAX_BYTES;
    uint8_t *notes = malloc(size ? (size_t)size : 1);
    if (!notes)
        return;
    int64_t len = n1_elf_image_read(image, phdr->p_offset, notes, (size_t)size);
    uint64_t align = phdr->p_align == 8 ? 8 : 4;
    for (uint64_t at = 0; len > 0 && at + sizeof(Elf64_Nhdr) <= (uint64_t)len;) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        uint64_t name = at + sizeof(note);
        uint64_t desc = name + (((uint64_t)note.n_namesz + align - 1) & ~(align - 1));
        uint64_t next = desc + (((uint64_t)note.n_descsz + align - 1) & ~(align - 1));
        if (desc + note.n_descsz > (uint64_t)len)
            break;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0 &&
            note.n_descsz > 0 && note.n_descsz <= N1_BUILD_ID_MAX) {
            memcpy(image->build_id, notes + desc, note.n_descsz);
            image->build_id_len = note.n_descsz;
            break;
        }
        at = next;
    }
    free(notes);
}

static int read_program_headers(struct n1_elf_image *image, const Elf64_Ehdr *header)
{
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > PHDR_MAX)
        return -EBADMSG;
    Elf64_Phdr *phdrs = calloc(header->e_phnum, sizeof(*phdrs));
    image->loads = calloc(header->e_phnum, sizeof(*image->loads));
    int r = -ENOMEM;
    if (!phdrs || !image->loads)
        goto out;
    r = read_exact(image, header->e_phoff, phdrs, header->e_phnum * sizeof(*phdrs));
    if (r < 0)
        goto out;
    for (size_t i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *p = &phdrs[i];
        if (p->p_vaddr + p->p_memsz < p->p_vaddr || p->p_offset + p->p_filesz < p->p_offset)
            continue;
        if (p->p_type == PT_LOAD)
            image->loads[image->load_count++] = (struct n1_elf_load){.offset = p->p_offset,
                                                                     .file_size = p->p_filesz,
                                                                     .vaddr = p->p_vaddr,
                                                                     .memory_size = p->p_memsz,
                                                                     .exec = p->p_flags & PF_X};
        else if (p->p_type == PT_GNU_EH_FRAME)
            image->eh_frame_hdr = (struct n1_elf_section){p->p_offset, p->p_filesz, p->p_vaddr, false};
        else if (p->p_type == PT_NOTE && image->build_id_len == 0)
            read_build_id(image, p);
    }
    r = image->load_count ? 0 : -EBADMSG;
out:
    free(phdrs);
    return r;
}

static void read_section_headers(struct n1_elf_image *image, const Elf64_Ehdr *header)
{
    if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shnum == 0 || header->e_shnum > SHDR_MAX ||
        header->e_shstrndx >= header->e_shnum)
        return;
    Elf64_Shdr *shdrs = calloc(header->e_shnum, sizeof(*shdrs));
    char *names = NULL;
    if (!shdrs || read_exact(image, header->e_shoff, shdrs, header->e_shnum * sizeof(*shdrs)) < 0)
        goto out;
    const Elf64_Shdr *strings = &shdrs[header->e_shstrndx];
    if (strings->sh_size == 0 || strings->sh_size > NAMES_MAX_BYTES)
        goto out;
    names = malloc((size_t)strings->sh_size);
    if (!names || read_exact(image, strings->sh_offset, names, (size_t)strings->sh_size) < 0)
        goto out;
    names[strings->sh_size - 1] = '\0';
    for (size_t i = 0; i < header->e_shnum; i++) {
        const Elf64_Shdr *s = &shdrs[i];
        if (s->sh_type == SHT_NOBITS || s->sh_name >= strings->sh_size)
            continue;
        struct n1_elf_section found = {s->sh_offset, s->sh_size, s->sh_addr, s->sh_flags & SHF_COMPRESSED};
        if (strcmp(names + s->sh_name, ".eh_frame") == 0 && !found.compressed)
            image->eh_frame = found;
        else if (strcmp(names + s->sh_name, ".debug_frame") == 0)
            image->debug_frame = found;
    }
out:
    free(names);
    free(shdrs);
}

/* Without section headers .eh_frame_hdr still says where .eh_frame begins; it then ends with its segment. */
static void find_eh_frame_by_hdr(struct n1_elf_image *image)
{
    uint8_t hdr[8];
    int32_t delta;
    if (image->eh_frame.size || !image->eh_frame_hdr.size ||
        read_exact(image, image->eh_frame_hdr.offset, hdr, sizeof(hdr)) < 0)
        return;
    if (hdr[0] != 1 || hdr[1] != 0x1b) /* version, pcrel|sdata4: what every linker writes */
        return;
    memcpy(&delta, hdr + 4, sizeof(delta));
    uint64_t vaddr = image->eh_frame_hdr.vaddr + 4 + (uint64_t)(int64_t)delta;
    for (size_t i = 0; i < image->load_count; i++) {
        const struct n1_elf_load *load = &image->loads[i];
        if (vaddr < load->vaddr || vaddr - load->vaddr >= load->file_size)
            continue;
        uint64_t into = vaddr - load->vaddr;
        image->eh_frame = (struct n1_elf_section){load->offset + into, load->file_size - into, vaddr, false};
        return;
    }
}

static int init(struct n1_elf_image *image)
{
    Elf64_Ehdr header;
    int r = read_exact(image, 0, &header, sizeof(header));
    if (r < 0)
        return r == -EBADMSG ? -ENOEXEC : r;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != HOST_MACHINE)
        return -ENOEXEC;
    r = read_program_headers(image, &header);
    if (r < 0) {
        n1_elf_image_finish(image);
        return r;
    }
    read_section_headers(image, &header);
    find_eh_frame_by_hdr(image);
    return 0;
}

int n1_elf_image_init_file(struct n1_elf_image *image, int fd)
{
    struct stat st;
    *image = (struct n1_elf_image){.fd = fd};
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return -ENOEXEC;
    image->size = (uint64_t)st.st_size;
    return init(image);
}

int n1_elf_image_init_memory(struct n1_elf_image *image, const void *memory, size_t size)
{
    *image = (struct n1_elf_image){.fd = -1, .memory = memory, .size = size};
    return init(image);
}

void n1_elf_image_finish(struct n1_elf_image *image)
{
    free(image->loads);
    image->loads = NULL;
    image->load_count = 0;
}
