/* Cursors: page by page, no repeats, no misses, over the snapshot they were opened on, which
 * outlives changes and the index itself. */
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

enum { D = 5, N = 4000 };

static float rows[N][D];

static kith_index *filled(void)
{
    kith_index *ix;

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++) rows[i][j] = (float)((i * 37 + j * 11) % 199) / 4;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(rows, N, KITH_F32), NULL, NULL, NULL));
    return ix;
}

static void pages_are_the_order(void **state)
{
    static const size_t sizes[] = {1, 7, 128, 1000, N, 2 * N};
    static int64_t all[N], page[2 * N];
    static float dist[N], page_dist[2 * N];
    kith_query how = KITH_QUERY_K(N);
    kith_index *ix = filled();

    (void)state;
    must(kith_search(ix, KITH_ROWS(rows[3], 1, KITH_F32), &how, all, dist));
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        kith_cursor *c;
        size_t at = 0, got;

        must(kith_cursor_open(ix, KITH_ROWS(rows[3], 1, KITH_F32), NULL, &c));
        do {
            must(kith_cursor_next(c, sizes[s], page, page_dist, &got));
            assert_true(at + got <= N);
            assert_memory_equal(page, all + at, got * sizeof *page);
            assert_memory_equal(page_dist, dist + at, got * sizeof *dist);
            at += got;
            assert_true(got == sizes[s] || at == N);
        } while (got);
        assert_int_equal(at, N);
        kith_cursor_free(c);
    }
    kith_free(ix);
}

static void sees_its_snapshot(void **state)
{
    int64_t before[100], page[100], ids[N];
    kith_query how = KITH_QUERY_K(100);
    kith_index *ix = filled();
    kith_cursor *c;
    size_t got;

    (void)state;
    for (size_t i = 0; i < N; i++) ids[i] = (int64_t)i;
    must(kith_search(ix, KITH_ROWS(rows, 1, KITH_F32), &how, before, NULL));
    must(kith_cursor_open(ix, KITH_ROWS(rows, 1, KITH_F32), NULL, &c));
    must(kith_cursor_next(c, 10, page, NULL, &got));
    must(kith_remove(ix, ids, N / 2, NULL));
    must(kith_upsert(ix, KITH_ROWS(rows, N, KITH_F32), ids, NULL, NULL));
    must(kith_compact(ix, NULL));
    kith_free(ix); // the cursor keeps what it needs
    must(kith_cursor_next(c, 90, page + 10, NULL, &got));
    assert_int_equal(got, 90);
    assert_memory_equal(before, page, sizeof page);
    kith_cursor_free(c);
}

static void filters_and_limits(void **state)
{
    kith_query how = KITH_QUERY_INIT;
    kith_index *ix = filled();
    int64_t page[64];
    kith_filter *f;
    kith_cursor *c;
    float dist[64];
    size_t got, all = 0;

    (void)state;
    must(kith_filter_range(100, 299, NULL, &f));
    how.filter = f;
    must(kith_cursor_open(ix, KITH_ROWS(rows, 1, KITH_F32), &how, &c));
    while (kith_cursor_next(c, 64, page, dist, &got) == KITH_OK && got) {
        for (size_t i = 0; i < got; i++) assert_true(page[i] >= 100 && page[i] <= 299);
        all += got;
    }
    assert_int_equal(all, 200);
    kith_cursor_free(c);
    how.limit = 500;
    all = 0;
    must(kith_cursor_open(ix, KITH_ROWS(rows, 1, KITH_F32), &how, &c));
    while (kith_cursor_next(c, 64, page, dist, &got) == KITH_OK && got) {
        for (size_t i = 0; i < got; i++) assert_true(dist[i] <= 500);
        all += got;
    }
    assert_true(all > 0 && all < 200);
    kith_cursor_free(c);
    kith_filter_free(f);
    kith_free(ix);
}

static void refusals(void **state)
{
    kith_index *ix = filled();
    kith_cursor *c = NULL;
    int64_t id;
    size_t got;

    (void)state;
    refused(kith_cursor_open(ix, KITH_ROWS(rows, 2, KITH_F32), NULL, &c), KITH_BAD_ARG, "2");
    rows[0][0] = NAN;
    refused(kith_cursor_open(ix, KITH_ROWS(rows, 1, KITH_F32), NULL, &c), KITH_BAD_ARG, "NaN");
    assert_null(c);
    rows[0][0] = 0;
    must(kith_cursor_open(ix, KITH_ROWS(rows, 1, KITH_F32), NULL, &c));
    refused(kith_cursor_next(c, 1, NULL, NULL, &got), KITH_BAD_ARG, "NULL");
    refused(kith_cursor_next(NULL, 1, &id, NULL, &got), KITH_BAD_ARG, "NULL");
    must(kith_cursor_next(c, 0, NULL, NULL, &got));
    assert_int_equal(got, 0);
    kith_cursor_free(c);
    kith_cursor_free(NULL);
    kith_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_the_order), cmocka_unit_test(sees_its_snapshot),
        cmocka_unit_test(filters_and_limits), cmocka_unit_test(refusals)};

    return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
