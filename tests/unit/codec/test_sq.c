/* What scalar quantisers learn: ends of ranges, hard ones too, and what of it a file may say. */
#include "support/harness.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/hardrows.h"
#include "support/learned.h"

enum { N = 200, D = 5, MOST_BYTES = 16 + 8 * D };

static const char *const names[] = {"SQ8", "SQ6", "SQ4"};

static void decode_code(const ki_codec *c, uint8_t every_byte, float out[D])
{
    uint8_t row[D];

    memset(row, every_byte, sizeof row);
    ki_codec_decode(c, row, c->row_bytes(D), 1, D, out);
}

/* The ends that were seen are values, up to rounding. */
static void ends_are_values(void **state)
{
    float x[N][D], low[D], high[D];

    (void)state;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            x[i][j] = (float)((i * D + j) * 37 % 101) - 3.0f * (float)j;
    for (size_t i = 0; i < 3; i++) {
        const ki_codec *c = learned(ki_codec_find(names[i]), KITH_L2, x[0], N, D, NULL);

        decode_code(c, 0, low);
        decode_code(c, 0xff, high);
        for (size_t j = 0; j < D; j++) {
            assert_true(low[j] == -3.0f * (float)j);
            assert_true(fabsf(high[j] - (100 - 3.0f * (float)j)) < 1e-4f);
        }
        ki_codec_release(c);
    }
}

static void bytes_are_kept_as_they_are(void **state)
{
    const double uniform[KI_CODEC_PARAMS] = {1};
    float x[256], back[256];
    uint8_t code[256];
    const ki_codec *c;

    (void)state;
    for (size_t i = 0; i < 256; i++) x[i] = (float)i;
    c = learned(ki_codec_find("SQ8"), KITH_L2, x, 1, 256, uniform);
    must(ki_codec_encode(c, KITH_ROWS(x, 1, KITH_F32), 0, 1, 256, code));
    ki_codec_decode(c, code, 256, 1, 256, back);
    assert_memory_equal(back, x, sizeof x);
    for (size_t i = 0; i < 256; i++) assert_int_equal(code[i], i);
    ki_codec_release(c);
}

static void parameters_move_the_ends(void **state)
{
    static const struct {
        double params[KI_CODEC_PARAMS];
        float low, high; // of component 0, whose values are 0 … 199
    } t[] = {{{0, 0, 0}, 0, 199},
             {{0, 0.5, 0}, -99.5f, 298.5f},
             {{0, 0, 0.1}, 19, 180},
             {{1, 0, 0}, 0, 199 + 4}};
    float x[N][D], low[D], high[D];

    (void)state;
    for (size_t i = 0; i < N * D; i++) x[i / D][i % D] = (float)(i / D * 71 % N + i % D);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const ki_codec *c = learned(ki_codec_find("SQ8"), KITH_L2, x[0], N, D, t[i].params);

        decode_code(c, 0, low);
        decode_code(c, 0xff, high);
        assert_true(low[0] == t[i].low && fabsf(high[0] - t[i].high) < 1e-3f);
        assert_int_equal(c->grid->uniform, t[i].params[0] > 0);
        ki_codec_release(c);
    }
}

/* Of all kinds of rows and codes: finite, no sign where the metric takes none, coded to the same
 * code again. */
static void every_code_is_its_own(void **state)
{
    static const kith_metric metrics[] = {KITH_L2, KITH_JACCARD};
    uint8_t code[256], again[256];
    float x[N * 256], value[256];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t m = 0; m < 2; m++)
            for (hard_kind kind = HARD_RANDOM; kind < HARD_KINDS; kind++) {
                const ki_codec *c = ki_codec_find(names[i]);
                size_t len;

                hard_rows(kind, c, metrics[m], 7, N, 256, x);
                c = learned(c, metrics[m], x, N, 256, NULL);
                len = c->row_bytes(256);
                for (size_t turn = 0; turn < 256; turn++) {
                    for (size_t b = 0; b < len; b++) code[b] = (uint8_t)(b + turn);
                    ki_codec_decode(c, code, len, 1, 256, value);
                    for (size_t j = 0; j < 256; j++)
                        assert_true(isfinite(value[j]) && (m == 0 || value[j] >= 0.0f));
                    must(ki_codec_encode(c, KITH_ROWS(value, 1, KITH_F32), 0, 1, 256, again));
                    assert_memory_equal(code, again, len);
                }
                must(ki_codec_encode(c, KITH_ROWS(x, 1, KITH_F32), 0, 1, 256, code));
                ki_codec_release(c);
            }
}

/* Written, read, and read with every byte changed in some ways: refused, or steps that are fair. */
static void every_byte_of_a_section(void **state)
{
    uint8_t bytes[MOST_BYTES], again[MOST_BYTES];
    float x[N][D], value[D];
    ki_env env;

    (void)state;
    must(ki_env_init(&env, NULL));
    for (size_t i = 0; i < N * D; i++) x[i / D][i % D] = (float)(i * 37 % 101);
    for (size_t i = 0; i < 3; i++) {
        const ki_codec *pattern = ki_codec_find(names[i]), *back;
        const ki_codec *c = learned(pattern, KITH_L2, x[0], N, D, NULL);
        const size_t len = ki_codec_learned_bytes(c, D);

        assert_int_equal(len, MOST_BYTES);
        ki_codec_put_learned(c, D, bytes);
        ki_codec_release(c);
        must(ki_codec_read_learned(pattern, &env, D, KITH_L2, (ki_span){bytes, len}, &back));
        ki_codec_put_learned(back, D, again);
        assert_memory_equal(bytes, again, len);
        ki_codec_release(back);
        refused(ki_codec_read_learned(pattern, &env, D, KITH_L2, (ki_span){bytes, len - 1}, &back),
                KITH_CORRUPT, "section CLRN: its bytes are");
        for (size_t at = 0; at < len; at++)
            for (int flip = 1; flip < 256; flip++) {
                memcpy(again, bytes, len);
                again[at] ^= (uint8_t)flip;
                if (ki_codec_read_learned(pattern, &env, D, KITH_L2, (ki_span){again, len},
                                          &back) != KITH_OK)
                    continue;
                assert_true(at >= 16 ||
                            at == 8); // all that comes before has one value, but uniform
                for (int b = 0; b < 256; b++) {
                    decode_code(back, (uint8_t)b, value);
                    for (size_t j = 0; j < D; j++) assert_true(isfinite(value[j]));
                }
                ki_codec_release(back);
            }
    }
    assert_int_equal(ki_codec_learned_bytes(ki_codec_find("F32"), D), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_values),          cmocka_unit_test(bytes_are_kept_as_they_are),
        cmocka_unit_test(parameters_move_the_ends), cmocka_unit_test(every_code_is_its_own),
        cmocka_unit_test(every_byte_of_a_section),
    };

    return cmocka_run_group_tests_name("sq", tests, NULL, NULL);
}
