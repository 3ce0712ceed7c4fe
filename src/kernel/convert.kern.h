/* Conversions between component types, checks of floats, and what scan codes need beside products:
 * their test, and their planes joined. Beyond what scan_float.kern.h names,
 * an ISA's ops.h says:
 *   v_load_u8 _i8(p), v_part_u8 _i8(p, n)
 *   v_store(p, v)            VLEN floats
 *   v_store_f16 _bf16(p, v)  VLEN halves, rounded to nearest even
 *   v_set(float)
 *   v_nonfinite(v)           not 0 when a lane is NaN or infinite
 *   v_noninteger(v, lo, hi)  not 0 when a lane is no integer in lo…hi, or -0.0
 *   v_of_halves(high, low, bias)   32 high + 2 low - bias of VLEN int32 each (low NULL: 0)
 *   v_not_above(a, b)        bit i set when !(a > b) in lane i
 *   b_set(byte), b_and b_or b_xor(x, y)
 *   b_shl4(x), b_shr4(x)     bytes by four bits; what comes from a neighbour is undefined
 *   b_put(p, x), b_put_part(p, x, n)   BLEN bytes, the first n < BLEN of them
 */
#include <string.h>

#include "base/compiler.h"
#include "kernel/isa/isa.h"

#define TO_FLOAT(type, size)                                                                       \
    static void f32_from_##type(const void *src, size_t n, float *out)                             \
    {                                                                                              \
        const uint8_t *p = src;                                                                    \
        size_t i = 0;                                                                              \
        for (; i + VLEN <= n; i += VLEN) v_store(out + i, v_load_##type(p + (size) * i));          \
        if (i < n) {                                                                               \
            float rest[VLEN];                                                                      \
            v_store(rest, v_part_##type(p + (size) * i, n - i));                                   \
            memcpy(out + i, rest, (n - i) * sizeof *rest);                                         \
        }                                                                                          \
    }
TO_FLOAT(f16, 2)
TO_FLOAT(bf16, 2)
TO_FLOAT(u8, 1)
TO_FLOAT(i8, 1)

#define FROM_FLOAT(type)                                                                           \
    static void type##_from_f32(const void *src, size_t n, void *out)                              \
    {                                                                                              \
        const uint8_t *p = src;                                                                    \
        uint8_t *o = out;                                                                          \
        size_t i = 0;                                                                              \
        for (; i + VLEN <= n; i += VLEN) v_store_##type(o + 2 * i, v_load_f32(p + 4 * i));         \
        if (i < n) {                                                                               \
            uint8_t rest[2 * VLEN];                                                                \
            v_store_##type(rest, v_part_f32(p + 4 * i, n - i));                                    \
            memcpy(o + 2 * i, rest, (n - i) * 2);                                                  \
        }                                                                                          \
    }
FROM_FLOAT(f16)
FROM_FLOAT(bf16)

/* Vectors without a find are skipped; the place within one is found component by component. */
static size_t find_nonfinite(const void *src, size_t n)
{
    const uint8_t *p = src;
    size_t i = 0;
    uint32_t u;

    while (i + VLEN <= n && !v_nonfinite(v_load_f32(p + 4 * i))) i += VLEN;
    for (; i < n; i++) {
        memcpy(&u, p + 4 * i, sizeof u);
        if ((u & 0x7f800000) == 0x7f800000) return i;
    }
    return n;
}

static size_t find_noninteger(const void *src, size_t n, float lo, float hi)
{
    const uint8_t *p = src;
    const V low = v_set(lo), high = v_set(hi);
    size_t i = 0;

    while (i + VLEN <= n && !v_noninteger(v_load_f32(p + 4 * i), low, high)) i += VLEN;
    for (; i < n; i++) {
        float one[VLEN];
        memcpy(one, p + 4 * i, sizeof *one);
        for (size_t j = 1; j < VLEN; j++) one[j] = one[0];
        if (v_noninteger(v_load_f32((const uint8_t *)one), low, high)) return i;
    }
    return n;
}

/* ---- scan codes ------------------------------------------------------------------------------ */

KI_INLINE uint32_t codes_pass(const ki_code_test *t, const int32_t *high, const int32_t *low,
                              const float *half_norm, const float *scale)
{
    const V whole = v_add(v_of_halves(high, low, t->bias), v_set(t->slack));
    const V unit = v_mul(v_set(t->unit), v_load_f32((const uint8_t *)scale));
    const V own = v_mul(v_set(t->k), v_load_f32((const uint8_t *)half_norm));
    return v_not_above(v_sub(own, v_mul(unit, whole)), v_set(t->edge));
}

static size_t code_test(const ki_code_test *t, size_t n, uint32_t *pos)
{
    size_t kept = 0, i = 0;

    for (; i + VLEN <= n; i += VLEN) {
        uint32_t some = codes_pass(t, t->high + i, t->low ? t->low + i : NULL, t->half_norm + i,
                                   t->scale + i);
        for (; some; some &= some - 1) pos[kept++] = (uint32_t)i + KI_CTZ64(some);
    }
    for (; i < n; i++) {
        pos[kept] = (uint32_t)i;
        kept += ki_code_passes(t, i);
    }
    return kept;
}

/* ---- planes ---------------------------------------------------------------------------------- */

/* Bytes whose high halves are the low halves of h, and those that are the high halves. */
KI_INLINE B join_low(B h, B l, B flip)
{
    return b_xor(b_or(b_and(b_shl4(h), b_set(0xf0)), b_and(l, b_set(15))), flip);
}

KI_INLINE B join_high(B h, B l, B flip)
{
    return b_xor(b_or(b_and(h, b_set(0xf0)), b_and(b_shr4(l), b_set(15))), flip);
}

KI_INLINE void join_row(const uint8_t *h, const uint8_t *l, size_t d, B flip, uint8_t *out)
{
    const size_t plane = ki_plane(d), rest = d - plane;
    size_t j = 0;

    for (; j + BLEN <= rest; j += BLEN) {
        const B x = b_load(h + j), y = b_load(l + j);
        b_put(out + j, join_low(x, y, flip));
        b_put(out + plane + j, join_high(x, y, flip));
    }
    if (j < plane) { // of an odd number of components the low halves have one more
        const B x = plane - j < BLEN ? b_part(h + j, plane - j) : b_load(h + j);
        const B y = plane - j < BLEN ? b_part(l + j, plane - j) : b_load(l + j);
        if (plane - j < BLEN)
            b_put_part(out + j, join_low(x, y, flip), plane - j);
        else
            b_put(out + j, join_low(x, y, flip));
        b_put_part(out + plane + j, join_high(x, y, flip), rest - j);
    }
}

/* Planes come out of memory here. Four rows at a time, far apart, make eight read streams: one core
 * gets half as much again out of memory as from two. */
enum { JOIN_STREAMS = 4, JOIN_AHEAD = 1024 };

static void join_planes(const void *high, const void *low, size_t n, size_t d, uint8_t flip,
                        void *out)
{
    const size_t plane = ki_plane(d), part = n / JOIN_STREAMS;
    const size_t ahead = (JOIN_AHEAD + plane - 1) / plane * plane;
    const uint8_t *h = high, *l = low;
    const B flipped = b_set(flip);
    uint8_t *o = out;

    for (size_t i = 0; i < part; i++)
        for (size_t row = i; row < JOIN_STREAMS * part; row += part) {
            for (size_t at = 0; at < plane; at += 64) {
                KI_PREFETCH(h + row * plane + ahead + at);
                KI_PREFETCH(l + row * plane + ahead + at);
            }
            join_row(h + row * plane, l + row * plane, d, flipped, o + row * d);
        }
    for (size_t row = JOIN_STREAMS * part; row < n; row++)
        join_row(h + row * plane, l + row * plane, d, flipped, o + row * d);
}

static void fill_convert(volatile ki_kernels *k)
{
    k->f32_from_f16 = f32_from_f16;
    k->f32_from_bf16 = f32_from_bf16;
    k->f16_from_f32 = f16_from_f32;
    k->bf16_from_f32 = bf16_from_f32;
    k->f32_from_u8 = f32_from_u8;
    k->f32_from_i8 = f32_from_i8;
    k->find_nonfinite = find_nonfinite;
    k->find_noninteger = find_noninteger;
    k->code_test = code_test;
    k->join_planes = join_planes;
}
