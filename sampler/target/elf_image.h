/*
 * The few facts of an ELF image that walking needs: load segments, where the unwind sections lie, the build
 * id. Read with pread from a descriptor, or from a copy in memory (vdso). The image is hostile: every offset
 * and count is checked against its size, and nothing is mapped, so a file that is truncated meanwhile gives a
 * short read instead of SIGBUS. Offsets are bytes in the file, vaddrs are ELF virtual addresses. Sampler
 * thread only.
 */
#ifndef N1_SAMPLER_TARGET_ELF_IMAGE_H
#define N1_SAMPLER_TARGET_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define N1_BUILD_ID_MAX 64

struct n1_elf_load {
    uint64_t offset, file_size; /* bytes in the file */
    uint64_t vaddr, memory_size;
    bool exec;
};

struct n1_elf_section {
    uint64_t offset, size; /* size 0: the section is not there */
    uint64_t vaddr;
    bool compressed; /* SHF_COMPRESSED: begins with an Elf64_Chdr */
};

struct n1_elf_image {
    int fd;                /* borrowed; -1 when the image is in memory */
    const uint8_t *memory; /* borrowed; NULL when the image is a file */
    uint64_t size;         /* bytes */
    struct n1_elf_load *loads;
    size_t load_count;
    struct n1_elf_section eh_frame; /* size may reach past the real end when there are no section headers */
    struct n1_elf_section eh_frame_hdr; /* from PT_GNU_EH_FRAME */
    struct n1_elf_section debug_frame;
    uint8_t build_id[N1_BUILD_ID_MAX];
    size_t build_id_len; /* 0: the image has none */
};

/* Reads the headers of a regular file. `fd` stays the caller's and must outlive the image. Returns 0,
 * -ENOEXEC when it is no 64-bit little-endian ELF of this machine, -EBADMSG when it contradicts itself,
 * -errno. */
int n1_elf_image_init_file(struct n1_elf_image *image, int fd);

/* The same over `size` bytes in memory, which stay the caller's and must outlive the image. */
int n1_elf_image_init_memory(struct n1_elf_image *image, const void *memory, size_t size);

void n1_elf_image_finish(struct n1_elf_image *image);

/* Copies up to `len` bytes from file offset `offset`; returns the number copied (short at the end), or
 * -errno. */
int64_t n1_elf_image_read(const struct n1_elf_image *image, uint64_t offset, void *buffer, size_t len);

/* As n1_elf_image_read at a virtual address; bytes of a segment past its file part (bss) are not there. */
int64_t n1_elf_image_read_vaddr(const struct n1_elf_image *image, uint64_t vaddr, void *buffer, size_t len);

/* Copies a whole section into fresh memory (the caller frees), inflated when it is compressed. Returns 0,
 * -EBADMSG when it does not lie in the file, -E2BIG above 64 MiB, -ENOMEM, -errno. */
int n1_elf_image_section(const struct n1_elf_image *image, const struct n1_elf_section *section,
                         uint8_t **ret_data, size_t *ret_len);

/* The virtual address of a file offset, by the load segment that maps it (executable ones first, page
 * rounding allowed as the kernel maps whole pages). False when no segment does. */
bool n1_elf_image_vaddr(const struct n1_elf_image *image, uint64_t file_offset, uint64_t *ret_vaddr);

/* True when `vaddr` lies in an executable load segment. */
bool n1_elf_image_is_text(const struct n1_elf_image *image, uint64_t vaddr);

#endif
