/* A process that is killed while it saves: the old file is there or the new one, always. */
#include "support/folder.h"
#include "support/harness.h"
#include "support/kills.h"

static void two_hundred_kills(void **state)
{
    (void)state;
    kill_saves("Flat", 200);
}

static void some_with_graphs(void **state)
{
    (void)state;
    kill_saves("Graph16", 30);
    kill_saves("HNSW8(ef_construction=20)", 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_hundred_kills),
                                       cmocka_unit_test(some_with_graphs)};

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
