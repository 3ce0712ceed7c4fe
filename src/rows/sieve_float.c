/* The sieve of rows as f32: as they are, widened, or, where the kernels are much faster with it,
 * rounded to bf16. What passes is scored again, row by row, in the codec's own form.
 *
 * q' and x' are what is multiplied: q and x themselves, or rounded. S = <q',x'>, C what the kernel
 * gives for it, N = |x'|^2 and n what float arithmetic gives for that; g = prepared.gamma = (d+6)
 * u, u = 2^-24; |C - S| <= (g - 2u) |q'||x'|, |n - N| <= (g - 2u) N, both up to underflow (below).
 * e = |q - q'| is computed, f >= |x - x'| holds for all rows of the stretch but outliers: rounding
 * to 8 bits costs a component 2^-8 of itself, before or after, so f = (2^-8 + 2^-15) X, X the
 * largest |x'|, is more than enough, and f = 0 where rows are bf16, or bytes. A row can have a
 * key <= tau only if
 *     L2      C - (1-3g) n/2 >= ((1-2g) |q'|^2 - R^2) / 2, R = sqrt(tau) + e + f: by the triangle
 *             inequality R^2 >= |q'-x'|^2 = |q'|^2 + N - 2S, and the error of C, at most
 *             (g-2u) (|q'|^2 + N)/2, and of the subtraction, u (|q'|^2/2 + N), are less than what
 *             the factors give away;
 *     IP      C >= -tau - (g+4u) |q'| X - e X - |q| f: <q,x> - S = <q-q',x'> + <q,x-x'>;
 *     COSINE  C/sqrt(n) >= -tau - 3g - e - f/X, with the query at length 1 (score.c has 2.5 g; the
 *             product with a rounded 1/sqrt(n) costs 3 u; x/|x| and x'/|x'| are at most asin(2^-8)
 *             apart, times |q'| <= 1 + 2^-7.9);
 *     L1, and L2 by differences, both never rounded: C <= (1+g) tau.
 * Rows beyond 2^60 (or, for COSINE, below 2^-50) in length, whose sums could overflow, and outliers
 * pass always; so does everything for queries beyond 2^60.
 *
 * Underflow. Without rounding all of it is below 2^-100, which is given away. Rounding takes at
 * most 2^-126 from a component, 2^-118 from a row, and f has 2^-100 for it. A bf16 kernel takes
 * denormals for zero, which costs C at most 2^-110 (1 + |q'| + |x'|), to L2 no more than 2^-109 +
 * 2^-111 (|q'|^2 + N), to COSINE 2^-58; IP gives away 2^-100 (1 + |q'| + X).
 *
 * Rounding costs nothing in the end unless it lets too much pass: then the group goes on with f32.
 * Products are half the work of differences, but lose what is common to queries and rows (|q|, |x|
 * >> |q-x|). A panel of which much passes in vain goes on with differences. */
#include <math.h>
#include <string.h>

#include "rows/sieve.h"

#define U         0x1p-24
#define UNDERFLOW 0x1p-100
#define LONGEST   0x1p60

enum { NORM, OUT, MINUS_ONE };

/* A pair costs this much less in bf16 than in f32: a hit in vain costs about as much as so many. */
enum { VAIN_COST = 8, VAIN_LEAST = 4096 };

static size_t wide_bytes(const ki_view *v)
{
    return v->d * sizeof(float);
}

static size_t packed_bytes(const ki_batch *b)
{
    return b->part->s->v->d * (b->halves ? sizeof(uint16_t) : sizeof(float));
}

/* ---- queries --------------------------------------------------------------------------------- */

static const float *query_of(const ki_batch *b, const ki_panel *panel, size_t i)
{
    const ki_prepared *p = &b->part->prepared[panel->query[i]];

    return p->rule == KI_RULE_COSINE ? p->native : p->q;
}

/* Round a query and see what that costs it. back: [d], what was kept. */
static void round_query(const float *q, size_t d, void *to, float *back, ki_lane *lane)
{
    double norm2 = 0.0, error2 = 0.0;

    ki_kernels_get()->bf16_from_f32(q, d, to);
    ki_kernels_get()->f32_from_bf16(to, d, back);
    for (size_t j = 0; j < d; j++) {
        const double kept = (double)back[j], lost = (double)q[j] - kept;
        norm2 += kept * kept;
        error2 += lost * lost;
    }
    lane->norm = sqrt(norm2) * (1.0 + 0x1p-30);
    lane->error = sqrt(error2) * (1.0 + 0x1p-30);
}

static void pack(ki_batch *b, ki_panel *panel, const ki_scan_chunk *chunk)
{
    const size_t d = b->part->s->v->d, len = packed_bytes(b);
    unsigned char *to = b->queries;
    float *const back = (float *)(void *)(to + KI_PANEL * len); // room enough, if they are halves

    (void)chunk;
    for (size_t i = 0; i < KI_PANEL; i++) panel->thr[i] = INFINITY;
    for (size_t i = 0; i < panel->nq; i++) {
        const float *q = query_of(b, panel, i);
        ki_lane *lane = &panel->lane[i];
        if (b->halves) {
            round_query(q, d, to + i * len, back, lane);
            continue;
        }
        memcpy(to + i * len, q, len);
        lane->norm = b->part->prepared[panel->query[i]].norm;
        lane->error = 0.0;
    }
    ki_pack_panel(to, len, panel->nq, len, panel->packed);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Rows i…i+n-1 of the stretch as f32, side by side, to `to`. */
static void widen(const ki_view *v, const ki_stretch *s, size_t i, size_t n, float *to)
{
    if (!s->pos) {
        ki_codec_decode(v->codec, s->run.rows + i * v->row_bytes, v->row_bytes, n, v->d, to);
        return;
    }
    for (size_t j = 0; j < n; j++)
        ki_codec_decode(v->codec, s->run.rows + s->pos[i + j] * v->row_bytes, v->row_bytes, 1, v->d,
                        to + j * v->d);
}

static const void *widened(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    float *to = (float *)(void *)b->rows;

    if (v->codec->type == KI_F32) return ki_batch_rows(b, s, s->run.rows, v->row_bytes);
    widen(v, s, 0, s->n, to);
    return to;
}

/* Rows of the stretch as bf16, a few at a time through the room for queries. */
static const void *rounded(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    const ki_kernels *k = ki_kernels_get();
    const size_t d = v->d;
    uint16_t *to = (uint16_t *)(void *)b->rows;

    if (v->codec->type == KI_BF16) return ki_batch_rows(b, s, s->run.rows, v->row_bytes);
    if (v->codec->type == KI_F32 && !s->pos) {
        k->bf16_from_f32(s->run.rows, s->n * d, to);
        return to;
    }
    for (size_t i = 0, n; i < s->n; i += n) {
        n = s->n - i < KI_PANEL ? s->n - i : KI_PANEL;
        widen(v, s, i, n, b->queries);
        k->bf16_from_f32(b->queries, n * d, to + i * d);
    }
    return to;
}

/* What rounding costs a row, relative to its length. */
static double rounding(const ki_batch *b)
{
    const ki_type t = b->part->s->v->codec->type;

    return b->halves && (t == KI_F32 || t == KI_F16) ? 0x1p-8 + 0x1p-15 : 0.0;
}

/* Squared lengths, and which rows are not to be judged by them. */
static void take_norms(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    const double g = ((double)v->d + 6.0) * U, loss = rounding(b);
    const float least = v->metric == KITH_COSINE ? 0x1p-100f : 0.0f;
    float *norm = b->number[NORM], edge = 0x1p120f;

    memset(b->queries, 0, wide_bytes(v));
    ki_kernels_get()->scan[KI_L2][b->halves ? KI_BF16 : KI_F32](b->queries, b->job.rows,
                                                                b->job.stride, s->n, v->d, norm);
    for (size_t i = 0; i < s->n; i++)
        if (!(norm[i] <= 0x1p120f)) norm[i] = INFINITY;
    if (v->metric == KITH_IP || (v->metric == KITH_L2 && loss > 0.0))
        edge = ki_batch_edge(norm, s->n, &b->outliers);
    if (edge > 0x1p120f) edge = 0x1p120f;
    b->span = (float)(sqrt((double)edge) * (1.0 + g));
    b->error = (float)(loss * (double)b->span + (loss > 0.0 ? UNDERFLOW : 0.0));
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

    b->job.rows = b->halves ? rounded(b, s) : widened(b, s);
    b->job.stride = packed_bytes(b);
    b->job.d = v->d;
    for (size_t i = 0; i < s->n; i++) b->number[MINUS_ONE][i] = -1.0f;
    if (v->metric == KITH_L1) return;
    take_norms(b, s);
    if (v->metric == KITH_L2)
        for (size_t i = 0; i < s->n; i++) b->b[i] = norm[i] * half + b->number[OUT][i];
    if (v->metric == KITH_COSINE)
        for (size_t i = 0; i < s->n; i++) b->a[i] = norm[i] > 0.0f ? 1.0f / sqrtf(norm[i]) : 0.0f;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static bool by_differences(const ki_batch *b, const ki_panel *panel)
{
    return b->part->s->v->metric == KITH_L1 || panel->direct;
}

/* g: of the query. */
static float threshold(const ki_batch *b, const ki_lane *lane, double g, double tau)
{
    const kith_metric m = b->part->s->v->metric;
    const double q = lane->norm, x = (double)b->span, f = (double)b->error;
    double reach;

    if (m == KITH_COSINE)
        return ki_batch_floor(-tau - 3.0 * g - lane->error - rounding(b), UNDERFLOW);
    if (!(q < LONGEST)) return -INFINITY;
    if (m == KITH_IP)
        return ki_batch_floor(-tau, (g + 4.0 * U) * q * x + lane->error * x +
                                        (q + lane->error) * f + UNDERFLOW * (1.0 + q + x));
    reach = sqrt(fmax(tau, 0.0)) * (1.0 + 0x1p-30) + lane->error + f;
    return ki_batch_floor((q * q * (1.0 - 2.0 * g) - reach * reach) / 2.0, UNDERFLOW);
}

static void thresholds(ki_batch *b, ki_panel *panel)
{
    const kith_metric m = b->part->s->v->metric;
    const bool differences = by_differences(b, panel);

    b->job.a = differences ? b->number[MINUS_ONE] : m == KITH_COSINE ? b->a : NULL;
    b->job.b = differences ? NULL : m == KITH_L2 ? b->b : b->outliers ? b->number[OUT] : NULL;
    for (size_t i = 0; i < panel->nq; i++) {
        const uint32_t q = panel->query[i];
        const double g = b->part->prepared[q].gamma, tau = ki_top_edge(&b->part->top[q]);
        panel->thr[i] = differences ? ki_batch_floor(-tau * (1.0 + g), UNDERFLOW)
                                    : threshold(b, &panel->lane[i], g, tau);
    }
}

static ki_block_op op(const ki_batch *b, const ki_panel *panel)
{
    if (b->part->s->v->metric == KITH_L1) return KI_BLOCK_L1_F32;
    if (b->halves) return KI_BLOCK_DOT_BF16;
    return by_differences(b, panel) ? KI_BLOCK_L2_F32 : KI_BLOCK_DOT_F32;
}

static kith_status take(ki_batch *b, ki_panel *panel, size_t n)
{
    kith_status st = KITH_OK;
    const uint64_t before = b->kept;
    size_t good;

    KI_TRY(ki_batch_score(b, panel, n));
    good = (size_t)(b->kept - before);
    if (b->halves)
        b->vain += n - good;
    else if (b->part->s->v->metric == KITH_L2 && n > KI_HITS / 4 && good * 8 < n)
        panel->direct = true;
out:
    return st;
}

static bool turn(ki_batch *b, uint64_t pairs)
{
    b->pairs += pairs;
    if (!b->halves || b->vain < VAIN_LEAST || b->vain * VAIN_COST < b->pairs) return false;
    b->halves = false;
    return true;
}

const ki_sieve ki_sieve_float = {wide_bytes, wide_bytes, pack, rows, thresholds, op, take, turn};
