/* The sieve of f32 rows and of rows widened to f32. What passes is scored again, row by row, which
 * is tighter for L2 than products are.
 *
 * S = <q,x>, C what the kernel gives for it, N = |x|^2 and n what float arithmetic gives for that;
 * g = prepared.gamma = (d+6) u, u = 2^-24; |C - S| <= (g - 2u) |q||x|, |n - N| <= (g - 2u) N, both
 * up to underflow, for which 2^-100 is given away. A row can have a key <= tau only if
 *     L2      C - (1-3g) n/2 >= ((1-2g) |q|^2 - tau) / 2: |q-x|^2 = |q|^2 + N - 2S, and the
 *             error of C, at most (g-2u) (|q|^2 + N)/2, and of the subtraction, u (|q|^2/2 + N),
 *             are less than what the factors give away;
 *     IP      C >= -tau - (g+4u) |q| X, X the largest length of the stretch but for outliers;
 *     COSINE  C/sqrt(n) >= -tau - 3g, with the query at length 1 (score.c has 2.5 g; the
 *             product with a rounded 1/sqrt(n) costs 3 u);
 *     L1, and L2 by differences: C <= (1+g) tau.
 * Rows beyond 2^60 (or, for COSINE, below 2^-50) in length, whose sums could overflow, and outliers
 * pass always; so does everything for queries beyond 2^60.
 *
 * Products are half the work of differences, but lose what is common to queries and rows (|q|, |x|
 * >> |q-x|). A panel of which much passes in vain goes on with differences. */
#include <math.h>
#include <string.h>

#include "rows/sieve.h"

#define U 0x1p-24
#define UNDERFLOW 0x1p-100
#define LONGEST 0x1p60

enum { NORM, OUT, MINUS_ONE };

static size_t wide_bytes(const ki_view *v)
{
    return v->d * sizeof(float);
}

static const float *packed_query(const ki_batch *b, const ki_panel *panel, size_t i)
{
    const ki_prepared *p = &b->part->prepared[panel->query[i]];

    return p->rule == KI_RULE_COSINE ? p->native : p->q;
}

static void pack(ki_batch *b, ki_panel *panel, const ki_scan_chunk *chunk)
{
    const size_t len = wide_bytes(b->part->s->v);
    unsigned char *to = b->queries;

    (void)chunk;
    for (size_t i = 0; i < KI_PANEL; i++) panel->thr[i] = INFINITY;
    for (size_t i = 0; i < panel->nq; i++) memcpy(to + i * len, packed_query(b, panel, i), len);
    ki_pack_panel(to, len, panel->nq, len, panel->packed);
}

/* Rows of the stretch as f32, side by side. */
static const void *widened(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    const size_t len = wide_bytes(v);
    float *to = (float *)(void *)b->rows;

    if (v->codec->type == KI_F32) return ki_batch_rows(b, s, s->run.rows, len);
    if (!s->pos)
        v->codec->decode(s->run.rows, v->row_bytes, s->n, v->d, to);
    else
        for (size_t i = 0; i < s->n; i++)
            v->codec->decode(s->run.rows + s->pos[i] * v->row_bytes, v->row_bytes, 1, v->d,
                             to + i * v->d);
    return to;
}

/* Squared lengths, and which rows are not to be judged by them. */
static void take_norms(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    const float least = v->metric == KITH_COSINE ? 0x1p-100f : 0.0f;
    float *norm = b->number[NORM], edge = 0x1p120f;

    memset(b->queries, 0, wide_bytes(v));
    ki_kernels_get()->scan[KI_L2][KI_F32](b->queries, b->job.rows, b->job.stride, s->n, v->d, norm);
    for (size_t i = 0; i < s->n; i++)
        if (!(norm[i] <= 0x1p120f)) norm[i] = INFINITY;
    if (v->metric == KITH_IP) edge = ki_batch_edge(norm, s->n, &b->outliers);
    if (edge > 0x1p120f) edge = 0x1p120f;
    b->span = sqrtf(edge);
    b->outliers = false;
    for (size_t i = 0; i < s->n; i++) {
        const bool out = !(norm[i] >= least && norm[i] <= edge);
        b->number[OUT][i] = out ? -INFINITY : 0.0f;
        if (out) norm[i] = 0.0f;
        b->outliers |= out;
    }
}

static void rows(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    const double g = ((double)v->d + 6.0) * U;
    const float half = (float)(0.5 * (1.0 - 3.0 * g));
    const float *norm = b->number[NORM];

    b->job.rows = widened(b, s);
    b->job.stride = wide_bytes(v);
    b->job.d = v->d;
    for (size_t i = 0; i < s->n; i++) b->number[MINUS_ONE][i] = -1.0f;
    if (v->metric == KITH_L1) return;
    take_norms(b, s);
    if (v->metric == KITH_L2)
        for (size_t i = 0; i < s->n; i++) b->b[i] = norm[i] * half + b->number[OUT][i];
    if (v->metric == KITH_COSINE)
        for (size_t i = 0; i < s->n; i++) b->a[i] = norm[i] > 0.0f ? 1.0f / sqrtf(norm[i]) : 0.0f;
}

static bool by_differences(const ki_batch *b, const ki_panel *panel)
{
    return b->part->s->v->metric == KITH_L1 || panel->direct;
}

static float threshold(const ki_batch *b, const ki_prepared *q, double tau, bool differences)
{
    const kith_metric m = b->part->s->v->metric;
    const double g = q->gamma, q2 = q->norm * q->norm;

    if (differences) return ki_batch_floor(-tau * (1.0 + g), UNDERFLOW);
    if (m == KITH_COSINE) return ki_batch_floor(-tau - 3.0 * g, UNDERFLOW);
    if (!(q->norm < LONGEST)) return -INFINITY;
    if (m == KITH_IP)
        return ki_batch_floor(-tau, (g + 4.0 * U) * q->norm * (double)b->span + UNDERFLOW);
    return ki_batch_floor((q2 * (1.0 - 2.0 * g) - tau * (1.0 + 0x1p-30)) / 2.0, UNDERFLOW);
}

static void thresholds(ki_batch *b, ki_panel *panel)
{
    const kith_metric m = b->part->s->v->metric;
    const bool differences = by_differences(b, panel);

    b->job.a = differences ? b->number[MINUS_ONE] : m == KITH_COSINE ? b->a : NULL;
    b->job.b = differences ? NULL : m == KITH_L2 ? b->b : b->outliers ? b->number[OUT] : NULL;
    for (size_t i = 0; i < panel->nq; i++) {
        const uint32_t q = panel->query[i];
        panel->thr[i] =
            threshold(b, &b->part->prepared[q], ki_top_edge(&b->part->top[q]), differences);
    }
}

static ki_block_op op(const ki_batch *b, const ki_panel *panel)
{
    if (b->part->s->v->metric == KITH_L1) return KI_BLOCK_L1_F32;
    return by_differences(b, panel) ? KI_BLOCK_L2_F32 : KI_BLOCK_DOT_F32;
}

static kith_status take(ki_batch *b, ki_panel *panel, size_t n)
{
    kith_status st = KITH_OK;
    const uint64_t before = b->kept;

    KI_TRY(ki_batch_score(b, panel, n));
    if (b->part->s->v->metric == KITH_L2 && n > KI_HITS / 4 && (b->kept - before) * 8 < n)
        panel->direct = true;
out:
    return st;
}

const ki_sieve ki_sieve_float = {wide_bytes, wide_bytes, pack, rows, thresholds, op, take};
