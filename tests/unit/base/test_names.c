/* Names and aliases: either letter case, whole words only. */
#include "base/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void lists_have_words(void **state)
{
    (void)state;
    assert_true(ki_listed("ef", "ef"));
    assert_true(ki_listed("ef", "nprobe,ef"));
    assert_true(ki_listed("EFSearch", "ef,efSearch,nprobe"));
    assert_true(ki_listed("a", ",,a,"));
    assert_false(ki_listed("efs", "ef,efSearch"));
    assert_false(ki_listed("e", "ef,efSearch"));
    assert_false(ki_listed("ef,efSearch", "ef,efSearch"));
    assert_false(ki_listed("ef", ""));
    assert_false(ki_listed("", ""));
    assert_false(ki_listed("", ",,a,"));
}

static void names_have_aliases(void **state)
{
    (void)state;
    assert_true(ki_named("l2", "L2", ""));
    assert_true(ki_named("Euclidean", "l2", "sqeuclidean,euclidean"));
    assert_false(ki_named("l", "l2", ""));
    assert_false(ki_named("l22", "l2", "l222"));
    assert_false(ki_named("", "l2", "euclidean"));
    assert_false(ki_named("\xc4", "\xe4", "")); // letters beyond ASCII are told apart
    assert_true(ki_named("\xc3\xa4", "\xc3\xa4", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_have_words),
        cmocka_unit_test(names_have_aliases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
