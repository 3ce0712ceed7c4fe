/* All sums of a panel's queries with rows of short bytes, for leaves of graphs (kernel.h,
 * products6). What lives here: a tile of BLOCK_ROWS rows x (16 or 32) queries and its loop. Sums
 * are kept in whatever the ISA adds products to: int32, or two int16 a lane, which hold 8 lines of
 * such bytes and are then widened.
 *
 * Vocabulary beyond that of block.kern.h:
 *   bv_word(p)                       any 4 bytes in all lanes
 *   bv_add_i32(a, b)                 sums of int32
 *   PRODUCTS_STEP(sum, x, q)         the sum with one more line
 *   PRODUCTS_WIDE(sum)               it as int32
 */
#include "kernel/block.kern.h"

enum { PRODUCTS_LINES = 8, PRODUCTS_VECTORS = BLOCK_HALVES * KI_LANES / BV_LANES };

/* BLOCK_ROWS rows from x on with queries whose lines begin at q and lie in halves `half` apart. */
static void products6_tile(const unsigned char *x, size_t stride, size_t d, const unsigned char *q,
                           size_t half, int32_t *out)
{
    alignas(64) static const int32_t zeros[KI_LANES] = {0};
    const unsigned char *fourth[(BLOCK_ROWS + 3) / 4];

    for (size_t r = 0; r < BLOCK_ROWS; r += 4) fourth[r / 4] = x + r * stride;
    for (size_t first = 0; first < d; first += 4 * PRODUCTS_LINES) {
        bv_i sum[BLOCK_ROWS][PRODUCTS_VECTORS];

        for (size_t r = 0; r < BLOCK_ROWS; r++)
            for (size_t v = 0; v < PRODUCTS_VECTORS; v++) sum[r][v] = bv_i32(zeros);
        for (size_t at = first; at < first + 4 * PRODUCTS_LINES; at += 4) {
            bv_i line[PRODUCTS_VECTORS];

            for (size_t v = 0; v < PRODUCTS_VECTORS; v++)
                line[v] = bv_i32(q + at * KI_LANES + v * BV_LANES / KI_LANES * half +
                                 v * BV_LANES % KI_LANES * 4);
            for (size_t r = 0; r < BLOCK_ROWS; r++) {
                const bv_i word = bv_word(fourth[r / 4] + r % 4 * stride + at);

                for (size_t v = 0; v < PRODUCTS_VECTORS; v++) {
                    bv_i next = PRODUCTS_STEP(sum[r][v], word, line[v]);

                    BV_KEEP(next);
                    sum[r][v] = next;
                }
            }
        }
        for (size_t r = 0; r < BLOCK_ROWS; r++)
            for (size_t v = 0; v < PRODUCTS_VECTORS; v++) {
                int32_t *const to = out + r * KI_PANEL + v * BV_LANES;
                const bv_i wide = PRODUCTS_WIDE(sum[r][v]);

                bv_put_i32(to, first ? bv_add_i32(bv_i32(to), wide) : wide);
            }
    }
}

static void products6(const void *rows, size_t stride, size_t n, size_t d, const void *panel,
                      size_t nq, int32_t *out)
{
    const size_t half = block_half(d);

    for (size_t row = 0; row < n; row += BLOCK_ROWS) {
        // the last tile ends with the last row, and does some rows again
        const size_t from = row + BLOCK_ROWS <= n ? row : n - BLOCK_ROWS;

        for (size_t lane = 0; lane < nq; lane += BLOCK_HALVES * KI_LANES)
            products6_tile((const unsigned char *)rows + from * stride, stride, d,
                           (const unsigned char *)panel + lane / KI_LANES * half, half,
                           out + from * KI_PANEL + lane);
    }
}
