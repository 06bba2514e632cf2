/*
 * What an engine without events of its own does not tell: children that were born, and programs that became
 * others by exec. Looked for once a second. Sampler thread only.
 */
#ifndef N1_SAMPLER_FOLLOW_H
#define N1_SAMPLER_FOLLOW_H

struct n1_watch;

void n1_follow(struct n1_watch *watch);

#endif
