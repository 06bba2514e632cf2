/*
 * Writing a recording: what lies in a span of time, and everything that it refers to, numbered anew from 1
 * without gaps. Marked, numbered and written out of one pass of a reader of its own, so that the caller's
 * passes and ids stay as they are; a generation step meanwhile takes back what was written, and it begins
 * again. Where the output cannot be taken back (a pipe), the recording is made in memory first.
 */
#include "core/model/fields.h"
#include "core/model/file_format.h"
#include "core/model/reader.h"
#include "n1/file.h"
#include "n1/metric.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD_BYTES 65536u
#define BATCH_BYTES 16384u
#define TRIES 8
#define NAP_NS 5000000

/* Each table before those that it refers to. */
static const enum n1_segment_kind tables[] = {
    N1_SEGMENT_NODES,     N1_SEGMENT_FRAMES,  N1_SEGMENT_FUNCTIONS,
    N1_SEGMENT_SERIES,    N1_SEGMENT_THREADS, N1_SEGMENT_MAPPINGS,
    N1_SEGMENT_PROCESSES, N1_SEGMENT_MODULES, N1_SEGMENT_STRING_INDEX};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

struct recording {
    struct n1_reader *r;
    int fd;
    n1_ns from, to;
    uint32_t *id[N1_SEGMENT_COUNT]; /* of tables: 1 when kept, then the number in the file */
    uint32_t strings;               /* numbers given to strings */
    uint32_t metric_name[N1_METRIC_COUNT], unit_name[N1_UNIT_END];
    uint64_t records[N1_FILE_CHUNK_END];
    uint32_t type; /* of the payload being filled */
    size_t used;
    uint8_t payload[PAYLOAD_BYTES];
    uint64_t batch[BATCH_BYTES / 8]; /* entries of a ring on their way */
};

/* --- bytes --- */

static int write_all(int fd, const void *data, size_t bytes)
{
    for (const char *p = data; bytes;) {
        ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        bytes -= (size_t)n;
    }
    return 0;
}

static int flush(struct recording *f)
{
    if (f->used == 0)
        return 0;
    uint8_t head[N1_FILE_CHUNK_BYTES];
    n1_put_u32(head, f->type);
    n1_put_u32(head + 4, n1_file_chunk_version(f->type));
    n1_put_u64(head + 8, f->used);
    n1_put_u32(head + 16, n1_crc32(0, f->payload, f->used));
    n1_put_u32(head + 20, f->type == N1_FILE_META || f->type == N1_FILE_END ? N1_FILE_CHUNK_MUST : 0);
    int status = write_all(f->fd, head, sizeof(head));
    if (status == 0)
        status = write_all(f->fd, f->payload, f->used);
    f->used = 0;
    return status;
}

/* Room for a record of at most `bytes`; what the caller puts there he adds to `used`. */
static int room(struct recording *f, enum n1_file_chunk type, size_t bytes, uint8_t **ret)
{
    if (type != f->type || f->used + bytes > sizeof(f->payload)) {
        int status = flush(f);
        if (status < 0)
            return status;
        f->type = type;
    }
    f->records[type]++;
    *ret = f->payload + f->used;
    return 0;
}

/* --- what belongs to it --- */

static bool is_in(const struct recording *f, n1_ns first, n1_ns last)
{
    return first <= f->to && last >= f->from;
}

static bool row_is_in(const struct recording *f, enum n1_segment_kind kind, const void *row)
{
    switch (kind) {
    case N1_SEGMENT_WAITS: {
        const struct n1_model_wait *wait = row;
        return is_in(f, wait->start, wait->end ? wait->end : UINT64_MAX);
    }
    case N1_SEGMENT_ANOMALIES: {
        const struct n1_model_anomaly *a = row;
        return is_in(f, a->start, a->end ? a->end : UINT64_MAX);
    }
    case N1_SEGMENT_SECONDS: {
        n1_ns start = n1_reader_created(f->r) + ((const struct n1_model_second *)row)->second * N1_SECOND_NS;
        return is_in(f, start, start + N1_SECOND_NS - 1);
    }
    case N1_SEGMENT_POINTS: {
        n1_ns time = ((const struct n1_model_point *)row)->time & ~N1_POINT_INVALID;
        return is_in(f, time, time);
    }
    default: { /* samples and memory: their first word is a time */
        n1_ns time;
        memcpy(&time, row, sizeof(time));
        return is_in(f, time, time);
    }
    }
}

/* What the span holds by itself, whether or not a row refers to it. */
static bool lives_in(const struct recording *f, enum n1_segment_kind kind, const void *entry)
{
    switch (kind) {
    case N1_SEGMENT_PROCESSES: {
        const struct n1_model_process *p = entry;
        return is_in(f, p->attached, p->ended ? p->ended : UINT64_MAX);
    }
    case N1_SEGMENT_THREADS: {
        const struct n1_model_thread *t = entry;
        return is_in(f, t->from, t->to ? t->to : UINT64_MAX);
    }
    case N1_SEGMENT_MAPPINGS: {
        const struct n1_model_mapping *m = entry;
        return is_in(f, m->from, m->to ? m->to : UINT64_MAX);
    }
    default:
        return false;
    }
}

static uint8_t table_of(const void *entry, const struct n1_field *field)
{
    return field->ref == N1_REF_SCOPE ? n1_model_scope_ref(((const struct n1_model_series *)entry)->metric)
                                      : field->ref;
}

static void mark(struct recording *f, uint8_t table, uint32_t id)
{
    if (table != N1_REF_NONE && id < f->r->head[table])
        f->id[table][id] = 1;
}

static void mark_references(struct recording *f, enum n1_segment_kind kind, const void *entry)
{
    const struct n1_fields *fields = &n1_model_fields[kind];
    for (unsigned i = 0; i < fields->count; i++)
        if (fields->field[i].ref != N1_REF_NONE)
            mark(f, table_of(entry, &fields->field[i]), n1_field_id(entry, &fields->field[i]));
}

static uint32_t number_of(const struct recording *f, uint8_t table, uint64_t id)
{
    return id < f->r->head[table] ? f->id[table][id] : 0;
}

static void renumber(const struct recording *f, enum n1_segment_kind kind, void *entry)
{
    const struct n1_fields *fields = &n1_model_fields[kind];
    for (unsigned i = 0; i < fields->count; i++) {
        const struct n1_field *field = &fields->field[i];
        uint8_t table = field->ref == N1_REF_NONE ? N1_REF_NONE : table_of(entry, field);
        if (table != N1_REF_NONE)
            n1_field_set_id(entry, field, number_of(f, table, n1_field_id(entry, field)));
    }
}

/* A node whose parent is not below it is one that no writer makes: it becomes the root of its chain. */
static bool load(struct recording *f, enum n1_segment_kind kind, uint32_t id, void *entry)
{
    bool known = n1_reader_entry(f->r, kind, id, entry);
    if (kind == N1_SEGMENT_NODES && ((struct n1_model_node *)entry)->parent >= id)
        ((struct n1_model_node *)entry)->parent = 0;
    return known;
}

static bool series_is_ours(const void *entry)
{
    return ((const struct n1_model_series *)entry)->metric < N1_METRIC_COUNT;
}

/* Calls `each` with every entry of a ring that lies in the span. */
static int for_each_row(struct recording *f, enum n1_segment_kind kind,
                        int (*each)(struct recording *f, enum n1_segment_kind kind, void *row))
{
    const size_t stride = n1_model_fields[kind].stride;
    uint64_t next, head = n1_reader_count(f->r, kind, &next);
    while (next < head) {
        size_t n = n1_reader_ring(f->r, kind, next, f->batch, sizeof(f->batch) / stride, &next, NULL);
        for (size_t i = 0; i < n; i++) {
            void *row = (char *)f->batch + i * stride;
            int status = row_is_in(f, kind, row) ? each(f, kind, row) : 0;
            if (status < 0)
                return status;
        }
    }
    return 0;
}

static int mark_row(struct recording *f, enum n1_segment_kind kind, void *row)
{
    const struct n1_model_point *point = row;
    mark_references(f, kind, row);
    if (kind == N1_SEGMENT_POINTS && point->time & N1_POINT_INVALID && (uint64_t)point->value <= UINT32_MAX)
        mark(f, N1_SEGMENT_STRING_INDEX, (uint32_t)point->value);
    return 0;
}

static void number_all(struct recording *f)
{
    uint64_t entry[16];
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        if (n1_model_fields[k].ring)
            for_each_row(f, k, mark_row);
    for (size_t i = 0; i < TABLES; i++) {
        enum n1_segment_kind k = tables[i];
        uint32_t *id = f->id[k], next = 1;
        /* Downwards, so that a node is marked before its parent is looked at. */
        for (uint32_t old = (uint32_t)f->r->head[k]; old-- > 1;) {
            load(f, k, old, entry);
            if (k == N1_SEGMENT_SERIES && !series_is_ours(entry))
                id[old] = 0;
            else if (id[old] || lives_in(f, k, entry))
                id[old] = 1, mark_references(f, k, entry);
        }
        id[0] = 0;
        for (uint32_t old = 1; old < f->r->head[k]; old++)
            id[old] = id[old] ? next++ : 0;
        if (k == N1_SEGMENT_STRING_INDEX)
            f->strings = next - 1;
    }
}

/* --- chunks --- */

static void add_number(cJSON *to, const char *name, uint64_t value)
{
    /* As text: a JSON number is a double to most readers, and wall-clock nanoseconds do not fit into one. */
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    cJSON_AddStringToObject(to, name, text);
}

static void add_host(const struct n1_reader *r, cJSON *meta)
{
    struct utsname host;
    if (r->redaction) {
        cJSON_AddItemToObject(meta, "host", cJSON_CreateObject());
        return;
    }
    cJSON *known = r->host[0] ? cJSON_Parse(r->host) : NULL;
    if (known) {
        cJSON_AddItemToObject(meta, "host", known);
        return;
    }
    cJSON *add = cJSON_AddObjectToObject(meta, "host");
    if (add && uname(&host) == 0) {
        cJSON_AddStringToObject(add, "name", host.nodename);
        cJSON_AddStringToObject(add, "kernel", host.release);
        cJSON_AddStringToObject(add, "machine", host.machine);
    }
}

static int write_meta(struct recording *f)
{
    static const char *const self_names[] = {
#define X(name, unit, text) #name,
        N1_SELF_MAP(X)
#undef X
    };
    const struct n1_reader *r = f->r;
    cJSON *meta = cJSON_CreateObject(), *self;
    add_host(r, meta);
    cJSON_AddStringToObject(meta, "n1top", N1_VERSION);
    add_number(meta, "created_ns", r->created);
    add_number(meta, "anchor_mono_ns", r->anchor_mono);
    add_number(meta, "anchor_wall_ns", (uint64_t)r->anchor_wall);
    add_number(meta, "clock_ticks", r->clock_ticks);
    add_number(meta, "writer_pid", r->writer_pid);
    add_number(meta, "from_ns", f->from);
    add_number(meta, "until_ns", f->to < r->heartbeat ? f->to : r->heartbeat);
    self = cJSON_AddObjectToObject(meta, "self");
    for (int i = 0; i < N1_SELF_COUNT; i++)
        add_number(self, self_names[i], n1_reader_self(r, (enum n1_self)i));
    char *text = cJSON_PrintUnformatted(meta);
    cJSON_Delete(meta);
    if (!text)
        return -ENOMEM;
    uint8_t *to;
    size_t length = strlen(text);
    int status = length < sizeof(f->payload) ? room(f, N1_FILE_META, length, &to) : -EOVERFLOW;
    if (status == 0) {
        memcpy(to, text, length);
        f->used += length;
    }
    cJSON_free(text);
    return status;
}

static int write_string(struct recording *f, const char *text, size_t length)
{
    uint8_t *to;
    int status = room(f, N1_FILE_STRINGS, 4 + length, &to);
    if (status < 0)
        return status;
    n1_put_u32(to, (uint32_t)length);
    memcpy(to + 4, text, length);
    f->used += 4 + length;
    return 0;
}

/* Numbers a metric's or unit's name after the strings of the model. */
static int write_name(struct recording *f, uint32_t *number, const char *name)
{
    if (*number)
        return 0;
    *number = ++f->strings;
    return write_string(f, name, strlen(name));
}

static int write_strings(struct recording *f)
{
    char text[N1_MODEL_STRING_MAX + 1];
    int status = 0;
    for (uint32_t id = 1; id < f->r->head[N1_SEGMENT_STRING_INDEX] && status == 0; id++)
        if (f->id[N1_SEGMENT_STRING_INDEX][id])
            status = write_string(f, text, n1_reader_string_copy(f->r, id, text));
    memset(f->metric_name, 0, sizeof(f->metric_name));
    memset(f->unit_name, 0, sizeof(f->unit_name));
    for (uint32_t id = 1; id < f->r->head[N1_SEGMENT_SERIES] && status == 0; id++) {
        struct n1_model_series s;
        n1_reader_series(f->r, id, &s);
        if (!f->id[N1_SEGMENT_SERIES][id] || !series_is_ours(&s))
            continue;
        const struct n1_metric_info *info = n1_metric_info((int)s.metric);
        status = write_name(f, &f->metric_name[s.metric], info->name);
        if (status == 0)
            status = write_name(f, &f->unit_name[info->unit], n1_metric_unit_name(info->unit));
    }
    return status;
}

static int write_series(struct recording *f, struct n1_model_series *s)
{
    uint8_t *to;
    if (!series_is_ours(s))
        return -EAGAIN; /* it was another one when it was numbered: the ids are changing */
    const struct n1_metric_info *info = n1_metric_info((int)s->metric);
    renumber(f, N1_SEGMENT_SERIES, s);
    int status = room(f, N1_FILE_SERIES, N1_FILE_SERIES_BYTES, &to);
    if (status < 0)
        return status;
    n1_put_u32(to, f->metric_name[s->metric]);
    n1_put_u32(to + 4, f->unit_name[info->unit]);
    n1_put_u32(to + 8, s->scope);
    n1_put_u32(to + 12, info->scope);
    f->used += N1_FILE_SERIES_BYTES;
    return 0;
}

static int write_table(struct recording *f, enum n1_file_chunk type, enum n1_segment_kind kind)
{
    uint64_t entry[16];
    int status = 0;
    for (uint32_t id = 1; id < f->r->head[kind] && status == 0; id++) {
        uint8_t *to;
        if (!f->id[kind][id])
            continue;
        load(f, kind, id, entry);
        if (kind == N1_SEGMENT_SERIES) {
            status = write_series(f, (struct n1_model_series *)entry);
            continue;
        }
        renumber(f, kind, entry);
        status = room(f, type, n1_model_fields[kind].packed_bytes, &to);
        if (status == 0)
            f->used += n1_file_pack(kind, entry, to);
    }
    return status;
}

static int write_row(struct recording *f, enum n1_segment_kind kind, void *row)
{
    struct n1_model_point *point = row;
    uint8_t *to;
    renumber(f, kind, row);
    if (kind == N1_SEGMENT_POINTS && point->series == 0)
        return 0; /* of a series that is not ours */
    if (kind == N1_SEGMENT_POINTS && point->time & N1_POINT_INVALID)
        point->value = number_of(f, N1_SEGMENT_STRING_INDEX, (uint64_t)point->value);
    int status = room(f, n1_file_chunk_of(kind), n1_model_fields[kind].packed_bytes, &to);
    if (status == 0)
        f->used += n1_file_pack(kind, row, to);
    return status;
}

static int write_end(struct recording *f)
{
    for (uint32_t type = N1_FILE_META; type < N1_FILE_END; type++) {
        uint8_t *to;
        int status = room(f, N1_FILE_END, N1_FILE_END_BYTES, &to);
        if (status < 0)
            return status;
        n1_put_u32(to, type);
        n1_put_u32(to + 4, 0);
        n1_put_u64(to + 8, f->records[type]);
        f->used += N1_FILE_END_BYTES;
    }
    return flush(f);
}

static int write_header(struct recording *f)
{
    uint8_t head[N1_FILE_HEADER_BYTES] = N1_FILE_MAGIC;
    n1_put_u32(head + 8, N1_FILE_MAJOR);
    n1_put_u32(head + 12, N1_FILE_MINOR);
    n1_put_u64(head + 16, 0);
    n1_put_u32(head + 24, N1_FILE_HEADER_BYTES);
    n1_put_u32(head + 28, n1_crc32(0, head, 28));
    return write_all(f->fd, head, sizeof(head));
}

static int write_everything(struct recording *f)
{
    int status = write_header(f);
    if (status == 0)
        status = write_meta(f);
    if (status == 0)
        status = write_strings(f);
    for (uint32_t type = N1_FILE_PROCESSES; type < N1_FILE_END && status == 0; type++) {
        enum n1_segment_kind kind = (enum n1_segment_kind)n1_file_chunk_kind(type);
        status = n1_model_fields[kind].ring ? for_each_row(f, kind, write_row) : write_table(f, type, kind);
    }
    return status == 0 ? write_end(f) : status;
}

/* One try over one pass. -EAGAIN: ids changed meanwhile, what was written is to be taken back. */
static int attempt(struct recording *f)
{
    int status = n1_reader_begin(f->r);
    if (status < 0)
        return status;
    f->used = 0;
    f->type = 0;
    memset(f->records, 0, sizeof(f->records));
    for (size_t i = 0; i < TABLES; i++) {
        free(f->id[tables[i]]);
        f->id[tables[i]] = calloc(f->r->head[tables[i]], sizeof(uint32_t));
        if (!f->id[tables[i]])
            return -ENOMEM;
    }
    number_all(f);
    if (n1_reader_end(f->r) < 0)
        return -EAGAIN;
    status = write_everything(f);
    if (n1_reader_end(f->r) < 0 && (status == 0 || status == -EAGAIN))
        return -EAGAIN;
    return status;
}

static int copy_out(int from, int to)
{
    static const size_t part = 1 << 16;
    char *buffer = malloc(part);
    ssize_t n = buffer ? 0 : -1;
    int status = buffer ? 0 : -ENOMEM;
    for (off_t at = 0; status == 0 && (n = pread(from, buffer, part, at)) > 0; at += n)
        status = write_all(to, buffer, (size_t)n);
    free(buffer);
    return status == 0 && n < 0 ? -EIO : status;
}

int n1_file_write(struct n1_reader *r, int fd, n1_ns from, n1_ns to, struct n1_error *reterr)
{
    struct stat st;
    struct recording *f = calloc(1, sizeof(*f));
    int status, aside = -1;
    if (!f)
        return n1_error_set(reterr, -ENOMEM, "out of memory");
    f->from = from;
    f->to = to;
    status = n1_reader_open_memory(r->header, r->bytes, &f->r, reterr);
    if (status < 0)
        goto finish;
    memcpy(f->r->host, r->host, sizeof(f->r->host));
    if (r->redaction && (status = n1_reader_redact(f->r, true)) < 0) {
        n1_error_set(reterr, status, "out of memory");
        goto finish;
    }
    /* Only a regular file can be taken back; anything else gets the finished recording. */
    bool in_place = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!in_place && (aside = memfd_create("n1top-recording", MFD_CLOEXEC)) < 0) {
        status = n1_error_set(reterr, -errno, "cannot make room for the recording: %s", strerror(errno));
        goto finish;
    }
    f->fd = in_place ? fd : aside;
    off_t start = lseek(f->fd, 0, SEEK_CUR);
    for (int i = 0; i < TRIES; i++) {
        status = attempt(f);
        if (status != -EAGAIN)
            break;
        struct timespec nap = {.tv_nsec = NAP_NS << i};
        nanosleep(&nap, NULL);
        if (lseek(f->fd, start, SEEK_SET) < 0 || ftruncate(f->fd, start) < 0) {
            status = -errno;
            break;
        }
    }
    if (status == 0 && aside >= 0)
        status = copy_out(aside, fd);
    if (status == -EAGAIN)
        n1_error_hint(reterr, status, "try again",
                      "the recording was not made: its names changed all the time");
    else if (status == N1_E_DAMAGED)
        n1_error_set(reterr, status, "the recording was not made: the model is damaged");
    else if (status < 0)
        n1_error_set(reterr, status, "cannot write the recording: %s", strerror(-status));
finish:
    if (aside >= 0)
        close(aside);
    for (size_t i = 0; i < TABLES; i++)
        free(f->id[tables[i]]);
    n1_reader_close(f->r);
    free(f);
    return status;
}
