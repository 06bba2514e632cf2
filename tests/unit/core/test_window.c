/*
 * Profiles of moving windows over random models, against a naive count of the same samples: sliding must give
 * what counting anew gives, for any move, filter, disorder, lapped ring and late name.
 */
#include "tests/unit/core/models.h"

#define FUNCTIONS 12
#define STACKS 60
#define DEPTH 9
#define MOST 20000

static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % sides;
}

/* What is known of every sample ever pushed. */
struct truth {
    struct model m;
    uint8_t stack[STACKS][DEPTH], depth[STACKS];
    uint32_t node[STACKS], leaf[STACKS];
    struct {
        n1_ns time;
        uint32_t thread, weight;
        uint8_t stack;
    } sample[MOST];
    size_t count;
    n1_ns now;
};

static const char *function_name(size_t i)
{
    static char name[2][8];
    static int turn;
    turn = !turn;
    snprintf(name[turn], sizeof name[turn], "fn_%c", (char)('a' + i));
    return name[turn];
}

static void truth_init(struct truth *t, uint64_t samples, uint64_t rows)
{
    model_open(&t->m, samples, rows);
    t->count = 0;
    t->now = BORN;
    for (int s = 0; s < STACKS; s++) {
        t->depth[s] = (uint8_t)(1 + dice(DEPTH));
        t->node[s] = 0;
        for (int d = 0; d < t->depth[s]; d++) {
            t->stack[s][d] = (uint8_t)dice(FUNCTIONS);
            uint32_t frame = make_frame(&t->m, function_name(t->stack[s][d]), 4 + dice(3));
            if (d + 1 < t->depth[s])
                t->node[s] = n1_writer_node(t->m.w, t->node[s], frame);
            else
                t->leaf[s] = frame;
        }
    }
}

static void push(struct truth *t, uint32_t disorder_ms)
{
    t->now += dice(20) * MS;
    n1_ns late = dice(disorder_ms + 1) * MS;
    n1_ns time = t->now - BORN > late ? t->now - late : t->now;
    uint8_t stack = (uint8_t)dice(STACKS);
    struct n1_model_sample s = {.time = time,
                                .thread = dice(2) ? t->m.thread : t->m.thread2,
                                .node = t->node[stack],
                                .leaf = t->leaf[stack],
                                .weight_ns = 1 + dice(1000000)};
    n1_writer_sample(t->m.w, &s);
    t->sample[t->count].time = time;
    t->sample[t->count].thread = s.thread;
    t->sample[t->count].weight = s.weight_ns;
    t->sample[t->count++].stack = stack;
    n1_writer_maintain(t->m.w, t->now);
}

static bool passes(const struct truth *t, size_t i, const struct n1_filter *f)
{
    if (f->thread && t->sample[i].thread != f->thread)
        return false;
    if (!f->text)
        return true;
    const uint8_t *stack = t->stack[t->sample[i].stack];
    for (int d = 0; d < t->depth[t->sample[i].stack]; d++)
        if (strstr(function_name(stack[d]), f->text))
            return true;
    return false;
}

/* Naive figures of the samples in [from, to) against those of the profile. */
static void compare(const struct truth *t, const struct n1_profile *p, n1_ns from, n1_ns to,
                    const struct n1_filter *f)
{
    uint64_t self[FUNCTIONS] = {0}, total[FUNCTIONS] = {0}, self_ns[FUNCTIONS] = {0},
             total_ns[FUNCTIONS] = {0};
    uint64_t samples = 0, ns = 0, all = 0, edge_ns[FUNCTIONS][FUNCTIONS + 1] = {0};
    for (size_t i = 0; i < t->count; i++) {
        if (t->sample[i].time < from || t->sample[i].time >= to)
            continue;
        all++;
        if (!passes(t, i, f))
            continue;
        const uint8_t *stack = t->stack[t->sample[i].stack], depth = t->depth[t->sample[i].stack];
        bool seen[FUNCTIONS] = {0}, edge[FUNCTIONS][FUNCTIONS + 1] = {0};
        for (int d = 0; d < depth; d++) {
            int caller = d ? stack[d - 1] : FUNCTIONS;
            total[stack[d]] += !seen[stack[d]];
            total_ns[stack[d]] += seen[stack[d]] ? 0 : t->sample[i].weight;
            edge_ns[stack[d]][caller] += edge[stack[d]][caller] ? 0 : t->sample[i].weight;
            seen[stack[d]] = edge[stack[d]][caller] = true;
        }
        self[stack[depth - 1]]++;
        self_ns[stack[depth - 1]] += t->sample[i].weight;
        samples++;
        ns += t->sample[i].weight;
    }
    const struct n1_profile_summary *s = n1_profile_summary(p);
    assert_int_equal(s->samples, samples);
    assert_int_equal(s->weight_ns, ns);
    assert_int_equal(s->all_samples, all);
    size_t functions, nodes;
    const struct n1_profile_function *shown = n1_profile_functions(p, &functions);
    const struct n1_profile_node *node = n1_profile_nodes(p, &nodes);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        ptrdiff_t at = named(p, function_name(i));
        if (at < 0) {
            assert_int_equal(total[i], 0);
            continue;
        }
        assert_int_equal(shown[at].self_samples, self[i]);
        assert_int_equal(shown[at].total_samples, total[i]);
        assert_int_equal(shown[at].self_ns, self_ns[i]);
        assert_int_equal(shown[at].total_ns, total_ns[i]);
        struct n1_profile_edge edge[FUNCTIONS + 1];
        size_t edges = n1_profile_callers(p, (size_t)at, edge, FUNCTIONS + 1);
        for (size_t e = 0; e < edges; e++) {
            int caller = edge[e].function == UINT32_MAX ? FUNCTIONS : shown[edge[e].function].name[3] - 'a';
            assert_int_equal(edge[e].ns, edge_ns[i][caller]);
            edge_ns[i][caller] = 0;
        }
        for (size_t c = 0; c <= FUNCTIONS; c++)
            assert_int_equal(edge_ns[i][c], 0);
    }
    for (size_t i = 1; i < nodes; i++) { /* the tree hangs together, in order of names */
        assert_true(node[i].parent < i && node[i].samples > 0);
        assert_int_equal(node[i].depth, node[node[i].parent].depth + 1);
        if (node[i].next_sibling)
            assert_true(
                strcmp(shown[node[i].function].name, shown[node[node[i].next_sibling].function].name) < 0);
    }
    for (size_t i = 0; i < nodes; i++) {
        uint64_t sum = node[i].self_ns;
        for (uint32_t c = node[i].first_child; c; c = node[c].next_sibling)
            sum += node[c].total_ns;
        assert_int_equal(sum, node[i].total_ns);
    }
}

static void same_as_anew(const struct n1_profile *a, struct truth *t, struct n1_window w,
                         const struct n1_filter *f)
{
    struct n1_profile *b = n1_profile_create();
    assert_int_equal(n1_profile_update(b, t->m.r, w, f, NULL), 0);
    size_t n, m;
    const struct n1_profile_node *x = n1_profile_nodes(a, &n), *y = n1_profile_nodes(b, &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(x[i].parent, y[i].parent);
        assert_int_equal(x[i].self_ns, y[i].self_ns);
        assert_int_equal(x[i].samples, y[i].samples);
        assert_int_equal(x[i].function, y[i].function);
    }
    const struct n1_profile_function *g = n1_profile_functions(a, &n), *h = n1_profile_functions(b, &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(g[i].id, h[i].id);
        assert_int_equal(g[i].self_ns, h[i].self_ns);
        assert_int_equal(g[i].total_samples, h[i].total_samples);
    }
    n1_profile_destroy(b);
}

static void random_moves(void **state)
{
    (void)state;
    struct truth *t = calloc(1, sizeof *t);
    for (uint64_t round = 0; round < 12; round++) {
        seed = 77 + round;
        truth_init(t, 1 << 15, 4096);
        struct n1_profile *p = n1_profile_create();
        struct n1_filter f = {0};
        n1_ns from = 0, to = UINT64_MAX;
        for (int step = 0; step < 60; step++) {
            for (uint32_t i = dice(200); i > 0; i--)
                push(t, round % 2 ? 1900 : 0);
            n1_ns span = t->now - BORN + 1;
            switch (dice(8)) {
            case 0: /* anywhere */
                from = BORN + (n1_ns)dice(1000) * span / 1000;
                to = from + (n1_ns)dice(1000) * span / 1000;
                break;
            case 1: /* everything */
                from = 0;
                to = UINT64_MAX;
                break;
            case 2:
                f.thread = dice(2) ? 0 : t->m.thread2;
                break;
            case 3:
                f.text = dice(2) ? NULL : dice(2) ? "fn_c" : "_d";
                break;
            case 4: /* backwards */
                from -= from > BORN + 500 * MS ? 500 * MS : 0;
                break;
            default: /* the last five seconds */
                to = t->now;
                from = to > BORN + 5 * N1_SECOND_NS ? to - 5 * N1_SECOND_NS : BORN;
            }
            begin(&t->m, (t->now - BORN) / MS);
            assert_int_equal(n1_profile_update(p, t->m.r, (struct n1_window){from, to}, &f, NULL), 0);
            assert_int_equal(n1_profile_summary(p)->resolution, N1_RESOLUTION_SAMPLES);
            compare(t, p, from, to, &f);
            same_as_anew(p, t, (struct n1_window){from, to}, &f);
        }
        n1_profile_destroy(p);
        model_close(&t->m);
    }
    free(t);
}

static void a_lapped_ring_goes_on_in_seconds(void **state)
{
    (void)state;
    struct truth *t = calloc(1, sizeof *t);
    seed = 5;
    truth_init(t, 512, 1 << 15);
    struct n1_profile *p = n1_profile_create(), *old = n1_profile_create();
    struct n1_filter f = {0};
    for (int step = 0; step < 150; step++) {
        for (int i = 0; i < 60; i++)
            push(t, 0);
        begin(&t->m, (t->now - BORN) / MS);
        f.text = step % 40 > 30 ? "fn_b" : NULL;
        assert_int_equal(n1_profile_update(p, t->m.r, everything, &f, NULL), 0);
        if (t->count > 600) {
            assert_int_equal(n1_profile_summary(p)->resolution, N1_RESOLUTION_MIXED);
            assert_int_equal(n1_profile_summary(p)->window.from, BORN);
        }
        compare(t, p, 0, UINT64_MAX, &f); /* nothing is lost and nothing is counted twice */
        same_as_anew(p, t, everything, &f);
        n1_ns to = BORN + (t->now - BORN) / 4 / N1_SECOND_NS * N1_SECOND_NS;
        n1_ns from = to > BORN + 10 * N1_SECOND_NS ? to - 10 * N1_SECOND_NS : BORN;
        assert_int_equal(n1_profile_update(old, t->m.r, (struct n1_window){from, to}, &f, NULL), 0);
        if (to > from && t->count > 2000)
            assert_int_equal(n1_profile_summary(old)->resolution, N1_RESOLUTION_SECONDS);
        compare(t, old, from, to, &f);
    }
    assert_true(t->count > 8000);
    n1_profile_destroy(p);
    n1_profile_destroy(old);
    model_close(&t->m);
    free(t);
}

static void lapped_rows_end_the_window(void **state)
{
    (void)state;
    struct truth *t = calloc(1, sizeof *t);
    seed = 6;
    truth_init(t, 256, 1024);
    struct n1_profile *p = n1_profile_create();
    struct n1_filter f = {0};
    for (int step = 0; step < 100; step++) {
        for (int i = 0; i < 60; i++)
            push(t, 0);
        begin(&t->m, (t->now - BORN) / MS);
        assert_int_equal(n1_profile_update(p, t->m.r, everything, &f, NULL), 0);
        compare(t, p, n1_profile_summary(p)->window.from, UINT64_MAX, &f);
    }
    assert_true(n1_profile_summary(p)->window.from > BORN);
    n1_profile_destroy(p);
    model_close(&t->m);
    free(t);
}

static void names_come_while_the_window_moves(void **state)
{
    (void)state;
    struct truth *t = calloc(1, sizeof *t);
    struct n1_profile *p = n1_profile_create();
    uint32_t late[200];
    seed = 9;
    truth_init(t, 1 << 15, 4096);
    for (size_t i = 0; i < 200; i++)
        late[i] = n1_writer_frame(t->m.w, t->m.module, 0x100000 + i * 16);
    for (size_t i = 0; i < 200; i++) {
        char name[16];
        for (int k = 0; k < 20; k++) {
            struct n1_model_sample s = {.time = t->now += MS,
                                        .thread = t->m.thread,
                                        .node = t->node[dice(STACKS)],
                                        .leaf = late[dice(200)],
                                        .weight_ns = 1000};
            n1_writer_sample(t->m.w, &s);
        }
        snprintf(name, sizeof name, "late_%zu", i / 2); /* two frames a function */
        n1_writer_frame_name(t->m.w, late[i], make_function(&t->m, name, 0x100000 + i / 2 * 32),
                             N1_FRAME_NAMED);
        begin(&t->m, (t->now - BORN) / MS + 1);
        struct n1_window w = {t->now - 800 * MS, UINT64_MAX};
        assert_int_equal(n1_profile_update(p, t->m.r, w, NULL, NULL), 0);
        same_as_anew(p, t, w, NULL);
    }
    size_t count;
    const struct n1_profile_function *f = n1_profile_functions(p, &count);
    for (size_t i = 0; i < count; i++)
        assert_null(strstr(f[i].name, "+0x"));
    n1_profile_destroy(p);
    model_close(&t->m);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_moves),
        cmocka_unit_test(a_lapped_ring_goes_on_in_seconds),
        cmocka_unit_test(lapped_rows_end_the_window),
        cmocka_unit_test(names_come_while_the_window_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
