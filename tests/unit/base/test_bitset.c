/* Bits in words, against one byte a bit. */
#include "base/bitset.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BITS = 1000 };

static void words_hold_their_bits(void **state)
{
    (void)state;
    assert_int_equal(ki_bit_words(0), 0);
    assert_int_equal(ki_bit_words(1), 1);
    assert_int_equal(ki_bit_words(64), 1);
    assert_int_equal(ki_bit_words(65), 2);
    assert_true(ki_bit_words(SIZE_MAX) == SIZE_MAX / 64 + 1); // does not wrap
}

static void bits_are_set_and_cleared(void **state)
{
    uint64_t words[BITS / 64 + 1] = {0};
    uint8_t plain[BITS] = {0};

    (void)state;
    assert_int_equal(ki_bit_words(BITS), sizeof words / sizeof *words);
    for (uint64_t step = 0; step < 5000; step++) {
        const uint32_t i = ki_random_below(1, KI_RNG_TEST, 2 * step, BITS);
        const bool on = ki_random_below(1, KI_RNG_TEST, 2 * step + 1, 3) > 0;
        size_t count = 0;

        plain[i] = on;
        if (on)
            ki_bit_set(words, i);
        else
            ki_bit_clear(words, i);
        assert_int_equal(ki_bit_get(words, i), on);
        if (step % 50 != 0) continue;
        for (size_t j = 0; j < BITS; j++) {
            assert_int_equal(ki_bit_get(words, j), plain[j]);
            count += plain[j];
        }
        assert_int_equal(ki_bit_count(words, ki_bit_words(BITS)), count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_hold_their_bits),
        cmocka_unit_test(bits_are_set_and_cleared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
