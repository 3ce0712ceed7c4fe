/* Graphs of rows that are hard on graphs, small: see degenerate.h. */
#include "support/degenerate.h"
#include "support/twoindexes.h"

static void small(void **state)
{
    (void)state;
    prove_degenerate(1100, 0.9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(small)};

    return cmocka_run_group_tests_name("degenerate", tests, NULL, NULL);
}
