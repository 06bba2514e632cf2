/*
 * A report is written to the output's descriptor through stdio; the output appears only when every byte is
 * there.
 */
#include "tui/commands/save.h"

#include "n1/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool n1_save_format_known(const char *format)
{
    return !strcmp(format, "model") || n1_report_format_find(format);
}

/* PID of the first process of the model, for the file's name. */
static uint32_t first_pid(struct n1_reader *r)
{
    struct n1_model_process process;
    uint32_t pid = 0;
    if (n1_reader_begin(r) >= 0 && n1_reader_process(r, 1, &process))
        pid = process.pid;
    n1_reader_end(r);
    return pid;
}

static int make_folder(const struct n1_save *save, struct n1_error *reterr)
{
    if (mkdir(save->output_dir, 0700) < 0 && errno != EEXIST)
        return n1_error_hint(reterr, -errno,
                             "name a file with -o, or another output_dir in the configuration",
                             "cannot make the folder %s: %s", save->output_dir, strerror(errno));
    return 0;
}

static int make_path(struct n1_reader *r, const struct n1_save *save, const char *extension, char *ret,
                     size_t cap, struct n1_error *reterr)
{
    int rc = make_folder(save, reterr);
    if (rc < 0)
        return rc;
    char stamp[32];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local);
    uint32_t pid = first_pid(r);
    for (int n = 0; n < 100; n++) {
        char again[16] = "";
        if (n)
            snprintf(again, sizeof again, "-%d", n);
        int len = snprintf(ret, cap, "%s/n1top_%u_%s%s.%s", save->output_dir, pid, stamp, again, extension);
        if (len < 0 || (size_t)len >= cap)
            return n1_error_set(reterr, -ENAMETOOLONG, "the path of the output is too long");
        struct stat st;
        if (lstat(ret, &st) < 0)
            return 0;
    }
    return n1_error_set(reterr, -EEXIST, "too many files named like %s", ret);
}

static int write_report(struct n1_reader *r, const struct n1_save *save,
                        const struct n1_report_format *format, int fd, struct n1_error *reterr)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    if (!out) {
        int code = -errno;
        if (copy >= 0)
            close(copy);
        return n1_error_set(reterr, code, "cannot open the output: %s", strerror(-code));
    }
    int rc = format->write(out, r, &save->report, reterr);
    if (fclose(out) != 0 && rc == 0)
        rc = n1_error_set(reterr, -errno, "cannot write the output: %s", strerror(errno));
    return rc;
}

int n1_save_check(const struct n1_save *save, struct n1_error *reterr)
{
    char path[4096];
    if (!save->output) {
        int rc = make_folder(save, reterr);
        if (rc < 0)
            return rc;
        snprintf(path, sizeof path, "%s/n1top", save->output_dir);
    }
    struct n1_output *output = NULL;
    int rc = n1_output_open(save->output ? save->output : path, &output, reterr);
    if (rc == 0)
        n1_output_abandon(output);
    return rc;
}

int n1_save(struct n1_reader *r, const struct n1_save *save, char *ret_path, size_t cap,
            struct n1_error *reterr)
{
    const char *name = save->format ? save->format : "model";
    bool model = !strcmp(name, "model");
    const struct n1_report_format *format = model ? NULL : n1_report_format_find(name);
    if (!model && !format)
        return n1_error_set(reterr, N1_E_USAGE, "unknown format '%s'", name);
    int rc = 0;
    if (save->output) {
        if ((size_t)snprintf(ret_path, cap, "%s", save->output) >= cap)
            return n1_error_set(reterr, -ENAMETOOLONG, "the path of the output is too long");
    } else {
        rc = make_path(r, save, model ? "n1" : format->extension, ret_path, cap, reterr);
    }
    struct n1_output *output = NULL;
    if (rc == 0)
        rc = n1_output_open(ret_path, &output, reterr);
    if (rc < 0)
        return rc;
    int fd = n1_output_fd(output);
    rc = model ? n1_file_write(r, fd, save->report.window.from, save->report.window.to, reterr)
               : write_report(r, save, format, fd, reterr);
    if (rc < 0) {
        n1_output_abandon(output);
        return rc;
    }
    return n1_output_commit(output, reterr);
}
