/* The sieve of f32 rows by their scan code: 8-bit codes meet queries of 8 bits (7 where kernels are
 * much faster with those), a row passes unless it is out by the proof in scancode.c. The two planes
 * of the codes are joined on the way into the cache, and made signed, so that the sum is <w,v> and
 * queries need no correction by row.
 *
 * With M = t s C a row is out when (L2) (1-16u) h - M > edge, that is s C - (1-16u) h/t < -edge/t:
 * the queries of a panel share t. IP and COSINE have no h; each query has a t of its own.
 * The edge takes the largest error of the stretch (and length, for IP), but for a few outliers
 * among the rows, which always pass. What passes is tested again with its own error, then scored in
 * f32. */
#include <math.h>
#include <string.h>

#include "rows/sieve.h"

#define U 0x1p-24

enum { ERROR, HALF_NORM, OUT }; /* OUT: -inf for outliers, else 0 */
enum { SIGN = 0x80 };           /* flipped: code - 128 as a signed byte */

static size_t query_bytes(const ki_view *v)
{
    return v->d;
}

static void pack(ki_batch *b, ki_panel *panel, const ki_scan_chunk *chunk)
{
    const ki_view *v = b->part->s->v;
    const size_t d = v->d;
    int8_t *to = b->queries;
    int16_t *w = (int16_t *)(void *)((unsigned char *)b->queries + (KI_PANEL * d + 63) / 64 * 64);
    const double levels = ki_kernels_get()->code_op == KI_BLOCK_DOT_I7 ? KI_SHORT : 127.0;
    double most[KI_PANEL], all = 0.0;

    for (size_t i = 0; i < panel->nq; i++) {
        most[i] = ki_scan_most(v->metric, b->part->prepared[panel->query[i]].q, d, chunk->centre);
        if (most[i] > all) all = most[i];
    }
    for (size_t i = 0; i < KI_PANEL; i++) panel->thr[i] = INFINITY;
    panel->error = NAN; // no thresholds yet
    for (size_t i = 0; i < panel->nq; i++) {
        const float unit = ki_scan_unit(v->metric == KITH_L2 ? all : most[i], levels);
        ki_scan_quantise(v->metric, b->part->prepared[panel->query[i]].q, d, chunk->centre, most[i],
                         unit, w, &panel->lane[i].terms);
        for (size_t j = 0; j < d; j++) to[i * d + j] = (int8_t)w[j];
    }
    ki_pack_panel(to, d, panel->nq, d, panel->packed);
}

static void take_numbers(ki_batch *b, const ki_stretch *s, size_t at)
{
    const ki_scan_chunk *c = s->codes;
    const size_t len = s->n * sizeof(float);

    if (!s->pos) {
        memcpy(b->a, c->scale + at, len);
        memcpy(b->number[ERROR], c->error + at, len);
        memcpy(b->number[HALF_NORM], c->half_norm + at, len);
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        const size_t row = at + s->pos[i];
        b->a[i] = c->scale[row];
        b->number[ERROR][i] = c->error[row];
        b->number[HALF_NORM][i] = c->half_norm[row];
    }
}

/* Up to the next sixteenth of a power of two: most stretches have the same then, and thresholds
 * stay as they are. */
static float rounded(float x)
{
    int e;
    const float m = frexpf(x, &e);

    return x > 0.0f && x < 0x1p120f ? ldexpf(ceilf(m * 32.0f) / 32.0f, e) : x;
}

static void rows(ki_batch *b, const ki_stretch *s)
{
    const size_t d = b->part->s->v->d, at = s->run.first % KI_CHUNK;
    const size_t plane = ki_plane(d);
    const uint8_t *high = s->codes->high + at * plane, *low = s->codes->low + at * plane;
    const ki_kernels *k = ki_kernels_get();
    const float *error = b->number[ERROR], *half_norm = b->number[HALF_NORM];
    float *out = b->number[OUT];
    float most, edge;

    if (s->pos)
        for (size_t i = 0; i < s->n; i++)
            k->join_planes(high + s->pos[i] * plane, low + s->pos[i] * plane, 1, d, SIGN,
                           b->rows + i * d);
    else
        k->join_planes(high, low, s->n, d, SIGN, b->rows);
    take_numbers(b, s, at);
    b->outliers = false;
    b->error = most = rounded(ki_batch_edge(error, s->n, &b->outliers));
    edge = rounded(ki_batch_edge(half_norm, s->n, &b->outliers));
    b->span = sqrtf(2.0f * edge) * 1.000001f;
    if (b->outliers)
        for (size_t i = 0; i < s->n; i++)
            out[i] = error[i] > most || half_norm[i] > edge ? -INFINITY : 0.0f;
    b->job.rows = b->rows;
    b->job.stride = d;
    b->job.d = d;
    b->job.a = b->a;
    b->unit = 0.0;
}

static void multiply_step(const float *restrict x, float factor, float *restrict to)
{
    for (size_t i = 0; i < KI_STRETCH_STEP; i++) to[i] = x[i] * factor;
}

/* b for the panel's unit: h / t, -inf for outliers. */
static void divide_half_norms(ki_batch *b, double unit)
{
    const float factor = (float)((1.0 - 16.0 * U) / unit);
    const float *half_norm = b->number[HALF_NORM], *out = b->number[OUT];
    const size_t n = b->stretch->n;
    float *to = b->b;

    if (b->unit == unit) return;
    b->unit = unit;
    for (size_t i = 0; i < n; i += KI_STRETCH_STEP) multiply_step(half_norm + i, factor, to + i);
    if (b->outliers)
        for (size_t i = 0; i < n; i++) to[i] += out[i];
}

static void thresholds(ki_batch *b, ki_panel *panel)
{
    const bool l2 = b->part->s->v->metric == KITH_L2;

    b->job.b = NULL;
    if (l2) {
        const double unit = panel->lane[0].terms.unit;
        divide_half_norms(b, unit > 0.0 ? unit : 1.0);
        b->job.b = b->b;
    } else if (b->outliers) {
        b->job.b = b->number[OUT];
    }
    if (panel->error != b->error || panel->span != b->span) {
        panel->error = b->error;
        panel->span = b->span;
        for (size_t i = 0; i < panel->nq; i++) panel->lane[i].tau = (double)NAN;
    }
    for (size_t i = 0; i < panel->nq; i++) {
        ki_lane *lane = &panel->lane[i];
        const double tau = ki_top_edge(&b->part->top[panel->query[i]]);
        const double unit = lane->terms.unit > 0.0 ? lane->terms.unit : 1.0;
        ki_scan_edges edges;
        if (tau == lane->tau) continue;
        lane->tau = tau;
        edges = ki_scan_edges_of(&lane->terms, tau, (double)b->span);
        panel->thr[i] = ki_batch_floor(-ki_scan_edge(&edges, (double)b->error) / unit, 0.0);
    }
}

static ki_block_op op(const ki_batch *b, const ki_panel *panel)
{
    (void)b;
    (void)panel;
    return ki_kernels_get()->code_op;
}

/* Hits that the error of their own row does not rule out move to the front. */
static kith_status take(ki_batch *b, ki_panel *panel, size_t n)
{
    const bool l2 = b->part->s->v->metric == KITH_L2;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const ki_hit h = b->hits[i];
        const ki_scan_terms *t = &panel->lane[h.query].terms;
        const double half = (double)b->number[HALF_NORM][h.row];
        const double m = t->unit * (double)b->a[h.row] * (double)h.c.i;
        const double tau = ki_top_edge(&b->part->top[panel->query[h.query]]);
        const ki_scan_edges edges = ki_scan_edges_of(t, tau, sqrt(2.0 * half) * (1.0 + U));
        const double edge = ki_scan_edge(&edges, (double)b->number[ERROR][h.row]);
        if (!((l2 ? (1.0 - 16.0 * U) * half : 0.0) - m > edge)) b->hits[kept++] = h;
    }
    return ki_batch_score(b, panel, kept);
}

const ki_sieve ki_sieve_code = {query_bytes, query_bytes, pack, rows, thresholds, op, take,
                                NULL};
