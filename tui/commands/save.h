/*
 * Writing what a model holds to a file or to standard output, in any format; shared by record, export and the
 * screen's snapshot key.
 */
#ifndef N1_TUI_COMMANDS_SAVE_H
#define N1_TUI_COMMANDS_SAVE_H

#include "n1/reader.h"
#include "n1/report.h"

struct n1_save {
    const char *format;     /* "model" or a name of n1_report_formats; NULL: "model" */
    const char *output;     /* path, "-" for standard output; NULL: a new name in output_dir */
    const char *output_dir; /* made (0700) when it is not there */
    struct n1_report_options report;
};

/* True when `format` is "model" or a known report format. */
bool n1_save_format_known(const char *format);

/* Tells before a long recording whether its file can be made: makes it under a temporary name and takes it
 * away again; makes output_dir. Errors as n1_save(). */
int n1_save_check(const struct n1_save *save, struct n1_error *reterr);

/* Writes it whole or not at all and stores the path used in `ret_path`. Errors: N1_E_USAGE for an unknown
 * format, -errno of the writing. Call outside n1_reader_begin/end. */
int n1_save(struct n1_reader *r, const struct n1_save *save, char *ret_path, size_t cap,
            struct n1_error *reterr);

/* Where n1_save() failed: tries the configured folder, the folders for temporary files, the home folder and
 * memory (/dev/shm), in this order, under a new name. Stores the path in `ret_path`; else returns -ENOSPC.
 * `failed` is the error of n1_save(); one that another place does not mend comes back at once. */
int n1_save_elsewhere(struct n1_reader *r, const struct n1_save *save, int failed, char *ret_path,
                      size_t cap);

#endif
