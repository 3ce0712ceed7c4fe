/* Rows of i8 and u8, exact in int32. Beyond what scan_int.kern.h names, an ISA's ops.h says:
 *   b_flip(x)          x with each top bit flipped: signed order to unsigned order
 *   b_absdiff(q, x)    |q - x| of unsigned bytes; b_abs(x): |x| of signed ones, as unsigned
 *   b_absdiff7(q, x)   |q - x| of bytes up to 127
 *   b_table(p), b_lookup(t, i)   a table of 16 bytes; its bytes at i < 16
 *   w_sum_u, w_sum_s(a, x)   a + the bytes of x, unsigned or signed
 *   w_square(a, t)     a + the squares of the unsigned bytes of t
 *   w_distance(a, q, x)   a + the squares of the differences of unsigned bytes
 *   w_squares7(a, t, u)   a + the squares of the bytes of t and of u, up to 127 each
 *   w_dot_uu, w_dot_ss(a, q, x)   a + products of unsigned, of signed bytes
 *   w_dot_nibbles(a, x, lo, hi)   a + products of the low four bits of bytes with lo, and of their
 *                                 high four with hi: signed bytes
 *   BIAS_UU BIAS_SS               a dot product may leave out BIAS times the sum of the
 *                                 query's bytes, added here once a row; or 0
 */
#include "kernel/scan_int.kern.h"

KI_INLINE W step_l2_u8(W a, B q, B x)
{
    return w_distance(a, q, x);
}

KI_INLINE W step_l2_i8(W a, B q, B x)
{
    return w_distance(a, b_flip(q), b_flip(x));
}

KI_INLINE W step_l1_u8(W a, B q, B x)
{
    return w_sum_u(a, b_absdiff(q, x));
}

KI_INLINE W step_l1_i8(W a, B q, B x)
{
    return w_sum_u(a, b_absdiff(b_flip(q), b_flip(x)));
}

KI_INLINE W step_square_u8(W a, B q, B x)
{
    (void)q;
    return w_square(a, x);
}

KI_INLINE W step_square_i8(W a, B q, B x)
{
    (void)q;
    return w_square(a, b_abs(x));
}

KI_INLINE W step_sum_u8(W a, B q, B x)
{
    (void)q;
    return w_sum_u(a, x);
}

KI_INLINE W step_sum_i8(W a, B q, B x)
{
    (void)q;
    return w_sum_s(a, x);
}

TILE_INT1(l2, u8, step_l2_u8)
TILE_INT1(l2, i8, step_l2_i8)
TILE_INT1(ip, u8, w_dot_uu)
TILE_INT1(ip, i8, w_dot_ss)
TILE_INT2(dot2, u8, w_dot_uu, step_square_u8)
TILE_INT2(dot2, i8, w_dot_ss, step_square_i8)
TILE_INT1(l1, u8, step_l1_u8)
TILE_INT1(l1, i8, step_l1_i8)

/* Not step(a, q, x): a plane's row meets two rows of the query, with one sum. */
KI_INLINE void tile_dot4_u8(const query *k, const void *const *p, size_t len, uint8_t *out)
{
    size_t i = 0;
    W a[TILE];

    for (int r = 0; r < TILE; r++) a[r] = w_zero();
    for (; i + BLEN <= len; i += BLEN) {
        const B y = b_load(k->q + i), z = b_load(k->q2 + i);
        ask_next(k, i, BLEN);
        for (int r = 0; r < TILE; r++) a[r] = w_dot_nibbles(a[r], b_load(row_at(p[r], i)), y, z);
    }
    if (i < len) {
        B x[TILE];
        const B y = b_rest(k->q, i, len), z = b_rest(k->q2, i, len);
        load_rests(p, i, len, x);
        for (int r = 0; r < TILE; r++) a[r] = w_dot_nibbles(a[r], x[r], y, z);
    }
    i_put1(out, w_sum4(a));
}

/* Differences of a code's two halves from the two rows of the query. */
KI_INLINE W step_grid4(W a, B level, B y, B z, B x)
{
    const B low = b_lookup(level, b_and(x, b_set(15)));
    const B high = b_lookup(level, b_and(b_shr4(x), b_set(15)));
    return w_squares7(a, b_absdiff7(y, low), b_absdiff7(z, high));
}

KI_INLINE void tile_grid4_u8(const query *k, const void *const *p, size_t len, uint8_t *out)
{
    const B level = b_table(k->level);
    size_t i = 0;
    W a[TILE];

    for (int r = 0; r < TILE; r++) a[r] = w_zero();
    for (; i + BLEN <= len; i += BLEN) {
        const B y = b_load(k->q + i), z = b_load(k->q2 + i);
        ask_next(k, i, BLEN);
        for (int r = 0; r < TILE; r++)
            a[r] = step_grid4(a[r], level, y, z, b_load(row_at(p[r], i)));
    }
    if (i < len) {
        B x[TILE];
        const B y = b_rest(k->q, i, len), z = b_rest(k->q2, i, len);
        load_rests(p, i, len, x);
        for (int r = 0; r < TILE; r++) a[r] = step_grid4(a[r], level, y, z, x[r]);
    }
    i_put1(out, i_add(w_sum4(a), k->bias));
}

TILE_INT2(sums, u8, step_sum_u8, step_square_u8)
TILE_INT2(sums, i8, step_sum_i8, step_square_i8)

/* ---- queries --------------------------------------------------------------------------------- */

KI_INLINE int32_t signed_sum(const int8_t *q, size_t d)
{
    int32_t s = 0;
    for (size_t i = 0; i < d; i++) s += q[i];
    return s;
}

KI_INLINE query query_uu(const void *q, size_t d)
{
    const uint8_t *u = q;
    int32_t s = 0;
    if (BIAS_UU)
        for (size_t i = 0; i < d; i++) s += u[i];
    return (query){.q = q, .q2 = q, .bias = BIAS_UU * s};
}

KI_INLINE query query_ss(const void *q, size_t d)
{
    return (query){.q = q, .q2 = q, .bias = BIAS_SS ? BIAS_SS * signed_sum(q, d) : 0};
}

KI_INLINE query query_dot4(const void *q, size_t d)
{
    const ki_query4 *w = q;
    (void)d;
    return (query){.q = (const uint8_t *)w->low, .q2 = (const uint8_t *)w->high};
}

/* A vector filled up with zeros holds components 0 of the query and codes 0 of the row, twice as
 * many as bytes are missing: their squares are taken off again. */
KI_INLINE query query_grid4(const void *q, size_t d)
{
    const ki_grid4 *g = q;
    const int32_t missing = (int32_t)((BLEN - ki_plane(d) % BLEN) % BLEN), zero = g->level[0];
    return (query){
        .q = g->low, .q2 = g->high, .bias = -2 * missing * zero * zero, .level = g->level};
}

KI_INLINE size_t bytes_of(size_t d)
{
    return d;
}

SLOTS_INT(l2, u8, 1, plain_query, bytes_of)
SLOTS_INT(l2, i8, 1, plain_query, bytes_of)
SLOTS_INT(ip, u8, 1, query_uu, bytes_of)
SLOTS_INT(ip, i8, 1, query_ss, bytes_of)
SLOTS_INT(dot2, u8, 2, query_uu, bytes_of)
SLOTS_INT(dot2, i8, 2, query_ss, bytes_of)
SLOTS_INT(l1, u8, 1, plain_query, bytes_of)
SLOTS_INT(l1, i8, 1, plain_query, bytes_of)
SLOTS_INT(dot4, u8, 1, query_dot4, ki_plane)
SLOTS_INT(grid4, u8, 1, query_grid4, ki_plane)

/* Sums of a row need no query; the first row stands in for the one that the tile loads. */
static void sums_u8(const void *rows, size_t stride, size_t n, size_t d, int32_t *out)
{
    const query k = plain_query(rows, d);
    scan_tiles(tile_sums_u8, 2, &k, rows, stride, n, d, d, out);
}

static void sums_i8(const void *rows, size_t stride, size_t n, size_t d, int32_t *out)
{
    const query k = plain_query(rows, d);
    scan_tiles(tile_sums_i8, 2, &k, rows, stride, n, d, d, out);
}

#define SET(OP, op, TYPE, type)                                                                    \
    k->scan[KI_##OP][KI_##TYPE] = scan_##op##_##type;                                              \
    k->gather[KI_##OP][KI_##TYPE] = gather_##op##_##type;                                          \
    k->visit[KI_##OP][KI_##TYPE] = visit_##op##_##type;

static void fill_bytes(volatile ki_kernels *k)
{
    SET(L2, l2, U8, u8)
    SET(L2, l2, I8, i8)
    SET(IP, ip, U8, u8)
    SET(IP, ip, I8, i8)
    SET(DOT2, dot2, U8, u8)
    SET(DOT2, dot2, I8, i8)
    SET(L1, l1, U8, u8)
    SET(L1, l1, I8, i8)
    SET(DOT4, dot4, U8, u8)
    SET(GRID4, grid4, U8, u8)
    k->sums_u8 = sums_u8;
    k->sums_i8 = sums_i8;
}

#undef SET
