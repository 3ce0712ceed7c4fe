/* What a tuned index promises, at a size where walks matter: queries that were not there reach the
 * recall they ask for, by held-out rows and by other queries, for the k of the curve, fewer and
 * more neighbours; also when a quarter of the rows came later. */
#include "support/twoindexes.h"

#include <stdlib.h>

enum { N = 20000, D = 32, NQ = 1000 };

static void reached(const two_indexes *t, const float *q, const char *when)
{
    static const float asked[] = {0.8f, 0.9f, 0.95f, 0.99f, 0.999f};
    static const uint32_t ks[] = {10, 1, 30, 100};

    for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
            kith_query how = KITH_QUERY_K(ks[k]);
            double got;

            how.recall = asked[i];
            got = two_recall(t, KITH_ROWS(q, NQ, KITH_F32), &how);
            print_message("%s, %s, k %u: asked %.3f, reached %.4f\n", t->what, when, ks[k],
                          (double)asked[i], got);
            if (got < (double)asked[i] - 0.015) fail_msg("too few");
        }
}

static void promised_recall(void **state)
{
    static const struct {
        const char *codec;
        kith_metric m;
    } kinds[] = {{"", KITH_L2}, {",F16", KITH_COSINE}, {"", KITH_IP}};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        float *x = need_floats((N + 2 * NQ) * D), *q = x + N * D;
        const kith_rows given = KITH_ROWS(q + NQ * D, NQ, KITH_F32);
        two_indexes t;

        clustered_rows(7 + i, N + 2 * NQ, D, 5000, 1.0f, false, x);
        two_open(&t, kinds[i].codec, D, kinds[i].m, 0);
        two_add(&t, KITH_ROWS(x, N * 3 / 4, KITH_F32), NULL);
        must(kith_tune(t.graph, NULL, NULL, NULL));
        reached(&t, q, "by rows");
        must(kith_tune(t.graph, &given, NULL, NULL));
        reached(&t, q, "by queries");
        two_add(&t, KITH_ROWS(x + N * 3 / 4 * D, N / 4, KITH_F32), NULL);
        reached(&t, q, "a third more rows");
        two_close(&t);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(promised_recall)};

    return cmocka_run_group_tests_name("tuned_recall", tests, NULL, NULL);
}
