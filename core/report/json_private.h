/*
 * Between the files of the JSON report: one object being written, and the parts that write its members, each
 * with a comma before it.
 */
#ifndef CORE_REPORT_JSON_PRIVATE_H
#define CORE_REPORT_JSON_PRIVATE_H

#include "core/report/facts.h"

#include "n1/sanitise.h"

#include <cjson/cJSON.h>

struct n1_json {
    FILE *out;
    struct n1_report *report;
    struct n1_history *history;
    struct n1_facts facts;
    size_t all_seconds;    /* whole finished seconds of the window */
    size_t seconds;        /* the last of them: the measurements of every function */
    uint64_t *second_ns;   /* room for one value a second */
    double *second_values; /* … and once more */
    bool failed;           /* no memory */
};

/* Writes and deletes `value`. */
void n1_json_put(struct n1_json *j, cJSON *value);
/* "key": */
void n1_json_key(struct n1_json *j, const char *key);
/* ,"key":value */
void n1_json_member(struct n1_json *j, const char *key, cJSON *value);
/* Adds a number, null when it is not finite. */
void n1_json_number(cJSON *object, const char *key, double value);
/* Adds a string of the model, null for id 0. */
void n1_json_text(const struct n1_json *j, cJSON *object, const char *key, uint32_t string);

double n1_json_seconds(uint64_t ns);
double n1_json_epoch(const struct n1_json *j, n1_ns time);
double n1_json_percent(uint64_t part, uint64_t whole); /* NAN of nothing */

void n1_json_functions(struct n1_json *j);
void n1_json_hotspots(struct n1_json *j);
void n1_json_tree(struct n1_json *j);
void n1_json_threads(struct n1_json *j);
void n1_json_memory(struct n1_json *j);
void n1_json_io(struct n1_json *j);
void n1_json_waits(struct n1_json *j);
/* Time in I/O by file and by function, into the object of "io". */
void n1_json_io_waits(struct n1_json *j, cJSON *io);
void n1_json_anomalies(struct n1_json *j);

#endif
