/* Numbers as short text; see format.h for the one rounding rule. */
#include "tui/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int unknown(char *out, const struct n1_glyphs *glyphs, double value)
{
    if (isfinite(value))
        return 0;
    snprintf(out, N1_FORMAT_CAP, "%s", glyphs->unknown);
    return 1;
}

/* Scales by `base` until the rounded figure fits: one decimal below 10 (not for the plain unit), else whole.
 */
static void scaled(char *out, double value, double base, const char *units)
{
    const char *sign = "";
    size_t unit = 0, last = strlen(units) - 1;
    if (value < 0) {
        sign = "-";
        value = -value;
    }
    while (unit < last && round(value) >= 1000) {
        value /= base;
        unit++;
    }
    if (value > 9999)
        value = 9999;
    if (unit == 0)
        snprintf(out, N1_FORMAT_CAP, "%s%.0f", round(value) == 0 ? "" : sign, round(value));
    else if (round(value * 10) < 100)
        snprintf(out, N1_FORMAT_CAP, "%s%.1f%c", sign, round(value * 10) / 10, units[unit]);
    else
        snprintf(out, N1_FORMAT_CAP, "%s%.0f%c", sign, round(value), units[unit]);
}

void n1_format_percent(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double percent)
{
    if (unknown(out, glyphs, percent))
        return;
    if (glyphs->coarse) {
        double whole = round(percent);
        snprintf(out, N1_FORMAT_CAP, fabs(whole) < 9999.5 ? "%.0f" : "9999+", whole == 0 ? 0 : whole);
        return;
    }
    double tenths = round(percent * 10) / 10;
    if (tenths == 0)
        tenths = 0; /* no "-0.0" */
    if (fabs(tenths) < 1000)
        snprintf(out, N1_FORMAT_CAP, "%.1f", tenths);
    else if (fabs(percent) < 9999.5)
        snprintf(out, N1_FORMAT_CAP, "%.0f", round(percent));
    else
        snprintf(out, N1_FORMAT_CAP, "9999+");
}

void n1_format_bytes(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double bytes)
{
    if (!unknown(out, glyphs, bytes))
        scaled(out, bytes, 1024, "BKMGTPE");
}

void n1_format_bytes_signed(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double bytes)
{
    if (unknown(out, glyphs, bytes))
        return;
    char plain[N1_FORMAT_CAP];
    scaled(plain, bytes, 1024, "BKMGTPE");
    snprintf(out, N1_FORMAT_CAP, "%s%.22s", plain[0] == '-' ? "" : "+", plain);
}

void n1_format_count(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double count)
{
    if (!unknown(out, glyphs, count))
        scaled(out, count, 1000, " kMGTPE");
}

void n1_format_ns(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double ns)
{
    static const struct {
        double ns;
        const char *name;
    } units[] = {{1, "ns"}, {1e3, "us"}, {1e6, "ms"}};
    if (unknown(out, glyphs, ns))
        return;
    double size = fabs(ns);
    const char *sign = ns < 0 ? "-" : "";
    for (size_t i = 0; i < 3; i++) {
        double value = size / units[i].ns;
        if (round(value) >= 1000)
            continue;
        int decimals = i > 0 && round(value * 10) < 100 ? 1 : 0;
        snprintf(out, N1_FORMAT_CAP, "%s%.*f%s", sign, decimals,
                 decimals ? round(value * 10) / 10 : round(value), units[i].name);
        return;
    }
    double seconds = size / 1e9;
    if (round(seconds * 100) < 1000)
        snprintf(out, N1_FORMAT_CAP, "%s%.2fs", sign, round(seconds * 100) / 100);
    else if (round(seconds * 10) < 600)
        snprintf(out, N1_FORMAT_CAP, "%s%.1fs", sign, round(seconds * 10) / 10);
    else if (round(seconds) < 3600)
        snprintf(out, N1_FORMAT_CAP, "%s%.0fm%02.0f", sign, floor(round(seconds) / 60),
                 fmod(round(seconds), 60));
    else if (round(seconds / 60) < 24 * 60)
        snprintf(out, N1_FORMAT_CAP, "%s%.0fh%02.0f", sign, floor(round(seconds / 60) / 60),
                 fmod(round(seconds / 60), 60));
    else
        snprintf(out, N1_FORMAT_CAP, "%s%.0fd%02.0f", sign, fmin(floor(round(seconds / 3600) / 24), 99),
                 fmod(round(seconds / 3600), 24));
}

void n1_format_uptime(char out[N1_FORMAT_CAP], const struct n1_glyphs *glyphs, double ns)
{
    if (unknown(out, glyphs, ns))
        return;
    double whole = floor(ns / 1e9);
    unsigned long s = whole < 0 ? 0 : whole > 8e9 ? 8000000000ul : (unsigned long)whole;
    if (s >= 86400)
        snprintf(out, N1_FORMAT_CAP, "%lud %02lu:%02lu", s / 86400, s / 3600 % 24, s / 60 % 60);
    else if (s >= 3600)
        snprintf(out, N1_FORMAT_CAP, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, N1_FORMAT_CAP, "%lu:%02lu", s / 60, s % 60);
}

void n1_format_clock(char out[N1_FORMAT_CAP], int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    if (localtime_r(&seconds, &tm) == NULL || strftime(out, N1_FORMAT_CAP, "%H:%M:%S", &tm) == 0)
        snprintf(out, N1_FORMAT_CAP, "--:--:--");
}
