/* A Graph beside a Flat index (twoindexes.h). */
#include "support/twoindexes.h"
#include "support/sink.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

void two_open(two_indexes *t, const char *codec, size_t d, kith_metric m, uint32_t threads)
{
    two_open_as(t, "Graph", codec, d, m, threads);
}

void two_open_as(two_indexes *t, const char *navigator, const char *codec, size_t d, kith_metric m,
                 uint32_t threads)
{
    kith_host host = KITH_HOST_INIT;
    char spec[64];

    host.threads = threads;
    *t = (two_indexes){.d = d, .what = kith_metric_name(m)};
    snprintf(spec, sizeof spec, "%s%s", navigator, codec);
    must(kith_create(spec, d, m, &host, &t->graph));
    snprintf(spec, sizeof spec, "Flat%s", codec);
    must(kith_create(spec, d, m, &host, &t->flat));
}

void two_close(two_indexes *t)
{
    kith_free(t->graph);
    kith_free(t->flat);
}

void two_add(two_indexes *t, kith_rows x, const int64_t *ids)
{
    must(kith_add(t->graph, x, ids, NULL, NULL));
    must(kith_add(t->flat, x, ids, NULL, NULL));
}

void two_upsert(two_indexes *t, kith_rows x, const int64_t *ids)
{
    must(kith_upsert(t->graph, x, ids, NULL, NULL));
    must(kith_upsert(t->flat, x, ids, NULL, NULL));
}

void two_remove(two_indexes *t, const int64_t *ids, size_t n)
{
    size_t a, b;

    must(kith_remove(t->graph, ids, n, &a));
    must(kith_remove(t->flat, ids, n, &b));
    assert_int_equal(a, b);
}

/* ---- answers --------------------------------------------------------------------------------- */

typedef struct answers {
    int64_t *ids;    /* [nq][k] */
    float *dist;     /* [nq][k] */
    uint32_t *flags; /* [nq] */
} answers;

static answers ask(const kith_index *ix, kith_rows q, kith_query how)
{
    answers a;

    a.ids = malloc(q.n * how.k * sizeof *a.ids);
    a.dist = malloc(q.n * how.k * sizeof *a.dist);
    a.flags = malloc(q.n * sizeof *a.flags);
    assert_true(a.ids && a.dist && a.flags);
    how.flags = a.flags;
    must(kith_search(ix, q, &how, a.ids, a.dist));
    return a;
}

static void forget(answers *a)
{
    free(a->ids);
    free(a->dist);
    free(a->flags);
}

static size_t hits(const int64_t *ids, size_t k)
{
    size_t n = 0;

    while (n < k && ids[n] != KITH_NO_ID) n++;
    for (size_t i = n; i < k; i++) assert_int_equal(ids[i], KITH_NO_ID);
    return n;
}

/* Flat, asked for these very rows, gives them in this order and at these distances. */
static void are_canonical(const two_indexes *t, kith_rows one, const int64_t *ids,
                          const float *dist, size_t n)
{
    kith_query how = KITH_QUERY_K((uint32_t)n + 1);
    kith_filter *these;
    answers right;

    if (n == 0) return;
    must(kith_filter_ids(ids, n, NULL, &these));
    how.filter = these;
    right = ask(t->flat, one, how);
    for (size_t i = 0; i < n; i++)
        if (ids[i] != right.ids[i] || dist[i] != right.dist[i])
            fail_msg("%s: answer %zu of %zu is row %lld at %.9g; Flat has row %lld at %.9g",
                     t->what, i, n, (long long)ids[i], (double)dist[i], (long long)right.ids[i],
                     (double)right.dist[i]);
    assert_int_equal(right.ids[n], KITH_NO_ID);
    forget(&right);
    kith_filter_free(these);
}

double two_recall(const two_indexes *t, kith_rows q, const kith_query *how)
{
    const bool similar = kith_metric_is_similarity(kith_metric_of(t->flat));
    const size_t row = q.stride ? q.stride : kith_row_bytes(q.dtype, t->d);
    kith_query exact = *how;
    answers got = ask(t->graph, q, *how), want;
    size_t found = 0, all = 0;

    exact.effort = exact.rerank = 0;
    exact.deadline_us = exact.max_visits = 0;
    exact.slack = 0;
    want = ask(t->flat, q, exact);
    for (size_t i = 0; i < q.n; i++) {
        const size_t k = how->k, n = hits(got.ids + i * k, k), m = hits(want.ids + i * k, k);
        const float last = m ? want.dist[i * k + m - 1] : 0;
        const kith_rows one = {(const uint8_t *)q.data + i * row, 1, 0, q.dtype};

        if (n > m || (n < m && isnan(how->limit) && !(got.flags[i] & KITH_TRUNCATED)))
            fail_msg("%s: query %zu has %zu answers, not %zu", t->what, i, n, m);
        assert_int_equal((got.flags[i] & KITH_SHORT) != 0, n < k);
        are_canonical(t, one, got.ids + i * k, got.dist + i * k, n);
        for (size_t j = 0; j < n; j++)
            found += similar ? got.dist[i * k + j] >= last : got.dist[i * k + j] <= last;
        all += m;
    }
    forget(&got);
    forget(&want);
    return all ? (double)found / (double)all : 1.0;
}

void two_floor(const two_indexes *t, kith_rows q, const kith_query *how, double floor)
{
    const double recall = two_recall(t, q, how);

    if (getenv("KITH_SHOW")) {
        print_message("%s: %.4f (%g)\n", t->what, recall, floor);
        return;
    }
    if (recall < floor) fail_msg("%s: recall %.4f, at least %.4f wanted", t->what, recall, floor);
}

void two_sound(const two_indexes *t, kith_rows q, double floor)
{
    const kith_query how = KITH_QUERY_K(10);

    if (kith_verify(t->graph, NULL) != KITH_OK) fail_msg("%s: %s", t->what, kith_last_error());
    assert_int_equal(kith_count(t->graph), kith_count(t->flat));
    two_floor(t, q, &how, floor);
}

uint8_t *bytes_of(const kith_index *ix, size_t *len)
{
    bytes b = {0};

    must(kith_write(ix, append, &b));
    *len = b.len;
    return b.p;
}

void same_bytes(const kith_index *a, const kith_index *b, const char *what)
{
    size_t n, m, at = 0;
    uint8_t *x = bytes_of(a, &n), *y = bytes_of(b, &m);

    while (at < n && at < m && x[at] == y[at]) at++;
    if (n != m || at < n) fail_msg("%s: %zu and %zu bytes differ from byte %zu on", what, n, m, at);
    free(x);
    free(y);
}

/* ---- rows ------------------------------------------------------------------------------------ */

uint32_t draw_below(uint64_t *at, uint32_t n)
{
    return ki_random_below(7, KI_RNG_TEST, (*at)++, n);
}

/* A sum of uniform ones: a bell with ends. */
float draw_normal(uint64_t *at)
{
    float sum = 0;

    for (size_t i = 0; i < 6; i++) sum += ki_random_f32(7, KI_RNG_TEST, (*at)++);
    return (sum - 3.0f) * 1.4142135f;
}

void clustered_rows(uint64_t seed, size_t n, size_t d, size_t centres, float spread, bool positive,
                    float *x)
{
    float *centre = need_floats(centres * d);
    uint64_t where = 1234567, at = seed << 32; // centres are the same for every seed

    for (size_t i = 0; i < centres * d; i++) centre[i] = draw_normal(&where);
    for (size_t i = 0; i < n; i++) {
        const float *c = centre + draw_below(&at, (uint32_t)centres) * d;

        for (size_t j = 0; j < d; j++) {
            const float value = c[j] + spread * draw_normal(&at);
            x[i * d + j] = positive ? fabsf(value) : value;
        }
    }
    free(centre);
}

float *need_floats(size_t n)
{
    float *x = calloc(n ? n : 1, sizeof *x);

    assert_non_null(x);
    return x;
}
