/* test_kill at length: rare moments of a save are hit as well. */
#include "support/folder.h"
#include "support/harness.h"
#include "support/kills.h"

static void ten_thousand_kills(void **state)
{
    (void)state;
    kill_saves("Flat", 10000);
}

static void some_with_graphs(void **state)
{
    (void)state;
    kill_saves("Graph16", 1000);
    kill_saves("HNSW8", 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_kills),
                                       cmocka_unit_test(some_with_graphs)};

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
