/* Tiles of rows of bytes with int32 results, for scan_byte.kern.h and scan_bits.kern.h. An ISA's
* ops file says, before this is included:
 *   B, BLEN                 a vector of BLEN bytes; W, a vector of int32 sums
 *   b_load(p), b_part(p, n) BLEN bytes; the first n < BLEN, zeros behind, reads no further
 *   b_last(p, n)            the last n of BLEN bytes; the others are zeros, wherever the n lie
 *   w_zero, w_sum4(a[4])    I, the four horizontal sums; i_add(I, int32)
 *   i_put1(out, I), i_put2(out, I, I)   store 4 results, or 8 interleaved
 */
#ifndef KI_SCAN_INT_KERN_H
#define KI_SCAN_INT_KERN_H

#include "kernel/scan.kern.h"

/* The end of a row, where less than a vector is left: its last BLEN bytes less those that were
 * taken already, or all of a row that has fewer. The query's bytes and the rows' meet as before. */
KI_INLINE B b_rest(const void *row, size_t i, size_t len)
{
    return len < BLEN ? b_part(row, len) : b_last(row_at(row, len - BLEN), len - i);
}

/* Not each where it is added: parts are too long to be unrolled, and the sums, too, would then be
 * kept in memory. */
KI_INLINE void load_rests(const void *const *p, size_t i, size_t len, B *x)
{
    if (len < BLEN)
        for (int r = 0; r < TILE; r++) x[r] = b_part(p[r], len);
    else
        for (int r = 0; r < TILE; r++) x[r] = b_last(row_at(p[r], len - BLEN), len - i);
}

/* step(a, q, x): what one pair of vectors adds; zero bytes in both add nothing. */
#define TILE_INT1(op, type, step)                                                                  \
    KI_INLINE void tile_##op##_##type(const query *k, const void *const *p, size_t len,            \
                                      uint8_t *out)                                                \
    {                                                                                              \
        size_t i = 0;                                                                              \
        W a[TILE];                                                                                 \
        for (int r = 0; r < TILE; r++) a[r] = w_zero();                                            \
        for (; i + BLEN <= len; i += BLEN) {                                                       \
            const B y = b_load(k->q + i);                                                          \
            ask_next(k, i, BLEN);                                                                  \
            for (int r = 0; r < TILE; r++) a[r] = step(a[r], y, b_load(row_at(p[r], i)));          \
        }                                                                                          \
        if (i < len) {                                                                             \
            B x[TILE];                                                                             \
            const B y = b_rest(k->q, i, len);                                                      \
            load_rests(p, i, len, x);                                                              \
            for (int r = 0; r < TILE; r++) a[r] = step(a[r], y, x[r]);                             \
        }                                                                                          \
        i_put1(out, i_add(w_sum4(a), k->bias));                                                    \
    }

#define TILE_INT2(op, type, step, step2)                                                           \
    KI_INLINE void tile_##op##_##type(const query *k, const void *const *p, size_t len,            \
                                      uint8_t *out)                                                \
    {                                                                                              \
        size_t i = 0;                                                                              \
        W a[TILE], b[TILE];                                                                        \
        for (int r = 0; r < TILE; r++) a[r] = b[r] = w_zero();                                     \
        for (; i + BLEN <= len; i += BLEN) {                                                       \
            const B y = b_load(k->q + i), z = b_load(k->q2 + i);                                   \
            ask_next(k, i, BLEN);                                                                  \
            for (int r = 0; r < TILE; r++) {                                                       \
                const B x = b_load(row_at(p[r], i));                                               \
                a[r] = step(a[r], y, x);                                                           \
                b[r] = step2(b[r], z, x);                                                          \
            }                                                                                      \
        }                                                                                          \
        if (i < len) {                                                                             \
            B x[TILE];                                                                             \
            const B y = b_rest(k->q, i, len), z = b_rest(k->q2, i, len);                           \
            load_rests(p, i, len, x);                                                              \
            for (int r = 0; r < TILE; r++) {                                                       \
                a[r] = step(a[r], y, x[r]);                                                        \
                b[r] = step2(b[r], z, x[r]);                                                       \
            }                                                                                      \
        }                                                                                          \
        i_put2(out, i_add(w_sum4(a), k->bias), w_sum4(b));                                         \
    }

/* make(q, d): the tile's view of the query; len(d): bytes of a row. */
#define SLOTS_INT(op, type, width, make, len)                                                      \
    static void scan_##op##_##type(const void *q, const void *rows, size_t stride, size_t n,       \
                                   size_t d, void *out)                                            \
    {                                                                                              \
        const query k = make(q, d);                                                                \
        scan_tiles(tile_##op##_##type, width, &k, rows, stride, n, len(d), len(d), out);           \
    }                                                                                              \
    static void gather_##op##_##type(const void *q, const void *rows, size_t stride,               \
                                     const uint32_t *pos, size_t n, size_t d, void *out)           \
    {                                                                                              \
        const query k = make(q, d);                                                                \
        gather_tiles(tile_##op##_##type, width, &k, rows, stride, pos, n, len(d), len(d), out);    \
    }                                                                                              \
    static void visit_##op##_##type(const void *q, const void *const *rows,                        \
                                    const void *const *next, size_t n, size_t d, void *out)        \
    {                                                                                              \
        const query k = make(q, d);                                                                \
        visit_tiles(tile_##op##_##type, width, &k, rows, next, n, len(d), len(d), out);            \
    }

KI_INLINE query plain_query(const void *q, size_t d)
{
    (void)d;
    return (query){.q = q, .q2 = q};
}

#endif
