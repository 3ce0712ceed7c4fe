/* Removed rows swept out of a graph: recall and reach are kept under churn, answers are never
 * short, twins take the places of their nodes, and what fails leaves all as it was. */
#include "support/failing.h"
#include "support/twoindexes.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

enum { N = FEWER(1600, 1300), D = 16, NQ = FEWER(60, 20), BATCH = N / 10 };

static double number;

static void pick(void *name, const char *found, const char *unit, double value)
{
    (void)unit;
    if (strcmp(found, name) == 0) number = value;
}

static double number_of(const kith_index *ix, const char *name)
{
    number = -1;
    kith_stats(ix, pick, ki_unconst(name));
    return number;
}

static void shuffle(uint64_t *at, int64_t *ids, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        const size_t j = i + draw_below(at, (uint32_t)(n - i));
        const int64_t one = ids[i];

        ids[i] = ids[j];
        ids[j] = one;
    }
}

/* Rows of a table: row i has the id i whenever it is stored. */
static void add_ids(two_indexes *t, const float *x, const int64_t *ids, size_t n)
{
    float *some = need_floats(n * t->d);

    for (size_t i = 0; i < n; i++)
        memcpy(some + i * t->d, x + (size_t)ids[i] * t->d, t->d * sizeof *x);
    two_add(t, KITH_ROWS(some, n, KITH_F32), ids);
    free(some);
}

/* Ten rounds: half of the rows go and come back, in batches that are linked one by one. */
static void churn(const char *navigator, const char *codec, kith_metric m, size_t copies)
{
    float *x = need_floats((N + NQ) * D);
    kith_query how = KITH_QUERY_K(10);
    const kith_rows q = KITH_ROWS(x + N * D, NQ, KITH_F32);
    two_indexes t, fresh;
    int64_t ids[N];
    uint64_t at = 3;
    double recall;

    how.effort = 24;
    clustered_rows(21, N + NQ, D, 25, 0.8f, false, x);
    for (size_t i = 0; i < N && copies; i++) // every row `copies` times, near and far apart
        memcpy(x + i * D, x + i / copies * D, D * sizeof *x);
    for (size_t i = 0; i < N; i++) ids[i] = (int64_t)i;
    two_open_as(&t, navigator, codec, D, m, 2);
    two_open_as(&fresh, navigator, codec, D, m, 2);
    t.what = fresh.what = navigator;
    two_add(&t, KITH_ROWS(x, N, KITH_F32), ids);
    two_add(&fresh, KITH_ROWS(x, N, KITH_F32), ids);
    for (size_t round = 0; round < 10; round++) {
        shuffle(&at, ids, N);
        for (size_t i = 0; i < N / 2; i += BATCH) two_remove(&t, ids + i, BATCH);
        for (size_t i = 0; i < N / 2; i += BATCH) add_ids(&t, x, ids + i, BATCH);
        if (round % 3 == 0 && kith_verify(t.graph, NULL)) fail_msg("%s", kith_last_error());
    }
    assert_true(number_of(t.graph, "removed") <= 0.2 * N);
    two_sound(&t, q, 0.95);
    recall = two_recall(&fresh, q, &how);
    two_floor(&t, q, &how, recall - 0.01);
    two_close(&t);
    two_close(&fresh);
    free(x);
}

static void ten_rounds_of_half(void **state)
{
    (void)state;
    churn("Graph", ",F16", KITH_L2, 0);
    churn("HNSW12(ef_construction=40)", "", KITH_COSINE, 0);
    churn("NSW12(ef_construction=40)", "", KITH_L2, 0);
}

/* Copies come and go, so that chains lose their nodes and get new ones. */
static void ten_rounds_of_copies(void **state)
{
    (void)state;
    churn("Graph", "", KITH_COSINE, 3);
    churn("HNSW12(ef_construction=40)", "", KITH_L2, 3);
}

/* However many are removed, at once or a few at a time, k answers come. */
static void share_removed(const char *navigator, size_t percent, bool in_order, bool at_once)
{
    enum { ROWS = FEWER(3000, 2000) };
    const size_t gone = ROWS * percent / 100, step = at_once ? ROWS : ROWS / 12;
    float *x = need_floats((ROWS + NQ) * D);
    const kith_rows q = {x + ROWS * D, NQ, 0, KITH_F32};
    int64_t *ids = calloc(ROWS, sizeof *ids);
    uint64_t at = percent;
    two_indexes t;

    assert_non_null(ids);
    clustered_rows(22, ROWS + NQ, D, 25, 0.8f, false, x);
    for (size_t i = 0; i < ROWS; i++) ids[i] = (int64_t)i;
    two_open_as(&t, navigator, "", D, KITH_L2, 2);
    t.what = navigator;
    two_add(&t, KITH_ROWS(x, ROWS, KITH_F32), ids);
    if (!in_order) shuffle(&at, ids, ROWS); // else whole clusters go in their turn
    for (size_t i = 0; i < gone; i += step)
        two_remove(&t, ids + i, gone - i < step ? gone - i : step);
    two_sound(&t, q, 0.95);
    must(kith_compact(t.graph, NULL));
    assert_int_equal(number_of(t.graph, "removed"), 0);
    two_sound(&t, q, 0.95);
    two_close(&t);
    free(ids);
    free(x);
}

static void most_removed(void **state)
{
    static const size_t percent[] = {10, 50, 90, 99};

    (void)state;
    for (size_t p = 0; p < 8; p++) share_removed("Graph", percent[p / 2], p == 7, p % 2 == 0);
    share_removed("HNSW12(ef_construction=40)", 50, false, false);
    share_removed("HNSW12(ef_construction=40)", 90, true, false);
    share_removed("NSW12(ef_construction=40)", 40, false, true);
}

/* A cluster disappears: those around it are linked past all of it. */
static void region_removed(const char *navigator)
{
    float *x = need_floats((N + NQ) * D);
    int64_t ids[N];
    two_indexes t;
    size_t n = 0;

    clustered_rows(23, N + NQ, D, 1, 1.0f, false, x);
    for (size_t i = 0; i < N; i++) // a quarter, or so: one side of the heap
        if (x[i * D] > x[0]) ids[n++] = (int64_t)i;
    if (n > N * 2 / 5) n = N * 2 / 5;
    two_open_as(&t, navigator, "", D, KITH_L2, 2);
    two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
    two_remove(&t, ids, n);
    must(kith_compact(t.graph, NULL));
    two_sound(&t, KITH_ROWS(x + N * D, NQ, KITH_F32), 0.95);
    two_close(&t);
    free(x);
}

static void a_region_removed(void **state)
{
    (void)state;
    region_removed("Graph");
    region_removed("HNSW16(ef_construction=40)");
    region_removed("NSW16(ef_construction=40)");
}

/* Rows come and go by three hosts; each step gives the same bytes. */
static kith_index *churned(const float *x, uint32_t threads, const char *spec)
{
    kith_host host = KITH_HOST_INIT;
    int64_t ids[N / 4];
    uint64_t at = 9;
    kith_index *ix;

    host.threads = threads;
    must(kith_create(spec, D, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
    for (size_t i = 0; i < N / 4; i++) ids[i] = (int64_t)(4 * i + draw_below(&at, 4));
    must(kith_upsert(ix, KITH_ROWS(x + 50 * D, N / 8, KITH_F32), ids, NULL, NULL));
    must(kith_remove(ix, ids + N / 8, N / 8, NULL));
    must(kith_upsert(ix, KITH_ROWS(x, N / 4, KITH_F32), ids, NULL, NULL));
    return ix;
}

static void the_same_bytes(void **state)
{
    static const char *const specs[] = {"Graph", "Graph16(sweep=0.1),F16",
                                        "HNSW8(ef_construction=40)",
                                        "NSW8(ef_construction=40,sweep=0.1)"};
    float *x = need_floats(N * D);

    (void)state;
    clustered_rows(24, N, D, 25, 0.8f, false, x);
    memcpy(x + N / 2 * D, x, N / 8 * D * sizeof *x); // copies
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        const char *spec = specs[i];
        kith_index *one = churned(x, 1, spec), *two = churned(x, 2, spec);
        kith_index *five = churned(x, 5, spec);

        must(kith_verify(one, NULL));
        assert_true(number_of(one, "removed") < N / 4);
        same_bytes(one, two, spec);
        same_bytes(one, five, spec);
        kith_free(one);
        kith_free(two);
        kith_free(five);
    }
    free(x);
}

/* ---- what fails ------------------------------------------------------------------------------ */

static void bytes_are(const kith_index *ix, const uint8_t *want, size_t len)
{
    size_t n;
    uint8_t *bytes = bytes_of(ix, &n);

    assert_int_equal(n, len);
    assert_memory_equal(bytes, want, len);
    free(bytes);
}

/* The removal that sweeps, or an upsert that does, while the n-th allocation fails. */
static void fails_at_each(const char *spec, bool upsert, size_t step)
{
    enum { ROWS = 1300 };
    float *x = need_floats(2 * ROWS * D);
    int64_t ids[ROWS];
    bool more = true;

    clustered_rows(25, 2 * ROWS, D, 9, 0.8f, false, x);
    for (size_t i = 0; i < ROWS; i++) ids[i] = (int64_t)i;
    for (size_t n = 1; more; n += step) {
        failing_host f;
        kith_status st;
        uint8_t *bytes;
        kith_index *ix;
        size_t len;

        failing_init(&f);
        f.host.threads = 1;
        must(kith_create(spec, D, KITH_L2, &f.host, &ix));
        must(kith_add(ix, KITH_ROWS(x, ROWS, KITH_F32), ids, NULL, NULL));
        must(kith_remove(ix, ids + 1000, 200, NULL));
        bytes = bytes_of(ix, &len);
        failing_alloc_at(&f, n, n % 2 == 0);
        st = upsert ? kith_upsert(ix, KITH_ROWS(x + ROWS * D, 100, KITH_F32), ids, NULL, NULL)
                    : kith_remove(ix, ids, 100, NULL);
        more = failing_happened(&f);
        failing_alloc_at(&f, 0, false);
        if (st == KITH_OK) {
            assert_int_equal(number_of(ix, "removed"), 0);
        } else {
            assert_int_equal(st, KITH_NO_MEMORY);
            bytes_are(ix, bytes, len);
        }
        must(kith_verify(ix, NULL));
        kith_free(ix);
        free(bytes);
        assert_null(failing_complaint(&f));
    }
    free(x);
}

static void failed_allocations(void **state)
{
    enum { STEP = SANITIZED ? 29 : 15 };

    (void)state;
    fails_at_each("Graph16", false, STEP);
    fails_at_each("Graph16", true, STEP);
    fails_at_each("HNSW6(ef_construction=20)", false, STEP);
    fails_at_each("NSW6(ef_construction=20)", true, STEP);
}

typedef struct stopping {
    const char *phase;
    bool stopped;
} stopping;

static int stop(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    stopping *s = ctx;

    (void)done;
    (void)total;
    s->stopped |= strcmp(phase, s->phase) == 0;
    return s->stopped;
}

/* Cancelled while links are mended. */
static void cancelled(void **state)
{
    enum { ROWS = 1300 };
    float *x = need_floats(ROWS * D);
    stopping s = {.phase = "mend"};
    const kith_watch watch = {stop, &s};
    int64_t ids[ROWS];
    uint8_t *bytes;
    kith_index *ix;
    size_t len;

    (void)state;
    clustered_rows(26, ROWS, D, 9, 0.8f, false, x);
    for (size_t i = 0; i < ROWS; i++) ids[i] = (int64_t)i;
    must(kith_create("Graph16(sweep=0)", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, ROWS, KITH_F32), ids, NULL, NULL));
    must(kith_remove(ix, ids, 290, NULL));
    assert_int_equal(number_of(ix, "removed"), 290); // sweep=0: not by itself
    bytes = bytes_of(ix, &len);
    assert_int_equal(kith_compact(ix, &watch), KITH_CANCELLED);
    assert_true(s.stopped);
    bytes_are(ix, bytes, len);
    must(kith_compact(ix, NULL));
    assert_int_equal(number_of(ix, "removed"), 0);
    must(kith_verify(ix, NULL));
    kith_free(ix);
    free(bytes);
    free(x);
}

/* ---- what readers keep ----------------------------------------------------------------------- */

/* A cursor that was opened before goes on through the rows that were there then. */
static void a_cursor_held(void **state)
{
    enum { ROWS = 1300, PAGE = 50 };
    float *x = need_floats((ROWS + 1) * D), dist[PAGE], last = 0;
    bool seen[ROWS] = {false};
    int64_t ids[ROWS], page[PAGE];
    kith_cursor *c;
    kith_index *ix;
    size_t got, n = 0;

    (void)state;
    clustered_rows(27, ROWS + 1, D, 9, 0.8f, false, x);
    for (size_t i = 0; i < ROWS; i++) ids[i] = (int64_t)i;
    must(kith_create("Graph16", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, ROWS, KITH_F32), ids, NULL, NULL));
    must(kith_cursor_open(ix, KITH_ROWS(x + ROWS * D, 1, KITH_F32), NULL, &c));
    for (bool more = true; more; more = got > 0) {
        must(kith_cursor_next(c, PAGE, page, dist, &got));
        for (size_t i = 0; i < got; i++) {
            assert_true(page[i] >= 0 && page[i] < ROWS && !seen[page[i]] && dist[i] >= last);
            seen[page[i]] = true;
            last = dist[i];
        }
        if (n < 900) must(kith_remove(ix, ids + n, PAGE, NULL));
        if (n < 900 && n % 100 == 0)
            must(kith_add(ix, KITH_ROWS(x + n * D, 10, KITH_F32), NULL, NULL, NULL));
        n += got;
    }
    assert_int_equal(n, ROWS);
    kith_cursor_free(c);
    must(kith_verify(ix, NULL));
    kith_free(ix);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_rounds_of_half), cmocka_unit_test(ten_rounds_of_copies),
        cmocka_unit_test(most_removed),       cmocka_unit_test(a_region_removed),
        cmocka_unit_test(the_same_bytes),     cmocka_unit_test(failed_allocations),
        cmocka_unit_test(cancelled),          cmocka_unit_test(a_cursor_held),
    };

    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
