/* Searches as callers meet them: shapes, padding, limits, types of queries, refusals. */
#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */
#include "support/harness.h"

#include <float.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { D = 4, N = 9 };

static const float base[N][D] = {{0, 0, 0, 0}, {1, 0, 0, 0},    {0, 2, 0, 0},
                                 {0, 0, 3, 0}, {4, 0, 0, 0},    {1, 0, 0, 0},
                                 {9, 9, 9, 9}, {0, 0, 0, 0.5f}, {1, 1, 1, 1}};

static kith_index *filled(kith_metric m)
{
    kith_index *ix;

    must(kith_create("Flat", D, m, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(base, N, KITH_F32), NULL, NULL, NULL));
    return ix;
}

static void order_and_padding(void **state)
{
    kith_query how = KITH_QUERY_K(12);
    int64_t ids[12];
    float dist[12];
    uint32_t flags = 99;
    kith_index *ix = filled(KITH_L2);

    (void)state;
    how.flags = &flags;
    must(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, dist));
    assert_memory_equal(ids, ((int64_t[]){0, 7, 1, 5, 2, 8, 3, 4, 6, -1, -1, -1}), sizeof ids);
    assert_true(dist[1] == 0.25f && dist[8] == 324 && isnan(dist[9]) && isnan(dist[11]));
    assert_int_equal(flags, KITH_EXACT | KITH_SHORT);
    how.k = 2;
    must(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL));
    assert_int_equal(flags, KITH_EXACT);
    must(kith_search(ix, KITH_ROWS(base, 0, KITH_F32), &how, NULL, NULL));
    kith_free(ix);
}

static void similarities(void **state)
{
    const float q[D] = {2, 0, 0, 0};
    int64_t ids[3];
    float sim[3];
    kith_index *ix = filled(KITH_COSINE);

    (void)state;
    must(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &(kith_query)KITH_QUERY_K(3), ids, sim));
    assert_memory_equal(ids, ((int64_t[]){1, 4, 5}), sizeof ids);
    assert_true(sim[0] == 1 && sim[2] == 1);
    kith_free(ix);
    ix = filled(KITH_IP);
    must(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &(kith_query)KITH_QUERY_K(3), ids, sim));
    assert_memory_equal(ids, ((int64_t[]){6, 4, 1}), sizeof ids);
    assert_true(sim[0] == 18 && sim[1] == 8 && sim[2] == 2);
    kith_free(ix);
}

static void limits(void **state)
{
    kith_query how = KITH_QUERY_K(9);
    kith_index *ix = filled(KITH_L2);
    const int64_t *found;
    const float *dist;
    kith_hits *hits;
    int64_t ids[9];

    (void)state;
    how.limit = 1;
    must(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL));
    assert_memory_equal(ids, ((int64_t[]){0, 7, 1, 5, -1, -1, -1, -1, -1}), sizeof ids);
    must(kith_range(ix, KITH_ROWS(base, 2, KITH_F32), &how, &hits));
    kith_free(ix); // hits outlive their index
    assert_int_equal(kith_hits_count(hits), 2);
    assert_int_equal(kith_hits_row(hits, 0, &found, &dist), 4);
    assert_memory_equal(found, ids, 4 * sizeof *found);
    assert_int_equal(kith_hits_row(hits, 7, &found, &dist), 0);
    kith_hits_free(hits);
    ix = filled(KITH_COSINE);
    how.limit = 0.5f; // at least so similar
    must(kith_range(ix, KITH_ROWS(base[8], 1, KITH_F32), &how, &hits));
    assert_int_equal(kith_hits_row(hits, 0, &found, NULL), 8); // all but the zero row
    kith_hits_free(hits);
    how.limit = NAN;
    refused(kith_range(ix, KITH_ROWS(base, 1, KITH_F32), &how, &hits), KITH_BAD_ARG, "limit");
    kith_free(ix);
}

/* A row that is reported at infinity is not within the largest float; and an infinite similarity
 * is at least an infinite one. */
static void limits_at_the_end_of_floats(void **state)
{
    const float far[3][2] = {{1e19f, 0}, {3e38f, 0}, {-3e38f, 1}}, q[2] = {3e38f, 0};
    kith_query how = KITH_QUERY_K(3);
    kith_index *ix;
    int64_t ids[3];
    float dist[3];

    (void)state;
    must(kith_create("Flat", 2, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(far, 3, KITH_F32), NULL, NULL, NULL));
    must(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist));
    assert_true(ids[0] == 1 && dist[0] == 0 && isinf(dist[1]) && isinf(dist[2]));
    how.limit = FLT_MAX;
    must(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist));
    assert_memory_equal(ids, ((int64_t[]){1, -1, -1}), sizeof ids);
    how.limit = INFINITY;
    must(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist));
    assert_memory_equal(ids, ((int64_t[]){1, 0, 2}), sizeof ids);
    kith_free(ix);
    must(kith_create("Flat", 2, KITH_IP, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(far, 3, KITH_F32), NULL, NULL, NULL));
    must(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist));
    assert_memory_equal(ids, ((int64_t[]){1, 0, -1}), sizeof ids);
    how.limit = -FLT_MAX;
    must(kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist));
    assert_memory_equal(ids, ((int64_t[]){1, 0, -1}), sizeof ids);
    kith_free(ix);
}

static void by_id(void **state)
{
    kith_query how = KITH_QUERY_K(2);
    kith_index *ix = filled(KITH_L2);
    int64_t ids[4];

    (void)state;
    must(kith_search_ids(ix, (int64_t[]){5, 0}, 2, &how, ids, NULL));
    assert_memory_equal(ids, ((int64_t[]){1, 5, 0, 7}), sizeof ids);
    how.options = KITH_EXCLUDE_SELF;
    must(kith_search_ids(ix, (int64_t[]){5, 0}, 2, &how, ids, NULL));
    assert_memory_equal(ids, ((int64_t[]){1, 0, 7, 1}), sizeof ids);
    refused(kith_search_ids(ix, (int64_t[]){5, 44}, 2, &how, ids, NULL), KITH_NOT_FOUND, "44");
    kith_free(ix);
}

static void types_of_queries(void **state)
{
    const double f64[D] = {1, 0, 0, 0};
    const uint8_t u8[D] = {1, 0, 0, 0};
    const int32_t i32[D] = {1, 0, 0, 0};
    const uint16_t f16[D] = {0x3c00, 0, 0, 0}, bf16[D] = {0x3f80, 0, 0, 0};
    const kith_rows q[] = {KITH_ROWS(base[1], 1, KITH_F32), KITH_ROWS(f64, 1, KITH_F64),
                           KITH_ROWS(u8, 1, KITH_U8),       KITH_ROWS(i32, 1, KITH_I32),
                           KITH_ROWS(f16, 1, KITH_F16),     KITH_ROWS(bf16, 1, KITH_BF16),
                           KITH_ROWS(u8, 1, KITH_I8)};
    kith_index *ix = filled(KITH_L1);
    int64_t ids[10];

    (void)state;
    for (size_t i = 0; i < sizeof q / sizeof *q; i++) {
        must(kith_search(ix, q[i], NULL, ids, NULL));
        assert_int_equal(ids[0], 1);
        assert_int_equal(ids[1], 5);
    }
    kith_free(ix);
}

static void refusals(void **state)
{
    kith_query how = KITH_QUERY_K(1), zero = KITH_QUERY_K(0);
    float bad[2][D] = {{0}, {0}};
    kith_index *ix = filled(KITH_L2), *empty;
    int64_t ids[10];

    (void)state;
    refused(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &zero, ids, NULL), KITH_BAD_ARG, "k = 0");
    how.size = 5;
    refused(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL), KITH_BAD_ARG, "size");
    how = (kith_query)KITH_QUERY_K(1);
    bad[1][3] = NAN;
    refused(kith_search(ix, KITH_ROWS(bad, 2, KITH_F32), &how, ids, NULL), KITH_BAD_ARG,
            "query 1, column 3");
    refused(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, NULL, NULL), KITH_BAD_ARG, "ids");
    refused(kith_search(ix, KITH_ROWS(NULL, 1, KITH_F32), &how, ids, NULL), KITH_BAD_ARG, "NULL");
    how.deadline_us = 5;
    refused(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL), KITH_UNSUPPORTED,
            "deadline");
    how.deadline_us = 0;
    how.recall = 2;
    refused(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL), KITH_BAD_ARG, "recall");
    how.recall = 0.99f; // an exact index has it
    must(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL));
    how.options = 1u << 30;
    refused(kith_search(ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL), KITH_BAD_ARG,
            "options");
    must(kith_create("Flat", D, KITH_L2, NULL, &empty));
    must(kith_search(empty, KITH_ROWS(base, 1, KITH_F32), NULL, ids, NULL));
    assert_int_equal(ids[0], KITH_NO_ID);
    kith_free(empty);
    kith_free(ix);
}

/* A query smaller than any kith_query, before memory that must not be touched. */
static void a_short_query_is_not_read(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *const two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                           -1, 0);
    const uint32_t size = 8;
    kith_index *ix = filled(KITH_L2);
    int64_t ids[10];

    (void)state;
    assert_true(two != MAP_FAILED);
    assert_int_equal(mprotect(two + page, page, PROT_NONE), 0);
    memcpy(two + page - size, &size, sizeof size);
    refused(kith_search(ix, KITH_ROWS(base, 1, KITH_F32),
                        (const kith_query *)(const void *)(two + page - size), ids, NULL),
            KITH_BAD_ARG, "size is 8");
    munmap(two, 2 * page);
    kith_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_padding), cmocka_unit_test(similarities),
        cmocka_unit_test(limits),            cmocka_unit_test(limits_at_the_end_of_floats),
        cmocka_unit_test(by_id),             cmocka_unit_test(types_of_queries),
        cmocka_unit_test(refusals),          cmocka_unit_test(a_short_query_is_not_read),
    };

    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
