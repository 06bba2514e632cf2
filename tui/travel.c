/* Travel in time; see travel.h. */
#include "tui/travel.h"

#include "n1/time.h"

#define PREVIOUS (60 * N1_SECOND_NS)

static n1_ns second_of(n1_ns time, n1_ns created)
{
    return time > created ? created + (time - created) / N1_SECOND_NS * N1_SECOND_NS : created;
}

static n1_ns last_second(n1_ns created, n1_ns now)
{
    n1_ns current = second_of(now, created);
    return current > created ? current - N1_SECOND_NS : created;
}

static n1_ns clamp(n1_ns time, n1_ns created, n1_ns now)
{
    n1_ns last = last_second(created, now);
    time = second_of(time, created);
    return time > last ? last : time;
}

void n1_travel_step(struct n1_travel *travel, int seconds, n1_ns created, n1_ns now)
{
    n1_ns last = last_second(created, now),
          way = (n1_ns)(seconds < 0 ? -(int64_t)seconds : seconds) * N1_SECOND_NS;
    if (!travel->past) {
        *travel = (struct n1_travel){.past = true, .cursor = last};
        way -= seconds < 0 && way > 0 ? N1_SECOND_NS : 0; /* the step from now to the last second is one */
    }
    if (seconds < 0)
        travel->cursor = travel->cursor > created + way ? travel->cursor - way : created;
    else
        travel->cursor += way;
    travel->cursor = clamp(travel->cursor, created, now);
}

void n1_travel_mark(struct n1_travel *travel, n1_ns created, n1_ns now)
{
    if (!travel->past)
        n1_travel_step(travel, 0, created, now);
    travel->marked = !travel->marked;
    travel->mark = travel->cursor;
}

void n1_travel_to(struct n1_travel *travel, n1_ns from, n1_ns to, n1_ns created, n1_ns now)
{
    n1_ns last = to > from ? to - 1 : from;
    *travel = (struct n1_travel){
        .past = true, .marked = true, .mark = clamp(from, created, now), .cursor = clamp(last, created, now)};
}

struct n1_window n1_travel_window(const struct n1_travel *travel, n1_ns window, n1_ns created)
{
    n1_ns end = travel->cursor + N1_SECOND_NS;
    if (!travel->marked)
        return (struct n1_window){window && end > created + window ? end - window : created, end};
    if (travel->mark < travel->cursor)
        return (struct n1_window){travel->mark, end};
    return (struct n1_window){travel->cursor, travel->mark + N1_SECOND_NS};
}

struct n1_window n1_compare_window(const struct n1_compare *compare, struct n1_window shown, n1_ns created)
{
    if (compare->kind == N1_COMPARE_SPAN)
        return compare->before;
    n1_ns to = shown.from > created ? shown.from : created;
    return (struct n1_window){to > created + PREVIOUS ? to - PREVIOUS : created, to};
}

uint32_t n1_travel_cell(n1_ns from, n1_ns to, int cols)
{
    static const uint32_t cells[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600};
    n1_ns span = to > from ? to - from : 0;
    for (unsigned i = 0; cols > 1 && i + 1 < sizeof cells / sizeof cells[0]; i++) {
        if (span / N1_SECOND_NS / cells[i] + 1 < (n1_ns)cols)
            return cells[i];
    }
    return cells[sizeof cells / sizeof cells[0] - 1];
}
