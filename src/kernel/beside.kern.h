/* What a walk over a graph needs beside distances: the least of some keys, and the transform that
 * spreads a vector's length over its components. Beyond what scan_float.kern.h and convert.kern.h
 * name, an ISA's ops.h says:
 *   v_keep_less(&least, &at, x, i)   where x < least, least = x and at = i
 *   v_where_equal(a, b, x, y)        x where a == b, else y
 *   v_spread_min(a)                  the least lane in all lanes; v_first_lane(a): a float
 *   v_hadamard(x)                    the transform of VLEN floats. (a, b) becomes (a + b, a - b) by
 *                                    one fused operation, lanes swapped plus lanes times 1 or -1: a
 *                                    product by which nothing is rounded, nor a zero's sign lost
 */
#include "kernel/isa/isa.h"

/* ---- the least key --------------------------------------------------------------------------- */

enum { KEYS = 16, CHAINS = KEYS / VLEN }; /* floats of a step, as keys are padded; vectors */

/* Places are kept as floats, which hold them exactly. A lane keeps the first of equal keys, and of
 * lanes with the least key that with the first place wins. */
static size_t least(const float *key, size_t n)
{
    static const float first[KEYS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const V step = v_set(KEYS);
    V least[CHAINS], at[CHAINS], i[CHAINS], all, place;

    for (size_t c = 0; c < CHAINS; c++) {
        least[c] = v_load_f32((const uint8_t *)(key + c * VLEN));
        at[c] = i[c] = v_load_f32((const uint8_t *)(first + c * VLEN));
    }
    for (size_t j = KEYS; j < n; j += KEYS)
        for (size_t c = 0; c < CHAINS; c++) {
            i[c] = v_add(i[c], step);
            v_keep_less(&least[c], &at[c], v_load_f32((const uint8_t *)(key + j + c * VLEN)), i[c]);
        }
    all = least[0];
    for (size_t c = 1; c < CHAINS; c++) all = v_min(all, least[c]);
    all = v_spread_min(all);
    place = v_where_equal(least[0], all, at[0], v_set(0x1p24f));
    for (size_t c = 1; c < CHAINS; c++)
        place = v_min(place, v_where_equal(least[c], all, at[c], v_set(0x1p24f)));
    return (size_t)v_first_lane(v_spread_min(place));
}

/* ---- Walsh-Hadamard -------------------------------------------------------------------------- */

KI_INLINE void add_and_sub(V *v, size_t radix, size_t h)
{
    for (size_t r = 0; r < radix; r++)
        if (!(r & h)) {
            const V a = v[r], b = v[r + h];
            v[r] = v_add(a, b);
            v[r + h] = v_sub(a, b);
        }
}

/* The steps h, 2h… of vectors h apart, for as many as are in registers together: 8, or the 2 or 4
 * that are left. The first pass does what comes before, inside vectors, as well. */
enum { RADIX = 8 };

KI_INLINE void pass(float *x, size_t n, size_t h, size_t radix, int first)
{
    for (size_t block = 0; block < n; block += radix * h)
        for (size_t i = block; i < block + h; i += VLEN) {
            V v[RADIX];
            for (size_t r = 0; r < radix; r++) {
                v[r] = v_load_f32((const uint8_t *)(x + i + r * h));
                if (first) v[r] = v_hadamard(v[r]);
            }
            if (radix > 1) add_and_sub(v, radix, 1);
            if (radix > 2) add_and_sub(v, radix, 2);
            if (radix > 4) add_and_sub(v, radix, 4);
            for (size_t r = 0; r < radix; r++) v_store(x + i + r * h, v[r]);
        }
}

static void hadamard(float *x, size_t n)
{
    size_t h = VLEN;

    if (n < VLEN) {
        ki_hadamard(x, n);
        return;
    }
    if (n < RADIX * VLEN) {
        pass(x, n, VLEN, 1, 1);
    } else {
        pass(x, n, VLEN, RADIX, 1);
        h *= RADIX;
    }
    for (; n / h >= RADIX; h *= RADIX) pass(x, n, h, RADIX, 0);
    if (n / h == 4) pass(x, n, h, 4, 0);
    if (n / h == 2) pass(x, n, h, 2, 0);
}

static void fill_beside(volatile ki_kernels *k)
{
    k->least = least;
    k->hadamard = hadamard;
}
