/* The random numbers: their values may never change (a seed means the same file for ever), they are
 * spread evenly, and streams are apart. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { DRAWS = 65536 };

/* The first three numbers of splitmix64 from seed 1234567, as published with it. */
static void the_mixer_is_splitmix64(void **state)
{
    static const uint64_t known[] = {6457827717110365317u, 3203168211198807973u,
                                     9817491932198370423u};

    (void)state;
    for (uint64_t i = 0; i < 3; i++)
        assert_true(ki_mix64(1234567 + 0x9e3779b97f4a7c15u * (i + 1)) == known[i]);
}

/* Computed apart, by a few lines of Python with integers of any size. */
static void values_never_change(void **state)
{
    static const struct {
        uint64_t seed;
        ki_purpose purpose;
        uint64_t index, value;
    } known[] = {
        {0, KI_RNG_TEST, 0, 0xa706dd2f4d197e6f},
        {0, KI_RNG_TEST, 1, 0xb382a305f4414f5e},
        {0, KI_RNG_SAMPLE, 0, 0x46b73e79f0c37c00},
        {42, KI_RNG_ROTATION, 7, 0x6d70fa72545d70bf},
        {UINT64_MAX, KI_RNG_TEST, UINT64_MAX, 0x445018e305810b78},
        {12345678901234567890u, KI_RNG_SAMPLE, 1000000007, 0x85b7b67c6b7385aa},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(ki_random(known[i].seed, known[i].purpose, known[i].index) == known[i].value);
    assert_true(ki_random_f32(0, KI_RNG_TEST, 0) == 0xa706dd * 0x1p-24f);
    assert_int_equal(ki_random_below(0, KI_RNG_TEST, 0, 1000), 652); // 0xa706dd2f * 1000 >> 32
}

static void floats_and_ranges_keep_their_bounds(void **state)
{
    static const uint32_t bounds[] = {1, 2, 3, 10, 1000, 0x80000001, UINT32_MAX};

    (void)state;
    for (uint64_t i = 0; i < DRAWS; i++) {
        const float f = ki_random_f32(3, KI_RNG_TEST, i);

        assert_true(f >= 0 && f < 1);
        for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++)
            assert_true(ki_random_below(3, KI_RNG_TEST, i, bounds[b]) < bounds[b]);
    }
}

/* Chi-squared of 255 degrees of freedom is below 347 but for one seed in 10,000; the seeds here are
 * fixed, so that this passes always or never. */
static bool is_even(const unsigned bin[256])
{
    const double expected = DRAWS / 256.0;
    double chi2 = 0;

    for (int b = 0; b < 256; b++) chi2 += (bin[b] - expected) * (bin[b] - expected) / expected;
    return chi2 < 347 && chi2 > 170; // too even is not random either
}

static void draws_are_even(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        unsigned along[256] = {0}, across[256] = {0}, between[256] = {0};

        for (uint64_t i = 0; i < DRAWS; i++) {
            const uint64_t x = ki_random(7, KI_RNG_TEST, i);

            along[x >> shift & 255]++;
            across[ki_random(i, KI_RNG_TEST, 7) >> shift & 255]++; // neighbouring seeds
            between[(x ^ ki_random(7, KI_RNG_SAMPLE, i)) >> shift & 255]++;
        }
        assert_true(is_even(along));
        assert_true(is_even(across));
        assert_true(is_even(between));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mixer_is_splitmix64),
        cmocka_unit_test(values_never_change),
        cmocka_unit_test(floats_and_ranges_keep_their_bounds),
        cmocka_unit_test(draws_are_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
