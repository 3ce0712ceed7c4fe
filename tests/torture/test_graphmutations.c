/* Graphs that are damaged behind right sums, a hundred of them: see graphimage.h. */
#include "support/graphimage.h"
#include "support/harness.h"

static void a_hundred(void **state)
{
    (void)state;
    mutate_graphs(100);
}

static void entries(void **state)
{
    (void)state;
    lie_of_entries();
}

static void lenses(void **state)
{
    (void)state;
    lie_of_lenses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_hundred), cmocka_unit_test(entries),
                                       cmocka_unit_test(lenses)};

    return cmocka_run_group_tests_name("graphmutations", tests, NULL, NULL);
}
