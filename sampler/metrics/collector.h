/*
 * Which threads collect garbage, by their names: those that the runtimes give them, as the kernel keeps them
 * (15 bytes). Pure.
 */
#ifndef N1_SAMPLER_METRICS_COLLECTOR_H
#define N1_SAMPLER_METRICS_COLLECTOR_H

#include <stdbool.h>

/* True for threads of the JVM's collectors (serial, parallel, G1, Z, Shenandoah), V8's workers (which
 * collect, and compile beside it), .NET's and the Boehm collector. */
bool n1_is_collector(const char *name);

#endif
