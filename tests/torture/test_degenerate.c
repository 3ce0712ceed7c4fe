/* Graphs of rows that are hard on graphs, small: see degenerate.h. */
#include "support/degenerate.h"
#include "support/twoindexes.h"

static void graph(void **state)
{
    (void)state;
    prove_degenerate("Graph", 1100, 0.9);
}

static void hnsw(void **state)
{
    (void)state;
    prove_degenerate("HNSW8(ef_construction=60)", 1100, 0.75);
}

static void nsw(void **state)
{
    (void)state;
    if (SANITIZED) return; // the same code as HNSW's, but for its links
    prove_degenerate("NSW8(ef_construction=60)", 1100, 0.75);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(graph), cmocka_unit_test(hnsw),
                                       cmocka_unit_test(nsw)};

    return cmocka_run_group_tests_name("degenerate", tests, NULL, NULL);
}
