/* What the processor may run: words of KITH_CPU, and that features come in whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"

static void words(void **state)
{
    uint64_t allowed;
    (void)state;
    assert_int_equal(ki_cpu_parse(NULL, &allowed), 1);
    assert_true(allowed == UINT64_MAX);
    assert_int_equal(ki_cpu_parse("", &allowed), 1);
    assert_true(allowed == UINT64_MAX);
    assert_int_equal(ki_cpu_parse("scalar", &allowed), 1);
    assert_true(allowed == 0);
    assert_int_equal(ki_cpu_parse("avx2", &allowed), 1);
    assert_true(allowed == (KI_CPU_AVX2 | KI_CPU_FMA | KI_CPU_F16C));
    assert_int_equal(ki_cpu_parse("vnni,amx", &allowed), 1);
    assert_true(allowed == (KI_CPU_WITH_VNNI | KI_CPU_WITH_AMX));
    assert_int_equal(ki_cpu_parse("neondot,scalar", &allowed), 1);
    assert_true(allowed == KI_CPU_WITH_NEONDOT);
}

static void unknown_words_allow_nothing(void **state)
{
    static const char *const lists[] = {"sse", "avx", "avx22", ",", "avx2,", "AVX2", "avx2 ", " "};
    uint64_t allowed;
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(ki_cpu_parse(lists[i], &allowed), 0);
        assert_true((allowed & ~KI_CPU_WITH_AVX2) == 0);
    }
    assert_int_equal(ki_cpu_parse("sse,vnni", &allowed), 0);
    assert_true(allowed == KI_CPU_WITH_VNNI);
}

static void features_in_force_are_those_found(void **state)
{
    const uint64_t all = ki_cpu_detect(UINT64_MAX), now = ki_cpu_features();
    (void)state;
    assert_true((now & ~all) == 0);
    assert_true(now == ki_cpu_features());
    assert_true(ki_cpu_detect(0) == 0);
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t one = UINT64_C(1) << bit;
        assert_true(ki_cpu_detect(one) == (all & one) || (one & KI_CPU_WITH_AMX));
    }
    /* AMX is asked for as a whole, by its tiles. */
    assert_true(ki_cpu_detect(KI_CPU_WITH_AMX) == (all & KI_CPU_WITH_AMX));
#if defined(__aarch64__)
    assert_true(all & KI_CPU_NEON);
#endif
}

static void each_feature_has_a_name(void **state)
{
    uint64_t bit, seen = 0;
    (void)state;
    for (size_t i = 0; ki_cpu_feature_at(i, &bit); i++) {
        assert_true(bit != 0 && (bit & (bit - 1)) == 0 && (seen & bit) == 0);
        assert_true(strlen(ki_cpu_feature_at(i, &bit)) > 0);
        seen |= bit;
    }
    assert_true(seen == (KI_CPU_WITH_VNNI | KI_CPU_WITH_POPCNT512 | KI_CPU_WITH_AVX512BF16 |
                         KI_CPU_WITH_AMX | KI_CPU_WITH_NEONDOT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(unknown_words_allow_nothing),
        cmocka_unit_test(features_in_force_are_those_found),
        cmocka_unit_test(each_feature_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
