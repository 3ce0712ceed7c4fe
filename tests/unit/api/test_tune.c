/* Tuning as programs use it: the recall that it promises is reached by queries that it never saw,
 * its curve is the same every time and goes with the index, and nothing that goes wrong leaves a
 * trace. */
#include "support/failing.h"
#include "support/twoindexes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { N = FEWER(2000, 1600), D = 16, NQ = FEWER(100, 40), POINTS = 64 };

static const kith_tuning few = {sizeof(kith_tuning), 10, 40, 0, 0};

/* N rows in both, NQ queries of their kind that are in none. */
static float *filled(two_indexes *t, const char *codec, kith_metric m, uint32_t threads)
{
    float *x = need_floats((N + NQ) * D);

    clustered_rows(31, N + NQ, D, 40, 0.7f, false, x);
    two_open(t, codec, D, m, threads);
    two_add(t, KITH_ROWS(x, N, KITH_F32), NULL);
    return x;
}

static size_t curve_of(const kith_index *ix, kith_point *p)
{
    size_t n;

    must(kith_curve(ix, p, POINTS, &n));
    for (size_t i = 0; i < n; i++) {
        assert_true(p[i].recall > (i ? p[i - 1].recall : 0) && p[i].recall < 1);
        assert_true(p[i].visits > (i ? p[i - 1].visits : 0) && p[i].us > 0);
        assert_true(p[i].effort > 0 && p[i].slack > 0);
    }
    return n;
}

/* But for what was timed. */
static void same_curve(const kith_index *a, const kith_index *b)
{
    kith_point x[POINTS], y[POINTS];
    const size_t n = curve_of(a, x);

    assert_true(n > 0);
    assert_int_equal(curve_of(b, y), n);
    for (size_t i = 0; i < n; i++) x[i].us = y[i].us = 1;
    assert_memory_equal(x, y, n * sizeof *x);
}

/* Queries that were not there when it was tuned reach what they ask for, within what so few of them
 * can tell. */
static void recall_is_reached(void **state)
{
    static const kith_tuning some = {sizeof some, 10, 120, 0, 0};
    static const float asked[] = {0.5f, 0.8f, 0.9f, 0.95f, 0.99f, 0.999f};
    static const uint32_t ks[] = {10, 1, 4, 40};
    static const struct {
        const char *codec;
        kith_metric m;
    } kinds[] = {{"", KITH_L2}, {",F16", KITH_COSINE}};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        two_indexes t;
        float *x = filled(&t, kinds[i].codec, kinds[i].m, 2);
        const kith_rows q = KITH_ROWS(x + N * D, NQ, KITH_F32);
        kith_point p[POINTS];
        size_t n;

        must(kith_tune(t.graph, NULL, &some, NULL));
        n = curve_of(t.graph, p);
        assert_true(n >= (SANITIZED ? 1 : 3));
        assert_true(p[n - 1].recall >= (SANITIZED ? 0.9f : 0.99f));
        for (size_t j = 0; j < sizeof asked / sizeof *asked; j++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
                kith_query how = KITH_QUERY_K(ks[k]);

                how.recall = asked[j];
                two_floor(&t, q, &how, (double)asked[j] - (ks[k] == 1 ? 0.06 : 0.03));
            }
        two_close(&t);
        free(x);
    }
}

static void the_same_curve_every_time(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1);
    kith_tuning how = few;
    kith_index *other;
    uint8_t *bytes;
    size_t len;

    (void)state;
    bytes = bytes_of(t.graph, &len);
    must(kith_open_view(bytes, len, 0, NULL, &other));
    must(kith_tune(t.graph, NULL, &how, NULL));
    how.threads = 3;
    must(kith_tune(other, NULL, &how, NULL));
    same_curve(t.graph, other);
    must(kith_tune(other, NULL, &how, NULL)); // anew, over the one that is there
    same_curve(t.graph, other);
    kith_free(other);
    two_close(&t);
    free(bytes);
    free(x);
}

/* The queries' own curve; of many queries some serve. */
static void given_queries(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1);
    const kith_rows q = KITH_ROWS(x + N * D, NQ, KITH_F32), one = KITH_ROWS(x, 1, KITH_F32);
    kith_query how = KITH_QUERY_K(10);
    kith_point p[POINTS];
    size_t n;

    (void)state;
    must(kith_tune(t.graph, &q, NULL, NULL));
    n = curve_of(t.graph, p);
    for (size_t i = 0; i < n; i++) {
        how.recall = p[i].recall;
        assert_true(two_recall(&t, q, &how) >= (double)p[i].recall); // not by a hair less
    }
    must(kith_tune(t.graph, &q, &few, NULL));
    assert_true(curve_of(t.graph, p) > 0);
    must(kith_tune(t.graph, &one, NULL, NULL)); // it promises what one query can
    n = curve_of(t.graph, p);
    assert_true(n > 0 && p[n - 1].recall <= 0.9f);
    two_close(&t);
    free(x);
}

static void what_is_exact(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1), dist[10];
    const kith_rows q = KITH_ROWS(x + N * D, 1, KITH_F32);
    kith_query how = KITH_QUERY_K(10);
    kith_point p[POINTS];
    int64_t ids[10];
    uint32_t flags;
    size_t n = 99;

    (void)state;
    how.flags = &flags;
    how.recall = 1;
    must(kith_search(t.graph, q, &how, ids, dist));
    assert_int_equal(flags, KITH_EXACT);
    how.recall = 0.9f;
    refused(kith_search(t.graph, q, &how, ids, dist), KITH_UNTRAINED, "0.9");
    must(kith_search(t.flat, q, &how, ids, dist));
    must(kith_curve(t.graph, NULL, 0, &n));
    assert_int_equal(n, 0);
    must(kith_tune(t.graph, NULL, &few, NULL));
    must(kith_search(t.graph, q, &how, ids, dist));
    assert_int_equal(flags, 0);
    n = curve_of(t.graph, p);
    how.recall = nextafterf(p[n - 1].recall, 1);
    must(kith_search(t.graph, q, &how, ids, dist));
    assert_int_equal(flags, KITH_EXACT);
    must(kith_tune(t.flat, NULL, NULL, NULL));
    must(kith_curve(t.flat, NULL, 0, &n));
    assert_int_equal(n, 0);
    two_close(&t);
    two_open(&t, "", D, KITH_L2, 1); // too few rows for a graph
    must(kith_tune(t.graph, NULL, NULL, NULL));
    two_add(&t, KITH_ROWS(x, 20, KITH_F32), NULL);
    must(kith_tune(t.graph, NULL, NULL, NULL));
    must(kith_curve(t.graph, NULL, 0, &n));
    assert_int_equal(n, 0);
    must(kith_search(t.graph, q, &how, ids, dist));
    assert_int_equal(flags, KITH_EXACT);
    two_close(&t);
    free(x);
}

/* Where with any effort every row that may answer is looked at, each recall is reached though
 * nothing was measured; where not, it is not known. */
static void exact_with_any_effort(void **state)
{
    static const uint32_t ks[] = {1, 10, 64, 200, N / 4, N / 4 + 1, N, 2 * N};
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1);
    const kith_rows q = KITH_ROWS(x + N * D, 4, KITH_F32);
    int64_t *ids = malloc(2 * N * 4 * sizeof *ids), *others = malloc(2 * N * 4 * sizeof *others);
    uint32_t flags[4];
    kith_filter *near, *half;
    kith_hits *hits;
    kith_cursor *c;
    size_t got, exact = 0;

    (void)state;
    assert_non_null(ids);
    assert_non_null(others);
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        kith_query how = KITH_QUERY_K(ks[i]);

        how.flags = flags;
        how.effort = 1;
        must(kith_search(t.graph, q, &how, others, NULL));
        how.effort = 0;
        how.recall = 0.9f;
        if (flags[0] != KITH_EXACT && flags[0] != (KITH_EXACT | KITH_SHORT)) {
            refused(kith_search(t.graph, q, &how, ids, NULL), KITH_UNTRAINED, "kith tune");
            continue;
        }
        exact++;
        must(kith_search(t.graph, q, &how, ids, NULL));
        assert_true(flags[3] & KITH_EXACT);
        assert_memory_equal(ids, others, 4 * ks[i] * sizeof *ids);
    }
    assert_int_equal(exact, sizeof ks / sizeof *ks - 3);

    must(kith_filter_range(0, 900, NULL, &near)); // so few may answer: searches, ranges, cursors
    must(kith_filter_range(0, N / 2 + 400, NULL, &half));
    for (int few_pass = 0; few_pass < 2; few_pass++) {
        kith_query how = KITH_QUERY_K(10);

        how.filter = few_pass ? near : half;
        how.recall = 0.9f;
        how.limit = 9;
        how.flags = flags;
        if (few_pass) {
            must(kith_search(t.graph, q, &how, ids, NULL));
            assert_true(flags[0] & KITH_EXACT);
            must(kith_range(t.graph, q, &how, &hits));
            assert_true(flags[1] & KITH_EXACT);
            kith_hits_free(hits);
            how.limit = NAN;
            must(kith_cursor_open(t.graph, KITH_ROWS(x, 1, KITH_F32), &how, &c));
            must(kith_cursor_next(c, N, ids, NULL, &got));
            assert_int_equal(got, 901);
            kith_cursor_free(c);
            continue;
        }
        refused(kith_search(t.graph, q, &how, ids, NULL), KITH_UNTRAINED, "kith tune");
        refused(kith_range(t.graph, q, &how, &hits), KITH_UNTRAINED, "kith tune");
    }
    kith_filter_free(near);
    kith_filter_free(half);
    free(ids);
    free(others);
    two_close(&t);
    free(x);
}

/* A tune that finds no point says why, and what was stored stays, or nothing is. */
static void no_point(void **state)
{
    static const kith_tuning many = {sizeof many, N / 2, 8, 0, 0}, lone = {sizeof lone, 1, 1, 0, 0};
    two_indexes t, other;
    float *x = filled(&t, "", KITH_L2, 1), *y = filled(&other, "", KITH_L2, 1);
    kith_point p[POINTS];

    (void)state;
    must(kith_tune(other.graph, NULL, &few, NULL));
    for (int tuned = 0; tuned < 2; tuned++) {
        if (tuned) must(kith_tune(t.graph, NULL, &few, NULL));
        refused(kith_tune(t.graph, NULL, &many, NULL), KITH_UNTRAINED, "look at every row");
        refused(kith_tune(t.graph, NULL, &lone, NULL), KITH_UNTRAINED, "sure to reach");
        if (tuned)
            same_curve(t.graph, other.graph);
        else
            assert_int_equal(curve_of(t.graph, p), 0);
    }
    two_close(&t);
    two_close(&other);
    free(x);
    free(y);
}

static void ranges_and_cursors(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1), dist[300];
    const kith_rows q = KITH_ROWS(x + N * D, 1, KITH_F32);
    kith_query how = KITH_QUERY_K(10);
    kith_cursor *c;
    kith_hits *hits;
    int64_t ids[300];
    size_t got;

    (void)state;
    how.recall = 0.95f;
    refused(kith_cursor_open(t.graph, q, &how, &c), KITH_UNTRAINED, "kith tune");
    how.limit = 5;
    refused(kith_range(t.graph, q, &how, &hits), KITH_UNTRAINED, "kith tune");
    must(kith_tune(t.graph, NULL, &(kith_tuning){sizeof few, 100, 40, 0, 0}, NULL));
    for (int exact = 0; exact < 2; exact++) {
        how.recall = exact ? 1.0f : 0.95f;
        must(kith_range(t.graph, q, &how, &hits));
        assert_int_equal(kith_hits_count(hits), 1);
        kith_hits_free(hits);
        must(kith_cursor_open(t.graph, q, &how, &c));
        for (size_t n = 0; n < 300; n += got) { // pages of fewer than the curve's k, and of more
            must(kith_cursor_next(c, n < 10 ? 3 : 290, ids + n, dist + n, &got));
            if (got == 0) break;
            for (size_t i = 1; i < n + got; i++) assert_true(dist[i - 1] <= dist[i]);
            if (n >= 9) break;
        }
        kith_cursor_free(c);
    }
    two_close(&t);
    free(x);
}

static void refusals(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1), dist[10];
    const kith_rows q = KITH_ROWS(x, 10, KITH_F32), none = KITH_ROWS(x, 0, KITH_F32);
    kith_query both = KITH_QUERY_K(10);
    kith_tuning how = few;
    kith_index *ix;
    uint8_t *bytes;
    int64_t ids[10];
    size_t len;

    (void)state;
    refused(kith_tune(NULL, NULL, NULL, NULL), KITH_BAD_ARG, "NULL");
    refused(kith_tune(t.graph, &none, NULL, NULL), KITH_BAD_ARG, "no queries");
    how.k = 0;
    refused(kith_tune(t.graph, NULL, &how, NULL), KITH_BAD_ARG, "k = 0");
    how = few;
    how.sample = 0;
    refused(kith_tune(t.graph, NULL, &how, NULL), KITH_BAD_ARG, "sample");
    how = few;
    how.size = 9;
    refused(kith_tune(t.graph, NULL, &how, NULL), KITH_BAD_ARG, "KITH_TUNING_INIT");
    x[3 * D + 1] = NAN;
    refused(kith_tune(t.graph, &q, NULL, NULL), KITH_BAD_ARG, "query 3");
    refused(kith_tune(t.flat, &q, NULL, NULL), KITH_BAD_ARG, "query 3");
    refused(kith_curve(t.graph, NULL, 3, &len), KITH_BAD_ARG, "NULL");
    refused(kith_curve(t.graph, NULL, 0, NULL), KITH_BAD_ARG, "NULL");
    refused(kith_curve(NULL, NULL, 0, &len), KITH_BAD_ARG, "NULL");
    both.recall = 0.9f;
    both.effort = 50;
    refused(kith_search(t.graph, q, &both, ids, dist), KITH_BAD_ARG, "no effort");
    both.effort = 0;
    both.slack = 0.1f;
    refused(kith_search(t.graph, q, &both, ids, dist), KITH_BAD_ARG, "no effort");
    bytes = bytes_of(t.graph, &len);
    must(kith_open_view(bytes, len, KITH_OPEN_READ_ONLY, NULL, &ix));
    refused(kith_tune(ix, NULL, NULL, NULL), KITH_READ_ONLY, "read-only");
    kith_free(ix);
    free(bytes);
    two_close(&t);
    free(x);
}

/* ---- with the index -------------------------------------------------------------------------- */

typedef struct wanted {
    const char *name;
    double value;
} wanted;

static void take_stat(void *ctx, const char *name, const char *text, double value)
{
    wanted *w = ctx;

    (void)text;
    if (strcmp(name, w->name) == 0) w->value = value;
}

static double stat_named(const kith_index *ix, const char *name)
{
    wanted w = {name, -1};

    kith_stats(ix, take_stat, &w);
    return w.value;
}

/* Through files and every kind of change; where it is not, files are what they were. */
static void it_goes_with_the_index(void **state)
{
    two_indexes t, other;
    float *x = filled(&t, "", KITH_L2, 2), *y = filled(&other, "", KITH_L2, 2);
    const int64_t some[] = {1, 5, 9}, new[] = {N + 5, N + 6};
    size_t len, tuned_len;
    uint8_t *bytes, *tuned;
    kith_index *ix;

    (void)state;
    same_bytes(t.graph, other.graph, "not tuned");
    bytes = bytes_of(t.graph, &len);
    must(kith_tune(other.graph, NULL, &few, NULL));
    tuned = bytes_of(other.graph, &tuned_len);
    assert_true(tuned_len > len);
    must(kith_open_view(tuned, tuned_len, KITH_OPEN_VERIFY, NULL, &ix));
    same_curve(ix, other.graph);
    same_bytes(ix, other.graph, "opened");
    must(kith_add(ix, KITH_ROWS(x + N * D, 2, KITH_F32), new, NULL, NULL));
    must(kith_upsert(ix, KITH_ROWS(x, 3, KITH_F32), some, NULL, NULL));
    must(kith_remove(ix, some + 1, 1, NULL));
    same_curve(ix, other.graph);
    must(kith_compact(ix, NULL));
    same_curve(ix, other.graph);
    assert_true(stat_named(ix, "tuned_rows") == N && stat_named(ix, "tuned_k") == 10 &&
                stat_named(ix, "tuned_queries") == 40);
    must(kith_verify(ix, NULL));
    must(kith_remove(t.graph, some, 3, NULL));
    must(kith_compact(t.graph, NULL));
    assert_true(stat_named(t.graph, "tuned_rows") == -1);
    kith_free(t.graph);
    must(kith_create("Graph", D, KITH_L2, NULL, &t.graph));
    must(kith_merge(t.graph, ix, NULL)); // the rows of another: not its curve
    assert_true(stat_named(t.graph, "tuned_rows") == -1);
    kith_free(ix);
    two_close(&t);
    two_close(&other);
    free(bytes);
    free(tuned);
    free(x);
    free(y);
}

/* Each byte of the section is under a checksum, whatever KITH_OPEN_VERIFY says. */
/* Of no rows there is nothing to measure: a curve of them would not open. */
static void removed_rows(void **state)
{
    float *x = need_floats(N * D);
    const kith_rows all = KITH_ROWS(x, N, KITH_F32);
    int64_t ids[N];
    kith_index *ix;
    uint8_t *bytes;
    size_t len, n;

    (void)state;
    clustered_rows(31, N, D, 40, 0.7f, false, x);
    for (int64_t i = 0; i < N; i++) ids[i] = i;
    must(kith_create("Graph16(sweep=0)", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, all, ids, NULL, NULL));
    must(kith_remove(ix, ids, N, NULL));
    must(kith_tune(ix, NULL, &few, NULL));
    must(kith_tune(ix, &all, &few, NULL));
    must(kith_curve(ix, NULL, 0, &n));
    assert_int_equal(n, 0);
    must(kith_add(ix, all, ids, NULL, NULL));
    bytes = bytes_of(ix, &len);
    kith_free(ix);
    must(kith_open_view(bytes, len, KITH_OPEN_VERIFY, NULL, &ix));
    kith_free(ix);
    free(bytes);
    free(x);
}

static void damage(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 2);
    kith_point p[POINTS];
    size_t len, at = 0, n;
    uint8_t *bytes;
    kith_index *ix;

    (void)state;
    must(kith_tune(t.graph, NULL, &few, NULL));
    n = curve_of(t.graph, p);
    bytes = bytes_of(t.graph, &len);
    for (size_t i = 64; i + 32 + 24 * n < len && at == 0; i += 64) // sections begin there
        if (memcmp(bytes + i + 32, &p[0].recall, 8) == 0) at = i;
    assert_true(at > 0);
    for (size_t i = at; i < at + 32 + 24 * n; i++) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        refused(kith_open_view(bytes, len, 0, NULL, &ix), KITH_CORRUPT, "section TUNE");
        bytes[i] ^= (uint8_t)(1u << i % 8);
    }
    free(bytes);
    two_close(&t);
    free(x);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static int cancel_at(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    (void)phase;
    (void)done;
    (void)total;
    return --*(int *)ctx == 0;
}

static void cancelled(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1);
    int polls = 1;
    kith_point p[POINTS];

    (void)state;
    for (int n = 1; n < 4; n++) { // polls come by the clock: there are more, at no fixed place
        const kith_watch w = {cancel_at, &polls};
        kith_status st;

        polls = n;
        st = kith_tune(t.graph, NULL, &few, &w);
        if (st == KITH_OK) break;
        assert_int_equal(st, KITH_CANCELLED);
        assert_int_equal(curve_of(t.graph, p), 0);
    }
    two_close(&t);
    free(x);
}

static void failed_allocations(void **state)
{
    enum { FEW = 1100 };
    const kith_tuning how = {sizeof how, 5, 4, 1, 0};
    float *x = need_floats(FEW * D);
    uint8_t *bytes;
    kith_index *ix;
    size_t n = 0, len;

    (void)state;
    clustered_rows(5, FEW, D, 9, 0.7f, false, x);
    must(kith_create("Graph16", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, FEW, KITH_F32), NULL, NULL, NULL));
    bytes = bytes_of(ix, &len);
    kith_free(ix);
    for (bool more = true; more;) {
        kith_point p[POINTS];
        failing_host f;
        kith_status st;

        failing_init(&f);
        f.host.threads = 1;
        must(kith_open_view(bytes, len, 0, &f.host, &ix));
        n++;
        failing_alloc_at(&f, n, n % 2 == 0);
        st = kith_tune(ix, NULL, &how, NULL);
        more = failing_happened(&f);
        failing_alloc_at(&f, 0, false);
        assert_true(st == KITH_OK || st == KITH_NO_MEMORY);
        assert_true((curve_of(ix, p) > 0) == (st == KITH_OK));
        must(kith_tune(ix, NULL, &how, NULL));
        assert_true(curve_of(ix, p) > 0);
        kith_free(ix);
        if (failing_complaint(&f)) fail_msg("failure %zu: %s", n, failing_complaint(&f));
        assert_true(n < 300);
    }
    print_message("%zu places to fail\n", n - 1);
    free(bytes);
    free(x);
}

/* ---- beside readers -------------------------------------------------------------------------- */

typedef struct reader {
    const kith_index *ix;
    const float *q;
    atomic_bool stop;
    size_t answered;
} reader;

static void *ask_for_recall(void *ctx)
{
    reader *r = ctx;

    while (!atomic_load(&r->stop)) {
        kith_query how = KITH_QUERY_K(10);
        kith_point p[POINTS];
        int64_t ids[10];
        size_t n;

        how.threads = 1;
        how.recall = 0.9f;
        if (kith_search(r->ix, KITH_ROWS(r->q, 1, KITH_F32), &how, ids, NULL) != KITH_OK) break;
        if (kith_curve(r->ix, p, POINTS, &n) != KITH_OK || n == 0) break;
        r->answered++;
    }
    return NULL;
}

static void beside_readers(void **state)
{
    two_indexes t;
    float *x = filled(&t, "", KITH_L2, 1);
    reader r = {.ix = t.graph, .q = x + N * D};
    kith_tuning how = few;
    pthread_t thread;

    (void)state;
    how.sample = 20;
    must(kith_tune(t.graph, NULL, &how, NULL));
    assert_int_equal(pthread_create(&thread, NULL, ask_for_recall, &r), 0);
    for (size_t i = 0; i < 3; i++) {
        how.seed = i;
        must(kith_tune(t.graph, NULL, &how, NULL));
        must(kith_add(t.graph, KITH_ROWS(x + i * D, 1, KITH_F32), NULL, NULL, NULL));
    }
    assert_false(atomic_exchange(&r.stop, true));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(r.answered > 0);
    two_close(&t);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recall_is_reached),
        cmocka_unit_test(the_same_curve_every_time),
        cmocka_unit_test(given_queries),
        cmocka_unit_test(what_is_exact),
        cmocka_unit_test(exact_with_any_effort),
        cmocka_unit_test(no_point),
        cmocka_unit_test(ranges_and_cursors),
        cmocka_unit_test(refusals),
        cmocka_unit_test(it_goes_with_the_index),
        cmocka_unit_test(removed_rows),
        cmocka_unit_test(damage),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(failed_allocations),
        cmocka_unit_test(beside_readers),
    };

    return cmocka_run_group_tests_name("tune", tests, NULL, NULL);
}
