/*
 * The symbol tables are read by their section headers; what is not where it should be is not there.
 */
#include "sampler/memory/allocator.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTIONS_MAX = 4096, SYMBOL_CHUNK = 512, NAME_MAX_BYTES = 24 };
#define SYMBOLS_MAX UINT64_C(4000000)

static const char *const names[N1_ALLOCATOR_COUNT] = {
#define X(constant, symbol) [N1_ALLOCATOR_##constant] = symbol,
    N1_ALLOCATOR_MAP(X)
#undef X
};

/* push of a register, nop, call, jmp and the conditional jumps */
bool n1_allocator_is_quick(const uint8_t *code, size_t len)
{
    if (len < 2)
        return false;
    if (code[0] == 0x41 && code[1] >= 0x50 && code[1] <= 0x57)
        return true;
    if (code[0] == 0x0f)
        return code[1] >= 0x80 && code[1] <= 0x8f;
    return (code[0] >= 0x50 && code[0] <= 0x57) || (code[0] >= 0x70 && code[0] <= 0x7f) || code[0] == 0x90 ||
           code[0] == 0xe8 || code[0] == 0xe9 || code[0] == 0xeb;
}

static bool file_offset(const struct n1_elf_image *image, uint64_t vaddr, uint64_t *ret)
{
    for (size_t i = 0; i < image->load_count; i++) {
        const struct n1_elf_load *load = &image->loads[i];
        if (load->exec && vaddr >= load->vaddr && vaddr - load->vaddr < load->file_size) {
            *ret = load->offset + (vaddr - load->vaddr);
            return true;
        }
    }
    return false;
}

static void take_symbol(struct n1_allocator *a, const struct n1_elf_image *image, const Elf64_Sym *symbol,
                        const Elf64_Shdr *strings)
{
    char name[NAME_MAX_BYTES] = "";
    uint64_t offset;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF || !symbol->st_value ||
        symbol->st_name >= strings->sh_size)
        return;
    if (n1_elf_image_read(image, strings->sh_offset + symbol->st_name, name, sizeof name - 1) <= 0)
        return;
    for (int f = 0; f < N1_ALLOCATOR_COUNT; f++) {
        if (a->functions[f].offset || strcmp(name, names[f]) ||
            !file_offset(image, symbol->st_value, &offset))
            continue;
        uint8_t code[4] = {0};
        a->functions[f].offset = offset;
        a->functions[f].quick = n1_elf_image_read(image, offset, code, sizeof code) == sizeof code &&
                                n1_allocator_is_quick(code, sizeof code);
    }
}

/* First letters of the names asked for: most symbols need not be looked up in the strings. */
static void take_symbols(struct n1_allocator *a, const struct n1_elf_image *image, const Elf64_Shdr *table,
                         const Elf64_Shdr *strings)
{
    Elf64_Sym chunk[SYMBOL_CHUNK];
    uint64_t count = table->sh_size / sizeof *chunk;
    char *text = NULL;
    size_t text_len = 0;
    struct n1_elf_section section = {.offset = strings->sh_offset, .size = strings->sh_size};
    if (count > SYMBOLS_MAX || n1_elf_image_section(image, &section, (uint8_t **)&text, &text_len))
        return;
    for (uint64_t at = 0; at < count; at += SYMBOL_CHUNK) {
        uint64_t n = count - at < SYMBOL_CHUNK ? count - at : SYMBOL_CHUNK;
        if (n1_elf_image_read(image, table->sh_offset + at * sizeof *chunk, chunk, n * sizeof *chunk) !=
            (int64_t)(n * sizeof *chunk))
            break;
        for (uint64_t i = 0; i < n; i++)
            if (chunk[i].st_name < text_len && strchr("fmcrpa", text[chunk[i].st_name]))
                take_symbol(a, image, &chunk[i], strings);
    }
    free(text);
}

/* Reads the section headers; returns how many, 0 when they make no sense. */
static size_t read_sections(const struct n1_elf_image *image, Elf64_Shdr **ret)
{
    Elf64_Ehdr head;
    if (n1_elf_image_read(image, 0, &head, sizeof head) != sizeof head ||
        head.e_shentsize != sizeof(Elf64_Shdr) || head.e_shnum == 0 || head.e_shnum > SECTIONS_MAX)
        return 0;
    Elf64_Shdr *list = calloc(head.e_shnum, sizeof *list);
    int64_t bytes = (int64_t)(head.e_shnum * sizeof *list);
    if (!list || n1_elf_image_read(image, head.e_shoff, list, (size_t)bytes) != bytes) {
        free(list);
        return 0;
    }
    *ret = list;
    return head.e_shnum;
}

/* Looks the functions up in one module; true when malloc and free are there. */
static bool look(struct n1_module *module, struct n1_allocator *ret)
{
    Elf64_Shdr *list = NULL;
    *ret = (struct n1_allocator){.module = module};
    if (n1_module_open(module) || module->fd < 0)
        return false;
    size_t n = read_sections(&module->image, &list);
    for (size_t i = 0; i < n; i++)
        if ((list[i].sh_type == SHT_DYNSYM || list[i].sh_type == SHT_SYMTAB) && list[i].sh_link < n)
            take_symbols(ret, &module->image, &list[i], &list[list[i].sh_link]);
    free(list);
    for (int f = 1; f < N1_ALLOCATOR_COUNT; f++) /* two names of one place: one probe */
        for (int g = 0; g < f; g++)
            if (ret->functions[f].offset == ret->functions[g].offset)
                ret->functions[f].offset = 0;
    return ret->functions[N1_ALLOCATOR_MALLOC].offset && ret->functions[N1_ALLOCATOR_FREE].offset;
}

static bool has_section(struct n1_module *module, const char *wanted)
{
    Elf64_Ehdr head;
    Elf64_Shdr *list = NULL;
    bool found = false;
    if (n1_module_open(module) || module->fd < 0 ||
        n1_elf_image_read(&module->image, 0, &head, sizeof head) != sizeof head)
        return false;
    size_t n = read_sections(&module->image, &list);
    for (size_t i = 0; i < n && head.e_shstrndx < n && !found; i++) {
        char name[NAME_MAX_BYTES] = "";
        found = n1_elf_image_read(&module->image, list[head.e_shstrndx].sh_offset + list[i].sh_name, name,
                                  sizeof name - 1) > 0 &&
                !strcmp(name, wanted);
    }
    free(list);
    return found;
}

static const char *last_part(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "";
}

/* How likely a file holds the malloc in force: 3 a replacement, 2 any program or library, 1 libc, 0 no file.
 */
static int rank(const struct n1_module *module)
{
    const char *name = last_part(module->path);
    if (module->kind != N1_MODULE_FILE)
        return 0;
    if (strstr(name, "jemalloc") || strstr(name, "tcmalloc") || strstr(name, "mimalloc"))
        return 3;
    if (!strncmp(name, "libc.so", 7) || !strncmp(name, "libc-", 5) || !strncmp(name, "ld-musl", 7))
        return 1;
    /* the dynamic loader has a small malloc of its own, in force only until libc is there */
    return strncmp(name, "ld-", 3) ? 2 : 0;
}

int n1_allocator_find(struct n1_space *space, struct n1_allocator *ret, struct n1_error *reterr)
{
    bool program = true;
    for (size_t i = 0; i < space->count; i++) {
        struct n1_module *module = space->ranges[i].module;
        if (module->kind != N1_MODULE_FILE)
            continue;
        if (strstr(last_part(module->path), "greenlet"))
            return n1_error_set(reterr, N1_E_FAILED,
                                "the program copies stacks (greenlet): probes on returns could crash it");
        if (program && has_section(module, ".gopclntab"))
            return n1_error_set(reterr, N1_E_FAILED,
                                "a Go program does not bear probes on returns; its heap profile tells more");
        program = false;
    }
    for (int wanted = 3; wanted > 0; wanted--) {
        struct n1_module *last = NULL;
        for (size_t i = 0; i < space->count; i++) {
            struct n1_module *module = space->ranges[i].module;
            if (rank(module) != wanted || module == last)
                continue;
            last = module;
            if (!look(module, ret))
                continue;
            ret->glibc = wanted == 1 && strncmp(last_part(module->path), "ld-musl", 7);
            return 0;
        }
    }
    return n1_error_set(reterr, N1_E_FAILED, "no malloc and free were found in the program or its libraries");
}
