/* Searches on graphs, of each navigator: filters of many shares, near the query and far from it,
 * answered with the recall of those without; ranges; budgets that are told; many, few and all rows;
 * cursors. */
#include "support/twoindexes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = FEWER(4000, 3000), D = 16, NQ = 20, EFFORT = 48 };

static float *x; /* [N + NQ][D]: rows, queries */
static const char *const navigators[] = {"Graph48", "Graph48(code_bits=4)", "HNSW16", "NSW24"};
enum { NAVIGATORS = sizeof navigators / sizeof *navigators };

/* What was built once; searched and changed are copies. */
static struct image {
    const char *navigator;
    kith_metric m;
    bool copies;
    uint8_t *bytes;
    size_t len;
} images[12];
enum { IMAGES = sizeof images / sizeof *images };

static const struct image *image_of(const char *navigator, kith_metric m, bool copies)
{
    kith_host host = KITH_HOST_INIT;
    struct image *im = images;
    kith_index *ix;

    while (im->bytes &&
           (strcmp(im->navigator, navigator) != 0 || im->m != m || im->copies != copies)) {
        im++;
        assert_true(im < images + IMAGES);
    }
    if (im->bytes) return im;
    host.threads = 1;
    *im = (struct image){navigator, m, copies, NULL, 0};
    must(kith_create(navigator, D, m, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
    im->bytes = bytes_of(ix, &im->len);
    kith_free(ix);
    return im;
}

static int forget_images(void **state)
{
    (void)state;
    for (size_t i = 0; i < IMAGES; i++) free(images[i].bytes);
    return 0;
}

/* copies: each fifth row is that of an earlier one. */
static void open_rows(two_indexes *t, const char *navigator, kith_metric m, bool copies)
{
    kith_host host = KITH_HOST_INIT;
    const struct image *im;

    x = need_floats((N + NQ) * D);
    clustered_rows(21, N + NQ, D, 30, 0.8f, false, x);
    for (size_t i = 100; copies && i < N; i++)
        if (i % 5 == 0) memcpy(x + i * D, x + i / 2 * D, D * sizeof *x);
    im = image_of(navigator, m, copies);
    host.threads = 1;
    *t = (two_indexes){.d = D, .what = navigator};
    must(kith_open_view(im->bytes, im->len, KITH_OPEN_COPY, &host, &t->graph));
    must(kith_create("Flat", D, m, &host, &t->flat));
    must(kith_add(t->flat, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
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

static void filters_of(const char *navigator, kith_metric m, bool copies, double floor)
{
    static const size_t shares[] = {1, 15, 30, 48};
    two_indexes t;

    open_rows(&t, navigator, m, copies);
    for (way which = RANDOM; which <= HALF; which++)
        for (size_t i = 0; i < 4; i++) filtered(&t, which, shares[i], floor);
    filtered(&t, RANDOM, 75, floor);
    filtered(&t, RANDOM, 99, floor);
    close_rows(&t);
}

static void filters(void **state)
{
    (void)state;
    filters_of("Graph48", KITH_L2, false, 0.95);
    filters_of("Graph48", KITH_COSINE, false, 0.95);
    filters_of("HNSW16", KITH_L2, false, 0.95);
    filters_of("NSW24", KITH_COSINE, false, 0.95);
}

static void filters_among_copies(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAVIGATORS; i++) filters_of(navigators[i], KITH_L2, true, 0.95);
}

/* The filter is evaluated while rows go; one that was bound before passes what is left of it. */
static void filter_beside_removals(const char *navigator)
{
    kith_query how = KITH_QUERY_K(10);
    kith_filter *f = NULL, *bound = NULL;
    int64_t gone[N / 4];
    two_indexes t;

    open_rows(&t, navigator, KITH_L2, false);
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

static void filters_beside_removals(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAVIGATORS; i++) filter_beside_removals(navigators[i]);
}

/* ---- budgets --------------------------------------------------------------------------------- */

static void take_visits(void *ctx, const char *name, const char *unit, double value)
{
    (void)unit;
    if (strcmp(name, "visits") == 0) *(double *)ctx = value;
}

/* Rows whose distance was taken so far. */
static uint64_t visits_of(const kith_index *ix)
{
    double visits = 0;

    kith_stats(ix, take_visits, &visits);
    return (uint64_t)visits;
}

/* One query with this cap: its flags, and how many rows it has. */
static uint32_t capped(const two_indexes *t, const float *q, uint64_t most, uint32_t k, size_t *n)
{
    kith_query how = KITH_QUERY_K(k);
    uint32_t flags = 0;
    int64_t ids[100];

    assert_true(k <= 100);
    how.flags = &flags;
    how.effort = EFFORT;
    how.max_visits = most;
    must(kith_search(t->graph, KITH_ROWS(q, 1, KITH_F32), &how, ids, NULL));
    for (*n = 0; *n < k && ids[*n] != KITH_NO_ID; ++*n) continue;
    for (size_t i = *n; i < k; i++) assert_int_equal(ids[i], KITH_NO_ID);
    return flags;
}

/* A cap that the walk does not need is not told; one that ends it is, and that fewer than k rows
 * are there only where it is so. */
static void caps(const two_indexes *t, const float *q)
{
    const uint64_t before = visits_of(t->graph);
    uint64_t visits;
    size_t n;

    assert_int_equal(capped(t, q, 0, 10, &n), 0);
    visits = visits_of(t->graph) - before;
    assert_int_equal(capped(t, q, visits, 10, &n), 0);
    assert_int_equal(n, 10);
    assert_int_equal(capped(t, q, visits - 32, 10, &n), KITH_TRUNCATED);
    assert_int_equal(n, 10);
    assert_int_equal(capped(t, q, 1, 10, &n), KITH_TRUNCATED | KITH_SHORT);
    assert_int_equal(n, 1);
    for (uint64_t most = 1; most < visits; most += 17) {
        const uint32_t flags = capped(t, q, most, 100, &n);

        assert_true(flags & KITH_TRUNCATED);
        assert_int_equal((flags & KITH_SHORT) != 0, n < 100);
    }
}

static void budgets(void **state)
{
    kith_query how = KITH_QUERY_K(10);
    uint32_t flags[NQ];
    int64_t ids[NQ * 10];
    kith_cursor *cursor;

    (void)state;
    for (size_t j = 0; j < NAVIGATORS; j++) {
        two_indexes t;

        open_rows(&t, navigators[j], KITH_L2, false);
        for (size_t i = 0; i < 5; i++) caps(&t, x + (N + i) * D);
        how.effort = EFFORT;
        how.max_visits = 100;
        (void)two_recall(&t, KITH_ROWS(x + N * D, NQ, KITH_F32), &how); // what it has is right
        refused(kith_cursor_open(t.graph, KITH_ROWS(x, 1, KITH_F32), &how, &cursor),
                KITH_UNSUPPORTED, "visit cap");
        how.max_visits = 0;
        how.deadline_us = 1;
        how.effort = 200;
        how.flags = flags;
        must(kith_search(t.graph, KITH_ROWS(x + N * D, NQ, KITH_F32), &how, ids, NULL));
        for (size_t i = 0; i < NQ; i++) assert_int_equal(flags[i], KITH_TRUNCATED);
        refused(kith_cursor_open(t.graph, KITH_ROWS(x, 1, KITH_F32), &how, &cursor),
                KITH_UNSUPPORTED, "deadline");
        how.deadline_us = 3600000000;
        must(kith_search(t.graph, KITH_ROWS(x + N * D, NQ, KITH_F32), &how, ids, NULL));
        for (size_t i = 0; i < NQ; i++) assert_int_equal(flags[i], 0);
        how = (kith_query)KITH_QUERY_K(10);
        close_rows(&t);
    }
}

/* ---- how many -------------------------------------------------------------------------------- */

/* Everything within a limit, which is that of so many neighbours: nearly all of it is found, and
 * nothing else. */
static void ranges_of(const two_indexes *t, uint32_t within)
{
    kith_query how = KITH_QUERY_K(within);
    size_t found = 0, wanted = 0;
    int64_t ids[100];
    float dist[100];

    assert_true(within <= 100);

    for (size_t i = 0; i < NQ; i++) {
        const kith_rows q = KITH_ROWS(x + (N + i) * D, 1, KITH_F32);
        kith_hits *exact, *walked;
        const float *a, *b;
        size_t n, m;

        how.limit = NAN;
        must(kith_search(t->flat, q, &how, ids, dist));
        how.limit = dist[within - 1];
        must(kith_range(t->flat, q, &how, &exact));
        must(kith_range(t->graph, q, &how, &walked));
        n = kith_hits_row(exact, 0, NULL, &a);
        m = kith_hits_row(walked, 0, NULL, &b);
        assert_true(m <= n && n >= within);
        for (size_t j = 0; j < m; j++) assert_true(b[j] >= a[j] && b[j] <= how.limit);
        found += m;
        wanted += n;
        kith_hits_free(exact);
        kith_hits_free(walked);
    }
    if (found * 100 < wanted * 99) fail_msg("%s: %zu of %zu rows", t->what, found, wanted);
}

static void ranges(void **state)
{
    (void)state;
    for (size_t j = 0; j < NAVIGATORS; j++) {
        two_indexes t;

        open_rows(&t, navigators[j], KITH_L2, true);
        ranges_of(&t, 3);
        ranges_of(&t, 60);
        close_rows(&t);
    }
}

static void many_and_few_of(const char *navigator)
{
    static const uint32_t ks[] = {1, 100, N / 5, N / 4 + 1, N, N + 5};
    kith_query how = KITH_QUERY_INIT;
    kith_filter *three;
    two_indexes t;

    open_rows(&t, navigator, KITH_L2, true);
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

static void many_and_few(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAVIGATORS; i++) many_and_few_of(navigators[i]);
}

/* No row twice, hardly one left out (what a page's walk misses), pages of any size, with a filter
 * and without. */
static void cursors_of(const char *navigator)
{
    kith_filter *f;
    two_indexes t;

    open_rows(&t, navigator, KITH_L2, true);
    f = passing(RANDOM, 40, x);
    for (int with = 0; with < 2; with++) {
        kith_query how = KITH_QUERY_INIT;
        uint64_t *seen = calloc(N / 64 + 1, sizeof *seen);
        int64_t ids[700], *all = malloc(N * sizeof *all);
        size_t n = 0, passed = 0, got = 1;
        kith_cursor *c;

        assert_true(seen && all);
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
        how.k = N;
        must(kith_search(t.flat, KITH_ROWS(x, 1, KITH_F32), &how, all, NULL));
        while (passed < N && all[passed] != KITH_NO_ID) passed++;
        if (n > passed || n < passed - passed / 100)
            fail_msg("%s: %zu rows of %zu", navigator, n, passed);
        free(seen);
        free(all);
    }
    kith_filter_free(f);
    close_rows(&t);
}

static void cursors(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAVIGATORS; i++) cursors_of(navigators[i]);
}

/* Three and six times as far from the middle as the rows: their codes are cut off. */
static void queries_beyond_the_rows(void **state)
{
    (void)state;
    for (size_t v = 0; v < NAVIGATORS; v++) {
        two_indexes t;

        open_rows(&t, navigators[v], KITH_L2, false);
        for (float by = 3.0f; by < 7.0f; by += 3.0f) {
            float *q = need_floats(NQ * D);
            const kith_query how = KITH_QUERY_K(10);

            for (size_t i = 0; i < NQ * D; i++) q[i] = by * x[N * D + i];
            two_floor(&t, KITH_ROWS(q, NQ, KITH_F32), &how, 0.95);
            free(q);
        }
        close_rows(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters),
        cmocka_unit_test(filters_among_copies),
        cmocka_unit_test(filters_beside_removals),
        cmocka_unit_test(budgets),
        cmocka_unit_test(ranges),
        cmocka_unit_test(many_and_few),
        cmocka_unit_test(cursors),
        cmocka_unit_test(queries_beyond_the_rows),
    };

    return cmocka_run_group_tests_name("find", tests, NULL, forget_images);
}
