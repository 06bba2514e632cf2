/*
 * Roles: what a cell means. Views give every cell a role, a theme gives every role a look; nothing else in
 * the program knows a colour. X(id, name in theme files, letter in role dumps)
 */
#ifndef N1_TUI_ROLE_H
#define N1_TUI_ROLE_H

#define N1_ROLE_MAP(X)                                                                                       \
    X(TEXT, "text", ' ')                                                                                     \
    X(DIM, "dim", '.')                                                                                       \
    X(TITLE, "title", 't')                                                                                   \
    X(BORDER, "border", '-')                                                                                 \
    X(LABEL, "label", 'l')                                                                                   \
    X(VALUE, "value", 'v')                                                                                   \
    X(UNKNOWN, "unknown", '?')                                                                               \
    X(SELECTED, "selected", 'S')                                                                             \
    X(SELECTED_DIM, "selected.unfocused", 's')                                                               \
    X(KIND_UNKNOWN, "kind.unknown", 'u')                                                                     \
    X(KIND_NATIVE, "kind.native", 'n')                                                                       \
    X(KIND_PYTHON, "kind.python", 'p')                                                                       \
    X(KIND_KERNEL, "kind.kernel", 'k')                                                                       \
    X(KIND_JIT, "kind.jit", 'j')                                                                             \
    X(KIND_GC, "kind.gc", 'g')                                                                               \
    X(FLAME_UNKNOWN, "flame.unknown", 'U')                                                                   \
    X(FLAME_NATIVE, "flame.native", 'N')                                                                     \
    X(FLAME_PYTHON, "flame.python", 'P')                                                                     \
    X(FLAME_KERNEL, "flame.kernel", 'K')                                                                     \
    X(FLAME_JIT, "flame.jit", 'J')                                                                           \
    X(FLAME_GC, "flame.gc", 'G')                                                                             \
    X(FLAME_UNKNOWN_ALT, "flame.unknown.alt", '1')                                                           \
    X(FLAME_NATIVE_ALT, "flame.native.alt", '2')                                                             \
    X(FLAME_PYTHON_ALT, "flame.python.alt", '3')                                                             \
    X(FLAME_KERNEL_ALT, "flame.kernel.alt", '4')                                                             \
    X(FLAME_JIT_ALT, "flame.jit.alt", '5')                                                                   \
    X(FLAME_GC_ALT, "flame.gc.alt", '6')                                                                     \
    X(FLAME_REST, "flame.rest", 'R')                                                                         \
    X(FLAME_PARENT, "flame.ancestor", 'A')                                                                   \
    X(MATCH, "match", 'M')                                                                                   \
    X(HEAT_0, "heat.0", 'a')                                                                                 \
    X(HEAT_1, "heat.1", 'b')                                                                                 \
    X(HEAT_2, "heat.2", 'c')                                                                                 \
    X(HEAT_3, "heat.3", 'd')                                                                                 \
    X(HEAT_4, "heat.4", 'e')                                                                                 \
    X(CHANGE_MORE, "change.more", '+')                                                                       \
    X(CHANGE_LESS, "change.less", '<')                                                                       \
    X(CHANGE_NEW, "change.new", '*')                                                                         \
    X(CHANGE_GONE, "change.gone", '~')                                                                       \
    X(FLAME_MORE, "flame.more", '^')                                                                         \
    X(FLAME_LESS, "flame.less", '_')                                                                         \
    X(FLAME_NEW, "flame.new", '@')                                                                           \
    X(FLAME_SAME, "flame.same", '=')                                                                         \
    X(FLAME_HEAT_0, "flame.heat.0", '7')                                                                     \
    X(FLAME_HEAT_1, "flame.heat.1", '8')                                                                     \
    X(FLAME_HEAT_2, "flame.heat.2", '9')                                                                     \
    X(FLAME_HEAT_3, "flame.heat.3", '0')                                                                     \
    X(FLAME_HEAT_4, "flame.heat.4", '$')                                                                     \
    X(SPARK_CPU, "spark.cpu", 'C')                                                                           \
    X(SPARK_MEM, "spark.mem", 'm')                                                                           \
    X(SPARK_WAIT, "spark.wait", 'w')                                                                         \
    X(BAR, "bar", '#')                                                                                       \
    X(LOG_INFO, "log.info", 'i')                                                                             \
    X(LOG_WARN, "log.warn", 'W')                                                                             \
    X(LOG_CRIT, "log.crit", '!')                                                                             \
    X(LIVE, "live", 'L')                                                                                     \
    X(PAUSED, "paused", 'Z')                                                                                 \
    X(ENDED, "ended", 'E')                                                                                   \
    X(ERROR, "error", 'X')                                                                                   \
    X(INPUT, "input", 'I')                                                                                   \
    X(FBAR_KEY, "fbar.key", 'F')                                                                             \
    X(FBAR_TEXT, "fbar.text", 'f')

enum n1_role {
#define X(id, name, letter) N1_ROLE_##id,
    N1_ROLE_MAP(X)
#undef X
        N1_ROLE_COUNT
};

#endif
