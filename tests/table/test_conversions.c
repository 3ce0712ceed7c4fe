/* Conversions and checks of every ISA this machine runs. Halves have 65,536 values, so all are
 * tried; rounding to halves is tried at, below and above every midpoint, which leaves a monotone
 * function no freedom. Arrays end at a page that must not be touched. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "kernel/kernel.h"

enum { ROOM = 1 << 20, PAGE = 1 << 16, LEN_MAX = 100 };

static uint8_t *source, *target; /* ROOM bytes each, between pages that may not be touched */

static uint8_t *guarded(void)
{
    uint8_t *p = mmap(NULL, ROOM + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + PAGE, ROOM, PROT_READ | PROT_WRITE), 0);
    return p + PAGE;
}

static int make_rooms(void **state)
{
    (void)state;
    source = guarded();
    target = guarded();
    return 0;
}

static int free_rooms(void **state)
{
    (void)state;
    munmap(source - PAGE, ROOM + 2 * PAGE);
    munmap(target - PAGE, ROOM + 2 * PAGE);
    return 0;
}

static float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static void each_isa(void (*test)(const ki_kernels *k, const char *isa))
{
    size_t n = 0;
    for (size_t i = 0; ki_isa_at(i); i++) {
        const ki_isa *isa = ki_isa_at(i);
        ki_kernels k = {0};
        if (isa->needs & ~ki_cpu_features()) continue;
        isa->fill(&k);
        if (!k.f32_from_f16) continue;
        test(&k, isa->name);
        n++;
    }
    assert_true(n > 0);
}

/* ---- halves to floats ------------------------------------------------------------------------ */

/* IEEE binary16 by its definition. */
static float half_value(uint32_t h)
{
    const int e = (int)(h >> 10 & 31), m = (int)(h & 1023);
    double v;
    if (e == 31) return m ? NAN : h >> 15 ? -INFINITY : INFINITY;
    v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return (float)(h >> 15 ? -v : v);
}

static float brain_value(uint32_t h)
{
    return of_bits(h << 16);
}

static void widen(const ki_kernels *k, const char *isa)
{
    for (int brain = 0; brain < 2; brain++) {
        float *out = (float *)(void *)target;
        for (uint32_t h = 0; h < 65536; h++) memcpy(source + 2 * h, &(uint16_t){(uint16_t)h}, 2);
        (brain ? k->f32_from_bf16 : k->f32_from_f16)(source, 65536, out);
        for (uint32_t h = 0; h < 65536; h++) {
            const float want = brain ? brain_value(h) : half_value(h);
            if (isnan(want) ? !isnan(out[h]) : bits_of(out[h]) != bits_of(want))
                fail_msg("%s: half %04x became %a, not %a", isa, h, (double)out[h], (double)want);
        }
    }
}

static void every_half_widens(void **state)
{
    (void)state;
    each_isa(widen);
}

/* ---- floats to halves ------------------------------------------------------------------------ */

static void expect(const ki_kernels *k, const char *isa, int brain, uint32_t u, uint32_t want)
{
    float in[20];
    uint16_t out[20];
    const size_t n = 1 + u % 20;

    for (size_t i = 0; i < n; i++) in[i] = of_bits(u);
    (brain ? k->bf16_from_f32 : k->f16_from_f32)(in, n, out);
    for (size_t i = 0; i < n; i++)
        if (out[i] != want)
            fail_msg("%s: %a became the half %04x (bf16: %d), not %04x", isa, (double)in[i],
                     (unsigned)out[i], brain, want);
}

/* Of each half h and the next one: h itself, their midpoint and its two neighbours. The one after
 * the largest is infinity, at the place where the next half would lie. */
static void narrow(const ki_kernels *k, const char *isa)
{
    for (uint32_t sign = 0; sign < 2; sign++)
        for (uint32_t h = 0; h < 0x7c00; h++) {
            const float low = half_value(h), high = h == 0x7bff ? 65536.0f : half_value(h + 1);
            const uint32_t mid = bits_of((low + high) / 2), s = sign << 15, top = sign << 31;
            expect(k, isa, 0, bits_of(low) | top, h | s);
            expect(k, isa, 0, (mid - 1) | top, h | s);
            expect(k, isa, 0, mid | top, (h + (h & 1)) | s);
            expect(k, isa, 0, (mid + 1) | top, (h + 1) | s);
        }
    for (uint32_t h = 0; h < 65536; h++) {
        const uint32_t mid = h << 16 | 0x8000;
        if ((h & 0x7f80) == 0x7f80) continue;
        expect(k, isa, 1, h << 16, h);
        expect(k, isa, 1, mid - 1, h);
        expect(k, isa, 1, mid, h + (h & 1));
        expect(k, isa, 1, mid + 1, h + 1);
    }
}

static void rounding_at_every_midpoint(void **state)
{
    (void)state;
    each_isa(narrow);
}

static void beyond(const ki_kernels *k, const char *isa)
{
    static const uint32_t nans[] = {0x7fc00000, 0x7f800001, 0x7fffffff, 0xffc00000, 0xff800001};
    expect(k, isa, 0, bits_of(3e38f), 0x7c00);
    expect(k, isa, 0, bits_of(-70000.0f), 0xfc00);
    expect(k, isa, 0, bits_of(1e-30f), 0);
    expect(k, isa, 0, 0x80000001, 0x8000);
    for (int brain = 0; brain < 2; brain++) {
        expect(k, isa, brain, 0x7f800000, brain ? 0x7f80 : 0x7c00);
        expect(k, isa, brain, 0xff800000, brain ? 0xff80 : 0xfc00);
        for (size_t i = 0; i < 5; i++) { // NaN stays NaN, of the same sign
            const float in = of_bits(nans[i]);
            uint16_t out;
            (brain ? k->bf16_from_f32 : k->f16_from_f32)(&in, 1, &out);
            assert_true(isnan(brain ? brain_value(out) : half_value(out)));
            assert_int_equal(out >> 15, nans[i] >> 31);
        }
    }
}

static void infinities_and_nans(void **state)
{
    (void)state;
    each_isa(beyond);
}

/* ---- bytes, tails ---------------------------------------------------------------------------- */

static void tails(const ki_kernels *k, const char *isa)
{
    for (size_t n = 0; n <= LEN_MAX; n++) {
        uint8_t *bytes = source + ROOM - n, *halves = source + ROOM - 2 * n, back[2 * LEN_MAX];
        float *out = (float *)(void *)(target + ROOM - 4 * n);

        for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 37 + n);
        k->f32_from_u8(bytes, n, out);
        for (size_t i = 0; i < n; i++) assert_true(out[i] == (float)bytes[i]);
        k->f32_from_i8(bytes, n, out);
        for (size_t i = 0; i < n; i++) assert_true(out[i] == (float)(int8_t)bytes[i]);

        for (size_t i = 0; i < n; i++)
            memcpy(halves + 2 * i, &(uint16_t){(uint16_t)(i * 311 + n)}, 2);
        k->f32_from_f16(halves, n, out);
        k->f16_from_f32(out, n, back);
        if (n) assert_memory_equal(halves, back, 2 * n);
        k->f32_from_bf16(halves, n, out);
        k->bf16_from_f32(out, n, back);
        if (n) assert_memory_equal(halves, back, 2 * n);
        /* Written up to the guard page, too. */
        k->f16_from_f32(out, n, target + ROOM - 2 * n);
    }
    assert_non_null(isa);
}

static void every_length_up_to_the_page(void **state)
{
    (void)state;
    each_isa(tails);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static void find_spoiled(const ki_kernels *k, const char *isa)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    static const float good[] = {0.0f, -0.0f, 3.4e38f, -3.4e38f, 1e-45f, 1.0f, -1.0f};

    for (size_t n = 0; n <= LEN_MAX; n++) {
        uint8_t *p = source + ROOM - 4 * n;
        for (size_t i = 0; i < n; i++) memcpy(p + 4 * i, &good[i % 7], 4);
        assert_int_equal(k->find_nonfinite(p, n), n);
        for (size_t i = 0; i < n; i++) { // each alone
            for (size_t b = 0; b < 4; b++) {
                memcpy(p + 4 * i, &bad[b], 4);
                if (k->find_nonfinite(p, n) != i)
                    fail_msg("%s: n %zu, place %zu, %g", isa, n, i, (double)bad[b]);
            }
            memcpy(p + 4 * i, &good[i % 7], 4);
        }
        for (size_t i = n; i-- > 0;) { // the first of several
            memcpy(p + 4 * i, &bad[i % 4], 4);
            assert_int_equal(k->find_nonfinite(p, n), i);
        }
    }
}

static void finds_what_is_not_finite(void **state)
{
    (void)state;
    each_isa(find_spoiled);
}

static void find_broken(const ki_kernels *k, const char *isa)
{
    static const float ends[][2] = {{0.0f, 255.0f}, {-128.0f, 127.0f}, {1.0f, 3.0f}};
    static const float bad[] = {0.5f, -0.0f,    256.0f,    -129.0f, NAN,
                                1e30f, INFINITY, -INFINITY, 1e-45f};

    for (size_t e = 0; e < 3; e++)
        for (size_t n = 0; n <= LEN_MAX; n++) {
            const float lo = ends[e][0], hi = ends[e][1];
            uint8_t *p = source + ROOM - 4 * n;
            for (size_t i = 0; i < n; i++) {
                const float v = i % 3 == 0 ? lo : i % 3 == 1 ? hi : lo + 1.0f;
                memcpy(p + 4 * i, &v, 4);
            }
            assert_int_equal(k->find_noninteger(p, n, lo, hi), n);
            for (size_t i = 0; i < n; i++) { // each alone
                for (size_t b = 0; b < 9; b++) {
                    memcpy(p + 4 * i, &bad[b], 4);
                    if (k->find_noninteger(p, n, lo, hi) != i)
                        fail_msg("%s: n %zu, place %zu, %g", isa, n, i, (double)bad[b]);
                }
                memcpy(p + 4 * i, &lo, 4);
            }
            for (size_t i = n; i-- > 0;) { // the first of several
                memcpy(p + 4 * i, &bad[i % 9], 4);
                assert_int_equal(k->find_noninteger(p, n, lo, hi), i);
            }
        }
}

static void finds_what_is_no_integer(void **state)
{
    (void)state;
    each_isa(find_broken);
}

/* Rows at the ends of their arrays, some just at the edge: what rounding can decide is left open,
 * all else is not. */
static void test_codes(const ki_kernels *k, const char *isa, size_t n, int with_low)
{
    enum { ARRAYS = 4 };
    const size_t size = n * 4, apart = 4096;
    uint8_t *at[ARRAYS] = {source + ROOM - size, target + ROOM - size, source + apart,
                           target + apart};
    ki_code_test t = {.bias = 5000, .slack = 77.5f, .k = -0.25f, .unit = 0.5f, .edge = 300.0f};
    uint32_t pos[LEN_MAX + 1];
    size_t kept, next = 0;

    for (size_t i = 0; i < n; i++) {
        const int32_t high = (int32_t)(i * 7919 % 997) - 300, low = (int32_t)(i * 104729 % 1009);
        const float terms[2] = {(float)(i * 31 % 101), i % 17 == 3 ? NAN : (float)(i % 13) - 4.0f};
        memcpy(at[0] + 4 * i, &high, 4);
        memcpy(at[3] + 4 * i, &low, 4);
        memcpy(at[1] + 4 * i, &terms[0], 4);
        memcpy(at[2] + 4 * i, &terms[1], 4);
    }
    t.high = (const int32_t *)(const void *)at[0];
    t.half_norm = (const float *)(const void *)at[1];
    t.scale = (const float *)(const void *)at[2];
    t.low = with_low ? (const int32_t *)(const void *)at[3] : NULL;
    pos[n] = 0xabcd;
    kept = k->code_test(&t, n, pos);
    assert_in_range(kept, 0, n);
    for (size_t i = 0; i < n; i++) {
        const double whole = 32.0 * t.high[i] + (t.low ? 2.0 * t.low[i] : 0.0) - 5000.0;
        const double product = 0.5 * (double)t.scale[i] * (whole + 77.5);
        const double above = -0.25 * (double)t.half_norm[i] - product - 300.0;
        const int in = next < kept && pos[next] == i;
        next += (size_t)in;
        if (fabs(above) > 1e-5 * fabs(product) && in == (above > 0.0))
            fail_msg("%s: n %zu, row %zu: %d, %g above", isa, n, i, in, above);
        if (isnan(above) && !in) fail_msg("%s: n %zu, row %zu: NaN is ruled out", isa, n, i);
    }
    assert_int_equal(next, kept);
    assert_int_equal(pos[n], 0xabcd);
}

static void test_code_lengths(const ki_kernels *k, const char *isa)
{
    for (size_t n = 0; n <= LEN_MAX; n++)
        for (int with_low = 0; with_low < 2; with_low++) test_codes(k, isa, n, with_low);
}

static void tests_codes(void **state)
{
    (void)state;
    each_isa(test_code_lengths);
}

/* n rows of d components whose planes are random; which: the plane that ends at the page. */
static void join_rows(const ki_kernels *k, const char *isa, size_t n, size_t d, int which)
{
    const size_t plane = ki_plane(d), len = n * plane;
    uint8_t *place[2] = {source, source + ROOM - len}, *got = target + ROOM - n * d;
    const uint8_t *high = place[which], *low = place[!which], flip = (uint8_t)(d % 3 << 7);

    for (size_t i = 0; i < len; i++) {
        place[0][i] = (uint8_t)(i * 151 + d);
        place[1][i] = (uint8_t)(i * 89 + n);
    }
    memset(target + ROOM - n * d - 64, 0x5a, n * d + 64);
    k->join_planes(high, low, n, d, flip, got);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) {
            const size_t at = i * plane + j % plane;
            const unsigned up = j < plane ? high[at] & 15 : high[at] >> 4;
            const unsigned down = j < plane ? low[at] & 15 : low[at] >> 4;
            if (got[i * d + j] != ((up << 4 | down) ^ flip))
                fail_msg("%s: n %zu, d %zu, row %zu, component %zu: %u", isa, n, d, i, j,
                         got[i * d + j]);
        }
    for (size_t i = 1; i <= 64; i++) assert_int_equal(*(got - i), 0x5a);
}

static void join_shapes(const ki_kernels *k, const char *isa)
{
    for (size_t d = 1; d <= 300; d++)
        for (size_t n = 0; n <= 9; n++) join_rows(k, isa, n, d, (int)(n & 1));
    for (size_t n = 10; n <= 70; n++) join_rows(k, isa, n, 128, (int)(n & 1));
}

static void joins_planes(void **state)
{
    (void)state;
    each_isa(join_shapes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_widens),        cmocka_unit_test(rounding_at_every_midpoint),
        cmocka_unit_test(infinities_and_nans),      cmocka_unit_test(every_length_up_to_the_page),
        cmocka_unit_test(finds_what_is_not_finite), cmocka_unit_test(finds_what_is_no_integer),
        cmocka_unit_test(tests_codes),
        cmocka_unit_test(joins_planes),
    };
    return cmocka_run_group_tests(tests, make_rooms, free_rooms);
}
