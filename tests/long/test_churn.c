/* Ten rounds in which half of the rows go and come back, at a size where walks matter: recall stays
 * within a point of that of an index that was built once. So does that of NSW, whose long links are
 * those of its first rows, which go. */
#include "support/twoindexes.h"

#include <stdlib.h>
#include <string.h>

enum { N = FEWER(20000, 4000), D = 32, NQ = 500, BATCH = N / 20 };

static void remove_and_add(two_indexes *t, const float *x, uint64_t *at)
{
    float *some = need_floats(BATCH * D);
    int64_t *ids = malloc(N * sizeof *ids);

    assert_non_null(ids);
    for (size_t i = 0; i < N; i++) { // Fisher and Yates, inside out
        const size_t j = draw_below(at, (uint32_t)i + 1);

        ids[i] = ids[j];
        ids[j] = (int64_t)i;
    }
    for (size_t i = 0; i < N / 2; i += BATCH) two_remove(t, ids + i, BATCH);
    for (size_t i = 0; i < N / 2; i += BATCH) {
        for (size_t j = 0; j < BATCH; j++)
            memcpy(some + j * D, x + (size_t)ids[i + j] * D, D * sizeof *x);
        two_add(t, KITH_ROWS(some, BATCH, KITH_F32), ids + i);
    }
    free(some);
    free(ids);
}

static void churn(const char *navigator, double loss)
{
    float *x = need_floats((N + NQ) * D);
    const kith_rows q = KITH_ROWS(x + N * D, NQ, KITH_F32);
    kith_query how = KITH_QUERY_K(10);
    two_indexes t, fresh;
    double was, is;
    uint64_t at = 3;

    clustered_rows(31, N + NQ, D, 200, 1.0f, false, x);
    two_open_as(&t, navigator, "", D, KITH_L2, 2);
    two_open_as(&fresh, navigator, "", D, KITH_L2, 2);
    two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
    two_add(&fresh, KITH_ROWS(x, N, KITH_F32), NULL);
    for (size_t round = 0; round < 10; round++) {
        remove_and_add(&t, x, &at);
        if (kith_verify(t.graph, NULL) != KITH_OK)
            fail_msg("%s, round %zu: %s", navigator, round, kith_last_error());
    }
    for (how.effort = 16; how.effort <= 128; how.effort *= 2) {
        was = two_recall(&fresh, q, &how);
        is = two_recall(&t, q, &how);
        print_message("%s, effort %u: %.4f, and %.4f after ten rounds\n", navigator, how.effort,
                      was, is);
        if (is < was - loss) fail_msg("lost too much");
    }
    two_close(&t);
    two_close(&fresh);
    free(x);
}

static void graph(void **state)
{
    (void)state;
    churn("Graph32", 0.01);
}

static void hnsw(void **state)
{
    (void)state;
    churn("HNSW16", 0.01);
}

static void nsw(void **state)
{
    (void)state;
    churn("NSW16", 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph),
        cmocka_unit_test(hnsw),
        cmocka_unit_test(nsw),
    };

    return cmocka_run_group_tests_name("churn", tests, NULL, NULL);
}
