/*
 * The members of every entry as data: where each lies, how wide it is and what kind of id it holds. Marking
 * and rewriting in a generation step, checking and numbering ids in recordings all run over this one table,
 * so that a member that holds an id cannot be forgotten in one of them. Reserved members are left out.
 */
#ifndef N1_CORE_MODEL_FIELDS_H
#define N1_CORE_MODEL_FIELDS_H

#include "n1/model.h"

#include <stdbool.h>
#include <stddef.h>

#define N1_REF_NONE 0xff
#define N1_REF_SCOPE 0xfe /* process or thread id, or none: the metric beside it says which */
/* every other value: the enum n1_segment_kind of the table that the id belongs to */

struct n1_field {
    uint16_t at;   /* offset in the entry */
    uint8_t bytes; /* 4, 8, or 20 for a build id */
    uint8_t ref;
};

struct n1_fields {
    const struct n1_field *field;
    uint16_t count;
    uint16_t packed_bytes; /* sum of the widths: a record of the file */
    uint16_t stride;       /* sizeof the entry */
    bool ring;
};

/* By enum n1_segment_kind; STRING_INDEX and STRING_BYTES have no fields. */
extern const struct n1_fields n1_model_fields[N1_SEGMENT_COUNT];

/* The table that the scope of a metric belongs to: PROCESSES or THREADS; N1_REF_NONE for the host or no
 * metric. */
uint8_t n1_model_scope_ref(uint32_t metric);

static inline uint32_t n1_field_id(const void *entry, const struct n1_field *f)
{
    uint32_t id;
    __builtin_memcpy(&id, (const char *)entry + f->at, sizeof(id));
    return id;
}

static inline void n1_field_set_id(void *entry, const struct n1_field *f, uint32_t id)
{
    __builtin_memcpy((char *)entry + f->at, &id, sizeof(id));
}

#endif
