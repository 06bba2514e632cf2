/*
 * The commands beside the live screen: `n1top NAME …`. One file and one line of the table a command.
 */
#ifndef N1_TUI_COMMANDS_COMMAND_H
#define N1_TUI_COMMANDS_COMMAND_H

#include "n1/config.h"
#include "n1/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { N1_COMMAND_PIDS = 255 };

/* What the commands have in common; each takes the options it names. */
struct n1_command_args {
    pid_t pids[N1_COMMAND_PIDS];
    size_t pid_count;
    char **command; /* after "--"; NULL: none */
    char **files;   /* what is left; borrowed from argv */
    size_t file_count;
    double seconds;       /* -d; 0: until stopped */
    double rate_hz;       /* -r; 0: as configured */
    const char *output;   /* -o; NULL: not given */
    const char *format;   /* --format; NULL: not given */
    const char *engine;   /* --engine; NULL: not given */
    const char *function; /* --function; NULL: not given */
    const char *config, *log;
    size_t top; /* --top; 0: not given */
    int of;     /* --of; enum n1_profile_of */
    bool trace; /* of the allocator, whatever it costs */
    bool redact, json, children, memory;
};

/* Letters for n1_command.options: which options a command takes. */
#define N1_TAKES_PID "p"
#define N1_TAKES_COMMAND "x"
#define N1_TAKES_SECONDS "d"
#define N1_TAKES_RATE "r"
#define N1_TAKES_OUTPUT "o"
#define N1_TAKES_FORMAT "F"
#define N1_TAKES_ENGINE "e"
#define N1_TAKES_TOP "t"
#define N1_TAKES_REDACT "R"
#define N1_TAKES_JSON "j"
#define N1_TAKES_CHILDREN "C"
#define N1_TAKES_MEMORY "m"
#define N1_TAKES_OF "O"
#define N1_TAKES_TRACE "T"
#define N1_TAKES_FUNCTION "N"
#define N1_TAKES_FILE "f"

struct n1_command {
    const char *name, *usage, *text; /* text: one line for the list of commands */
    const char *options;             /* N1_TAKES_… in a row */
    const char *details;             /* more for its --help; may be NULL */
    /* Returns the exit status. */
    int (*run)(const struct n1_command_args *args, const struct n1_config *config);
};

extern const struct n1_command *const n1_commands[]; /* NULL-terminated */
const struct n1_command *n1_command_find(const char *name);

/* Parses argv[1…] for `command`, loads the configuration and runs it; --help prints its help. Exit status. */
int n1_command_main(const struct n1_command *command, int argc, char **argv);

/* The list of commands as --help of the program shows it. */
void n1_command_list(FILE *out);

#endif
