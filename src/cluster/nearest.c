/* The k nearest of a block by block kernels: rows are taken in runs that double, and after each the
 * threshold of a query is its k-th distance so far, so that few products leave the kernel. Of small
 * rows all products are taken (kernel.h, products6), and those looked at that are within the k-th
 * of 32 minima. */
#include "cluster/nearest.h"

#include <math.h>
#include <string.h>

enum {
    HITS = 2 * KI_HITS_MIN,
    FIRST_RUN = 16,
    SMALL_BIAS = 32 /* of small queries in the kernel */
};

/* Distances that are kept at once: of a panel to all rows, or of all pairs, if these are few. */
static size_t dists(const ki_nearest *x)
{
    const size_t few = x->cap < KI_PAIRS_MOST ? x->cap : KI_PAIRS_MOST;

    return x->cap * KI_PANEL > few * few ? x->cap * KI_PANEL : few * few;
}

void ki_nearest_deinit(ki_nearest *x)
{
    if (!x->env) return;
    ki_release(x->env, x->rows, x->cap, x->bytes);
    ki_release(x->env, x->sums, x->cap, 2 * sizeof *x->sums);
    ki_release(x->env, x->b, x->cap, sizeof *x->b);
    ki_release(x->env, x->panel, 1, ki_panel_bytes(x->bytes));
    ki_release(x->env, x->query, KI_PANEL, x->bytes);
    ki_release(x->env, x->hits, HITS, sizeof *x->hits);
    ki_release(x->env, x->thr, KI_PANEL, sizeof *x->thr);
    if (x->products) ki_release(x->env, x->products, x->cap, KI_PANEL * sizeof *x->products);
    if (x->dist) ki_release(x->env, x->dist, dists(x), sizeof *x->dist);
    if (x->passed) ki_release(x->env, x->passed, x->cap, sizeof *x->passed);
    *x = (ki_nearest){0};
}

kith_status ki_nearest_init(ki_nearest *x, ki_env *env, ki_type type, bool small, size_t bytes,
                            size_t cap)
{
    kith_status st = KITH_OK;

    ki_nearest_deinit(x);
    if (small) cap = (cap + KI_PANEL - 1) / KI_PANEL * KI_PANEL;
    *x = (ki_nearest){.env = env, .type = type, .small = small, .bytes = bytes, .cap = cap};
    x->rows = ki_array(env, cap, bytes);
    KI_NEED(x->rows);
    x->sums = ki_array(env, cap, 2 * sizeof *x->sums);
    KI_NEED(x->sums);
    x->b = ki_array(env, cap, sizeof *x->b);
    KI_NEED(x->b);
    x->panel = ki_array(env, 1, ki_panel_bytes(bytes));
    KI_NEED(x->panel);
    x->query = ki_array(env, KI_PANEL, bytes);
    KI_NEED(x->query);
    x->hits = ki_array(env, HITS, sizeof *x->hits);
    KI_NEED(x->hits);
    x->thr = ki_array(env, KI_PANEL, sizeof *x->thr);
    KI_NEED(x->thr);
    if (!small) goto out;
    x->products = ki_zeros(env, cap, KI_PANEL * sizeof *x->products); // few queries fill a half
    KI_NEED(x->products);
    x->dist = ki_array(env, dists(x), sizeof *x->dist);
    KI_NEED(x->dist);
    ki_assert(cap <= UINT16_MAX);
    x->passed = ki_array(env, cap, sizeof *x->passed);
    KI_NEED(x->passed);
out:
    if (st != KITH_OK) ki_nearest_deinit(x);
    return st;
}

static void sums(const ki_nearest *x, const void *rows, size_t n, int32_t *out)
{
    const ki_kernels *k = ki_kernels_get();

    (x->type == KI_U8 ? k->sums_u8 : k->sums_i8)(rows, x->bytes, n, x->bytes, out);
}

/* Unsigned queries meet the kernel less 128, which 128 times the sum of the row makes good. */
static int64_t missing(const ki_nearest *x, size_t row)
{
    return x->type == KI_U8 ? 128 * (int64_t)x->sums[2 * row] : 0;
}

void ki_nearest_block(ki_nearest *x, size_t n)
{
    ki_assert(n <= x->cap);
    x->n = n;
    x->b_most = 0.0f;
    if (n) sums(x, x->rows, n, x->sums);
    if (x->small && n < KI_LANES) memset(x->rows + n * x->bytes, 0, (KI_LANES - n) * x->bytes);
    for (size_t i = 0; i < n; i++) {
        x->b[i] = (float)((double)x->sums[2 * i + 1] / 2.0 - (double)missing(x, i));
        if (fabsf(x->b[i]) > x->b_most) x->b_most = fabsf(x->b[i]);
    }
}

/* Rows with C - b >= thr are within the distance; floats round each side a little. */
static float threshold(const ki_nearest *x, int32_t norm, uint32_t within)
{
    const double t = ((double)norm - (double)within) / 2.0;

    return (float)(t - 1.0 - 0x1p-21 * ((double)x->b_most + fabs(t)));
}

static void insert(ki_near *near, uint32_t *count, size_t k, ki_near one)
{
    size_t at = *count < k ? (*count)++ : k - 1;

    for (; at > 0 && (near[at - 1].dist > one.dist ||
                      (near[at - 1].dist == one.dist && near[at - 1].row > one.row));
         at--)
        near[at] = near[at - 1];
    near[at] = one;
}

static bool nearer(const ki_near *last, ki_near one)
{
    return one.dist < last->dist || (one.dist == last->dist && one.row < last->row);
}

/* What passed, with exact distances, into the queries' lists. */
static void take(const ki_nearest *x, size_t hits, const int32_t *norm, size_t k, uint32_t self,
                 ki_near *near, uint32_t *count)
{
    for (size_t h = 0; h < hits; h++) {
        const ki_hit *hit = &x->hits[h];
        const uint32_t q = hit->query;
        const int64_t dot = hit->c.i + missing(x, hit->row);
        const int64_t dist = (int64_t)x->sums[2 * hit->row + 1] + norm[2 * q + 1] - 2 * dot;
        const ki_near one = {(uint32_t)dist, hit->row};

        if (self != KI_NEAREST_NONE && hit->row == self + q) continue;
        if (count[q] < k || nearer(&near[q * k + k - 1], one))
            insert(near + q * k, &count[q], k, one);
    }
}

/* No alias, so that it becomes vectors. */
static void flip_bytes(const uint8_t *restrict from, size_t n, uint64_t flip, uint8_t *restrict to)
{
    uint64_t eight;
    size_t i = 0;

    for (; i + sizeof eight <= n; i += sizeof eight) {
        memcpy(&eight, from + i, sizeof eight);
        eight ^= flip;
        memcpy(to + i, &eight, sizeof eight);
    }
    for (; i < n; i++) to[i] = from[i] ^ (uint8_t)flip;
}

/* ---- small ----------------------------------------------------------------------------------- */

/* A distance in 16 bits, in order: a float's exponent and 11 bits of its mantissa, less 2^15. */
static int16_t short_of(int32_t dist)
{
    const float f = (float)dist + 1.0f;
    int32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return (int16_t)((bits >> 12) - (127 << 11) - INT16_MAX - 1);
}

/* Whole panels of rows from `first` on with the panel of queries from `q` on, in 16 bits. What is
 * beyond the last row or query is as far as can be. */
static void shorten(const ki_nearest *x, const int32_t *norm, size_t nq, size_t first,
                    int16_t (*tile)[KI_PANEL])
{
    const size_t some = x->n - first < KI_PANEL ? x->n - first : KI_PANEL;
    int32_t base[KI_PANEL] = {0};

    for (size_t q = 0; q < nq; q++) base[q] = norm[2 * q + 1];
    for (size_t i = 0; i < some; i++) {
        const int32_t *s = x->sums + 2 * (first + i), *c = x->products + (first + i) * KI_PANEL;
        const int32_t row = s[1] - 2 * SMALL_BIAS * s[0];

        for (size_t q = 0; q < KI_PANEL; q++) tile[i][q] = short_of(base[q] + row - 2 * c[q]);
        for (size_t q = nq; q < KI_PANEL; q++) tile[i][q] = INT16_MAX;
    }
    for (size_t i = some; i < KI_PANEL; i++)
        for (size_t q = 0; q < KI_PANEL; q++) tile[i][q] = INT16_MAX;
}

/* Query q's column of a tile becomes a part of a row. */
static void turn(int16_t (*tile)[KI_PANEL], size_t nq, int16_t *to, size_t width)
{
    for (size_t q = 0; q < nq; q++)
        for (size_t i = 0; i < KI_PANEL; i++) to[q * width + i] = tile[i][q];
}

/* What k of n (a multiple of KI_PANEL) values are at most: the k-th of the minima of 32 groups. */
static int16_t limit_of(const int16_t *dist, size_t n, size_t k)
{
    int16_t least[KI_PANEL], limit = INT16_MIN;

    memcpy(least, dist, sizeof least);
    for (size_t at = KI_PANEL; at < n; at += KI_PANEL)
        for (size_t i = 0; i < KI_PANEL; i++)
            least[i] = dist[at + i] < least[i] ? dist[at + i] : least[i];
    for (size_t i = 0; i < KI_PANEL; i++) {
        size_t below = 0;

        for (size_t j = 0; j < KI_PANEL; j++) below += least[j] < least[i];
        if (below < k && least[i] > limit) limit = least[i];
    }
    return limit;
}

/* Rows of which k are the nearest, few more, to out; without a branch, for which of them it is
 * nobody can foresee. */
static size_t pass(const int16_t *dist, size_t n, size_t width, size_t k, uint16_t *out)
{
    const int16_t limit = limit_of(dist, width, k);
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        out[m] = (uint16_t)i;
        m += dist[i] <= limit;
    }
    return m;
}

/* As the kernel wants them: less 32. In pieces of a known length, which become vectors. */
static void less_bias(const uint8_t *restrict from, size_t n, uint8_t *restrict to)
{
    for (size_t first = 0; first < n; first += KI_PANEL)
        for (size_t i = 0; i < KI_PANEL; i++)
            to[first + i] = (uint8_t)(from[first + i] - SMALL_BIAS);
}

static void pack(ki_nearest *x, const uint8_t *queries, size_t nq)
{
    less_bias(queries, nq * x->bytes, x->query);
    ki_pack_panel(x->query, x->bytes, nq, x->bytes, x->panel);
}

static void find_small(ki_nearest *x, const int32_t *norm, size_t nq, size_t k, uint32_t self,
                       ki_near *near, uint32_t *count)
{
    const size_t n = x->n < KI_LANES ? KI_LANES : x->n;
    const size_t width = (x->n + KI_PANEL - 1) / KI_PANEL * KI_PANEL;
    int16_t tile[KI_PANEL][KI_PANEL];

    if (x->n == 0) return;
    ki_kernels_get()->products6(x->rows, x->bytes, n, x->bytes, x->panel, nq, x->products);
    for (size_t first = 0; first < x->n; first += KI_PANEL) {
        shorten(x, norm, nq, first, tile);
        turn(tile, nq, x->dist + first, width);
    }
    for (size_t q = 0; q < nq; q++) {
        int16_t *dist = x->dist + q * width;
        size_t m;

        if (self != KI_NEAREST_NONE && self + q < x->n) dist[self + q] = INT16_MAX;
        m = pass(dist, x->n, width, k, x->passed);
        for (size_t i = 0; i < m; i++) {
            const uint32_t row = x->passed[i];
            const int32_t dot = x->products[row * KI_PANEL + q] + SMALL_BIAS * x->sums[2 * row];
            const int32_t far = x->sums[2 * row + 1] + norm[2 * q + 1] - 2 * dot;
            const ki_near one = {(uint32_t)far, row};

            if (self != KI_NEAREST_NONE && row == self + q) continue;
            if (count[q] < k || nearer(&near[q * k + k - 1], one))
                insert(near + q * k, &count[q], k, one);
        }
    }
}

/* All distances between rows of the block. */
static void find_pairs(ki_nearest *x)
{
    const size_t n = x->n < KI_LANES ? KI_LANES : x->n;
    int16_t tile[KI_PANEL][KI_PANEL];

    ki_assert(x->small && x->n <= KI_PAIRS_MOST && x->n <= x->cap);
    x->width = (x->n + KI_PANEL - 1) / KI_PANEL * KI_PANEL;
    ki_assert(x->n * x->width <= dists(x));
    for (size_t q = 0; q < x->n; q += KI_PANEL) { // rows from q on: those before had q's
        const size_t nq = x->n - q < KI_PANEL ? x->n - q : KI_PANEL;
        const size_t from = n - q < KI_LANES ? n - KI_LANES : q;

        pack(x, x->rows + q * x->bytes, nq);
        ki_kernels_get()->products6(x->rows + from * x->bytes, x->bytes, n - from, x->bytes,
                                    x->panel, nq, x->products + from * KI_PANEL);
        for (size_t first = q; first < x->n; first += KI_PANEL) {
            const size_t some = x->n - first < KI_PANEL ? x->n - first : KI_PANEL;

            shorten(x, x->sums + 2 * q, nq, first, tile);
            for (size_t i = 0; i < some; i++)
                memcpy(x->dist + (first + i) * x->width + q, tile[i], sizeof tile[i]);
            if (first > q) turn(tile, nq, x->dist + q * x->width + first, x->width);
        }
    }
}

/* The k nearest of what passed but self; there are at least k, or all. */
static uint32_t choose(const int16_t *dist, const uint16_t *passed, size_t m, size_t k,
                       uint32_t self, ki_near *near)
{
    uint32_t count = 0;

    for (size_t i = 0; i < m; i++) {
        const ki_near one = {(uint32_t)(dist[passed[i]] + INT16_MAX + 1), passed[i]};

        if (one.row == self) continue;
        if (count < k || nearer(&near[k - 1], one)) insert(near, &count, k, one);
    }
    return count;
}

void ki_nearest_each(ki_nearest *x, size_t k, ki_near *near, uint32_t *count)
{
    if (!x->small || x->n > KI_PAIRS_MOST) {
        for (size_t q = 0; q < x->n; q += KI_PANEL)
            ki_nearest_find(x, x->rows + q * x->bytes, x->n - q < KI_PANEL ? x->n - q : KI_PANEL, k,
                            (uint32_t)q, near + q * k, count + q);
        for (size_t q = 0; q < x->n; q++)
            for (size_t j = 0; j < count[q]; j++)
                near[q * k + j].dist =
                    (uint32_t)(short_of((int32_t)near[q * k + j].dist) + INT16_MAX + 1);
        return;
    }
    find_pairs(x);
    for (size_t q = 0; q < x->n; q++) {
        int16_t *dist = x->dist + q * x->width;
        size_t m;

        dist[q] = INT16_MAX;
        m = pass(dist, x->n, x->width, k, x->passed);
        count[q] = choose(dist, x->passed, m, k, (uint32_t)q, near + q * k);
    }
}

void ki_nearest_find(ki_nearest *x, const uint8_t *queries, size_t nq, size_t k, uint32_t self,
                     ki_near *near, uint32_t *count)
{
    const ki_block_op op = x->type == KI_U8 ? KI_BLOCK_DOT_U8 : KI_BLOCK_DOT_I8;
    const uint64_t flip = x->type == KI_U8 ? UINT64_C(0x8080808080808080) : 0;
    int32_t norm[2 * KI_PANEL];
    ki_block job = {.rows = x->rows,
                    .stride = x->bytes,
                    .d = x->bytes,
                    .panel = x->panel,
                    .nq = nq,
                    .b = x->b,
                    .thr = x->thr,
                    .hits = x->hits,
                    .cap = HITS};

    ki_assert(k >= 1 && k <= KI_NEAREST_MOST && nq >= 1 && nq <= KI_PANEL);
    sums(x, queries, nq, norm);
    if (x->small) {
        pack(x, queries, nq);
        memset(count, 0, nq * sizeof *count);
        find_small(x, norm, nq, k, self, near, count);
        return;
    }
    flip_bytes(queries, nq * x->bytes, flip, x->query);
    ki_pack_panel(x->query, x->bytes, nq, x->bytes, x->panel);
    for (size_t i = 0; i < KI_PANEL; i++) x->thr[i] = i < nq ? -INFINITY : INFINITY;
    memset(count, 0, nq * sizeof *count);
    for (size_t run = FIRST_RUN; job.row < x->n; run *= 2) {
        job.n = x->n - job.row < run ? x->n : job.row + run;
        while (job.row < job.n) {
            const size_t hits = ki_kernels_get()->block[op](&job);

            take(x, hits, norm, k, self, near, count);
        }
        for (size_t i = 0; i < nq; i++)
            if (count[i] == k) x->thr[i] = threshold(x, norm[2 * i + 1], near[i * k + k - 1].dist);
    }
}
