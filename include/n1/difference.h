/*
 * What differs between two profiles, or between a profile and a report saved earlier: each function's CPU
 * time and share before and now, and whether the change is more than the noise of counting samples. Pure; any
 * thread.
 */
#ifndef N1_DIFFERENCE_H
#define N1_DIFFERENCE_H

#include "n1/profile.h"

enum n1_change {
    N1_CHANGE_NOISE, /* the samples do not tell it from no change */
    N1_CHANGE_MORE,
    N1_CHANGE_LESS,
    N1_CHANGE_NEW, /* had no sample before */
    N1_CHANGE_GONE /* has none now */
};

/* One function of an earlier time, as much of it as a comparison needs. */
struct n1_past_function {
    const char *name, *module_name; /* as in a profile; owned by the holder */
    enum n1_function_kind kind;
    double self_samples, total_samples, self_s, total_s; /* CPU seconds */
};
struct n1_past {
    const struct n1_past_function *functions; /* each (name, module_name) once */
    size_t count;
    double samples;  /* in all; 0: not known, then nothing is significant */
    double seconds;  /* of wall time that it covers; 0: not known, then there are no rates */
    double weight_s; /* CPU seconds in all */
};

struct n1_difference {
    uint64_t id;                    /* of the function now, else of the one before; 0: of a saved report */
    uint32_t now;                   /* index into the profile now; UINT32_MAX: not there */
    uint32_t before;                /* index before; UINT32_MAX: not there */
    const char *name, *module_name; /* of one of the two sides, valid as long as both */
    enum n1_function_kind kind;
    double now_value, before_value; /* percent of one core, or of the samples */
    double change;                  /* now - before, same unit */
    double z;                       /* change over its standard error of counting */
    enum n1_change kind_of_change;
};

/* Figures that are compared. */
struct n1_difference_options {
    bool total; /* time with the function anywhere on the stack; else its own */
    bool share; /* shares of all samples; else CPU time a second of wall time */
};

/* A difference is more than noise when |z| is at least this: with some hundreds of functions looked at, about
 * one comparison in ten shows one row too many. */
#define N1_DIFFERENCE_Z 3.7

/* Compares function by function (by id, or by name and module with a saved side): changes that are more than
 * noise first, largest first, then the rest likewise. *ret is the caller's to free(). Returns how many, or
 * -ENOMEM. */
ptrdiff_t n1_difference_profiles(const struct n1_profile *before, const struct n1_profile *now,
                                 const struct n1_difference_options *options, struct n1_difference **ret);
ptrdiff_t n1_difference_saved(const struct n1_past *before, const struct n1_profile *now,
                              const struct n1_difference_options *options, struct n1_difference **ret);

/* z of a change between two counts: rates over `seconds`, or shares of `whole` samples. 0 when it cannot be
 * told. */
double n1_difference_z(double count0, double whole0, double seconds0, double count1, double whole1,
                       double seconds1, bool share);
/* What a change is. */
enum n1_change n1_difference_kind(double count0, double count1, double z);

#endif
