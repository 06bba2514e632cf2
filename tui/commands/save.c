/*
 * A report is written to the output's descriptor through stdio; the output appears only when every byte is
 * there.
 */
#include "tui/commands/save.h"

#include "n1/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

/* stdio forgets why a write failed once it is over; the sink remembers. */
struct sink {
    int fd, error;
};

static ssize_t sink_write(void *cookie, const char *bytes, size_t len)
{
    struct sink *sink = cookie;
    size_t done = 0;
    while (done < len && !sink->error) {
        ssize_t n = write(sink->fd, bytes + done, len - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            sink->error = -errno;
    }
    return (ssize_t)done; /* too few is the failure */
}

static int write_report(struct n1_reader *r, const struct n1_save *save,
                        const struct n1_report_format *format, int fd, struct n1_error *reterr)
{
    struct sink sink = {.fd = fd};
    FILE *out = fopencookie(&sink, "w", (cookie_io_functions_t){.write = sink_write});
    if (!out)
        return n1_error_set(reterr, -errno, "cannot open the output: %s", strerror(errno));
    int rc = format->write(out, r, &save->report, reterr);
    fclose(out);
    if (sink.error)
        rc = n1_error_set(reterr, sink.error, "cannot write the output: %s", strerror(-sink.error));
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
    if (save->report.redact && (rc = n1_reader_redact(r, true)) < 0) {
        n1_output_abandon(output);
        return n1_error_set(reterr, rc, "out of memory");
    }
    bool restore = save->report.redact && rc == 0;
    rc = model ? n1_file_write(r, fd, save->report.window.from, save->report.window.to, reterr)
               : write_report(r, save, format, fd, reterr);
    if (restore)
        n1_reader_redact(r, false);
    if (rc < 0) {
        n1_output_abandon(output);
        return rc;
    }
    return n1_output_commit(output, reterr);
}

/* Places of the last resort; only folders that are there. A name of ours in a folder that everybody may write
 * to is made as all outputs are: a temporary name that nobody can have guessed, then a rename. */
static size_t other_folders(const struct n1_save *save, const char **ret)
{
    size_t n = 0;
    const char *temporary = getenv("TMPDIR"), *home = getenv("HOME");
    if (save->output)
        ret[n++] = save->output_dir;
    if (temporary && *temporary)
        ret[n++] = temporary;
    ret[n++] = "/tmp";
    ret[n++] = "/var/tmp";
    if (home && *home)
        ret[n++] = home;
    ret[n++] = "/dev/shm";
    return n;
}

int n1_save_elsewhere(struct n1_reader *r, const struct n1_save *save, int failed, char *ret_path, size_t cap)
{
    const char *folders[6];
    struct stat st;
    /* Our own codes are about what is to be written, and a pipe that nobody reads is somebody's wish. */
    if (failed <= -1000 || failed == -EPIPE || failed == -ENOMEM || failed == -EAGAIN)
        return failed;
    size_t count = other_folders(save, folders);
    for (size_t i = 0; i < count; i++) {
        struct n1_error why;
        struct n1_save other = *save;
        other.output = NULL;
        other.output_dir = folders[i];
        if (stat(folders[i], &st) == 0 && S_ISDIR(st.st_mode) && n1_save(r, &other, ret_path, cap, &why) == 0)
            return 0;
    }
    return -ENOSPC;
}
