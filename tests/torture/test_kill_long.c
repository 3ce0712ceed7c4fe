/* test_kill at length: rare moments of a save are hit as well. */
#include "support/folder.h"
#include "support/harness.h"
#include "support/kills.h"

static void ten_thousand_kills(void **state)
{
    (void)state;
    kill_saves(10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_thousand_kills)};

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
