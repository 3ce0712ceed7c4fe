/* The codecs, by their table: every codec takes rows of every type that it can hold, packed or not,
 * aligned or not, and gives them back exactly or, where it has learned steps, the nearest of them;
 * what it cannot hold is refused by row, column and value; every pair of codec and metric is
 * allowed or refused by name. */
#include "support/harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "codec/codec.h"
#include "support/learned.h"

static const kith_dtype dtypes[] = {KITH_F32, KITH_F64, KITH_F16, KITH_BF16, KITH_I8,
                                    KITH_U8,  KITH_BIT, KITH_I32, KITH_I64};
enum { DTYPES = sizeof dtypes / sizeof *dtypes, N = 5, MOST = 1100, FIRST = 2 };

/* ---- components ------------------------------------------------------------------------------ */

/* Integers are given by value, halves by their bits. */
static void set(uint8_t *row, kith_dtype t, size_t j, float v)
{
    const double f64 = (double)v;
    const int32_t i32 = (int32_t)v;
    const int64_t i64 = (int64_t)v;
    uint32_t bits;
    uint16_t half;

    memcpy(&bits, &v, 4);
    switch (t) {
    case KITH_F32: memcpy(row + 4 * j, &v, 4); break;
    case KITH_F64: memcpy(row + 8 * j, &f64, 8); break;
    case KITH_F16: ki_kernels_get()->f16_from_f32(&v, 1, row + 2 * j); break;
    case KITH_BF16:
        half = (uint16_t)(bits >> 16);
        memcpy(row + 2 * j, &half, 2);
        break;
    case KITH_I8: row[j] = (uint8_t)(int8_t)v; break;
    case KITH_U8: row[j] = (uint8_t)v; break;
    case KITH_BIT: row[j / 8] |= (uint8_t)((v != 0) << (7 - j % 8)); break;
    case KITH_I32: memcpy(row + 4 * j, &i32, 4); break;
    case KITH_I64: memcpy(row + 8 * j, &i64, 8); break;
    }
}

/* Values that both the type and the codec hold: 0 and 1 for bits, else small whole numbers. */
static float common_value(kith_dtype t, const ki_codec *c, uint64_t i)
{
    const bool bits = t == KITH_BIT || c->type == KI_BITS;
    const bool negative = t != KITH_U8 && c->type != KI_U8 && !bits;
    const uint32_t v = ki_random_below(1, KI_RNG_TEST, i, bits ? 2 : 100);

    return negative && v && i % 2 ? -(float)v : (float)v;
}

/* owns: block */
typedef struct sample {
    uint8_t *block;
    kith_rows rows;
    float *want; // [N][d]
} sample;

/* N rows, `gap` bytes apart, at an odd address when shift is odd; what lies between is rubbish. */
static sample make(kith_dtype t, const ki_codec *c, size_t d, size_t gap, size_t shift)
{
    const size_t len = ki_dtype_bytes(t, d), stride = len + gap;
    sample s = {.block = malloc(N * stride + shift + 1), .want = malloc(N * d * sizeof(float))};

    memset(s.block, 0xa5, N * stride + shift + 1);
    s.rows = (kith_rows){s.block + shift, N, gap ? stride : 0, t};
    for (size_t i = 0; i < N; i++) {
        uint8_t *row = s.block + shift + i * stride;

        memset(row, 0, len);
        for (size_t j = 0; j < d; j++) {
            s.want[i * d + j] = common_value(t, c, i * d + j);
            set(row, t, j, s.want[i * d + j]);
        }
        if (t == KITH_BIT && d % 8) row[len - 1] |= (uint8_t)(0xff >> d % 8); // rubbish bits
    }
    return s;
}

/* What was stored of want: itself, or the nearest step. */
static void check_stored(const ki_codec *c, const float *want, size_t n, size_t d, const float *got)
{
    if (!c->grid) {
        assert_memory_equal(got, want, n * d * sizeof *got);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            assert_true(fabsf(got[i * d + j] - want[i * d + j]) <= 0.501f * c->grid->step[j]);
}

static void round_trip(const ki_codec *pattern, kith_dtype t, size_t d, size_t gap, size_t shift)
{
    sample s = make(t, pattern, d, gap, shift);
    const ki_codec *c = learned(pattern, KITH_L2, s.want, N, d, NULL);
    const size_t len = c->row_bytes(d), n = N - FIRST;
    uint8_t *code = malloc(N * len + 1), *again = malloc(n * len + 1);
    float *got = malloc(N * d * sizeof *got);

    must(ki_rows_check(s.rows, d, KITH_HAMMING, "row"));
    code[n * len] = again[n * len] = 0x5a;
    must(ki_codec_encode(c, s.rows, FIRST, n, d, code));
    ki_codec_decode(c, code, len, n, d, got);
    check_stored(c, s.want + FIRST * d, n, d, got);
    // What is stored is a row of the codec's own type, or decoded to such: it encodes to itself.
    if (c->type == KI_CODED)
        must(ki_codec_encode(c, (kith_rows){got, n, 0, c->dtype}, 0, n, d, again));
    else
        must(ki_codec_encode(c, (kith_rows){code, n, len, c->dtype}, 0, n, d, again));
    assert_memory_equal(again, code, n * len + 1);
    assert_int_equal(code[n * len], 0x5a);
    ki_rows_to_f32(s.rows, FIRST, n, d, got);
    assert_memory_equal(got, s.want + FIRST * d, n * d * sizeof *got);
    ki_codec_release(c);
    free(got);
    free(code);
    free(again);
    free(s.want);
    free(s.block);
}

static void every_codec_takes_every_type(void **state)
{
    static const size_t dims[] = {1, 2, 7, 8, 9, 16, 31, 64, 100, 511, 512, 513, MOST};
    const ki_codec *c;

    (void)state;
    for (size_t i = 0; (c = ki_codec_at(i)) != NULL; i++)
        for (size_t t = 0; t < DTYPES; t++)
            for (size_t k = 0; k < sizeof dims / sizeof *dims; k++) {
                round_trip(c, dtypes[t], dims[k], 0, 0);
                round_trip(c, dtypes[t], dims[k], 0, 1);
                round_trip(c, dtypes[t], dims[k], 3, 1);
            }
}

/* ---- the table ------------------------------------------------------------------------------- */

static void members_are_found_by_name_and_number(void **state)
{
    const ki_codec *c;
    size_t i = 0;

    (void)state;
    for (; (c = ki_codec_at(i)) != NULL; i++) {
        assert_ptr_equal(ki_codec_find(c->name), c);
        assert_ptr_equal(ki_codec_of_file(c->file_id), c);
        if (c->type == KI_CODED)
            assert_true(ki_codec_unlearned(c) && c->params.count <= KI_CODEC_PARAMS);
        else
            assert_int_equal(c->row_bytes(24), ki_dtype_bytes(c->dtype, 24));
        assert_true(strlen(c->about) > 10);
        for (size_t j = 0; j < i; j++) assert_int_not_equal(ki_codec_at(j)->file_id, c->file_id);
    }
    assert_int_equal(i, 9);
    assert_ptr_equal(ki_codec_find("flat"), ki_codec_find("F32"));
    assert_ptr_equal(ki_codec_find("bf16"), ki_codec_find("BF16"));
    assert_null(ki_codec_find("F3"));
    assert_null(ki_codec_find(""));
    assert_null(ki_codec_find("Flat,"));
    assert_null(ki_codec_of_file(0));
    assert_null(ki_codec_of_file(10));
}

static void every_pair_with_a_metric_is_decided(void **state)
{
    const ki_metric *m;
    const ki_codec *c;

    (void)state;
    for (size_t i = 0; (c = ki_codec_at(i)) != NULL; i++)
        for (size_t j = 0; (m = ki_metric_at(j)) != NULL; j++) {
            const bool bits = c->type == KI_BITS;
            const bool suits = m->id == KITH_JACCARD || bits == (m->id == KITH_HAMMING);

            if (suits) {
                must(ki_codec_suits(c, m->id));
                continue;
            }
            refused(ki_codec_suits(c, m->id), KITH_UNSUPPORTED, m->name);
            refused(ki_codec_suits(c, m->id), KITH_UNSUPPORTED, c->name);
        }
    refused(ki_codec_suits(ki_codec_find("F32"), (kith_metric)99), KITH_BAD_ARG, "99 is no metric");
}

/* ---- what cannot be held --------------------------------------------------------------------- */

static kith_status encode_one(const char *codec, float value, void *out)
{
    float rows[2][3] = {{0, 1, 0}, {1, 0, 0}};

    rows[1][2] = value;
    return ki_codec_encode(ki_codec_find(codec), KITH_ROWS(rows, 2, KITH_F32), 0, 2, 3, out);
}

static void values_out_of_range_are_refused(void **state)
{
    uint8_t out[64];

    (void)state;
    refused(encode_one("U8", 0.37f, out), KITH_BAD_ARG, "row 1, column 2: 0.37");
    refused(encode_one("U8", 256, out), KITH_BAD_ARG, "256 is no integer 0…255; U8 keeps");
    refused(encode_one("U8", -1, out), KITH_BAD_ARG, "-1 is no integer");
    refused(encode_one("U8", -0.0f, out), KITH_BAD_ARG, "-0 is no integer");
    must(encode_one("U8", 255, out));
    refused(encode_one("I8", 128, out), KITH_BAD_ARG, "128 is no integer -128…127");
    refused(encode_one("I8", -129, out), KITH_BAD_ARG, "-129 is no integer");
    must(encode_one("I8", -128, out));
    refused(encode_one("Bits", 2, out), KITH_BAD_ARG, "row 1, column 2: 2 is no bit");
    refused(encode_one("Bits", 0.5f, out), KITH_BAD_ARG, "0.5 is no bit");
    refused(encode_one("F16", 65520, out), KITH_BAD_ARG, "65520 is beyond F16");
    refused(encode_one("F16", -70000, out), KITH_BAD_ARG, "-70000 is beyond F16");
    must(encode_one("F16", nextafterf(65520, 0), out));
    refused(encode_one("BF16", 3.4e38f, out), KITH_BAD_ARG, "is beyond BF16");
    refused(encode_one("BF16", 0x1.ffp127f, out), KITH_BAD_ARG, "is beyond BF16");
    must(encode_one("BF16", nextafterf(0x1.ffp127f, 0), out));
    must(encode_one("F32", 3.4e38f, out));
}

/* Rounding to half of every kind: against the nearest of all halves, ties to even. */
static void halves_round_to_nearest_even(void **state)
{
    const ki_kernels *k = ki_kernels_get();
    const struct {
        const char *codec;
        void (*widen)(const void *src, size_t n, float *out);
        uint16_t most;
    } kind[] = {{"F16", k->f32_from_f16, 0x7bff}, {"BF16", k->f32_from_bf16, 0x7f7f}};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (uint16_t h = 0; h < kind[i].most; h++) {
            const uint16_t next = (uint16_t)(h + 1);
            float lo, hi, in[5], out[5];
            uint8_t code[10];

            kind[i].widen(&h, 1, &lo);
            kind[i].widen(&next, 1, &hi);
            in[0] = lo;
            in[1] = (float)(((double)lo + (double)hi) / 2); // exact: one bit more than a half has
            in[2] = nextafterf(in[1], 0);
            in[3] = nextafterf(in[1], INFINITY);
            in[4] = -in[1];
            must(ki_codec_encode(ki_codec_find(kind[i].codec), KITH_ROWS(in, 1, KITH_F32), 0, 1, 5,
                                 code));
            ki_codec_decode(ki_codec_find(kind[i].codec), code, 10, 1, 5, out);
            assert_true(out[0] == lo && out[2] == lo && out[3] == hi);
            assert_true(out[1] == (h % 2 ? hi : lo) && out[4] == -out[1]);
        }
}

static void bits_are_packed_like_numpy(void **state)
{
    const float row[10] = {1, 0, 0, 0, 0, 0, 1, 0, 0, 1};
    const uint8_t dirty[2] = {0x82, 0x7f};
    const ki_codec *c = ki_codec_find("Bits");
    uint8_t out[2];

    (void)state;
    must(ki_codec_encode(c, KITH_ROWS(row, 1, KITH_F32), 0, 1, 10, out));
    assert_int_equal(out[0], 0x82);
    assert_int_equal(out[1], 0x40);
    must(ki_codec_encode(c, KITH_ROWS(dirty, 1, KITH_BIT), 0, 1, 10, out));
    assert_int_equal(out[0], 0x82);
    assert_int_equal(out[1], 0x40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_takes_every_type),
        cmocka_unit_test(members_are_found_by_name_and_number),
        cmocka_unit_test(every_pair_with_a_metric_is_decided),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(bits_are_packed_like_numpy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
