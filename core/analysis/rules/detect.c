/*
 * The detectors. Robust throughout (medians, median deviations, least values of blocks), because what goes
 * before an episode is itself full of bursts; nothing here keeps state or allocates. Values are in the
 * series' unit.
 */
#include "core/analysis/rules/detect.h"

#include <string.h>

enum { SMOOTH = N1_RULE_SMOOTH, PAST_MAX = N1_RULE_PAST, SHARP_S = 6, BLOCKS = 6, PAST_BLOCKS = 120 };
#define MAD_TO_SIGMA 1.4826 /* of a normal distribution */

double n1_detect_median(double *values, size_t n)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)n - 1, k = high / 2;

    while (low < high) { /* Wirth's selection: at the end values[k] is in its place */
        double pivot = values[k];
        ptrdiff_t i = low, j = high;
        do {
            while (values[i] < pivot)
                i++;
            while (pivot < values[j])
                j--;
            if (i <= j) {
                double swap = values[i];
                values[i++] = values[j];
                values[j--] = swap;
            }
        } while (i <= j);
        if (j < k)
            low = i;
        if (k < i)
            high = j;
    }
    return values[k];
}

/* Mean of the SMOOTH seconds that end at `i`; NAN when the last or more than one of them is unknown. */
static double smoothed(struct n1_steps s, size_t i)
{
    double sum = 0;
    int known = 0;

    if (i + 1 < SMOOTH || isnan(s.value[i]))
        return NAN;
    for (size_t k = i + 1 - SMOOTH; k <= i; k++) {
        if (isnan(s.value[k]))
            continue;
        sum += (double)s.value[k];
        known++;
    }
    return known >= SMOOTH - 1 ? sum / known : NAN;
}

static bool in_episode(struct n1_steps s, size_t i)
{
    for (size_t k = i + 1 - SMOOTH; k <= i; k++)
        if (s.excluded[k])
            return true;
    return false;
}

static double largest(double a, double b, double c)
{
    return fmax(a, fmax(b, c));
}

/* Half of the jump lies between two neighbouring seconds. */
static bool is_sharp(struct n1_steps s, double jump)
{
    for (size_t i = s.count - 1; i > 0 && i + SHARP_S > s.count; i--)
        if ((double)s.value[i] - (double)s.value[i - 1] >= jump / 2)
            return true;
    return false;
}

/* A single second's burst raises the mean of three as well; two seconds of it are not a burst. */
static bool lasts(struct n1_steps s, double line)
{
    return (double)s.value[s.count - 1] >= line &&
           ((double)s.value[s.count - 2] >= line || isnan(s.value[s.count - 2]));
}

struct n1_detected n1_detect_jump(struct n1_steps s, const struct n1_rule_params *p, double min_step,
                                  bool sharp)
{
    struct n1_detected d = {.value = NAN, .expected = NAN, .threshold = NAN};
    double past[PAST_MAX], recent[PAST_MAX], highest = -INFINITY;
    size_t wanted = (size_t)p->baseline_s, n = 0;

    if (s.count < 2 * SMOOTH)
        return d;
    d.value = smoothed(s, s.count - 1);
    for (size_t i = s.count - 1 - SMOOTH; i + 1 >= SMOOTH && n < PAST_MAX; i--) {
        double level = smoothed(s, i);
        if (isnan(level) || in_episode(s, i))
            continue;
        if (!(d.value > level))
            return d; /* nothing new, and the usual way out */
        past[n++] = level;
        highest = fmax(highest, level);
    }
    if ((double)n < p->min_history_s || n == 0)
        return d;
    /* What is expected is of the last minute; how much it varies by itself, of as much as there is. A short
     * past knows little of that: neighbouring seconds are alike. */
    size_t near = n < wanted ? n : wanted;
    memcpy(recent, past, near * sizeof *recent);
    d.expected = n1_detect_median(recent, near);
    double floor = fmax(min_step, p->relative * fabs(d.expected) * (1 + 15 / (double)n));
    d.threshold = floor;
    if (!(d.value - d.expected >= floor && d.value >= highest + floor / 4))
        return d;
    double middle = n1_detect_median(past, n);
    for (size_t i = 0; i < n; i++)
        past[i] = fabs(past[i] - middle);
    double sigma = MAD_TO_SIGMA * n1_detect_median(past, n);
    d.threshold = fmax(floor, p->deviations * sigma * (1 + 40 / (double)n));
    d.raised = d.value - d.expected >= d.threshold && d.value >= highest + d.threshold / 4 &&
               lasts(s, d.expected + 0.6 * d.threshold) && (!sharp || is_sharp(s, d.threshold));
    /* it began with the first of the latest seconds that stand clear of the past */
    for (size_t i = s.count - 1; d.ago < 2 * SMOOTH && i > 0; i--, d.ago++)
        if (!((double)s.value[i] >= d.expected + d.threshold / 3))
            break;
    return d;
}

/* Least values of the window's sixths, oldest first. False when one of them is unknown. */
static bool block_minima(struct n1_steps s, size_t window, double ret[BLOCKS])
{
    size_t length = window / BLOCKS;

    if (length == 0 || s.count < length * BLOCKS)
        return false;
    const float *at = s.value + s.count - length * BLOCKS;
    for (size_t b = 0; b < BLOCKS; b++) {
        ret[b] = INFINITY;
        for (size_t i = 0; i < length; i++)
            ret[b] = fmin(ret[b], (double)at[b * length + i]); /* fmin passes over NAN */
        if (isinf(ret[b]))
            return false;
    }
    return true;
}

double n1_detect_grown(struct n1_steps s, size_t window)
{
    double least[BLOCKS];

    return block_minima(s, window, least) ? least[BLOCKS - 1] - least[0] : NAN;
}

/* How much the least values of blocks of `length` seconds vary from one to the next, as a standard deviation,
 * by their second differences: a past that grew evenly, or from some point on, has none of that. Latest
 * blocks first. *ret_known: seconds with a value, outside episodes; *ret_highest: the greatest of all the
 * past. */
static double scatter(struct n1_steps s, size_t length, size_t *ret_known, double *ret_highest)
{
    double bends[PAST_BLOCKS], least[3] = {NAN, NAN, NAN};
    size_t n = 0;

    *ret_known = 0;
    *ret_highest = -INFINITY;
    for (size_t i = 0; i < s.count; i++) {
        if (s.excluded[i] || isnan(s.value[i]))
            continue;
        *ret_highest = fmax(*ret_highest, (double)s.value[i]);
        ++*ret_known;
    }
    for (size_t end = s.count; end >= length && n < PAST_BLOCKS; end -= length) {
        least[0] = least[1];
        least[1] = least[2];
        least[2] = NAN;
        for (size_t i = end - length; i < end; i++)
            if (!s.excluded[i])
                least[2] = fmin(least[2], (double)s.value[i]);
        double bend = least[0] - 2 * least[1] + least[2];
        if (!isnan(bend))
            bends[n++] = fabs(bend);
    }
    if (n < 3)
        return NAN;
    return MAD_TO_SIGMA / sqrt(6) * n1_detect_median(bends, n) * (1 + 10 / (double)n);
}

bool n1_detect_climbs(struct n1_steps s, const struct n1_rule_params *p, double min_step, size_t window)
{
    double least[BLOCKS];

    if (!block_minima(s, window, least))
        return false;
    double grown = least[BLOCKS - 1] - least[0];
    if (grown < min_step || grown < p->relative * fabs(least[0]))
        return false;
    for (size_t b = 0; b + 1 < BLOCKS; b++)
        if (least[b + 1] - least[b] < grown / (BLOCKS - 1) / 4)
            return false;
    return true;
}

struct n1_detected n1_detect_growth(struct n1_steps s, const struct n1_rule_params *p, double min_step,
                                    size_t window)
{
    struct n1_detected d = {.value = NAN, .expected = NAN, .threshold = NAN, .ago = window};
    double least[BLOCKS], highest;
    size_t known;

    if (s.count > 0)
        d.value = (double)s.value[s.count - 1];
    if (!n1_detect_climbs(s, p, min_step, window) || !block_minima(s, window, least))
        return d;
    double grown = least[BLOCKS - 1] - least[0];
    d.expected = least[0];
    /* the past must be as long as the window itself where that is long */
    struct n1_steps past = {s.value, s.excluded, s.count - window};
    double sigma = scatter(past, window / BLOCKS, &known, &highest);
    if (isnan(sigma) || (double)known < p->min_history_s || (window > p->window_s && known < window))
        return d;
    /* by itself it may go five blocks in one direction, as a random walk does */
    d.threshold = largest(min_step, p->relative * fabs(least[0]), p->deviations * sigma * sqrt(BLOCKS - 1));
    d.raised = grown >= d.threshold && least[BLOCKS - 1] > highest;
    return d;
}

struct n1_detected n1_detect_level(struct n1_steps s, double line, int want)
{
    struct n1_detected d = {.value = NAN, .expected = 0, .threshold = line};
    int there = 0;

    for (size_t i = s.count; i-- > 0;) {
        if (!((double)s.value[i] >= line))
            continue;
        there++;
        d.ago = s.count - 1 - i;
        d.value = isnan(d.value) ? (double)s.value[i] : fmax(d.value, (double)s.value[i]);
    }
    d.raised = s.count > 0 && (double)s.value[s.count - 1] >= line && there >= want;
    return d;
}
