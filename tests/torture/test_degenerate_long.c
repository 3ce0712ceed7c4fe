/* test_degenerate with more rows, so that groups are split and walks are long. */
#include "support/degenerate.h"
#include "support/twoindexes.h"

static void large(void **state)
{
    (void)state;
    prove_degenerate(FEWER(50000, 5000), 0.85);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(large)};

    return cmocka_run_group_tests_name("degenerate", tests, NULL, NULL);
}
