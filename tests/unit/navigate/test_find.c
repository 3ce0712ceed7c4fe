/* Searches on a graph: filters of many shares, near the query and far from it, answered with the
 * recall of those without; budgets that are told; many, few and all rows. */
#include "support/twoindexes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = FEWER(4000, 3000), D = 16, NQ = 20, EFFORT = 48 };

static float *x; /* [N + NQ][D]: rows, queries */

static void open_rows(two_indexes *t, kith_metric m, size_t copies)
{
    x = need_floats((N + NQ) * D);
    clustered_rows(21, N + NQ, D, 30, 0.8f, false, x);
    for (size_t i = 100; i < N; i++) // of earlier rows
        if (i * 7 % 100 < copies) memcpy(x + i * D, x + i / 2 * D, D * sizeof *x);
    two_open(t, "", D, m, 1);
    two_add(t, KITH_ROWS(x, N, KITH_F32), NULL);
}

static void close_rows(two_indexes *t)
{
    two_close(t);
    free(x);
}

typedef struct placed {
    double dist;
    size_t row;
} placed;

static int by_distance(const void *a, const void *b)
{
    const placed *p = a, *q = b;

    return p->dist < q->dist ? -1 : p->dist > q->dist ? 1 : (p->row > q->row) - (p->row < q->row);
}

typedef enum way { RANDOM, FAR, HALF } way;

/* A share of the rows: any; those farthest from q; some of the farther half. */
static kith_filter *passing(way how, size_t percent, const float *q)
{
    placed *all = malloc(N * sizeof *all);
    uint64_t at = percent << 32;
    const size_t from = how == HALF ? N / 2 : 0, part = how == HALF ? 2 * percent : percent;
    int64_t *ids = malloc(N * sizeof *ids);
    kith_filter *f;
    size_t n = 0;

    assert_true(all && ids);
    for (size_t i = 0; i < N; i++) {
        all[i] = (placed){0.0, i};
        for (size_t j = 0; j < D; j++) {
            const double t = (double)x[i * D + j] - (double)q[j];
            all[i].dist += t * t;
        }
    }
    qsort(all, N, sizeof *all, by_distance);
    if (how == FAR)
        for (size_t i = N - N * percent / 100; i < N; i++) ids[n++] = (int64_t)all[i].row;
    else
        for (size_t i = from; i < N; i++)
            if (draw_below(&at, 100) < part) ids[n++] = (int64_t)all[i].row;
    must(kith_filter_ids(ids, n, NULL, &f));
    free(all);
    free(ids);
    return f;
}

static const char *const ways[] = {"random", "far", "half"};

static void filtered(const two_indexes *t, way which, size_t percent, double floor)
{
    const float *q = x + N * D;
    kith_query how = KITH_QUERY_K(10);
    two_indexes named = *t;
    char what[64];

    (void)snprintf(what, sizeof what, "%s, %s %zu %%", t->what, ways[which], percent);
    named.what = what;
    how.effort = EFFORT;
    for (size_t i = 0; i < NQ; i += which == RANDOM ? NQ : 5) {
        kith_filter *f = passing(which, percent, q + i * D);

        how.filter = f;
        two_floor(&named, KITH_ROWS(q + i * D, which == RANDOM ? NQ : 1, KITH_F32), &how, floor);
        kith_filter_free(f);
    }
}

static void filters_of(kith_metric m, size_t copies, double floor)
{
    static const size_t shares[] = {1, 15, 30, 48};
    two_indexes t;

    open_rows(&t, m, copies);
    for (way which = RANDOM; which <= HALF; which++)
        for (size_t i = 0; i < 4; i++) filtered(&t, which, shares[i], floor);
    filtered(&t, RANDOM, 75, floor);
    filtered(&t, RANDOM, 99, floor);
    close_rows(&t);
}

static void filters(void **state)
{
    (void)state;
    filters_of(KITH_L2, 0, 0.95);
    filters_of(KITH_COSINE, 0, 0.95);
}

static void filters_among_copies(void **state)
{
    (void)state;
    filters_of(KITH_L2, 30, 0.95);
}

/* The filter is evaluated while rows go; one that was bound before passes what is left of it. */
static void filters_beside_removals(void **state)
{
    kith_query how = KITH_QUERY_K(10);
    kith_filter *f = NULL, *bound = NULL;
    int64_t gone[N / 4];
    two_indexes t;

    (void)state;
    open_rows(&t, KITH_L2, 0);
    f = passing(RANDOM, 40, x);
    must(kith_filter_bind(t.graph, f, &bound));
    for (size_t i = 0; i < N / 4; i++) gone[i] = (int64_t)(i * 4);
    two_remove(&t, gone, N / 4);
    how.effort = EFFORT;
    how.filter = f;
    two_floor(&t, KITH_ROWS(x + N * D, NQ, KITH_F32), &how, 0.95);
    for (size_t i = 0; i < NQ; i++) {
        int64_t ids[10];

        how.filter = bound;
        must(kith_search(t.graph, KITH_ROWS(x + (N + i) * D, 1, KITH_F32), &how, ids, NULL));
        for (size_t j = 0; j < 10; j++) assert_true(kith_contains(t.graph, ids[j]));
    }
    kith_filter_free(f);
    kith_filter_free(bound);
    close_rows(&t);
}

/* What ended a walk early is told, and what it has is right all the same. */
static void budgets(void **state)
{
    kith_query how = KITH_QUERY_K(10);
    uint32_t flags[NQ];
    int64_t ids[NQ * 10];
    two_indexes t;

    (void)state;
    open_rows(&t, KITH_L2, 0);
    how.flags = flags;
    how.effort = EFFORT;
    how.max_visits = 40;
    must(kith_search(t.graph, KITH_ROWS(x + N * D, NQ, KITH_F32), &how, ids, NULL));
    for (size_t i = 0; i < NQ; i++) assert_true(flags[i] & KITH_TRUNCATED);
    (void)two_recall(&t, KITH_ROWS(x + N * D, NQ, KITH_F32), &how);
    how.flags = flags;
    how.max_visits = N;
    must(kith_search(t.graph, KITH_ROWS(x + N * D, NQ, KITH_F32), &how, ids, NULL));
    for (size_t i = 0; i < NQ; i++) assert_int_equal(flags[i], 0);
    how.max_visits = 0;
    how.deadline_us = 1;
    how.effort = 200;
    must(kith_search(t.graph, KITH_ROWS(x + N * D, NQ, KITH_F32), &how, ids, NULL));
    for (size_t i = 0; i < NQ; i++) assert_int_equal(flags[i] & KITH_TRUNCATED, KITH_TRUNCATED);
    close_rows(&t);
}

static void many_and_few(void **state)
{
    static const uint32_t ks[] = {1, 100, N / 5, N / 4 + 1, N, N + 5};
    kith_query how = KITH_QUERY_INIT;
    kith_filter *three;
    two_indexes t;

    (void)state;
    open_rows(&t, KITH_L2, 10);
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        how.k = ks[i];
        two_floor(&t, KITH_ROWS(x + N * D, 2, KITH_F32), &how, 0.95);
    }
    must(kith_filter_ids((const int64_t[]){5, 6, N - 1}, 3, NULL, &three));
    how.k = 10; // the rest is KITH_NO_ID, which two_recall looks at
    how.filter = three;
    two_floor(&t, KITH_ROWS(x + N * D, NQ, KITH_F32), &how, 1.0);
    kith_filter_free(three);
    close_rows(&t);
}

/* No row twice, hardly one left out (what a page's walk misses), pages of any size, with a filter
 * and without. */
static void cursors(void **state)
{
    kith_filter *f;
    two_indexes t;

    (void)state;
    open_rows(&t, KITH_L2, 20);
    f = passing(RANDOM, 40, x);
    for (int with = 0; with < 2; with++) {
        kith_query how = KITH_QUERY_INIT;
        uint64_t *seen = calloc(N / 64 + 1, sizeof *seen);
        int64_t ids[700];
        size_t n = 0, passed = 0, got = 1;
        kith_cursor *c;

        assert_non_null(seen);
        how.filter = with ? f : NULL;
        how.effort = EFFORT;
        must(kith_cursor_open(t.graph, KITH_ROWS(x + N * D, 1, KITH_F32), &how, &c));
        for (size_t page = 1; got; page = page * 3 % 701) {
            must(kith_cursor_next(c, page, ids, NULL, &got));
            for (size_t i = 0; i < got; i++) {
                assert_false(seen[ids[i] / 64] >> ids[i] % 64 & 1);
                seen[ids[i] / 64] |= (uint64_t)1 << ids[i] % 64;
            }
            n += got;
        }
        kith_cursor_free(c);
        free(seen);
        how.k = N;
        int64_t *all = malloc(N * sizeof *all);
        assert_non_null(all);
        must(kith_search(t.flat, KITH_ROWS(x, 1, KITH_F32), &how, all, NULL));
        while (passed < N && all[passed] != KITH_NO_ID) passed++;
        free(all);
        if (n > passed || n < passed - passed / 100) fail_msg("%zu rows of %zu", n, passed);
    }
    kith_filter_free(f);
    close_rows(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters),
        cmocka_unit_test(filters_among_copies),
        cmocka_unit_test(filters_beside_removals),
        cmocka_unit_test(budgets),
        cmocka_unit_test(many_and_few),
        cmocka_unit_test(cursors),
    };

    return cmocka_run_group_tests_name("find", tests, NULL, NULL);
}
