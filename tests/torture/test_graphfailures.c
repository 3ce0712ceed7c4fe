/* Calls that fail half-way leave a graph as it was: see graphfailures.h. */
#include "support/graphfailures.h"
#include "support/harness.h"

static void failures(void **state)
{
    (void)state;
    fail_graphs(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(failures)};

    return cmocka_run_group_tests_name("graphfailures", tests, NULL, NULL);
}
