/*
 * Sums of what comes and goes (memory in use, open files) are no series of independent values about a line:
 * their neighbours are alike by nature, and a test for trends has to throw most of them away. What tells a
 * leak from a busy program is that the low points rise.
 */
#include "n1/stat.h"

#include <math.h>

enum { LONG = 16, LEAST = 10, BLOCKS_LONG = 8, BLOCKS_SHORT = 6 };

double n1_stat_climb(const double *values, size_t n)
{
    size_t blocks = n >= LONG ? BLOCKS_LONG : BLOCKS_SHORT, length = n / blocks;
    double least[BLOCKS_LONG];
    if (n < LEAST)
        return 0;
    for (size_t b = 0; b < blocks; b++) {
        least[b] = INFINITY;
        for (size_t i = 0; i < length; i++)
            least[b] = fmin(least[b], values[n - (blocks - b) * length + i]);
    }
    double grown = least[blocks - 1] - least[0];
    for (size_t b = 0; b + 1 < blocks; b++)
        if (!(least[b + 1] - least[b] >= grown / (double)(blocks - 1) / 4) || !(least[b + 1] > least[b]))
            return 0;
    return grown / (double)((blocks - 1) * length);
}
