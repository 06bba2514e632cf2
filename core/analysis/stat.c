/*
 * The statistics behind reports and rules. Values of neighbouring seconds are alike, and a test that takes
 * them for independent finds trends in noise; so series are cut into blocks longer than the autocorrelation,
 * and only the blocks' means are tested. The autocorrelation is taken about the straight line: a real slope
 * is not correlation.
 */
#include "n1/stat.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MIN 8
#define BLOCKS_MAX 64
#define SIGNIFICANT 0.01
#define WORTH_SAYING 0.05 /* of the mean, from end to end */

void n1_stat_wilson(uint64_t part, uint64_t whole, double *ret_low, double *ret_high)
{
    const double z = 1.959964;
    *ret_low = 0;
    *ret_high = 1;
    if (whole == 0)
        return;
    double n = (double)whole, share = part < whole ? (double)part / n : 1;
    double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    *ret_low = fmax(middle - half, 0);
    *ret_high = fmin(middle + half, 1);
}

double n1_stat_two_sided(double z)
{
    return erfc(fabs(z) / sqrt(2));
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void swap(double *a, double *b)
{
    double c = *a;
    *a = *b;
    *b = c;
}

/* Hoare's selection: values[k] becomes the k-th smallest, smaller ones lie before it. */
static void select_kth(double *values, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2, i = low, j = high;
        if (values[middle] < values[low])
            swap(&values[middle], &values[low]);
        if (values[high] < values[middle])
            swap(&values[high], &values[middle]);
        if (values[middle] < values[low])
            swap(&values[middle], &values[low]);
        double pivot = values[middle];
        for (;;) {
            while (values[i] < pivot)
                i++;
            while (pivot < values[j])
                j--;
            if (i >= j)
                break;
            swap(&values[i++], &values[j--]);
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
}

/* Of `n` > 0 values that are numbers, whose order it changes. */
static double median(double *values, size_t n)
{
    select_kth(values, n, n / 2);
    double upper = values[n / 2], lower = values[0];
    if (n % 2)
        return upper;
    for (size_t i = 1; i < n / 2; i++)
        lower = values[i] > lower ? values[i] : lower;
    return (lower + upper) / 2;
}

int n1_stat_summarise(const double *values, size_t n, struct n1_stat_summary *ret)
{
    struct n1_stat_summary s = {n, 0, NAN, NAN, NAN, NAN, NAN};
    double squares = 0;
    if (n == 0) {
        *ret = s;
        return 0;
    }
    double *copy = reallocarray(NULL, n, sizeof *copy);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, values, n * sizeof *copy);
    s.median = median(copy, n);
    free(copy);
    s.min = s.max = values[0];
    for (size_t i = 0; i < n; i++) {
        s.total += values[i];
        s.min = values[i] < s.min ? values[i] : s.min;
        s.max = values[i] > s.max ? values[i] : s.max;
    }
    s.mean = s.total / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - s.mean) * (values[i] - s.mean);
    if (n > 1)
        s.std = sqrt(squares / (double)(n - 1));
    *ret = s;
    return 0;
}

double n1_stat_autocorrelation(const double *values, size_t n)
{
    double mean = 0, middle = ((double)n - 1) / 2, up = 0, across = 0, variance = 0, time = 1;
    if (n < 4)
        return 1;
    for (size_t i = 0; i < n; i++)
        mean += values[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        up += ((double)i - middle) * (values[i] - mean);
        across += ((double)i - middle) * ((double)i - middle);
    }
    double slope = up / across;
#define REST(i) (values[i] - mean - slope * ((double)(i)-middle))
    for (size_t i = 0; i < n; i++)
        variance += REST(i) * REST(i);
    if (variance <= 1e-20 * (across * slope * slope + mean * mean * (double)n))
        return 1; /* on the line but for rounding */
    /* Geyer's initial positive sequence: sums of neighbouring lags are positive as long as they mean anything
     */
    time = -1;
    for (size_t lag = 0; lag + 1 < n / 2; lag += 2) {
        double pair = 0;
        for (size_t i = 0; i + lag < n; i++)
            pair += REST(i) * (REST(i + lag) + (i + lag + 1 < n ? REST(i + lag + 1) : 0));
        if (pair <= 0)
            break;
        time += 2 * pair / variance;
    }
#undef REST
    return time > 1 ? time : 1;
}

const char *n1_trend_name(enum n1_trend trend)
{
    switch (trend) {
    case N1_TREND_STABLE:
        return "stable";
    case N1_TREND_IMPROVING:
        return "improving";
    case N1_TREND_DEGRADING:
        return "degrading";
    default:
        return NULL;
    }
}

/* Mann-Kendall with the correction for ties, two-sided. */
static double mann_kendall(const double *block, size_t m)
{
    double score = 0, n = (double)m, ties = 0, sorted[BLOCKS_MAX];
    for (size_t i = 0; i < m; i++)
        for (size_t j = i + 1; j < m; j++)
            score += (block[j] > block[i]) - (block[j] < block[i]);
    memcpy(sorted, block, m * sizeof *sorted);
    qsort(sorted, m, sizeof *sorted, ascending);
    for (size_t i = 0, same; i < m; i += same) {
        for (same = 1; i + same < m && sorted[i + same] <= sorted[i]; same++)
            ;
        ties += (double)same * ((double)same - 1) * (2 * (double)same + 5);
    }
    double variance = (n * (n - 1) * (2 * n + 5) - ties) / 18;
    if (variance <= 0 || score == 0)
        return 1;
    return n1_stat_two_sided((fabs(score) - 1) / sqrt(variance));
}

static double theil_sen(const double *block, size_t m)
{
    double slopes[BLOCKS_MAX * (BLOCKS_MAX - 1) / 2];
    size_t n = 0;
    for (size_t i = 0; i < m; i++)
        for (size_t j = i + 1; j < m; j++)
            slopes[n++] = (block[j] - block[i]) / (double)(j - i);
    return median(slopes, n);
}

int n1_stat_trend(const double *values, size_t n, struct n1_stat_trend *ret)
{
    struct n1_stat_trend t = {.slope = NAN, .volatility = NAN, .p = NAN};
    struct n1_stat_summary s;
    double block[BLOCKS_MAX] = {0};
    int rc = n1_stat_summarise(values, n, &s);
    if (rc)
        return rc;
    if (n > 1 && s.mean > 0)
        t.volatility = s.std / s.mean;
    double time = n1_stat_autocorrelation(values, n);
    t.block = time > 1.5 ? (size_t)ceil(3 * time) : 1; /* white noise alone reaches 1.5 now and then */
    if (t.block < (n + BLOCKS_MAX - 1) / BLOCKS_MAX)
        t.block = (n + BLOCKS_MAX - 1) / BLOCKS_MAX;
    t.blocks = t.block ? n / t.block : 0;
    if (t.blocks < BLOCKS_MIN) {
        *ret = t;
        return 0;
    }
    size_t skipped = n - t.blocks * t.block; /* the oldest, when they do not fill a block */
    for (size_t b = 0; b < t.blocks; b++) {
        block[b] = 0;
        for (size_t i = 0; i < t.block; i++)
            block[b] += values[skipped + b * t.block + i] / (double)t.block;
    }
    t.slope = theil_sen(block, t.blocks) / (double)t.block;
    t.p = mann_kendall(block, t.blocks);
    t.trend = N1_TREND_STABLE;
    if (t.p <= SIGNIFICANT && fabs(t.slope) * (double)(n - 1) >= WORTH_SAYING * fabs(s.mean))
        t.trend = t.slope > 0 ? N1_TREND_DEGRADING : N1_TREND_IMPROVING;
    *ret = t;
    return 0;
}
