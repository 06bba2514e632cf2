/*
 * Frames of stacks as text, for the commands that print them.
 */
#ifndef N1_TUI_COMMANDS_FRAME_TEXT_H
#define N1_TUI_COMMANDS_FRAME_TEXT_H

#include "n1/reader.h"

/* The name of a frame's function, or "module+0x12", in `name`; *ret_module is its module's last component,
 * valid as the reader's strings are. */
void n1_frame_text(struct n1_reader *r, uint32_t id, char *name, size_t name_cap, const char **ret_module);

/* Frames of the stack `leaf` on the chain `node`, leaf first; returns how many were stored. */
size_t n1_frames_of(struct n1_reader *r, uint32_t node, uint32_t leaf, uint32_t *ret, size_t cap);

#endif
