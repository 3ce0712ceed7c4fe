/* Calls that fail half-way leave a graph as it was: see graphfailures.h. */
#include "support/folder.h"
#include "support/graphfailures.h"
#include "support/harness.h"

static void graph(void **state)
{
    (void)state;
    fail_graphs("Graph16", 1);
}

static void hnsw(void **state)
{
    (void)state;
    fail_graphs("HNSW6(ef_construction=20)", 1);
}

static void nsw(void **state)
{
    (void)state;
    fail_graphs("NSW6(ef_construction=20)", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph),
        cmocka_unit_test(hnsw),
        cmocka_unit_test(nsw),
    };

    return cmocka_run_group_tests_name("graphfailures", tests, folder_make, folder_remove);
}
