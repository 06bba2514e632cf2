/*
 * Two searches: the compilation unit that holds an address (.debug_aranges, else an index of all units'
 * ranges made once, because clang writes no aranges), then inside it the function and the inlined calls below
 * it, by descent. Counts and depths are bounded: the tree is hostile and may be deep, or linked to itself.
 */
#include "sampler/symbols/lines.h"

#include "sampler/symbols/demangle.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_RANGES_MAX (UINT32_C(1) << 20)
#define VISITS_MAX 20000000
#define DEPTH_MAX 64

struct unit_range {
    uint64_t start, end;
    Dwarf_Off die;
};

struct n1_lines {
    Elf *elf;
    Dwarf *dwarf;
    struct unit_range *units; /* by start; NULL until needed */
    size_t unit_count;
    bool units_made;
};

/* A descent to the innermost inlined call at an address. */
struct descent {
    uint64_t addr;
    uint64_t visits;
    bool with_types; /* look for functions inside types too */
    Dwarf_Die function;
    Dwarf_Die inlined[DEPTH_MAX]; /* outermost first */
    size_t inlined_count;
};

/* A path of a unit; a relative one is relative to where it was compiled. */
static void copy_path(char *out, Dwarf_Die *unit, const char *path)
{
    Dwarf_Attribute attribute;
    const char *folder = NULL;
    int len = 0;
    if (path && path[0] != '/' && dwarf_attr(unit, DW_AT_comp_dir, &attribute))
        folder = dwarf_formstring(&attribute);
    if (folder && folder[0] == '/')
        len = snprintf(out, N1_SYMBOL_NAME_MAX, "%s/%s", folder, path);
    if (len <= 0 || len >= N1_SYMBOL_NAME_MAX)
        snprintf(out, N1_SYMBOL_NAME_MAX, "%s", path ? path : "");
}

enum n1_symbol_status n1_lines_open(struct n1_lines **ret_lines, int fd)
{
    struct n1_lines *lines = calloc(1, sizeof(*lines));
    if (!lines)
        return N1_SYMBOL_TOO_LARGE;
    elf_version(EV_CURRENT);
    lines->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    lines->dwarf = lines->elf ? dwarf_begin_elf(lines->elf, DWARF_C_READ, NULL) : NULL;
    if (!lines->dwarf) {
        n1_lines_close(lines);
        return N1_SYMBOL_LINES_DAMAGED;
    }
    *ret_lines = lines;
    return N1_SYMBOL_FOUND;
}

void n1_lines_close(struct n1_lines *lines)
{
    if (!lines)
        return;
    if (lines->dwarf)
        dwarf_end(lines->dwarf);
    if (lines->elf)
        elf_end(lines->elf);
    free(lines->units);
    free(lines);
}

static int compare_units(const void *a, const void *b)
{
    const struct unit_range *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static void add_unit(struct n1_lines *lines, size_t *capacity, Dwarf_Die *unit)
{
    Dwarf_Addr base, start, end;
    ptrdiff_t at = 0;
    while (lines->unit_count < UNIT_RANGES_MAX && (at = dwarf_ranges(unit, at, &base, &start, &end)) > 0) {
        if (start >= end)
            continue;
        if (lines->unit_count == *capacity) {
            size_t grown = *capacity ? *capacity * 2 : 256;
            struct unit_range *units = realloc(lines->units, grown * sizeof(*units));
            if (!units)
                return;
            lines->units = units;
            *capacity = grown;
        }
        lines->units[lines->unit_count++] = (struct unit_range){start, end, dwarf_dieoffset(unit)};
    }
}

static void make_units(struct n1_lines *lines)
{
    Dwarf_Off offset = 0, next;
    size_t header, capacity = 0;
    lines->units_made = true;
    while (dwarf_nextcu(lines->dwarf, offset, &next, &header, NULL, NULL, NULL) == 0 && next > offset) {
        Dwarf_Die unit;
        if (dwarf_offdie(lines->dwarf, offset + header, &unit))
            add_unit(lines, &capacity, &unit);
        offset = next;
    }
    if (lines->unit_count > 0)
        qsort(lines->units, lines->unit_count, sizeof(*lines->units), compare_units);
}

static bool find_unit(struct n1_lines *lines, uint64_t addr, Dwarf_Die *ret_unit)
{
    if (dwarf_addrdie(lines->dwarf, addr, ret_unit))
        return true;
    if (!lines->units_made)
        make_units(lines);
    size_t low = 0, high = lines->unit_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lines->units[middle].start <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && addr < lines->units[low - 1].end &&
           dwarf_offdie(lines->dwarf, lines->units[low - 1].die, ret_unit);
}

static bool may_hold_functions(int tag, bool with_types)
{
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
        return true;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
        return with_types;
    default:
        return false;
    }
}

static bool find_function(struct descent *descent, Dwarf_Die *parent, unsigned depth)
{
    Dwarf_Die child;
    if (depth > DEPTH_MAX || dwarf_child(parent, &child) != 0)
        return false;
    do {
        int tag = dwarf_tag(&child);
        if (++descent->visits > VISITS_MAX)
            return false;
        if (tag == DW_TAG_subprogram && dwarf_haspc(&child, descent->addr) == 1) {
            descent->function = child;
            return true;
        }
        if (may_hold_functions(tag, descent->with_types) && find_function(descent, &child, depth + 1))
            return true;
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

static void find_inlined(struct descent *descent)
{
    Dwarf_Die parent = descent->function;
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        Dwarf_Die child;
        bool found = false;
        if (dwarf_child(&parent, &child) != 0)
            return;
        do {
            int tag = dwarf_tag(&child);
            if (++descent->visits > VISITS_MAX)
                return;
            found = (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
                     tag == DW_TAG_try_block || tag == DW_TAG_catch_block || tag == DW_TAG_subprogram) &&
                    dwarf_haspc(&child, descent->addr) == 1;
            if (found && tag == DW_TAG_inlined_subroutine)
                descent->inlined[descent->inlined_count++] = child;
            if (found && tag == DW_TAG_subprogram) {
                descent->function = child; /* a nested function is the physical one */
                descent->inlined_count = 0;
            }
        } while (!found && dwarf_siblingof(&child, &child) == 0);
        if (!found)
            return;
        parent = child;
    }
}

static void name_of(Dwarf_Die *die, char *out)
{
    Dwarf_Attribute attribute;
    const char *name = NULL;
    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        name = dwarf_formstring(&attribute);
    if (!name)
        name = dwarf_diename(die);
    if (name)
        n1_demangle(name, out, N1_SYMBOL_NAME_MAX);
    else
        out[0] = '\0';
}

static void call_site(Dwarf_Die *unit, Dwarf_Die *inlined, char *file, uint32_t *line)
{
    Dwarf_Attribute attribute;
    Dwarf_Word index, number;
    Dwarf_Files *files;
    size_t count;
    file[0] = '\0';
    *line = 0;
    if (dwarf_attr(inlined, DW_AT_call_line, &attribute) && dwarf_formudata(&attribute, &number) == 0 &&
        number <= INT32_MAX)
        *line = (uint32_t)number;
    if (dwarf_attr(inlined, DW_AT_call_file, &attribute) && dwarf_formudata(&attribute, &index) == 0 &&
        dwarf_getsrcfiles(unit, &files, &count) == 0 && index < count)
        copy_path(file, unit, dwarf_filesrc(files, index, NULL, NULL));
}

static void describe(Dwarf_Die *unit, struct descent *descent, struct n1_line_answer *answer)
{
    int line;
    copy_path(answer->decl_file, unit, dwarf_decl_file(&descent->function));
    if (dwarf_decl_line(&descent->function, &line) == 0 && line > 0)
        answer->decl_line = (uint32_t)line;
    for (size_t i = descent->inlined_count; i > 0; i--) {
        Dwarf_Die *inlined = &descent->inlined[i - 1];
        if (answer->inline_count < N1_SYMBOL_INLINES_MAX) {
            struct n1_line_inline *out = &answer->inlines[answer->inline_count++];
            name_of(inlined, out->name);
            memcpy(out->file, answer->own_file, sizeof out->file);
            out->line = answer->own_line;
        }
        call_site(unit, inlined, answer->own_file, &answer->own_line);
    }
}

enum n1_symbol_status n1_lines_find(struct n1_lines *lines, uint64_t addr, unsigned flags,
                                    struct n1_line_answer *ret_answer)
{
    Dwarf_Die unit;
    ret_answer->file[0] = ret_answer->own_file[0] = ret_answer->decl_file[0] = '\0';
    ret_answer->line = ret_answer->own_line = ret_answer->decl_line = 0;
    ret_answer->inline_count = 0;
    if (!find_unit(lines, addr, &unit))
        return N1_SYMBOL_NO_LINES;
    Dwarf_Line *row = dwarf_getsrc_die(&unit, addr);
    int line;
    if (row && dwarf_lineno(row, &line) == 0 && line > 0) {
        copy_path(ret_answer->file, &unit, dwarf_linesrc(row, NULL, NULL));
        ret_answer->line = (uint32_t)line;
    }
    memcpy(ret_answer->own_file, ret_answer->file, sizeof ret_answer->own_file);
    ret_answer->own_line = ret_answer->line;
    struct descent descent = {.addr = addr};
    bool found = find_function(&descent, &unit, 0);
    if (!found) {
        descent.with_types = true;
        found = find_function(&descent, &unit, 0);
    }
    if (found) {
        find_inlined(&descent);
        describe(&unit, &descent, ret_answer);
        if (!(flags & N1_SYMBOL_INLINES))
            ret_answer->inline_count = 0;
    }
    return ret_answer->line > 0 || ret_answer->decl_line > 0 ? N1_SYMBOL_FOUND : N1_SYMBOL_NO_LINES;
}
