/* See degenerate.h. */
#include "support/degenerate.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NQ = 16, D_MOST = 16, WALKS = 40 }; /* WALKS: an effort at which few rows are walked to */

/* Row i of n: x [d], zeros. */
typedef void row(uint64_t *at, size_t i, size_t n, size_t d, float *x);

static void noise(uint64_t *at, size_t d, float by, float *x)
{
    for (size_t j = 0; j < d; j++) x[j] += by * draw_normal(at);
}

static void equal(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    (void)at, (void)i, (void)n;
    for (size_t j = 0; j < d; j++) x[j] = 1.5f;
}

/* Nine of ten rows are the same one. */
static void copies_of_one(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    if (i % 10 == 3)
        noise(at, d, 1, x);
    else
        equal(at, i, n, d, x);
}

static void some_copies(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    uint64_t same = draw_below(at, 10) < 3 ? 100 * draw_below(at, 50) : 100000 + 100 * i;

    (void)n;
    noise(&same, d, 1, x);
}

static void two_far_blobs(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    (void)n;
    noise(at, d, 1, x);
    x[0] += i % 2 ? 10000.0f : -10000.0f;
}

static void one_far_row(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    noise(at, d, 1, x);
    if (i == n / 2) x[1] = 1e6f;
}

static void a_line(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    const float where = (float)(i * 7919 % n);

    (void)at;
    for (size_t j = 0; j < d; j++) x[j] = where * (float)(j + 1) / 16;
}

static void three_values(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    (void)i, (void)n;
    for (size_t j = 0; j < d; j++) x[j] = (float)draw_below(at, 3);
}

static void zeros_among(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    (void)n;
    if (i % 5 > 1) noise(at, d, 1, x);
}

static void sorted_by_cluster(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    uint64_t centre = 1000000 + 100 * (i * 20 / n);

    noise(&centre, d, 20, x);
    noise(at, d, 1, x);
}

/* Few rows are many times as long as all others. */
static void heavy_tails(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    const float by = expf(draw_normal(at));

    (void)i, (void)n;
    noise(at, d, by * by, x);
}

static void tiny(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    (void)i, (void)n;
    noise(at, d, 1e-20f, x);
}

static void huge(uint64_t *at, size_t i, size_t n, size_t d, float *x)
{
    (void)i, (void)n;
    noise(at, d, 1e18f, x);
}

static const struct {
    const char *name;
    row *make;
    kith_metric metric;
    size_t d;
    double less;   /* recall is this much lower … */
    double lesser; /* … and this much more in graphs that are linked row by row */
} kinds[] = {
    {"all equal", equal, KITH_L2, 8, 0, 0},
    {"all equal, cosine", equal, KITH_COSINE, 8, 0, 0},
    {"copies of one", copies_of_one, KITH_L2, 12, 0, 0},
    {"copies of one, inner product", copies_of_one, KITH_IP, 12, 0, 0},
    {"30 % copies", some_copies, KITH_L2, 12, 0, 0},
    {"two far blobs", two_far_blobs, KITH_L2, 8, 0, 0},
    {"one far row", one_far_row, KITH_L2, 8, 0, 0},
    {"a line", a_line, KITH_L2, 16, 0, 0},
    {"a line, cosine", a_line, KITH_COSINE, 16, 0, 0},
    {"three values", three_values, KITH_L2, 6, 0, 0},
    {"three values, more of them", three_values, KITH_L2, 16, 0, 0},
    {"zeros among them, cosine", zeros_among, KITH_COSINE, 12, 0, 0},
    {"zeros among them, inner product", zeros_among, KITH_IP, 12, 0.05, 0},
    {"sorted by cluster", sorted_by_cluster, KITH_L2, 12, 0.1, 0},
    {"heavy tails, inner product", heavy_tails, KITH_IP, 16, 0.05, 0.4},
    {"heavy tails", heavy_tails, KITH_L2, 16, 0, 0},
    {"tiny", tiny, KITH_L2, 8, 0, 0},
    {"huge", huge, KITH_L2, 8, 0, 0},
};

/* Verified, recall, and the nearest of all first for rows as queries. */
static void sound(two_indexes *t, const char *name, const char *step, const float *q, double floor)
{
    kith_query ten = KITH_QUERY_K(10), one = KITH_QUERY_K(1);
    char what[96];

    (void)snprintf(what, sizeof what, "%s, %s", name, step);
    t->what = what;
    ten.effort = one.effort = WALKS;
    if (kith_verify(t->graph, NULL) != KITH_OK) fail_msg("%s: %s", what, kith_last_error());
    two_floor(t, KITH_ROWS(q, NQ, KITH_F32), &ten, floor);
    two_floor(t, KITH_ROWS(q, NQ, KITH_F32), &one, floor);
}

static void prove(const char *navigator, size_t kind, size_t n, double floor)
{
    const size_t d = kinds[kind].d, more = n / 8, all = n + more;
    const char *name = kinds[kind].name;
    float *x = need_floats(all * d), q[NQ * D_MOST];
    int64_t *ids = malloc(all * sizeof *ids);
    uint64_t at = (kind + 1) << 40;
    two_indexes t;
    size_t gone = 0;

    assert_non_null(ids);
    floor -= kinds[kind].less;
    if (strncmp(navigator, "Graph", 5) != 0) floor -= kinds[kind].lesser;
    for (size_t i = 0; i < all; i++) kinds[kind].make(&at, i, all, d, x + i * d);
    for (size_t i = 0; i < NQ; i++) memcpy(q + i * d, x + i * (all / NQ) * d, d * sizeof *q);
    two_open_as(&t, navigator, "", d, kinds[kind].metric, 1);
    two_add(&t, KITH_ROWS(x, n, KITH_F32), NULL);
    sound(&t, name, "built", q, floor);
    for (size_t i = n, some = 1; i < all; i += some, some = some % 40 + 13) {
        if (some > all - i) some = all - i;
        two_add(&t, KITH_ROWS(x + i * d, some, KITH_F32), NULL);
    }
    sound(&t, name, "added to", q, floor);
    for (size_t i = 0; i < all; i += 3) ids[gone++] = (int64_t)i;
    two_remove(&t, ids, gone);
    sound(&t, name, "a third removed", q, floor);
    for (size_t i = 0; i < gone / 4; i++)
        two_add(&t, KITH_ROWS(x + ids[i] * (int64_t)d, 1, KITH_F32), ids + i);
    two_upsert(&t, KITH_ROWS(x + d, gone / 4, KITH_F32), ids + gone / 8);
    sound(&t, name, "some came back", q, floor);
    must(kith_compact(t.graph, NULL));
    sound(&t, name, "compacted", q, floor);
    two_close(&t);
    free(ids);
    free(x);
}

void prove_degenerate(const char *navigator, size_t n, double floor)
{
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        prove(navigator, kind, n, floor);
}
