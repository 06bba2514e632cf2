/*
 * A name is a claim of the target, and "GC Thread#0" may be anybody's: it is shown as what it is called.
 */
#include "sampler/metrics/collector.h"

#include <stddef.h>
#include <string.h>

static const char *const beginnings[] = {
    "GC Thread#",      /* JVM: parallel and G1 workers */
    "G1 ",             /* G1 Main Marker, G1 Conc#0, G1 Refine#0, G1 Service, G1 Young RemSet */
    "ParGC Thread",    /* parallel, older */
    "Gang worker#",    /* concurrent mark sweep, older */
    "Concurrent Mark", /* the same */
    "Shenandoah",
    "ZWorker",
    "ZDriver",
    "ZDirector",
    "ZUnmapper",
    "ZStat",
    "XWorker",         /* ZGC without generations */
    "V8 DefaultWorke", /* Chromium, Deno */
    "V8Worker",        /* Node.js 20 and later */
    ".NET Server GC",
    ".NET BGC",
    "GC-marker-", /* Boehm */
};

bool n1_is_collector(const char *name)
{
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (!strncmp(name, beginnings[i], strlen(beginnings[i])))
            return true;
    return false;
}
