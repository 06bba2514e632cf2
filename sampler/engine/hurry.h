/*
 * Asks the scheduler to serve this thread soon. A ring holds some 50 ms at high rates, a stopped thread waits
 * for us, and a machine full of busy threads lets a newcomer wait as long. We need little time but soon: a
 * short slice (Linux 6.12 lets everybody ask for it) and, where permitted, a better nice value; neither is
 * inherited by children.
 */
#ifndef N1_SAMPLER_ENGINE_HURRY_H
#define N1_SAMPLER_ENGINE_HURRY_H

void n1_engine_hurry(void);

#endif
