/*
 * The stores' sizes are taken from a model made for the purpose: its pages are never touched, so it costs
 * nothing.
 */
#include "sampler/reach.h"

#include "sampler/governor.h"

#include "n1/metric.h"
#include "n1/writer.h"

#include <unistd.h>

static const struct n1_config *configured;

/* Rows a second that a busy service with a few hundred distinct stacks a second makes. */
enum { ROWS_A_SECOND = 300 };

void n1_reach_configure(const struct n1_config *config)
{
    configured = config;
}

void n1_reach_lines(struct n1_doctor *doctor)
{
    uint64_t model_bytes, ring_bytes;
    n1_governor_split((uint64_t)configured->limit_memory_mb << 20, &model_bytes, &ring_bytes);
    struct n1_writer_options options = {.memory_bytes = model_bytes};
    struct n1_writer *w = NULL;
    struct n1_error err = {0};
    if (n1_writer_create(&options, &w, &err) < 0) {
        n1_doctor_line(doctor, N1_DOCTOR_REFUSED, "model", "%s", err.what);
        return;
    }
    const struct n1_model_segment *segments = n1_writer_header(w)->segments;
    double hz = 1 / configured->sampling_interval_s;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t samples = segments[N1_SEGMENT_SAMPLES].capacity, rows = segments[N1_SEGMENT_SECONDS].capacity;
    n1_doctor_line(
        doctor, N1_DOCTOR_OK, "own limits",
        "CPU %.1f %% of one (limits.cpu_percent), memory %u MiB (limits.memory_mb); beyond them the rate "
        "goes down from %.0f Hz, and the screen says so",
        configured->limit_cpu_percent, configured->limit_memory_mb, hz);
    n1_doctor_line(doctor, N1_DOCTOR_OK, "model", "%.0f MiB of it, %.0f MiB at most for the kernel's rings",
                   (double)model_bytes / 1048576, (double)ring_bytes / 1048576);
    n1_doctor_line(doctor, N1_DOCTOR_OK, "single samples", "%llu: %.0f minutes at %.0f Hz with %ld CPUs busy",
                   (unsigned long long)samples, (double)samples / hz / (double)cpus / 60, hz, cpus);
    n1_doctor_line(doctor, N1_DOCTOR_OK, "per-second rows", "%llu: %.0f minutes at %d rows a second",
                   (unsigned long long)rows, (double)rows / ROWS_A_SECOND / 60, ROWS_A_SECOND);
    uint64_t points = segments[N1_SEGMENT_POINTS].capacity;
    n1_doctor_line(doctor, N1_DOCTOR_OK, "metric points", "%llu: %.0f minutes for one process",
                   (unsigned long long)points, (double)points / N1_METRIC_COUNT / 60);
    n1_writer_destroy(w);
}
