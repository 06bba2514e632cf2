/*
 * A module inside the symbol helper: its file, debug file, symbol table and line tables, each opened at the
 * first need. Addresses as in symbols.h. One thread.
 */
#ifndef N1_SAMPLER_SYMBOLS_HELPER_MODULE_H
#define N1_SAMPLER_SYMBOLS_HELPER_MODULE_H

#include "sampler/symbols/fde_starts.h"
#include "sampler/symbols/lines.h"
#include "sampler/symbols/perf_map.h"
#include "sampler/symbols/symbol_table.h"
#include "sampler/symbols/wire.h"

enum n1_helper_debug { N1_DEBUG_UNASKED, N1_DEBUG_ASKED, N1_DEBUG_SETTLED };

struct n1_helper_module {
    enum n1_symbol_module_kind kind;
    int fd, debug_fd; /* owned; -1 when there is none */
    struct n1_elf elf, debug;
    bool elf_open, debug_open;
    enum n1_symbol_status elf_status;
    enum n1_helper_debug debug_state;
    bool table_built;
    enum n1_symbol_status table_status;
    struct n1_symbol_table table;
    struct n1_kernel_reading *reading; /* kernel: while its symbols are being read */
    struct n1_fde_starts starts;
    struct n1_perf_map map;
    struct n1_lines *lines;
    bool lines_tried;
    enum n1_symbol_status lines_status;
    uint64_t lines_used; /* for closing the line tables used longest ago */
};

/* Makes a module of `kind` over `take_fd`, which it owns from now on, also on error. NULL when out of memory.
 */
struct n1_helper_module *n1_helper_module_create(enum n1_symbol_module_kind kind, int take_fd,
                                                 bool debug_settled);
void n1_helper_module_destroy(struct n1_helper_module *module);

/* True when a debug file should be asked for before an address is looked up with `flags`. */
bool n1_helper_module_needs_debug(struct n1_helper_module *module, unsigned flags);
/* Takes a candidate; accepts it when its build id equals the module's, or with `by_crc` when its bytes have
 * the CRC of the module's debuglink. Owns `take_fd` also when it refuses. */
bool n1_helper_module_take_debug(struct n1_helper_module *module, int take_fd, bool by_crc);

/* Reads a little of the kernel's symbols. False when there is nothing (more) to read. */
bool n1_helper_module_prepare(struct n1_helper_module *module);

/* The symbol at `addr`. For an ELF file without one, *ret_hit still tells where its function starts and its
 * size, when the file's unwind information does; else both are 0. */
enum n1_symbol_status n1_helper_module_find(struct n1_helper_module *module, uint64_t addr,
                                            struct n1_symbol_hit *ret_hit);
/* The line at `addr`. */
enum n1_symbol_status n1_helper_module_find_line(struct n1_helper_module *module, uint64_t addr,
                                                 unsigned flags, struct n1_line_answer *ret_answer);
void n1_helper_module_close_lines(struct n1_helper_module *module);

#endif
