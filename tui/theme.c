/*
 * Theme files: JSON with comments. cJSON gives the values; positions for messages are found in the text,
 * because a user who edits a theme needs the line. A theme starts from the one it extends ("builtin" when it
 * names none).
 */
#include "tui/theme.h"

#include "n1/sanitise.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THEME_BYTES_MAX (256 * 1024)
#define EXTENDS_MAX 4

static const char *const role_names[N1_ROLE_COUNT] = {
#define X(id, name, letter) name,
    N1_ROLE_MAP(X)
#undef X
};

static const char *const color_names[16] = {"black",       "red",           "green",       "yellow",
                                            "blue",        "magenta",       "cyan",        "white",
                                            "brightblack", "brightred",     "brightgreen", "brightyellow",
                                            "brightblue",  "brightmagenta", "brightcyan",  "brightwhite"};

struct parser {
    const char *source;
    char *text; /* comments blanked, NUL-terminated, same positions as the file */
    struct n1_error *reterr;
};

/* Blanks // and block comments outside strings, so that positions stay what they are. */
static void blank_comments(char *text)
{
    bool in_string = false;
    for (char *p = text; *p; p++) {
        if (in_string) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == '"')
                in_string = false;
        } else if (*p == '"') {
            in_string = true;
        } else if (p[0] == '/' && p[1] == '/') {
            while (*p && *p != '\n')
                *p++ = ' ';
            if (*p == '\0')
                return;
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            for (; *p && (end == NULL || p < end + 2); p++)
                *p = *p == '\n' ? '\n' : ' ';
            if (*p == '\0')
                return;
            p--;
        }
    }
}

static int fail_at(const struct parser *parser, const char *at, const char *what, const char *word)
{
    int line = 1, column = 1;
    for (const char *p = parser->text; at != NULL && p < at && *p; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    char shown[80];
    n1_sanitise(shown, sizeof shown, word, strnlen(word, 200));
    return n1_error_hint(parser->reterr, N1_E_CONFIG,
                         "the built-in theme is used until the file is corrected", "%s:%d:%d: %s%s%s%s",
                         parser->source, line, column, what, word[0] ? " \"" : "", shown,
                         word[0] ? "\"" : "");
}

/* Where the member `key` of the object that begins at or after `from` stands in the text; for messages only.
 */
static const char *find_key(const struct parser *parser, const char *from, const char *key)
{
    size_t len = strlen(key);
    for (const char *p = from ? from : parser->text; (p = strchr(p, '"')) != NULL; p++) {
        if (strncmp(p + 1, key, len) == 0 && p[1 + len] == '"' &&
            p[2 + len + strspn(p + 2 + len, " \t\r\n")] == ':')
            return p;
    }
    return from;
}

static int parse_name(const char *word)
{
    if (strcmp(word, "default") == 0)
        return N1_COLOR_DEFAULT;
    for (int i = 0; i < 16; i++) {
        if (strcmp(word, color_names[i]) == 0)
            return i;
    }
    return N1_COLOR_UNSET;
}

static bool parse_rgb(const char *word, int32_t *ret)
{
    if (word[0] != '#' || strlen(word) != 7 || strspn(word + 1, "0123456789abcdefABCDEF") != 6)
        return false;
    *ret = (int32_t)strtol(word + 1, NULL, 16);
    return true;
}

static bool parse_index(const cJSON *value, int16_t *ret)
{
    if (!cJSON_IsNumber(value) || value->valuedouble < 0 || value->valuedouble > 255 ||
        value->valuedouble != value->valueint)
        return false;
    *ret = (int16_t)value->valueint;
    return true;
}

/* "default", "cyan", "#56b4e9", 74, or an object with any of rgb, 256, 16. */
static int parse_color(const struct parser *parser, const cJSON *value, const char *at, struct n1_color *ret)
{
    struct n1_color color = {N1_COLOR_UNSET, N1_COLOR_UNSET, N1_COLOR_UNSET};
    if (cJSON_IsString(value)) {
        int name = parse_name(value->valuestring);
        if (name == N1_COLOR_DEFAULT)
            color = (struct n1_color){N1_COLOR_DEFAULT, N1_COLOR_DEFAULT, N1_COLOR_DEFAULT};
        else if (name >= 0)
            color.c16 = (int16_t)name;
        else if (!parse_rgb(value->valuestring, &color.rgb))
            return fail_at(parser, at, "no such colour:", value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        if (!parse_index(value, &color.c256))
            return fail_at(parser, at, "a colour number is 0 to 255", "");
    } else if (cJSON_IsObject(value) && value->child != NULL) {
        const cJSON *member;
        cJSON_ArrayForEach(member, value)
        {
            const char *word = cJSON_IsString(member) ? member->valuestring : "";
            if (strcmp(member->string, "rgb") == 0 && parse_rgb(word, &color.rgb))
                continue;
            if (strcmp(member->string, "256") == 0 && parse_index(member, &color.c256))
                continue;
            if (strcmp(member->string, "16") == 0 && parse_name(word) != N1_COLOR_UNSET) {
                color.c16 = (int16_t)parse_name(word);
                continue;
            }
            return fail_at(parser, at, "bad colour under", member->string);
        }
    } else {
        return fail_at(parser, at, "a colour is a name, \"#rrggbb\", a number or an object", "");
    }
    *ret = color;
    return 0;
}

static int parse_attrs(const struct parser *parser, const cJSON *value, const char *at, uint8_t *ret)
{
    static const char *const names[] = {"bold", "dim", "underline", "reverse"};
    uint8_t attrs = 0;
    const cJSON *member;
    if (!cJSON_IsArray(value))
        return fail_at(parser, at, "attributes are an array", "");
    cJSON_ArrayForEach(member, value)
    {
        const char *word = cJSON_IsString(member) ? member->valuestring : "";
        int i = 0;
        while (i < 4 && strcmp(word, names[i]) != 0)
            i++;
        if (i == 4 && strcmp(word, "normal") != 0)
            return fail_at(parser, at, "no such attribute:", word);
        attrs |= i < 4 ? (uint8_t)(1 << i) : 0;
    }
    *ret = attrs;
    return 0;
}

static int parse_role(const struct parser *parser, const cJSON *value, const char *at,
                      struct n1_theme_role *role)
{
    struct n1_color none = {N1_COLOR_DEFAULT, N1_COLOR_DEFAULT, N1_COLOR_DEFAULT};
    struct n1_theme_role parsed = {none, none, 0, N1_COLOR_UNSET};
    if (!cJSON_IsObject(value))
        return fail_at(parser, at, "a role is an object:", value->string);
    const cJSON *member;
    cJSON_ArrayForEach(member, value)
    {
        const char *here = find_key(parser, at, member->string);
        uint8_t attrs = 0;
        int rc;
        if (strcmp(member->string, "fg") == 0) {
            rc = parse_color(parser, member, here, &parsed.fg);
        } else if (strcmp(member->string, "bg") == 0) {
            rc = parse_color(parser, member, here, &parsed.bg);
        } else if (strcmp(member->string, "attrs") == 0) {
            rc = parse_attrs(parser, member, here, &parsed.attrs);
        } else if (strcmp(member->string, "mono") == 0) {
            rc = parse_attrs(parser, member, here, &attrs);
            parsed.mono = attrs;
        } else {
            rc = fail_at(parser, here, "a role has fg, bg, attrs and mono, not", member->string);
        }
        if (rc < 0)
            return rc;
    }
    *role = parsed;
    return 0;
}

static int parse_roles(const struct parser *parser, const cJSON *roles, struct n1_theme *theme)
{
    const char *section = find_key(parser, parser->text, "roles");
    const cJSON *member;
    cJSON_ArrayForEach(member, roles)
    {
        const char *at = find_key(parser, section, member->string);
        int i = 0;
        while (i < N1_ROLE_COUNT && strcmp(role_names[i], member->string) != 0)
            i++;
        if (i == N1_ROLE_COUNT)
            return fail_at(parser, at, "no such role:", member->string);
        int rc = parse_role(parser, member, at, &theme->roles[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int load_depth(const char *name, const char *const *folders, struct n1_theme *ret,
                      struct n1_error *reterr, int depth);

static int parse_document(const struct parser *parser, const cJSON *root, const char *const *folders,
                          struct n1_theme *theme, int depth)
{
    if (!cJSON_IsObject(root))
        return fail_at(parser, parser->text, "a theme is an object", "");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "n1top_theme");
    if (!cJSON_IsNumber(version) || version->valuedouble != 1)
        return fail_at(parser, find_key(parser, NULL, "n1top_theme"), "needs \"n1top_theme\": 1", "");
    const cJSON *extends = cJSON_GetObjectItemCaseSensitive(root, "extends"), *member;
    if (extends != NULL) {
        const char *at = find_key(parser, NULL, "extends");
        if (!cJSON_IsString(extends) || strchr(extends->valuestring, '/') != NULL)
            return fail_at(parser, at, "extends is the name of a theme", "");
        if (depth >= EXTENDS_MAX)
            return fail_at(parser, at, "too many themes extend one another", "");
        if (strcmp(extends->valuestring, "builtin") != 0) {
            int rc = load_depth(extends->valuestring, folders, theme, parser->reterr, depth + 1);
            if (rc < 0)
                return rc;
        }
    }
    cJSON_ArrayForEach(member, root)
    {
        const char *at = find_key(parser, NULL, member->string);
        if (strcmp(member->string, "name") == 0 && cJSON_IsString(member)) {
            n1_sanitise(theme->name, sizeof theme->name, member->valuestring, strlen(member->valuestring));
        } else if (strcmp(member->string, "background") == 0 && cJSON_IsString(member)) {
            theme->light = strcmp(member->valuestring, "light") == 0;
            if (!theme->light && strcmp(member->valuestring, "dark") != 0)
                return fail_at(parser, at, "background is dark or light, not", member->valuestring);
        } else if (strcmp(member->string, "roles") == 0 && cJSON_IsObject(member)) {
            int rc = parse_roles(parser, member, theme);
            if (rc < 0)
                return rc;
        } else if (strcmp(member->string, "n1top_theme") != 0 && strcmp(member->string, "extends") != 0) {
            return fail_at(parser, at, "unknown or of the wrong type:", member->string);
        }
    }
    return 0;
}

static int parse_depth(const char *text, size_t len, const char *source, const char *const *folders,
                       struct n1_theme *ret, struct n1_error *reterr, int depth)
{
    struct parser parser = {source, NULL, reterr};
    struct n1_theme theme;
    cJSON *root = NULL;
    int rc;
    if (len > THEME_BYTES_MAX)
        return n1_error_set(reterr, N1_E_CONFIG, "%s: larger than a theme can be", source);
    parser.text = calloc(1, len + 1);
    if (parser.text == NULL)
        return n1_error_set(reterr, -ENOMEM, "no memory for the theme %s", source);
    memcpy(parser.text, text, len);
    if (strcmp(source, "builtin") == 0) {
        memset(&theme, 0, sizeof theme);
        struct n1_color none = {N1_COLOR_DEFAULT, N1_COLOR_DEFAULT, N1_COLOR_DEFAULT};
        for (int i = 0; i < N1_ROLE_COUNT; i++)
            theme.roles[i] = (struct n1_theme_role){none, none, 0, N1_COLOR_UNSET};
    } else {
        n1_theme_builtin(&theme);
    }
    blank_comments(parser.text);
    const char *end = NULL;
    root = cJSON_ParseWithOpts(parser.text, &end, 1);
    if (root == NULL)
        rc = fail_at(&parser, end, "not JSON here", "");
    else
        rc = parse_document(&parser, root, folders, &theme, depth);
    if (rc == 0)
        *ret = theme;
    cJSON_Delete(root);
    free(parser.text);
    return rc;
}

int n1_theme_parse(const char *text, size_t len, const char *source, const char *const *folders,
                   struct n1_theme *ret, struct n1_error *reterr)
{
    return parse_depth(text, len, source, folders, ret, reterr, 0);
}

static int load_file(int fd, const char *path, const char *const *folders, struct n1_theme *ret,
                     struct n1_error *reterr, int depth)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > THEME_BYTES_MAX)
        return n1_error_set(reterr, N1_E_CONFIG, "%s: not a theme file", path);
    char *text = malloc((size_t)st.st_size + 1);
    if (text == NULL)
        return n1_error_set(reterr, -ENOMEM, "no memory for the theme %s", path);
    ssize_t got = pread(fd, text, (size_t)st.st_size, 0);
    int rc = got < 0 ? n1_error_set(reterr, -errno, "cannot read the theme %s", path)
                     : parse_depth(text, (size_t)got, path, folders, ret, reterr, depth);
    free(text);
    return rc;
}

static int load_depth(const char *name, const char *const *folders, struct n1_theme *ret,
                      struct n1_error *reterr, int depth)
{
    static const char *const none[] = {NULL};
    char path[4096];
    bool by_path = strchr(name, '/') != NULL;
    for (const char *const *folder = by_path   ? (const char *const[]){"", NULL}
                                     : folders ? folders
                                               : none;
         *folder; folder++) {
        int len = by_path ? snprintf(path, sizeof path, "%s", name)
                          : snprintf(path, sizeof path, "%s/%s.json", *folder, name);
        if (len < 0 || (size_t)len >= sizeof path)
            continue;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
            continue;
        int rc = load_file(fd, path, folders, ret, reterr, depth);
        close(fd);
        return rc;
    }
    if (!by_path && strcmp(name, "default-dark") == 0) { /* inside the program, wherever the files are */
        n1_theme_builtin(ret);
        return 0;
    }
    char list[200];
    n1_theme_list(folders, list, sizeof list);
    char hint[256];
    snprintf(hint, sizeof hint, "themes found: %s", list[0] ? list : "default-dark (built in)");
    return n1_error_hint(reterr, N1_E_NO_FILE, hint, "no theme \"%s\"", name);
}

int n1_theme_load(const char *name, const char *const *folders, struct n1_theme *ret, struct n1_error *reterr)
{
    return load_depth(name, folders, ret, reterr, 0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

void n1_theme_list(const char *const *folders, char *out, size_t cap)
{
    char names[64][64];
    size_t count = 0, used = 0;
    out[0] = '\0';
    for (; folders != NULL && *folders != NULL; folders++) {
        DIR *dir = opendir(*folders);
        if (dir == NULL)
            continue;
        for (struct dirent *entry; count < 64 && (entry = readdir(dir)) != NULL;) {
            size_t len = strlen(entry->d_name);
            if (len > 5 && len - 5 < sizeof names[0] && strcmp(entry->d_name + len - 5, ".json") == 0) {
                n1_sanitise(names[count], sizeof names[count], entry->d_name, len - 5);
                count++;
            }
        }
        closedir(dir);
    }
    qsort(names, count, sizeof names[0], by_text);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        int len = snprintf(out + used, cap - used, "%s%s", used ? ", " : "", names[i]);
        if (len < 0 || (size_t)len >= cap - used) {
            out[used] = '\0';
            break;
        }
        used += (size_t)len;
    }
}
