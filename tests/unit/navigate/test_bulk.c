/* The same rows give the same bytes, whatever the number of threads: built at once, added to, one
 * by one, with rows removed in between. */
#include "support/twoindexes.h"

#include <stdlib.h>

enum { N = FEWER(6000, 1500), MORE = FEWER(700, 300), D = 24 };

static kith_index *grown(const float *x, const char *spec, size_t d, kith_metric m,
                         uint32_t threads, int step)
{
    kith_host host = KITH_HOST_INIT;
    kith_index *ix;
    int64_t gone[200];
    size_t at = N;

    host.threads = threads;
    must(kith_create(spec, d, m, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
    if (step == 0) return ix;
    for (size_t i = 0; i < 200; i++) gone[i] = (int64_t)(i * 7);
    for (; at + MORE / 3 <= N + MORE; at += MORE / 3)
        must(kith_add(ix, KITH_ROWS(x + at * d, MORE / 3, KITH_F32), NULL, NULL, NULL));
    if (step == 1) return ix;
    must(kith_remove(ix, gone, 200, NULL));
    for (size_t i = 0; i < 30; i++) // copies, too
        must(kith_add(ix, KITH_ROWS(x + (i % 2 ? 7 : 5000 % N + i) * d, 1, KITH_F32), NULL, NULL,
                      NULL));
    must(kith_upsert(ix, KITH_ROWS(x + 3 * d, 40, KITH_F32), gone + 100, NULL, NULL));
    if (step == 2) return ix;
    must(kith_compact(ix, NULL));
    return ix;
}

static void compare(const char *spec, size_t d, kith_metric m)
{
    float *x = need_floats((N + MORE) * d);

    clustered_rows(11, N + MORE, d, 30, 0.6f, m == KITH_JACCARD, x);
    for (int step = 0; step < 4; step++) {
        kith_index *one = grown(x, spec, d, m, 1, step), *two = grown(x, spec, d, m, 2, step);
        kith_index *five = grown(x, spec, d, m, 5, step);

        must(kith_verify(one, NULL));
        same_bytes(one, two, kith_metric_name(m));
        same_bytes(one, five, kith_metric_name(m));
        kith_free(one);
        kith_free(two);
        kith_free(five);
    }
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
    compare("Graph16", 200, KITH_COSINE);
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
