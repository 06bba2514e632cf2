/*
 * The configuration: defaults, the preset of the mode, and above both what a file says. Look-up: the path
 * given, else $XDG_CONFIG_HOME/n1top/config.json (or ~/.config when that is unset), else
 * /etc/n1top/config.json, else the built-in defaults; never the current folder, and in a program with file
 * capabilities never the environment. The keys are one table in core/config.c; config.json in the root of the
 * sources explains each.
 */
#ifndef N1_CONFIG_H
#define N1_CONFIG_H

#include "n1/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum n1_mode { N1_MODE_DEVELOPMENT, N1_MODE_PRODUCTION, N1_MODE_COUNT };
enum n1_engine_choice {
    N1_ENGINE_CHOICE_AUTO,
    N1_ENGINE_CHOICE_PERF,
    N1_ENGINE_CHOICE_PTRACE,
    N1_ENGINE_CHOICE_NONSTOP
};
enum n1_glyphs_choice { N1_GLYPHS_AUTO, N1_GLYPHS_BRAILLE, N1_GLYPHS_BLOCK, N1_GLYPHS_ASCII };
enum n1_color_choice { N1_COLOR_AUTO, N1_COLOR_NEVER, N1_COLOR_8, N1_COLOR_16, N1_COLOR_256, N1_COLOR_RGB };
enum n1_motion_choice { N1_MOTION_AUTO, N1_MOTION_SWEEP, N1_MOTION_SCROLL };

struct n1_config_list {
    char **items;
    size_t count;
};

struct n1_config_pair {
    char *key, *value;
};

struct n1_config_map {
    struct n1_config_pair *pairs;
    size_t count;
};

/* One "RULE": {"KEY": number or bool} of profiling.anomaly_detection.rules. */
struct n1_config_rule_value {
    char *rule, *key;
    double number; /* a bool is 0 or 1 */
    bool boolean;
    unsigned line; /* in the file, for messages */
};

struct n1_config_rules {
    struct n1_config_rule_value *values;
    size_t count;
};

struct n1_config {
    char *source; /* the file it came from; NULL: built in */

    bool enabled;               /* profiling.enabled: false refuses to attach */
    int mode;                   /* enum n1_mode */
    double sampling_interval_s; /* of each thread's CPU time */
    uint32_t max_history;       /* one-second windows kept for execution_time and trends */
    char *output_dir;           /* for files without -o */
    int engine;                 /* enum n1_engine_choice */
    bool memory_tracking;       /* sample page faults */
    struct n1_config_list select_include, select_exclude; /* patterns of functions, modules, threads */
    double limit_cpu_percent;                             /* of one CPU, the sampler's */
    uint32_t limit_memory_mb;                             /* of the model and the sampler's tables */
    double linger_s;                                      /* sampler's life after a hang-up of the terminal */
    char *allow_group;           /* may profile others' processes; only the file in /etc is asked; "": none */
    bool redact;                 /* as n1_reader_redact(), always */
    struct n1_config_map labels; /* added to every report */
    bool regression_enabled;
    char *baseline_file;
    uint32_t regression_min_samples;
    double latency_increase, memory_increase, cpu_increase; /* fractions, 0.20 = a fifth more */
    bool anomaly_enabled;
    struct n1_config_rules rules;
    char *metrics_listen; /* ADDRESS:PORT */

    char *theme;
    int glyphs, color, motion; /* enum n1_glyphs_choice, n1_color_choice, n1_motion_choice */
    double refresh_s;
    bool mouse;
    struct n1_config_map keys; /* action -> key */
};

/* Built-in defaults of a mode. Returns 0 or -ENOMEM. */
int n1_config_init(struct n1_config *ret, enum n1_mode mode);

/* NULL is fine, and so is a config that is all zero. */
void n1_config_finish(struct n1_config *config);

/* Finds, reads and checks the file; `path` is that of --config or NULL. Returns 0 with *ret the caller's
 * (n1_config_finish); N1_E_NO_FILE when `path` is not there; N1_E_CONFIG with "FILE:LINE: KEY.PATH: what" for
 * an unknown key, a wrong type or a value out of range; -errno when a file is there but cannot be read. */
int n1_config_load(struct n1_config *ret, const char *path, struct n1_error *reterr);

/* The same from memory; `name` stands for the file. */
int n1_config_parse(struct n1_config *ret, const char *text, size_t length, const char *name,
                    struct n1_error *reterr);

/* A key an anomaly rule takes; the rules' author keeps the table. Booleans have least 0, most 1. */
struct n1_config_rule_key {
    const char *rule, *key;
    bool boolean;
    double least, most;
};

/* Checks the rules of the file against the table: N1_E_CONFIG with file, line and key path for a rule or key
 * that is not in it, a wrong type, or a value out of range. */
int n1_config_check_rules(const struct n1_config *config, const struct n1_config_rule_key *table,
                          size_t count, struct n1_error *reterr);

/* The value the file gives, or `otherwise`. */
double n1_config_rule(const struct n1_config *config, const char *rule, const char *key, double otherwise);

/* Path of the i-th key ("profiling.mode"), for help and tests; NULL beyond the last. */
const char *n1_config_key(size_t i);

/* An engine as the configuration and --engine name it. */
const char *n1_config_engine_name(int engine);

#endif
