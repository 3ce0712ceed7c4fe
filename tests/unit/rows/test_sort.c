/* Sorting against libc's, at all sizes around the switch from one method to the other. */
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows/sort.h"
#include "support/failing.h"

enum { MOST = 3000 };

static failing_host host;
static ki_env env;

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void ids_ascend(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 47, 48, 49, 50, 255, 256, 1000, MOST};
    static int64_t got[MOST], want[MOST];

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (unsigned shift = 0; shift < 64; shift += 9) {
            for (size_t i = 0; i < sizes[k]; i++)
                got[i] = want[i] = (int64_t)ki_random(k, KI_RNG_TEST, i) >> shift;
            must(ki_sort_ids(&env, got, sizes[k]));
            qsort(want, sizes[k], sizeof *want, by_number);
            assert_memory_equal(got, want, sizes[k] * sizeof *got);
        }
}

static void equal_keys_keep_their_order(void **state)
{
    static uint64_t keys[MOST];
    static uint32_t values[MOST];

    (void)state;
    for (size_t n = 0; n < MOST; n = n * 3 / 2 + 1) {
        for (uint32_t i = 0; i < n; i++) {
            keys[i] = ki_random_below(7, KI_RNG_TEST, i, 9) * 0x0101010101010101u;
            values[i] = i;
        }
        must(ki_sort_pairs(&env, keys, values, n));
        for (size_t i = 1; i < n; i++)
            assert_true(keys[i - 1] < keys[i] ||
                        (keys[i - 1] == keys[i] && values[i - 1] < values[i]));
    }
}

static const char *text_of(void *ctx, uint32_t value, size_t *len)
{
    const char *const *texts = ctx;

    *len = strlen(texts[value]);
    return texts[value];
}

/* Texts with long common beginnings, of all lengths around 8 and 16 bytes, many of them alike. */
static void texts_ascend(void **state)
{
    static char text[MOST][40];
    static const char *texts[MOST];
    static uint32_t values[MOST];

    (void)state;
    for (uint32_t i = 0; i < MOST; i++) {
        const uint32_t len = ki_random_below(8, KI_RNG_TEST, i, 26);

        memset(text[i], 'a', len);
        text[i][len] = 0;
        if (len) text[i][len - 1] = i % 3 == 0 ? '\xc3' : i % 2 ? 'a' : 'b';
        texts[i] = text[i];
        values[i] = i;
    }
    must(ki_sort_texts(&env, values, MOST, text_of, texts));
    for (size_t i = 1; i < MOST; i++) {
        const int order = strcmp(text[values[i - 1]], text[values[i]]);

        assert_true(order < 0 || (order == 0 && values[i - 1] < values[i]));
    }
}

static void allocations_fail(void **state)
{
    static int64_t ids[MOST];

    (void)state;
    for (size_t n = 1;; n++) {
        kith_status st;

        for (size_t i = 0; i < MOST; i++) ids[i] = (int64_t)(MOST - i);
        failing_alloc_at(&host, n, false);
        st = ki_sort_ids(&env, ids, MOST);
        if (st == KITH_OK) break;
        assert_int_equal(st, KITH_NO_MEMORY);
    }
    assert_true(ids[0] == 1);
    assert_null(failing_complaint(&host));
}

static int start(void **state)
{
    (void)state;
    failing_init(&host);
    return ki_env_init(&env, &host.host) != KITH_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_ascend),
        cmocka_unit_test(equal_keys_keep_their_order),
        cmocka_unit_test(texts_ascend),
        cmocka_unit_test(allocations_fail),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
