/*
 * How far back the stores of the model reach under the configured memory limit, as lines of the doctor.
 */
#ifndef N1_SAMPLER_REACH_H
#define N1_SAMPLER_REACH_H

#include "sampler/doctor.h"

#include "n1/config.h"

/* The configuration whose limits n1_reach_lines() reports; borrowed until it has run. */
void n1_reach_configure(const struct n1_config *config);
/* For n1_doctor()'s `more`. */
void n1_reach_lines(struct n1_doctor *doctor);

#endif
