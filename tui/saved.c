/*
 * A recording is profiled as a whole; of a JSON report the functions and the window are taken. Both become a
 * list of functions by name, because the two programs that are compared need not be of one build.
 */
#include "tui/saved.h"

#include "n1/sanitise.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON_BYTES_MAX ((off_t)256 << 20)

struct n1_saved {
    char name[64];
    struct n1_reader *reader; /* of a recording */
    struct n1_profile *profile;
    char *texts; /* of a report: names, one after the other */
    struct n1_past_function *functions;
    struct n1_past past;
};

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 1e15 ? item->valuedouble : 0;
}

static enum n1_function_kind kind_named(const char *name)
{
    static const char *const names[N1_KIND_COUNT] = {"unknown", "native", "python", "kernel", "jit", "gc"};
    for (int i = 0; i < N1_KIND_COUNT; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum n1_function_kind)i;
    }
    return N1_KIND_UNKNOWN;
}

static int by_name(const void *a, const void *b)
{
    const struct n1_past_function *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->module_name, y->module_name);
}

/* Functions of one name in one module (static ones of several files) count as one. */
static void merge(struct n1_saved *s, size_t count)
{
    size_t used = 0;
    if (count > 1)
        qsort(s->functions, count, sizeof *s->functions, by_name);
    for (size_t i = 0; i < count; i++) {
        struct n1_past_function *last = used ? &s->functions[used - 1] : NULL, *f = &s->functions[i];
        if (last && by_name(last, f) == 0) {
            last->self_samples += f->self_samples;
            last->total_samples += f->total_samples;
            last->self_s += f->self_s;
            last->total_s += f->total_s;
        } else {
            s->functions[used++] = *f;
        }
    }
    s->past.functions = s->functions;
    s->past.count = used;
}

static const char *keep(char **at, const char *text)
{
    char *start = *at;
    size_t len = strlen(text);
    n1_sanitise(start, len * 4 + 1, text, len);
    *at = start + strlen(start) + 1;
    return start;
}

static int take_functions(struct n1_saved *s, const cJSON *functions)
{
    const cJSON *item;
    size_t count = 0, bytes = 1, used = 0;
    cJSON_ArrayForEach(item, functions)
    {
        bytes += 4 * (strlen(text_of(item, "name")) + strlen(text_of(item, "module"))) + 2;
        count++;
    }
    s->functions = calloc(count + 1, sizeof *s->functions);
    s->texts = malloc(bytes);
    if (s->functions == NULL || s->texts == NULL)
        return -ENOMEM;
    char *at = s->texts;
    double per_second = s->past.weight_s > 0 ? s->past.samples / s->past.weight_s : 0;
    cJSON_ArrayForEach(item, functions)
    {
        const char *module = text_of(item, "module"), *slash = strrchr(module, '/');
        struct n1_past_function *f = &s->functions[used++];
        f->name = keep(&at, text_of(item, "name"));
        f->module_name = keep(&at, slash && slash[1] ? slash + 1 : module);
        f->kind = kind_named(text_of(item, "kind"));
        f->self_s = number_of(item, "self_seconds");
        f->total_s = number_of(item, "total_seconds");
        f->self_samples = round(f->self_s * per_second);
        f->total_samples = round(f->total_s * per_second);
    }
    merge(s, used);
    return 0;
}

static int load_report(struct n1_saved *s, const char *path, const char *text, size_t len,
                       struct n1_error *reterr)
{
    cJSON *root = cJSON_ParseWithLength(text, len);
    int rc = 0;
    if (root == NULL || strncmp(text_of(root, "schema"), "n1top.report/1", 14) != 0) {
        rc = n1_error_hint(reterr, N1_E_NOT_OURS, "give a recording (n1top record) or a JSON report (key w)",
                           "%s is neither a recording nor a report", path);
    } else {
        const cJSON *window = cJSON_GetObjectItemCaseSensitive(root, "window");
        s->past.samples = number_of(window, "samples");
        s->past.seconds = number_of(window, "seconds");
        s->past.weight_s = number_of(window, "cpu_seconds");
        if (take_functions(s, cJSON_GetObjectItemCaseSensitive(root, "functions")) < 0)
            rc = n1_error_set(reterr, -ENOMEM, "no memory for the report %s", path);
    }
    cJSON_Delete(root);
    return rc;
}

int n1_saved_filter(struct n1_saved *s, const struct n1_filter *filter)
{
    if (s->reader == NULL)
        return 0;
    struct n1_filter names = {.kinds = filter->kinds, .text = filter->text, .regex = filter->regex};
    size_t count;
    int rc = n1_reader_begin(s->reader);
    if (rc >= 0)
        rc = n1_profile_update(s->profile, s->reader, (struct n1_window){0, UINT64_MAX}, &names, NULL);
    if (rc < 0)
        return rc;
    const struct n1_profile_summary *sum = n1_profile_summary(s->profile);
    const struct n1_profile_function *f = n1_profile_functions(s->profile, &count);
    free(s->functions);
    s->past = (struct n1_past){0};
    s->functions = calloc(count + 1, sizeof *s->functions);
    if (s->functions == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        s->functions[i] = (struct n1_past_function){f[i].name,
                                                    f[i].module_name,
                                                    f[i].kind,
                                                    (double)f[i].self_samples,
                                                    (double)f[i].total_samples,
                                                    (double)f[i].self_ns / 1e9,
                                                    (double)f[i].total_ns / 1e9};
    s->past.samples = (double)sum->samples;
    s->past.seconds = (double)(sum->window.to - sum->window.from) / 1e9;
    s->past.weight_s = (double)sum->weight_ns / 1e9;
    merge(s, count);
    return 0;
}

static int read_text(int fd, const char *path, off_t size, char **ret, struct n1_error *reterr)
{
    char *text = malloc((size_t)size + 1);
    off_t done = 0;
    if (text == NULL)
        return n1_error_set(reterr, -ENOMEM, "no memory for %s", path);
    while (done < size) {
        ssize_t got = pread(fd, text + done, (size_t)(size - done), done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += got;
    }
    if (done < size) {
        free(text);
        return n1_error_set(reterr, -EIO, "%s cannot be read to its end", path);
    }
    text[size] = '\0';
    *ret = text;
    return 0;
}

int n1_saved_load(const char *path, struct n1_saved **ret, struct n1_error *reterr)
{
    static const struct n1_filter everything;
    struct stat st;
    char first = 0, *text = NULL;
    const char *slash = strrchr(path, '/'), *name = slash && slash[1] ? slash + 1 : path;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
    if (fd < 0)
        return n1_error_hint(reterr, errno == ENOENT ? N1_E_NO_FILE : -errno,
                             "give the path of a recording or report", "cannot open %s: %s", path,
                             strerror(errno));
    struct n1_saved *s = calloc(1, sizeof *s);
    if (s == NULL)
        rc = n1_error_set(reterr, -ENOMEM, "no memory for %s", path);
    else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        rc = n1_error_set(reterr, N1_E_NOT_OURS, "%s is not a regular file", path);
    if (rc == 0) {
        n1_sanitise(s->name, sizeof s->name, name, strlen(name));
        if (pread(fd, &first, 1, 0) == 1 && first == '{' && st.st_size <= JSON_BYTES_MAX) {
            rc = read_text(fd, path, st.st_size, &text, reterr);
            if (rc == 0)
                rc = load_report(s, path, text, (size_t)st.st_size, reterr);
            free(text);
        } else {
            rc = n1_reader_open_file(path, &s->reader, reterr);
            s->profile = rc == 0 ? n1_profile_create() : NULL;
            if (rc == 0 && (s->profile == NULL || n1_saved_filter(s, &everything) < 0))
                rc = n1_error_set(reterr, -ENOMEM, "no memory for the figures of %s", path);
        }
    }
    close(fd);
    if (rc < 0) {
        n1_saved_destroy(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void n1_saved_destroy(struct n1_saved *s)
{
    if (s == NULL)
        return;
    free(s->functions);
    free(s->texts);
    n1_profile_destroy(s->profile);
    n1_reader_close(s->reader);
    free(s);
}

const char *n1_saved_name(const struct n1_saved *s)
{
    return s->name;
}

const struct n1_past *n1_saved_past(const struct n1_saved *s)
{
    return &s->past;
}

const struct n1_profile *n1_saved_profile(const struct n1_saved *s)
{
    return s->profile;
}
