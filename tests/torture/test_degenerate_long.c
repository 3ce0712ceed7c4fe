/* test_degenerate with more rows, so that groups are split and walks are long. */
#include "support/degenerate.h"
#include "support/twoindexes.h"

static void graph(void **state)
{
    (void)state;
    prove_degenerate("Graph", FEWER(50000, 5000), 0.85);
}

static void hnsw(void **state)
{
    (void)state;
    prove_degenerate("HNSW16(ef_construction=100)", FEWER(10000, 2000), 0.7);
}

static void nsw(void **state)
{
    (void)state;
    prove_degenerate("NSW16(ef_construction=100)", FEWER(10000, 2000), 0.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(graph), cmocka_unit_test(hnsw),
                                       cmocka_unit_test(nsw)};

    return cmocka_run_group_tests_name("degenerate", tests, NULL, NULL);
}
