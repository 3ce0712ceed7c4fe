/* A process that is killed while it saves: the old file is there or the new one, always. */
#include "support/folder.h"
#include "support/harness.h"
#include "support/kills.h"

static void two_hundred_kills(void **state)
{
    (void)state;
    kill_saves(200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_hundred_kills)};

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
