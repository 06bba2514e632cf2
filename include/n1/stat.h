/*
 * Statistics of sampled figures: what is known of a share, of a series, of its trend. Pure functions, any
 * thread.
 */
#ifndef N1_STAT_H
#define N1_STAT_H

#include <stddef.h>
#include <stdint.h>

/* The 95 % interval of the share `part` of `whole` counted samples (Wilson). `whole` 0 gives [0, 1]. */
void n1_stat_wilson(uint64_t part, uint64_t whole, double *ret_low, double *ret_high);

/* Two-sided probability of a standard normal value at least as far from 0 as `z`. */
double n1_stat_two_sided(double z);

/* Of `n` values; all but count and total are NAN when there is none, std also when there is only one. */
struct n1_stat_summary {
    size_t count;
    double total, mean, median, min, max;
    double std; /* of the sample, n - 1 */
};
/* Returns 0 or -ENOMEM. */
int n1_stat_summarise(const double *values, size_t n, struct n1_stat_summary *ret);

/* Integrated autocorrelation time of an evenly spaced series about its straight line, in steps, at least 1:
 * how far apart two values must be to count as two observations. */
double n1_stat_autocorrelation(const double *values, size_t n);

enum n1_trend { N1_TREND_UNKNOWN, N1_TREND_STABLE, N1_TREND_IMPROVING, N1_TREND_DEGRADING };
const char *n1_trend_name(enum n1_trend trend); /* "stable", "improving", "degrading"; NULL when unknown */

/* A trend of a cost (less is better) over evenly spaced values. */
struct n1_stat_trend {
    enum n1_trend trend;  /* unknown under 8 blocks */
    double slope;         /* Theil-Sen over the blocks, value per step; NAN when unknown */
    double volatility;    /* std / mean of the values; NAN when the mean is 0 or there are fewer than two */
    double p;             /* Mann-Kendall over the blocks, two-sided; NAN when unknown */
    size_t blocks, block; /* how many, of how many steps each */
};
/* Values are averaged over blocks of three times the autocorrelation time (at most 64 blocks), so that
 * neighbours count as independent. Improving or degrading when p <= 0.01 and the line changes by at least 5 %
 * of the mean from end to end; otherwise stable. Returns 0 or -ENOMEM. */
int n1_stat_trend(const double *values, size_t n, struct n1_stat_trend *ret);

/* Steady growth of a sum of what comes and goes: the least values of every eighth of the series (of every
 * sixth under 16 values) each lie above the one before, by at least a quarter of the mean step. By chance
 * alone that comes once in 40,000 (720). Returns the growth a step, 0 when there is none or fewer than 10
 * values. */
double n1_stat_climb(const double *values, size_t n);

#endif
