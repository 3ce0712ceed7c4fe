/* The same rows give the same bytes, whatever the number of threads: built at once, added to, one
 * by one, with rows removed in between. */
#include "support/twoindexes.h"

#include <stdlib.h>

enum { N = FEWER(6000, 1500), MORE = FEWER(700, 300), D = 24 };

enum { BUILT, ADDED_TO, REMOVED_FROM, COMPACTED, STEPS };

static void go_on(kith_index *ix, const float *x, size_t d, int step)
{
    int64_t gone[200];

    for (size_t i = 0; i < 200; i++) gone[i] = (int64_t)(i * 7);
    if (step == BUILT) must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
    for (size_t at = N; step == ADDED_TO && at + MORE / 3 <= N + MORE; at += MORE / 3)
        must(kith_add(ix, KITH_ROWS(x + at * d, MORE / 3, KITH_F32), NULL, NULL, NULL));
    if (step == REMOVED_FROM) {
        must(kith_remove(ix, gone, 200, NULL));
        for (size_t i = 0; i < 30; i++) // copies, too
            must(kith_add(ix, KITH_ROWS(x + (i % 2 ? 7 : 5000 % N + i) * d, 1, KITH_F32), NULL,
                          NULL, NULL));
        must(kith_upsert(ix, KITH_ROWS(x + 3 * d, 40, KITH_F32), gone + 100, NULL, NULL));
    }
    if (step == COMPACTED) must(kith_compact(ix, NULL));
}

static void compare(const char *spec, size_t d, kith_metric m)
{
    static const uint32_t threads[] = {1, 2, 5};
    float *x = need_floats((N + MORE) * d);
    kith_index *ix[3];

    clustered_rows(11, N + MORE, d, 30, 0.6f, m == KITH_JACCARD, x);
    for (size_t i = 0; i < 3; i++) {
        kith_host host = KITH_HOST_INIT;

        host.threads = threads[i];
        must(kith_create(spec, d, m, &host, &ix[i]));
    }
    for (int step = BUILT; step < STEPS; step++) {
        for (size_t i = 0; i < 3; i++) go_on(ix[i], x, d, step);
        must(kith_verify(ix[0], NULL));
        same_bytes(ix[0], ix[1], kith_metric_name(m));
        same_bytes(ix[0], ix[2], kith_metric_name(m));
    }
    for (size_t i = 0; i < 3; i++) kith_free(ix[i]);
    free(x);
}

static void codes(void **state)
{
    (void)state;
    compare("Graph", D, KITH_L2);
    compare("Graph32(seed=5)", D, KITH_IP);
}

static void long_codes(void **state)
{
    (void)state;
    compare("Graph16(code_bits=4)", 200, KITH_COSINE);
}

static void rows_themselves(void **state)
{
    (void)state;
    if (!SANITIZED) compare("Graph16,F16", 6, KITH_L1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes),
        cmocka_unit_test(long_codes),
        cmocka_unit_test(rows_themselves),
    };

    return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
