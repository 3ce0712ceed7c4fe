/* Plain C: the definition of every slot for one query, of the conversions and of the checks. It
 * fills them all, so that any machine answers, and it is what the other ISAs are tested against.
 * Sums of floats run in double and are rounded once.
 */
#include <math.h>
#include <string.h>

#include "kernel/isa/isa.h"

/* ---- components ------------------------------------------------------------------------------ */

static uint32_t bits_of(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static float of_bits(uint32_t u)
{
    float v;
    memcpy(&v, &u, sizeof v);
    return v;
}

static uint16_t half_at(const uint8_t *p, size_t i)
{
    uint16_t h;
    memcpy(&h, p + 2 * i, sizeof h);
    return h;
}

static float at_f32(const uint8_t *p, size_t i)
{
    float v;
    memcpy(&v, p + 4 * i, sizeof v);
    return v;
}

static float at_f16(const uint8_t *p, size_t i)
{
    const uint32_t h = half_at(p, i), sign = (h & 0x8000) << 16, rest = h & 0x7fff;

    if (rest < 0x0400) { // denormal: units of 2^-24
        const float v = (float)rest * 0x1p-24f;
        return sign ? -v : v;
    }
    if (rest > 0x7c00) return of_bits(sign | 0x7fc00000 | rest << 13); // NaN, made quiet
    return of_bits(sign | ((rest << 13) + (rest == 0x7c00 ? 0x70000000 : 0x38000000)));
}

static float at_bf16(const uint8_t *p, size_t i)
{
    return of_bits((uint32_t)half_at(p, i) << 16);
}

static int32_t at_u8(const uint8_t *p, size_t i)
{
    return p[i];
}

static int32_t at_i8(const uint8_t *p, size_t i)
{
    return (int32_t)(p[i] ^ 0x80) - 0x80;
}

static int32_t ones(unsigned byte)
{
    byte = byte - (byte >> 1 & 0x55);
    byte = (byte & 0x33) + (byte >> 2 & 0x33);
    return (int32_t)((byte + (byte >> 4)) & 0x0f);
}

/* ---- one row --------------------------------------------------------------------------------- */

/* A pair writes its one or two results as 4 bytes each. a is the query's component, b the row's. */
typedef void pair_fn(const void *q, const uint8_t *x, size_t d, uint8_t *out);

static void put_float(uint8_t *out, size_t i, double v)
{
    const float f = (float)v;
    memcpy(out + 4 * i, &f, sizeof f);
}

static void put_int(uint8_t *out, size_t i, int32_t v)
{
    memcpy(out + 4 * i, &v, sizeof v);
}

#define FLOAT_PAIR(op, type, width, first, second)                                                 \
    static void pair_##op##_##type(const void *q, const uint8_t *x, size_t d, uint8_t *out)        \
    {                                                                                              \
        double s = 0.0, t = 0.0;                                                                   \
        for (size_t i = 0; i < d; i++) {                                                           \
            const double a = (double)at_f32(q, i), b = (double)at_##type(x, i);                    \
            first;                                                                                 \
            second;                                                                                \
        }                                                                                          \
        put_float(out, 0, s);                                                                      \
        if (width == 2) put_float(out, 1, t);                                                      \
    }                                                                                              \
    SLOTS(op, type, width)

#define INT_PAIR(op, type, at, len, width, first, second)                                          \
    static void pair_##op##_##type(const void *q, const uint8_t *x, size_t d, uint8_t *out)        \
    {                                                                                              \
        int32_t s = 0, t = 0;                                                                      \
        for (size_t i = 0; i < (len); i++) {                                                       \
            const int32_t a = at(q, i), b = at(x, i);                                              \
            first;                                                                                 \
            second;                                                                                \
        }                                                                                          \
        put_int(out, 0, s);                                                                        \
        if (width == 2) put_int(out, 1, t);                                                        \
    }                                                                                              \
    SLOTS(op, type, width)

#define SLOTS(op, type, width)                                                                     \
    static void scan_##op##_##type(const void *q, const void *rows, size_t stride, size_t n,       \
                                   size_t d, void *out)                                            \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            pair_##op##_##type(q, (const uint8_t *)rows + i * stride, d,                           \
                               (uint8_t *)out + i * 4 * (width));                                  \
    }                                                                                              \
    static void gather_##op##_##type(const void *q, const void *rows, size_t stride,               \
                                     const uint32_t *pos, size_t n, size_t d, void *out)           \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            pair_##op##_##type(q, (const uint8_t *)rows + pos[i] * stride, d,                      \
                               (uint8_t *)out + i * 4 * (width));                                  \
    }                                                                                              \
    static void visit_##op##_##type(const void *q, const void *const *rows,                        \
                                    const void *const *next, size_t n, size_t d, void *out)        \
    {                                                                                              \
        (void)next;                                                                                \
        for (size_t i = 0; i < n; i++)                                                             \
            pair_##op##_##type(q, rows[i], d, (uint8_t *)out + i * 4 * (width));                   \
    }

#define FLOAT_TYPES(type)                                                                          \
    FLOAT_PAIR(l2, type, 1, s += (a - b) * (a - b), (void)t)                                       \
    FLOAT_PAIR(ip, type, 1, s += a * b, (void)t)                                                   \
    FLOAT_PAIR(dot2, type, 2, s += a * b, t += b * b)                                              \
    FLOAT_PAIR(l1, type, 1, s += fabs(a - b), (void)t)
FLOAT_TYPES(f32)
FLOAT_TYPES(f16)
FLOAT_TYPES(bf16)
FLOAT_PAIR(linf, f32, 1, s = fabs(a - b) > s ? fabs(a - b) : s, (void)t)
FLOAT_PAIR(canberra, f32, 1, s += a == 0.0 && b == 0.0 ? 0.0 : fabs(a - b) / (fabs(a) + fabs(b)),
           (void)t)
FLOAT_PAIR(bray2, f32, 2, s += fabs(a - b), t += fabs(a + b))
FLOAT_PAIR(minmax2, f32, 2, s += a < b ? a : b, t += a < b ? b : a)

#define BYTE_TYPES(type)                                                                           \
    INT_PAIR(l2, type, at_##type, d, 1, s += (a - b) * (a - b), (void)t)                           \
    INT_PAIR(ip, type, at_##type, d, 1, s += a * b, (void)t)                                       \
    INT_PAIR(dot2, type, at_##type, d, 2, s += a * b, t += b * b)                                  \
    INT_PAIR(l1, type, at_##type, d, 1, s += a < b ? b - a : a - b, (void)t)
BYTE_TYPES(u8)
BYTE_TYPES(i8)
INT_PAIR(hamming, bits, at_u8, (d + 7) / 8, 1, s += ones((unsigned)(a ^ b)), (void)t)
INT_PAIR(andor2, bits, at_u8, (d + 7) / 8, 2, s += ones((unsigned)(a & b)),
         t += ones((unsigned)(a | b)))

static void pair_dot4_u8(const void *q, const uint8_t *x, size_t d, uint8_t *out)
{
    const ki_query4 *w = q;
    int32_t s = 0;

    for (size_t i = 0; i < ki_plane(d); i++)
        s += w->low[i] * (x[i] & 15) + w->high[i] * (x[i] >> 4);
    put_int(out, 0, s);
}
SLOTS(dot4, u8, 1)

static void pair_grid4_u8(const void *q, const uint8_t *x, size_t d, uint8_t *out)
{
    const ki_grid4 *g = q;
    int32_t s = 0;

    for (size_t i = 0; i < ki_plane(d); i++) {
        const int32_t low = g->low[i] - g->level[x[i] & 15];
        const int32_t high = g->high[i] - g->level[x[i] >> 4];
        s += low * low + high * high;
    }
    put_int(out, 0, s);
}
SLOTS(grid4, u8, 1)

/* ---- conversions ----------------------------------------------------------------------------- */

#define TO_FLOAT(type)                                                                             \
    static void f32_from_##type(const void *src, size_t n, float *out)                             \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) out[i] = (float)at_##type(src, i);                          \
    }
TO_FLOAT(f16)
TO_FLOAT(bf16)
TO_FLOAT(u8)
TO_FLOAT(i8)

static uint16_t to_f16(float v)
{
    const uint32_t u = bits_of(v), sign = u >> 16 & 0x8000, rest = u & 0x7fffffff;
    const uint32_t whole = (rest & 0x7fffff) | 0x800000, exponent = rest >> 23;
    uint32_t kept, lost, half;

    if (rest > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (rest >> 13 & 0x3ff)); // quiet NaN
    if (rest >= 0x47800000) return (uint16_t)(sign | 0x7c00);                       // 65536 and up
    if (rest >= 0x38800000) // normal, 2^-14 and up; may round up to infinity
        return (uint16_t)(sign | (rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13);
    if (exponent < 102) return (uint16_t)sign; // below half the smallest denormal
    kept = whole >> (126 - exponent);
    lost = whole & ((UINT32_C(1) << (126 - exponent)) - 1);
    half = UINT32_C(1) << (125 - exponent);
    return (uint16_t)(sign | (kept + (lost > half || (lost == half && (kept & 1)))));
}

static uint16_t to_bf16(float v)
{
    const uint32_t u = bits_of(v);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40); // quiet NaN
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

#define FROM_FLOAT(type)                                                                           \
    static void type##_from_f32(const void *src, size_t n, void *out)                              \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const uint16_t h = to_##type(at_f32(src, i));                                          \
            memcpy((uint8_t *)out + 2 * i, &h, sizeof h);                                          \
        }                                                                                          \
    }
FROM_FLOAT(f16)
FROM_FLOAT(bf16)

/* ---- checks and sums ------------------------------------------------------------------------- */

static size_t find_nonfinite(const void *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(at_f32(src, i))) return i;
    return n;
}

static size_t find_noninteger(const void *src, size_t n, float lo, float hi)
{
    for (size_t i = 0; i < n; i++) {
        const float v = at_f32(src, i);
        if (!(v >= lo && v <= hi && truncf(v) == v) || bits_of(v) == 0x80000000) return i;
    }
    return n;
}

#define SUMS(type)                                                                                 \
    static void sums_##type(const void *rows, size_t stride, size_t n, size_t d, int32_t *out)     \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const uint8_t *x = (const uint8_t *)rows + i * stride;                                 \
            int32_t s = 0, t = 0;                                                                  \
            for (size_t j = 0; j < d; j++) {                                                       \
                s += at_##type(x, j);                                                              \
                t += at_##type(x, j) * at_##type(x, j);                                            \
            }                                                                                      \
            out[2 * i] = s;                                                                        \
            out[2 * i + 1] = t;                                                                    \
        }                                                                                          \
    }
SUMS(u8)
SUMS(i8)

static size_t code_test(const ki_code_test *t, size_t n, uint32_t *pos)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        pos[kept] = (uint32_t)i;
        kept += ki_code_passes(t, i);
    }
    return kept;
}

static void join_planes(const void *high, const void *low, size_t n, size_t d, uint8_t flip,
                        void *out)
{
    const size_t plane = ki_plane(d);
    const uint8_t *h = high, *l = low;
    uint8_t *o = out;

    for (size_t i = 0; i < n; i++, h += plane, l += plane, o += d)
        for (size_t j = 0; j < d; j++)
            o[j] = (uint8_t)((j < plane ? (h[j] & 15) << 4 | (l[j] & 15)
                                        : (h[j - plane] & 0xf0) | l[j - plane] >> 4) ^
                             flip);
}

/* ---- for walks over a graph ------------------------------------------------------------------ */

static size_t least(const float *key, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (key[i] < key[best]) best = i;
    return best;
}

/* ---- slots ----------------------------------------------------------------------------------- */

#define SET(OP, op, TYPE, type)                                                                    \
    k->scan[KI_##OP][KI_##TYPE] = scan_##op##_##type;                                              \
    k->gather[KI_##OP][KI_##TYPE] = gather_##op##_##type;                                          \
    k->visit[KI_##OP][KI_##TYPE] = visit_##op##_##type;
#define SET_TYPE(TYPE, type)                                                                       \
    SET(L2, l2, TYPE, type)                                                                        \
    SET(IP, ip, TYPE, type)                                                                        \
    SET(DOT2, dot2, TYPE, type)                                                                    \
    SET(L1, l1, TYPE, type)

void ki_fill_scan_scalar(volatile ki_kernels *k)
{
    SET_TYPE(F32, f32)
    SET_TYPE(F16, f16)
    SET_TYPE(BF16, bf16)
    SET_TYPE(I8, i8)
    SET_TYPE(U8, u8)
    SET(LINF, linf, F32, f32)
    SET(CANBERRA, canberra, F32, f32)
    SET(BRAY2, bray2, F32, f32)
    SET(MINMAX2, minmax2, F32, f32)
    SET(HAMMING, hamming, BITS, bits)
    SET(ANDOR2, andor2, BITS, bits)
    SET(DOT4, dot4, U8, u8)
    SET(GRID4, grid4, U8, u8)
    k->f32_from_f16 = f32_from_f16;
    k->f32_from_bf16 = f32_from_bf16;
    k->f16_from_f32 = f16_from_f32;
    k->bf16_from_f32 = bf16_from_f32;
    k->f32_from_u8 = f32_from_u8;
    k->f32_from_i8 = f32_from_i8;
    k->find_nonfinite = find_nonfinite;
    k->find_noninteger = find_noninteger;
    k->sums_u8 = sums_u8;
    k->sums_i8 = sums_i8;
    k->code_test = code_test;
    k->join_planes = join_planes;
    k->least = least;
    k->hadamard = ki_hadamard;
}
