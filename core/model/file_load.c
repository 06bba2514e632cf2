/*
 * Loading a recording. The file is read twice with pread, never mapped: first every chunk is checked
 * (lengths, sums, versions) and its records are counted, then a private model of just that size is filled,
 * with every id held against the counts. Whatever the file says, memory stays within a small factor of its
 * size. A file that ends early, or whose END tells other counts, is damaged: half a recording is never shown
 * as a whole one.
 */
#include "core/model/fields.h"
#include "core/model/file_format.h"
#include "core/model/reader.h"
#include "core/model/writer.h"
#include "n1/file.h"
#include "n1/metric.h"
#include "n1/sanitise.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_BYTES 65536u

struct chunk {
    uint32_t type, version, crc, flags;
    uint64_t bytes, at; /* at: offset of its header in the file */
};

struct loading {
    const char *path;
    int fd;
    uint64_t bytes;
    uint8_t *payload; /* N1_FILE_PAYLOAD_MAX */
    uint64_t records[N1_FILE_CHUNK_END];
    uint64_t string_bytes; /* as they will lie in the model */
    bool ended;
    cJSON *meta;
    struct n1_writer *w;
    uint32_t *series; /* id in the model of each series of the file; 0: a metric that is not known here */
    uint64_t series_seen;
    struct n1_error *reterr;
};

static int damaged(const struct loading *l, const struct chunk *c, const char *what)
{
    return n1_error_set(l->reterr, N1_E_DAMAGED, "%s is damaged: chunk %s at byte %" PRIu64 ": %s", l->path,
                        n1_file_chunk_name(c->type), c->at, what);
}

/* Reads whole; -EIO is a read error, N1_E_DAMAGED the end of the file. */
static int read_at(const struct loading *l, void *to, size_t bytes, uint64_t at)
{
    for (char *p = to; bytes;) {
        ssize_t n = pread(l->fd, p, bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return n1_error_set(l->reterr, -errno, "cannot read %s: %s", l->path, strerror(errno));
        if (n == 0)
            return n1_error_set(l->reterr, N1_E_DAMAGED, "%s is damaged: it became shorter while it was read",
                                l->path);
        p += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

/* Reads the chunk's header at `at`, and its payload into l->payload when its type is known; checks its sum.
 */
static int read_chunk(const struct loading *l, uint64_t at, struct chunk *c)
{
    uint8_t head[N1_FILE_CHUNK_BYTES];
    *c = (struct chunk){.at = at};
    if (l->bytes - at < sizeof(head))
        return damaged(l, c, "the file ends inside a chunk's header");
    int status = read_at(l, head, sizeof(head), at);
    if (status < 0)
        return status;
    c->type = n1_get_u32(head);
    c->version = n1_get_u32(head + 4);
    c->bytes = n1_get_u64(head + 8);
    c->crc = n1_get_u32(head + 16);
    c->flags = n1_get_u32(head + 20);
    bool known = c->type >= N1_FILE_META && c->type < N1_FILE_CHUNK_END;
    if (c->bytes > l->bytes - at - sizeof(head))
        return damaged(l, c, "the file ends inside it");
    if (known ? c->version < 1 || c->version > n1_file_chunk_version(c->type)
              : (c->flags & N1_FILE_CHUNK_MUST) != 0)
        return n1_error_set(l->reterr, N1_E_VERSION,
                            "%s needs a later n1top: chunk type %u version %u at byte %" PRIu64, l->path,
                            c->type, c->version, at);
    if (known && c->bytes > N1_FILE_PAYLOAD_MAX)
        return damaged(l, c, "it is longer than chunks are");
    uint32_t crc = 0;
    for (uint64_t done = 0; done < c->bytes;) {
        size_t part = c->bytes - done < PART_BYTES ? (size_t)(c->bytes - done) : PART_BYTES;
        uint8_t *to = known ? l->payload + done : l->payload;
        status = read_at(l, to, part, at + sizeof(head) + done);
        if (status < 0)
            return status;
        crc = n1_crc32(crc, to, part);
        done += part;
    }
    return crc == c->crc ? 0 : damaged(l, c, "its check sum is wrong");
}

static int for_each_chunk(struct loading *l, int (*each)(struct loading *l, const struct chunk *c))
{
    uint64_t at = N1_FILE_HEADER_BYTES;
    while (at < l->bytes) {
        struct chunk c;
        int status = read_chunk(l, at, &c);
        if (status == 0)
            status = each(l, &c);
        if (status < 0)
            return status;
        at += N1_FILE_CHUNK_BYTES + c.bytes;
    }
    return 0;
}

static int check_header(struct loading *l)
{
    uint8_t head[N1_FILE_HEADER_BYTES];
    if (l->bytes < sizeof(head))
        return n1_error_set(l->reterr, N1_E_NOT_OURS, "%s is not an n1top recording: it is too short",
                            l->path);
    int status = read_at(l, head, sizeof(head), 0);
    if (status < 0)
        return status;
    if (memcmp(head, N1_FILE_MAGIC, strlen(N1_FILE_MAGIC)) != 0)
        return n1_error_set(l->reterr, N1_E_NOT_OURS, "%s is not an n1top recording", l->path);
    if (n1_get_u32(head + 28) != n1_crc32(0, head, 28))
        return n1_error_set(l->reterr, N1_E_DAMAGED, "%s is damaged: the check sum of its header is wrong",
                            l->path);
    if (n1_get_u32(head + 8) != N1_FILE_MAJOR || n1_get_u64(head + 16) != 0 ||
        n1_get_u32(head + 24) != N1_FILE_HEADER_BYTES)
        return n1_error_set(l->reterr, N1_E_VERSION,
                            "%s is of format version %u, this n1top reads version %u", l->path,
                            n1_get_u32(head + 8), N1_FILE_MAJOR);
    return 0;
}

/* --- first reading: check and count --- */

static int count_strings(struct loading *l, const struct chunk *c)
{
    for (uint64_t at = 0; at < c->bytes;) {
        if (c->bytes - at < 4)
            return damaged(l, c, "a string's length is cut");
        uint32_t length = n1_get_u32(l->payload + at);
        if (length > N1_MODEL_STRING_MAX || length > c->bytes - at - 4)
            return damaged(l, c, "a string is longer than the chunk");
        at += 4 + length;
        l->string_bytes += (length + 7) & ~7u;
        l->records[c->type]++;
    }
    return 0;
}

static int check_end(struct loading *l, const struct chunk *c)
{
    uint64_t told[N1_FILE_CHUNK_END] = {0};
    for (uint64_t at = 0; at < c->bytes; at += N1_FILE_END_BYTES) {
        uint32_t type = n1_get_u32(l->payload + at);
        if (type < N1_FILE_END)
            told[type] = n1_get_u64(l->payload + at + 8);
    }
    for (uint32_t type = N1_FILE_META; type < N1_FILE_END; type++)
        if (told[type] != l->records[type])
            return damaged(l, c, "the counts at the end are not those of the file");
    l->ended = true;
    return 0;
}

static int count_chunk(struct loading *l, const struct chunk *c)
{
    if (l->ended)
        return damaged(l, c, "something follows the end");
    if ((c->type == N1_FILE_META) == (l->meta != NULL))
        return damaged(l, c, l->meta ? "there are two" : "the first chunk is not META");
    if (c->type == 0 || c->type >= N1_FILE_CHUNK_END)
        return 0; /* of a later version, which says that it may be passed over */
    if (c->type == N1_FILE_META) {
        l->records[c->type]++;
        l->meta = cJSON_ParseWithLength((const char *)l->payload, c->bytes);
        return cJSON_IsObject(l->meta) ? 0 : damaged(l, c, "it is not a JSON object");
    }
    if (c->type == N1_FILE_STRINGS)
        return count_strings(l, c);
    if (c->bytes % n1_file_record_bytes(c->type, c->version) != 0)
        return damaged(l, c, "its length is not a whole number of records");
    if (c->type == N1_FILE_END)
        return check_end(l, c);
    l->records[c->type] += c->bytes / n1_file_record_bytes(c->type, c->version);
    return l->records[c->type] < UINT32_MAX ? 0 : damaged(l, c, "there are too many records");
}

/* --- second reading: fill --- */

/* Whether `id` names a record of the table in this file. */
static bool names(const struct loading *l, uint8_t table, uint64_t id)
{
    return id <= l->records[n1_file_chunk_of(table)];
}

static bool ids_are_good(const struct loading *l, enum n1_segment_kind kind, const void *entry)
{
    const struct n1_fields *fields = &n1_model_fields[kind];
    for (unsigned i = 0; i < fields->count; i++) {
        const struct n1_field *f = &fields->field[i];
        if (f->ref != N1_REF_NONE && f->ref != N1_REF_SCOPE && !names(l, f->ref, n1_field_id(entry, f)))
            return false;
    }
    return kind != N1_SEGMENT_NODES ||
           ((const struct n1_model_node *)entry)->parent < l->w->head[N1_SEGMENT_NODES];
}

static int fill_strings(struct loading *l, const struct chunk *c)
{
    char text[N1_MODEL_STRING_MAX + 1];
    for (uint64_t at = 0; at + 4 <= c->bytes;) {
        uint32_t length = n1_get_u32(l->payload + at);
        if (length > N1_MODEL_STRING_MAX || length > c->bytes - at - 4)
            break;
        size_t clean = n1_sanitise(text, sizeof(text), (const char *)l->payload + at + 4, length);
        if (!n1_writer_append_string(l->w, text, (uint32_t)clean))
            return damaged(l, c, "the file changed while it was read");
        at += 4 + length;
    }
    return 0;
}

static void string_text(const struct loading *l, uint32_t id, char *out, size_t cap)
{
    const struct n1_model_string *s = N1_WRITER_ENTRY(l->w, STRING_INDEX, n1_model_string, id);
    n1_sanitise(out, cap, (const char *)l->w->entries[N1_SEGMENT_STRING_BYTES] + s->offset, s->len);
}

/* A metric that is not known here, or measured in another unit or of another scope, is left out with its
 * points. */
static int fill_series(struct loading *l, const struct chunk *c, const uint8_t *record)
{
    uint32_t name = n1_get_u32(record), unit = n1_get_u32(record + 4);
    struct n1_model_series entry = {.scope = n1_get_u32(record + 8)};
    char text[256], unit_text[64];
    if (!n1_writer_knows(l->w, N1_SEGMENT_STRING_INDEX, name) ||
        !n1_writer_knows(l->w, N1_SEGMENT_STRING_INDEX, unit))
        return damaged(l, c, "a series has no name");
    string_text(l, name, text, sizeof(text));
    string_text(l, unit, unit_text, sizeof(unit_text));
    int metric = n1_metric_find(text);
    const struct n1_metric_info *info = metric < 0 ? NULL : n1_metric_info(metric);
    if (l->series_seen >= l->records[N1_FILE_SERIES])
        return damaged(l, c, "the file changed while it was read");
    uint32_t *id = &l->series[l->series_seen++];
    if (!info || strcmp(n1_metric_unit_name(info->unit), unit_text) != 0 ||
        info->scope != n1_get_u32(record + 12))
        return 0;
    entry.metric = (uint32_t)metric;
    uint8_t table = n1_model_scope_ref(entry.metric);
    if (table == N1_REF_NONE ? entry.scope != 0 : !names(l, table, entry.scope))
        return damaged(l, c, "a series belongs to nothing");
    *id = n1_writer_append(l->w, N1_SEGMENT_SERIES, &entry);
    return 0;
}

static int fill_point(struct loading *l, const struct chunk *c, const struct n1_model_point *p)
{
    if (p->series == 0 || p->series > l->series_seen)
        return damaged(l, c, "a point comes before its series");
    bool unknown = p->time & N1_POINT_INVALID;
    if (unknown && !names(l, N1_SEGMENT_STRING_INDEX, (uint64_t)p->value))
        return damaged(l, c, "an id is beyond its table");
    if (unknown)
        n1_writer_point_unknown(l->w, l->series[p->series - 1], p->time, (uint32_t)p->value);
    else
        n1_writer_point(l->w, l->series[p->series - 1], p->time, p->value);
    return 0;
}

static int fill_chunk(struct loading *l, const struct chunk *c)
{
    int kind = n1_file_chunk_kind(c->type);
    if (kind < 0)
        return 0;
    if (c->type == N1_FILE_STRINGS)
        return fill_strings(l, c);
    size_t record = n1_file_record_bytes(c->type, c->version);
    uint64_t entry[16];
    for (uint64_t at = 0; at + record <= c->bytes; at += record) {
        int status = 0;
        if (c->type == N1_FILE_SERIES) {
            status = fill_series(l, c, l->payload + at);
        } else {
            n1_file_unpack((enum n1_segment_kind)kind, l->payload + at, record, entry);
            if (!ids_are_good(l, (enum n1_segment_kind)kind, entry))
                status = damaged(l, c, "an id is beyond its table");
            else if (c->type == N1_FILE_POINTS)
                status = fill_point(l, c, (struct n1_model_point *)entry);
            else if (n1_model_fields[kind].ring)
                n1_writer_push(l->w, (enum n1_segment_kind)kind, entry);
            else if (!n1_writer_append(l->w, (enum n1_segment_kind)kind, entry))
                status = damaged(l, c, "the file changed while it was read");
        }
        if (status < 0)
            return status;
    }
    return 0;
}

/* --- META --- */

static uint64_t number_in(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? strtoull(item->valuestring, NULL, 10) : 0;
}

static void fill_header(struct loading *l)
{
    static const char *const self_names[] = {
#define X(name, unit, text) #name,
        N1_SELF_MAP(X)
#undef X
    };
    struct n1_model_header *h = n1_writer_header(l->w);
    h->created = number_in(l->meta, "created_ns");
    h->anchor_mono = number_in(l->meta, "anchor_mono_ns");
    h->anchor_wall = (int64_t)number_in(l->meta, "anchor_wall_ns");
    h->clock_ticks = number_in(l->meta, "clock_ticks");
    h->writer_pid = (uint32_t)number_in(l->meta, "writer_pid");
    h->writer_start = 0;
    const cJSON *self = cJSON_GetObjectItemCaseSensitive(l->meta, "self");
    for (int i = 0; i < N1_SELF_COUNT; i++)
        n1_writer_self(l->w, (enum n1_self)i, number_in(self, self_names[i]));
    n1_writer_heartbeat(l->w, number_in(l->meta, "until_ns"));
    n1_writer_state(l->w, N1_STATE_CLOSED);
}

static void keep_host(struct n1_reader *r, const cJSON *meta)
{
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(meta, "host"));
    if (text && strlen(text) < sizeof(r->host))
        strcpy(r->host, text);
    cJSON_free(text);
}

static int load(struct loading *l, struct n1_reader **ret)
{
    uint64_t capacity[N1_SEGMENT_COUNT];
    size_t bytes;
    int status = check_header(l);
    if (status == 0)
        status = for_each_chunk(l, count_chunk);
    if (status < 0)
        return status;
    if (!l->ended)
        return n1_error_set(l->reterr, N1_E_DAMAGED,
                            "%s is damaged: it ends at byte %" PRIu64 " without its END chunk", l->path,
                            l->bytes);
    for (int k = 0; k < N1_SEGMENT_COUNT; k++)
        capacity[k] = (k == N1_SEGMENT_STRING_BYTES ? l->string_bytes : l->records[n1_file_chunk_of(k)]) + 1;
    l->series = calloc(l->records[N1_FILE_SERIES] + 1, sizeof(*l->series));
    if (!l->series)
        return n1_error_set(l->reterr, -ENOMEM, "out of memory for %s", l->path);
    status = n1_writer_create_private(capacity, 1, &l->w, l->reterr);
    if (status == 0)
        status = for_each_chunk(l, fill_chunk);
    if (status < 0)
        return status;
    fill_header(l);
    void *base = n1_writer_base(l->w, &bytes);
    status = n1_reader_open_memory(base, bytes, ret, l->reterr);
    if (status < 0)
        return status;
    (*ret)->loaded = l->w;
    l->w = NULL;
    keep_host(*ret, l->meta);
    n1_reader_begin(*ret);
    return 0;
}

int n1_reader_open_file(const char *path, struct n1_reader **ret, struct n1_error *reterr)
{
    struct loading l = {.path = path, .reterr = reterr};
    struct n1_reader *r = NULL;
    struct stat st;
    int status;

    /* O_NONBLOCK: a pipe under that name must not hang before it is seen to be no file. */
    l.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (l.fd < 0)
        return n1_error_set(reterr, errno == ENOENT ? N1_E_NO_FILE : -errno, "cannot open %s: %s", path,
                            strerror(errno));
    if (fstat(l.fd, &st) < 0) {
        status = n1_error_set(reterr, -errno, "cannot read %s: %s", path, strerror(errno));
        goto finish;
    }
    if (!S_ISREG(st.st_mode)) {
        status = n1_error_set(reterr, N1_E_NOT_OURS, "%s is not a regular file", path);
        goto finish;
    }
    l.bytes = (uint64_t)st.st_size;
    l.payload = malloc(N1_FILE_PAYLOAD_MAX);
    status = l.payload ? load(&l, &r) : n1_error_set(reterr, -ENOMEM, "out of memory for %s", path);
    if (status == 0)
        *ret = r;
finish:
    close(l.fd);
    free(l.payload);
    free(l.series);
    cJSON_Delete(l.meta);
    n1_writer_destroy(l.w);
    return status;
}
