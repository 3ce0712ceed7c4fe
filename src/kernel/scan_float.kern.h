/* Rows of f32, f16 and bf16 against a float query. An ISA's ops file says, before this is included:
 *   V, VLEN                     a vector of VLEN floats
 *   v_zero v_sub v_add v_mul v_div v_abs v_min v_max, v_fma(a, b, c) = a * b + c
 *   v_load_f32 _f16 _bf16(p)    VLEN components at p as floats
 *   v_part_f32 _f16 _bf16(p, n) the first n < VLEN of them, zeros behind; reads no further
 *   v_tame(q, x)                a power of two s for each lane with |q| s + |x| s finite, and s = 1
 *                               where both are small
 *   v_quotient(a, b)            a / b, 0 where b is 0
 *   v_sum4, v_max4(a[4])        F, the four horizontal results
 *   f_put1(out, F), f_put2(out, F, F)   store 4 results, or 8 interleaved
 */
#include "kernel/scan.kern.h"

enum { SIZE_f32 = 4, SIZE_f16 = 2, SIZE_bf16 = 2 };

/* ---- steps: what one pair of vectors adds ---------------------------------------------------- */

KI_INLINE V step_l2(V a, V q, V x)
{
    const V t = v_sub(q, x);
    return v_fma(t, t, a);
}

KI_INLINE V step_ip(V a, V q, V x)
{
    return v_fma(q, x, a);
}

KI_INLINE V step_square(V a, V q, V x)
{
    (void)q;
    return v_fma(x, x, a);
}

KI_INLINE V step_l1(V a, V q, V x)
{
    return v_add(a, v_abs(v_sub(q, x)));
}

KI_INLINE V step_plus(V a, V q, V x)
{
    return v_add(a, v_abs(v_add(q, x)));
}

KI_INLINE V step_min(V a, V q, V x)
{
    return v_add(a, v_min(q, x));
}

KI_INLINE V step_max(V a, V q, V x)
{
    return v_add(a, v_max(q, x));
}

KI_INLINE V step_linf(V a, V q, V x)
{
    return v_max(a, v_abs(v_sub(q, x)));
}

/* Both halves of the quotient are scaled, or |q| + |x| could overflow where the quotient is
 * fine. */
KI_INLINE V step_canberra(V a, V q, V x)
{
    const V s = v_tame(q, x), y = v_mul(q, s), z = v_mul(x, s);
    return v_add(a, v_quotient(v_abs(v_sub(y, z)), v_add(v_abs(y), v_abs(z))));
}

KI_INLINE V join_sum(V a, V b)
{
    return v_add(a, b);
}

KI_INLINE V join_max(V a, V b)
{
    return v_max(a, b);
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* One result a row: two accumulators for each of the four rows. */
#define TILE1(op, type, step, join, fold)                                                          \
    KI_INLINE void tile_##op##_##type(const query *k, const void *const *p, size_t d,              \
                                      uint8_t *out)                                                \
    {                                                                                              \
        size_t i = 0;                                                                              \
        V a[TILE], b[TILE];                                                                        \
        for (int r = 0; r < TILE; r++) a[r] = b[r] = v_zero();                                     \
        for (; i + 2 * VLEN <= d; i += 2 * VLEN) {                                                 \
            const V y = v_load_f32(k->q + 4 * i), z = v_load_f32(k->q + 4 * (i + VLEN));           \
            ask_next(k, SIZE_##type * i, SIZE_##type * 2 * VLEN);                                  \
            for (int r = 0; r < TILE; r++) {                                                       \
                a[r] = step(a[r], y, v_load_##type(row_at(p[r], SIZE_##type * i)));                \
                b[r] = step(b[r], z, v_load_##type(row_at(p[r], SIZE_##type * (i + VLEN))));       \
            }                                                                                      \
        }                                                                                          \
        if (i + VLEN <= d) {                                                                       \
            const V y = v_load_f32(k->q + 4 * i);                                                  \
            ask_next(k, SIZE_##type * i, SIZE_##type * VLEN);                                      \
            for (int r = 0; r < TILE; r++)                                                         \
                a[r] = step(a[r], y, v_load_##type(row_at(p[r], SIZE_##type * i)));                \
            i += VLEN;                                                                             \
        }                                                                                          \
        if (i < d) {                                                                               \
            const V y = v_part_f32(k->q + 4 * i, d - i);                                           \
            for (int r = 0; r < TILE; r++)                                                         \
                b[r] = step(b[r], y, v_part_##type(row_at(p[r], SIZE_##type * i), d - i));         \
        }                                                                                          \
        for (int r = 0; r < TILE; r++) a[r] = join(a[r], b[r]);                                    \
        f_put1(out, fold(a));                                                                      \
    }                                                                                              \
    SLOTS_FLOAT(op, type, 1)

/* Two results a row, both sums. */
#define TILE2(op, type, step, step2)                                                               \
    KI_INLINE void tile_##op##_##type(const query *k, const void *const *p, size_t d,              \
                                      uint8_t *out)                                                \
    {                                                                                              \
        size_t i = 0;                                                                              \
        V a[TILE], b[TILE];                                                                        \
        for (int r = 0; r < TILE; r++) a[r] = b[r] = v_zero();                                     \
        for (; i + VLEN <= d; i += VLEN) {                                                         \
            const V y = v_load_f32(k->q + 4 * i);                                                  \
            ask_next(k, SIZE_##type * i, SIZE_##type * VLEN);                                      \
            for (int r = 0; r < TILE; r++) {                                                       \
                const V x = v_load_##type(row_at(p[r], SIZE_##type * i));                          \
                a[r] = step(a[r], y, x);                                                           \
                b[r] = step2(b[r], y, x);                                                          \
            }                                                                                      \
        }                                                                                          \
        if (i < d) {                                                                               \
            const V y = v_part_f32(k->q + 4 * i, d - i);                                           \
            for (int r = 0; r < TILE; r++) {                                                       \
                const V x = v_part_##type(row_at(p[r], SIZE_##type * i), d - i);                   \
                a[r] = step(a[r], y, x);                                                           \
                b[r] = step2(b[r], y, x);                                                          \
            }                                                                                      \
        }                                                                                          \
        f_put2(out, v_sum4(a), v_sum4(b));                                                         \
    }                                                                                              \
    SLOTS_FLOAT(op, type, 2)

#define SLOTS_FLOAT(op, type, width)                                                               \
    static void scan_##op##_##type(const void *q, const void *rows, size_t stride, size_t n,       \
                                   size_t d, void *out)                                            \
    {                                                                                              \
        const query k = {.q = q};                                                                  \
        scan_tiles(tile_##op##_##type, width, &k, rows, stride, n, SIZE_##type * d, d, out);       \
    }                                                                                              \
    static void gather_##op##_##type(const void *q, const void *rows, size_t stride,               \
                                     const uint32_t *pos, size_t n, size_t d, void *out)           \
    {                                                                                              \
        const query k = {.q = q};                                                                  \
        gather_tiles(tile_##op##_##type, width, &k, rows, stride, pos, n, SIZE_##type * d, d,      \
                     out);                                                                         \
    }                                                                                              \
    static void visit_##op##_##type(const void *q, const void *const *rows,                        \
                                    const void *const *next, size_t n, size_t d, void *out)        \
    {                                                                                              \
        const query k = {.q = q};                                                                  \
        visit_tiles(tile_##op##_##type, width, &k, rows, next, n, SIZE_##type * d, d, out);        \
    }

#define TILES_OF(type)                                                                             \
    TILE1(l2, type, step_l2, join_sum, v_sum4)                                                     \
    TILE1(ip, type, step_ip, join_sum, v_sum4)                                                     \
    TILE2(dot2, type, step_ip, step_square)                                                        \
    TILE1(l1, type, step_l1, join_sum, v_sum4)
TILES_OF(f32)
TILES_OF(f16)
TILES_OF(bf16)
TILE1(linf, f32, step_linf, join_max, v_max4)
TILE1(canberra, f32, step_canberra, join_sum, v_sum4)
TILE2(bray2, f32, step_l1, step_plus)
TILE2(minmax2, f32, step_min, step_max)

#define SET(OP, op, TYPE, type)                                                                    \
    k->scan[KI_##OP][KI_##TYPE] = scan_##op##_##type;                                              \
    k->gather[KI_##OP][KI_##TYPE] = gather_##op##_##type;                                          \
    k->visit[KI_##OP][KI_##TYPE] = visit_##op##_##type;
#define SET_TYPE(TYPE, type)                                                                       \
    SET(L2, l2, TYPE, type)                                                                        \
    SET(IP, ip, TYPE, type)                                                                        \
    SET(DOT2, dot2, TYPE, type)                                                                    \
    SET(L1, l1, TYPE, type)

static void fill_float(volatile ki_kernels *k)
{
    SET_TYPE(F32, f32)
    SET_TYPE(F16, f16)
    SET_TYPE(BF16, bf16)
    SET(LINF, linf, F32, f32)
    SET(CANBERRA, canberra, F32, f32)
    SET(BRAY2, bray2, F32, f32)
    SET(MINMAX2, minmax2, F32, f32)
}

#undef SET
#undef SET_TYPE
