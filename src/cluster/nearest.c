/* The k nearest of a block by block kernels: rows are taken in runs that double, and after each the
 * threshold of a query is its k-th distance so far, so that few products leave the kernel. */
#include "cluster/nearest.h"

#include <math.h>
#include <string.h>

enum { HITS = 2 * KI_HITS_MIN, FIRST_RUN = 16 };

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
    *x = (ki_nearest){0};
}

kith_status ki_nearest_init(ki_nearest *x, ki_env *env, ki_type type, size_t bytes, size_t cap)
{
    kith_status st = KITH_OK;

    ki_nearest_deinit(x);
    *x = (ki_nearest){.env = env, .type = type, .bytes = bytes, .cap = cap};
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
static void flip_bytes(const uint8_t *restrict from, size_t n, uint8_t flip, uint8_t *restrict to)
{
    for (size_t i = 0; i < n; i++) to[i] = from[i] ^ flip;
}

void ki_nearest_find(ki_nearest *x, const uint8_t *queries, size_t nq, size_t k, uint32_t self,
                     ki_near *near, uint32_t *count)
{
    const ki_block_op op = x->type == KI_U8 ? KI_BLOCK_DOT_U8 : KI_BLOCK_DOT_I8;
    const uint8_t flip = x->type == KI_U8 ? 0x80 : 0;
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
