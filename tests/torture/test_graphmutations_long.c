/* test_graphmutations at length. */
#include "support/graphimage.h"
#include "support/harness.h"

#include <stdlib.h>

static void two_thousand(void **state)
{
    const char *asked = getenv("KITH_MUTATIONS");

    (void)state;
    mutate_graphs(asked ? strtoull(asked, NULL, 10) : 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_thousand)};

    return cmocka_run_group_tests_name("graphmutations", tests, NULL, NULL);
}
