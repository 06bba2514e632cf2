/*
 * Names as far as the model has them.
 */
#include "tui/commands/frame_text.h"

#include <stdio.h>
#include <string.h>

void n1_frame_text(struct n1_reader *r, uint32_t id, char *name, size_t name_cap, const char **ret_module)
{
    struct n1_model_frame frame;
    struct n1_model_function function;
    struct n1_model_module module;
    n1_reader_frame(r, id, &frame);
    n1_reader_module(r, frame.module, &module);
    const char *path = n1_reader_string(r, module.path);
    const char *slash = strrchr(path, '/');
    *ret_module = slash && slash[1] ? slash + 1 : path;
    if (frame.function && n1_reader_function(r, frame.function, &function))
        snprintf(name, name_cap, "%s", n1_reader_string(r, function.name));
    else if (frame.module)
        snprintf(name, name_cap, "%s+0x%llx", *ret_module, (unsigned long long)frame.offset);
    else
        snprintf(name, name_cap, "0x%llx", (unsigned long long)frame.offset);
}

size_t n1_frames_of(struct n1_reader *r, uint32_t node, uint32_t leaf, uint32_t *ret, size_t cap)
{
    size_t n = 0;
    if (leaf && n < cap)
        ret[n++] = leaf;
    struct n1_model_node entry;
    for (uint32_t id = node; id && n < cap && n1_reader_node(r, id, &entry); id = entry.parent)
        ret[n++] = entry.frame;
    return n;
}
