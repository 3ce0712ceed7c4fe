/* The table of metrics: complete, without doubles, and found by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"

static void every_metric_has_a_row(void **state)
{
    size_t n = 0;
    (void)state;
    while (ki_metric_at(n)) n++;
    assert_int_equal(n, KITH_HAMMING);
    for (int m = KITH_L2; m <= KITH_HAMMING; m++) {
        const ki_metric *row = ki_metric_of((kith_metric)m);
        assert_non_null(row);
        assert_int_equal(row->id, m);
        assert_true(strlen(row->name) > 0 && strlen(row->about) > 0);
        assert_int_equal(row->about[strlen(row->about) - 1], '.');
    }
    assert_null(ki_metric_of((kith_metric)0));
    assert_null(ki_metric_of((kith_metric)99));
}

/* Whether word is name or one of the aliases of m. */
static int is_called(const ki_metric *m, const char *word, size_t len)
{
    if (strlen(m->name) == len && !memcmp(m->name, word, len)) return 1;
    for (const char *at = m->aliases; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == len && !memcmp(at, word, len)) return 1;
    return 0;
}

static void names_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; ki_metric_at(i); i++) {
        const ki_metric *m = ki_metric_at(i);
        for (size_t j = 0; ki_metric_at(j); j++) {
            const ki_metric *other = ki_metric_at(j);
            assert_int_equal(is_called(other, m->name, strlen(m->name)), i == j);
            for (const char *at = m->aliases; *at; at += strcspn(at, ","), at += *at == ',')
                assert_int_equal(is_called(other, at, strcspn(at, ",")), i == j);
        }
    }
}

static void similarities_are_three(void **state)
{
    (void)state;
    for (size_t i = 0; ki_metric_at(i); i++) {
        const ki_metric *m = ki_metric_at(i);
        assert_int_equal(m->similarity,
                         m->id == KITH_IP || m->id == KITH_COSINE || m->id == KITH_JACCARD);
        assert_int_equal(m->nonnegative, m->id == KITH_JENSEN_SHANNON || m->id == KITH_JACCARD);
        assert_int_equal(m->bits, m->id == KITH_HAMMING ? 2 : m->id == KITH_JACCARD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_has_a_row),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(similarities_are_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
