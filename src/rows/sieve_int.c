/* Sieves of rows whose sums are exact: bytes with integer queries, bits. What passes has its key.
 *
 * U8 rows meet queries less 128, which makes them signed: <q,x> = C + 128 sum(x). A row passes when
 *     L2      C - (|x|^2/2 - 128 sum x)      >= (|q|^2 - tau) / 2
 *     IP      C + 128 sum x                  >= -tau
 *     COSINE  (C + 128 sum x) / |x|          >= -tau |q|
 * and I8 rows the same without 128. As floats, C and b are exact below 2^23, which holds for d <=
 * 256, and rounding their difference cannot carry it across a threshold that is a float; for longer
 * rows four roundings of at most d 2^15 (COSINE: of at most 2^8 sqrt(d)) are allowed for.
 * Bits: HAMMING -C >= -tau; JACCARD C >= s/(1+s) (|q| + |x|), s = -tau, with the least |x| of the
 * stretch, since C/(|q| + |x| - C) >= s. */
#include <math.h>
#include <string.h>

#include "rows/sieve.h"

enum { EXACT_D = 256, OFFSET = 128 };

static size_t row_bytes(const ki_view *v)
{
    return v->row_bytes;
}

static int offset_of(const ki_view *v)
{
    return v->codec->type == KI_U8 ? OFFSET : 0;
}

/* Unused lanes pass nothing; tau NaN: thr is still to be computed. */
static void clear_lanes(ki_panel *panel)
{
    for (size_t i = 0; i < KI_PANEL; i++) {
        panel->thr[i] = INFINITY;
        panel->lane[i].tau = (double)NAN;
    }
}

/* Collectors that got hits and have enough of them. */
static void settle(ki_batch *b, const ki_panel *panel, uint32_t touched)
{
    for (; touched; touched &= touched - 1) {
        ki_top *t = &b->part->top[panel->query[KI_CTZ64(touched)]];
        if (ki_top_ripe(t)) ki_top_settle(t);
    }
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void pack_bytes(ki_batch *b, ki_panel *panel, const ki_scan_chunk *chunk)
{
    const ki_view *v = b->part->s->v;
    unsigned char *to = b->queries;
    const unsigned flip = (unsigned)offset_of(v);

    (void)chunk;
    clear_lanes(panel);
    for (size_t i = 0; i < panel->nq; i++) {
        const ki_prepared *q = &b->part->prepared[panel->query[i]];
        const unsigned char *from = q->native;
        panel->lane[i].norm = q->norm;
        for (size_t j = 0; j < v->d; j++) to[i * v->d + j] = (unsigned char)(from[j] ^ flip);
    }
    ki_pack_panel(to, v->d, panel->nq, v->d, panel->packed);
}

/* What is taken off the products of KI_STRETCH_STEP rows, by their sums. */
static void own_terms(const int32_t *restrict sums, float half, float offset, float *restrict to)
{
    for (size_t i = 0; i < KI_STRETCH_STEP; i++)
        to[i] = half * (float)sums[2 * i + 1] - offset * (float)sums[2 * i];
}

static void rows_bytes(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    const ki_kernels *k = ki_kernels_get();
    const float offset = (float)offset_of(v), half = v->metric == KITH_L2 ? 0.5f : 0.0f;
    const int32_t *sums = b->sums;
    float *to = b->b, *inverse = b->a;
    ki_block *job = &b->job;

    job->rows = ki_batch_rows(b, s, s->run.rows, v->row_bytes);
    job->stride = v->row_bytes;
    job->d = v->d;
    job->a = NULL;
    job->b = b->b;
    (offset > 0.0f ? k->sums_u8 : k->sums_i8)(job->rows, job->stride, s->n, v->d, b->sums);
    if (v->metric == KITH_COSINE) {
        job->a = inverse;
        for (size_t i = 0; i < s->n; i++) {
            const float length = sqrtf((float)sums[2 * i + 1]);
            inverse[i] = length > 0.0f ? 1.0f / length : 0.0f;
            to[i] = -offset * (float)sums[2 * i] * inverse[i];
        }
        return;
    }
    for (size_t i = 0; i < s->n; i += KI_STRETCH_STEP)
        own_terms(sums + 2 * i, half, offset, to + i);
}

static void thresholds_bytes(ki_batch *b, ki_panel *panel)
{
    const ki_view *v = b->part->s->v;
    const double d = (double)v->d;
    const double lost = v->metric == KITH_COSINE ? 256.0 * sqrt(d) * 0x1p-20
                        : v->d > EXACT_D         ? d * 0x1p15 * 0x1p-22
                                                 : 0.0;

    for (size_t i = 0; i < panel->nq; i++) {
        const double tau = ki_top_edge(&b->part->top[panel->query[i]]);
        ki_lane *lane = &panel->lane[i];
        if (tau == lane->tau) continue;
        lane->tau = tau;
        panel->thr[i] = ki_batch_floor(v->metric == KITH_L2   ? (lane->norm - tau) * 0.5
                                       : v->metric == KITH_IP ? -tau
                                                              : -tau * sqrt(lane->norm),
                                       lost);
    }
}

static ki_block_op op_bytes(const ki_batch *b, const ki_panel *panel)
{
    (void)panel;
    return b->part->s->v->codec->type == KI_U8 ? KI_BLOCK_DOT_U8 : KI_BLOCK_DOT_I8;
}

static double key_bytes(kith_metric m, int64_t dot, double q2, int64_t x2)
{
    if (m == KITH_L2) return q2 + (double)(x2 - 2 * dot);
    if (m == KITH_IP) return 0.0 - (double)dot;
    return ki_cosine_key((double)dot, q2, (double)x2);
}

static kith_status take_bytes(ki_batch *b, ki_panel *panel, size_t n)
{
    kith_status st = KITH_OK;
    ki_part *p = b->part;
    const kith_metric m = p->s->v->metric;
    const int64_t offset = offset_of(p->s->v);
    uint32_t touched = 0;

    for (size_t i = 0; i < n; i++) {
        const ki_hit *h = &b->hits[i];
        const int32_t *sums = &b->sums[2 * (size_t)h->row];
        const double key =
            key_bytes(m, h->c.i + offset * sums[0], panel->lane[h->query].norm, sums[1]);
        ki_top *t = &p->top[panel->query[h->query]];
        if (!(key <= t->tau)) continue;
        touched |= (uint32_t)1 << h->query;
        KI_TRY(ki_top_offer(
            t, (ki_scored){key, 0.0f, b->stretch->run.first + ki_stretch_row(b->stretch, h->row)}));
    }
    settle(b, panel, touched);
out:
    return st;
}

const ki_sieve ki_sieve_int = {row_bytes, row_bytes, pack_bytes, rows_bytes, thresholds_bytes,
                               op_bytes, take_bytes, NULL};

/* ---- bits ------------------------------------------------------------------------------------ */

/* Bits set of n rows: what differs from none. */
static void count_bits(ki_batch *b, const void *rows, size_t n, int32_t *out)
{
    const ki_view *v = b->part->s->v;

    memset(b->queries, 0, v->row_bytes);
    ki_kernels_get()->scan[KI_HAMMING][KI_BITS](b->queries, rows, v->row_bytes, n, v->d, out);
}

static void pack_bits(ki_batch *b, ki_panel *panel, const ki_scan_chunk *chunk)
{
    const size_t len = b->part->s->v->row_bytes;
    unsigned char *to = b->queries;

    (void)chunk;
    clear_lanes(panel);
    for (size_t i = 0; i < panel->nq; i++) {
        int32_t bits;
        count_bits(b, b->part->prepared[panel->query[i]].q, 1, &bits);
        panel->lane[i].norm = (double)bits;
    }
    for (size_t i = 0; i < panel->nq; i++)
        memcpy(to + i * len, b->part->prepared[panel->query[i]].q, len);
    ki_pack_panel(to, len, panel->nq, len, panel->packed);
}

static void rows_bits(ki_batch *b, const ki_stretch *s)
{
    const ki_view *v = b->part->s->v;
    ki_block *job = &b->job;
    int32_t least = INT32_MAX;

    job->rows = ki_batch_rows(b, s, s->run.rows, v->row_bytes);
    job->stride = v->row_bytes;
    job->d = v->d;
    job->a = job->b = NULL;
    if (v->metric == KITH_HAMMING) {
        for (size_t i = 0; i < s->n; i++) b->a[i] = -1.0f;
        job->a = b->a;
        return;
    }
    count_bits(b, job->rows, s->n, b->sums);
    for (size_t i = 0; i < s->n; i++)
        if (b->sums[i] < least) least = b->sums[i];
    b->span = (float)least;
}

static void thresholds_bits(ki_batch *b, ki_panel *panel)
{
    const bool hamming = b->part->s->v->metric == KITH_HAMMING;

    for (size_t i = 0; i < panel->nq; i++) {
        const double s = -ki_top_edge(&b->part->top[panel->query[i]]);
        const double both = s > 0.0 ? s / (1.0 + s) * (panel->lane[i].norm + (double)b->span) : s;
        panel->thr[i] = ki_batch_floor(hamming ? s : both, 0.0);
    }
}

static ki_block_op op_bits(const ki_batch *b, const ki_panel *panel)
{
    (void)panel;
    return b->part->s->v->metric == KITH_HAMMING ? KI_BLOCK_HAMMING : KI_BLOCK_ANDS;
}

static kith_status take_bits(ki_batch *b, ki_panel *panel, size_t n)
{
    kith_status st = KITH_OK;
    const bool hamming = b->part->s->v->metric == KITH_HAMMING;
    uint32_t touched = 0;

    for (size_t i = 0; i < n; i++) {
        const ki_hit *h = &b->hits[i];
        const double c = (double)h->c.i;
        ki_top *t = &b->part->top[panel->query[h->query]];
        double key = c;
        if (!hamming) {
            const double either = panel->lane[h->query].norm + (double)b->sums[h->row] - c;
            key = either > 0.0 ? 0.0 - c / either : -1.0;
        }
        if (!(key <= t->tau)) continue;
        touched |= (uint32_t)1 << h->query;
        KI_TRY(ki_top_offer(
            t, (ki_scored){key, 0.0f, b->stretch->run.first + ki_stretch_row(b->stretch, h->row)}));
    }
    settle(b, panel, touched);
out:
    return st;
}

const ki_sieve ki_sieve_bits = {row_bytes, row_bytes, pack_bits, rows_bits, thresholds_bits,
                                op_bits, take_bits, NULL};
