/* The scan code: how it is made and what it proves (scancode.h).
 *
 * All in double, in index order, without fused operations, so that the same rows give the same
 * bytes everywhere. A row is y' = y - centre (COSINE: y/|y| - centre); its scale is max|y'| / 127;
 * its error is the length of y' - scale*(code-128), computed, plus what the computing can have
 * lost: each y'_j is within 2^-53 |y'_j| of the real one (COSINE: (d+8) 2^-53 |y_j|/|y| more, for
 * the length and the quotient), scale*(code-128) is exact (24 + 8 bits), the subtraction rounds by
 * 2^-53 once more and the sum of squares by (d+2) 2^-53: (d+16) 2^-52 of each length involved
 * covers it all. Rows so long that float arithmetic on them could overflow get a code of zeros: all
 * of them is error.
 *
 * Queries. x = t w + r with |r| <= e_q (covered in the same way), y' = s v + r' with |r'| <= e_y;
 * h = half_norm = |sv|^2/2 (1 + u); M = t s <w,v>; u = 2^-24.
 * L2      |q-y| = |x-y'| >= |tw - sv| - e_q - e_y, so a row is out when
 *             |tw - sv|^2 = |tw|^2 + |sv|^2 - 2M > R^2,   R = sqrt(tau) + e_q + e_y,
 *         that is |sv|^2/2 - M > R^2/2 - |tw|^2/2. The canonical key is within (d+3) 2^-53 < 2^-37
 *         of |q-y|^2: sqrt(tau) is taken (1 + 2^-36) times.
 * IP      <q,y> = <q,c> + <tw,sv> + <r,sv> + <q,r'>, so -<q,y> > tau when
 *             -M > tau + <q,c> + e_q |sv| + |q| e_y
 *         plus `lost`, (d+16) 2^-52 |q| (|c| + |y|), for sums in double: of <q,c> and of the key.
 * COSINE  is IP of q/|q| and y/|y|.
 * Float arithmetic. <w,v> is exact in int32, or the sum of 128 A and B, each exact: as float they
 * cost 3 u (|128 A| + |B|) <= 3 u |v| (|w| + 128 sqrt(d)) (Cauchy-Schwarz, |lo| <= 64); the factors
 * t, s and the final subtraction cost 4 u |M| and 2 u h more. With Q = t (|w| + 128 sqrt(d)) that
 * is at most 8 u Q |sv| + 2 u h; Q |sv| <= Q^2/2 + |sv|^2/2, so L2 pays 8 u Q^2/2 and 8 u h of the
 * 16 u h it gives away; IP pays 8 u Q |sv| beside e_q |sv|. What underflows is less than 2^-100 in
 * all, since units and scales below 2^-126 are not used and <w,v> is an integer. */
#include "rows/scancode.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define CODE_MAX 127.0
#define LONGEST 0x1p100 /* half_norm beyond that is not used */
#define U 0x1p-24
#define LOST_TO_UNDERFLOW 0x1p-100

#define ROUNDS 0x1.8p52 /* + |v| < 2^51 rounds v to the nearest integer, ties to even */

enum {
    STEP = 32,   /* rows that the filter looks at together */
    ABREAST = 4, /* sums of a query's terms: additions wait for one another */
    GROUP = 4    /* rows coded together, for the same reason */
};

/* Components coded at a time, and compared for the largest: fixed numbers, so that compilers make
 * vectors of the loops. */
enum { STRIP = 32, LANES = 8 };

bool ki_scancode_applies(const ki_codec *c, kith_metric m)
{
    return c->type == KI_F32 && (m == KITH_L2 || m == KITH_IP || m == KITH_COSINE);
}

/* What a row is multiplied by before anything else. A zero vector stays zero. */
static double row_factor(kith_metric m, const float *row, size_t d)
{
    double s = 0.0;

    if (m != KITH_COSINE) return 1.0;
    for (size_t j = 0; j < d; j++) s += (double)row[j] * (double)row[j];
    return s > 0.0 ? 1.0 / sqrt(s) : 0.0;
}

/* The mean of each 256 rows in double, of those in float: any centre is a right one. */
void ki_scancode_centre(kith_metric m, const float *rows, size_t d, float *centre)
{
    enum { SOME = 256 };
    double factor[SOME];

    for (size_t j = 0; j < d; j++) centre[j] = 0.0f;
    for (size_t at = 0; at < KI_SCAN_SEED; at += SOME, rows += SOME * d) {
        for (size_t i = 0; i < SOME; i++) factor[i] = row_factor(m, rows + i * d, d);
        for (size_t j = 0; j < d; j++) {
            double s = 0.0;
            for (size_t i = 0; i < SOME; i++) s += (double)rows[i * d + j] * factor[i];
            centre[j] += (float)(s / KI_SCAN_SEED);
        }
    }
}

static float float_up(double v)
{
    float f;

    if (!(v <= (double)FLT_MAX)) return INFINITY;
    f = (float)v;
    return (double)f < v ? nextafterf(f, INFINITY) : f;
}

static double shifted(const float *row, const float *centre, double factor, size_t j)
{
    return (double)row[j] * factor - (double)centre[j];
}

static double nearest(double v)
{
    return (v + ROUNDS) - ROUNDS;
}

/* The error that covers a computed residual: of its square, of max|y'| and of |y| (COSINE: 1). */
static double covered(kith_metric m, size_t d, double residual2, double most)
{
    const double lost = ((double)d + 16.0) * 0x1p-52;
    const double lengths = sqrt((double)d) * most + (m == KITH_COSINE ? 1.0 : 0.0);

    return sqrt(residual2) * (1.0 + lost) + lost * lengths;
}

/* A row under way. */
typedef struct coding {
    const float *row;
    double factor, most, scale, inverse, residual2, norm2;
} coding;

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double most_of(const float *row, const float *centre, double factor, size_t d)
{
    double most[LANES] = {0.0};
    size_t j = 0;

    for (; d - j >= LANES; j += LANES)
        for (size_t k = 0; k < LANES; k++)
            most[k] = larger(fabs(shifted(row + j, centre + j, factor, k)), most[k]);
    for (; j < d; j++) most[0] = larger(fabs(shifted(row, centre, factor, j)), most[0]);
    for (size_t k = 1; k < LANES; k++) most[0] = larger(most[k], most[0]);
    return most[0];
}

/* Components of a row from `at` on: their v, and what each misses by, squared. |y| is at most
 * 127 (1 + 2^-23) scales, so that no v is out of -127…127. The lowest bits of the rounding sum are
 * those of v as an integer. */
KI_INLINE void code_strip(const coding *g, size_t at, const float *centre, size_t n, int16_t *v,
                          double *missed2)
{
    const double factor = g->factor, scale = g->scale, inverse = g->inverse;

    for (size_t j = 0; j < n; j++) {
        const double y = shifted(g->row + at, centre + at, factor, j), sum = y * inverse + ROUNDS;
        const double r = y - scale * (sum - ROUNDS);
        uint64_t bits;

        memcpy(&bits, &sum, sizeof bits);
        v[j] = (int16_t)bits;
        missed2[j] = r * r;
    }
}

KI_INLINE int32_t keep_strip(const int16_t *v, size_t n, uint8_t *codes)
{
    uint8_t code[STRIP];
    int32_t norm2 = 0;

    for (size_t j = 0; j < n; j++) norm2 += v[j] * v[j];
    for (size_t j = 0; j < n; j++) code[j] = (uint8_t)(v[j] + 128);
    memcpy(codes, code, n);
    return norm2;
}

/* The residuals of GROUP rows, each in index order: sums that need not wait for one another. */
static void add_up(double missed2[GROUP][STRIP], size_t n, coding *g)
{
    double a = g[0].residual2, b = g[1].residual2, c = g[2].residual2, d = g[3].residual2;

    for (size_t j = 0; j < n; j++) {
        a += missed2[0][j];
        b += missed2[1][j];
        c += missed2[2][j];
        d += missed2[3][j];
    }
    g[0].residual2 = a;
    g[1].residual2 = b;
    g[2].residual2 = c;
    g[3].residual2 = d;
}

static void code_group(coding *g, size_t n, size_t d, const float *centre,
                       double missed2[GROUP][STRIP], uint8_t *codes)
{
    int16_t v[STRIP];

    for (size_t at = 0; at < d; at += STRIP) {
        const size_t left = d - at;

        for (size_t i = 0; i < n; i++) {
            uint8_t *to = codes + i * d + at;

            if (left >= STRIP) {
                code_strip(&g[i], at, centre, STRIP, v, missed2[i]);
                g[i].norm2 += keep_strip(v, STRIP, to);
            } else {
                code_strip(&g[i], at, centre, left, v, missed2[i]);
                g[i].norm2 += keep_strip(v, left, to);
            }
        }
        add_up(missed2, left < STRIP ? left : STRIP, g);
    }
}

/* A row that is too long for float arithmetic: v = 0, the residual is the row. */
static void give_up(coding *g, size_t d, const float *centre, uint8_t *code)
{
    g->residual2 = 0.0;
    for (size_t j = 0; j < d; j++) {
        const double y = shifted(g->row, centre, g->factor, j);
        g->residual2 += y * y;
    }
    g->norm2 = 0.0;
    memset(code, 128, d);
}

static coding begin(kith_metric m, const float *row, size_t d, const float *centre)
{
    coding g = {.row = row, .factor = row_factor(m, row, d)};
    float scale;

    g.most = most_of(row, centre, g.factor, d);
    scale = (float)(g.most / CODE_MAX);
    if (scale < FLT_MIN) return g; // denormals are too coarse a unit to count in
    g.scale = (double)scale;
    g.inverse = 1.0 / g.scale;
    return g;
}

void ki_scancode_encode(kith_metric m, const float *rows, size_t n, size_t d, const float *centre,
                        uint8_t *codes, float *scale, float *error, float *half_norm)
{
    double missed2[GROUP][STRIP] = {{0.0}};
    coding g[GROUP] = {{0}};

    for (size_t at = 0; at < n; at += GROUP) {
        const size_t some = n - at < GROUP ? n - at : GROUP;

        for (size_t i = 0; i < some; i++) g[i] = begin(m, rows + (at + i) * d, d, centre);
        code_group(g, some, d, centre, missed2, codes + at * d);
        for (size_t i = 0; i < some; i++) {
            const double half = 0.5 * g[i].scale * g[i].scale;

            if (half * g[i].norm2 > LONGEST) give_up(&g[i], d, centre, codes + (at + i) * d);
            scale[at + i] = (float)g[i].scale;
            half_norm[at + i] = (float)(half * g[i].norm2);
            error[at + i] = float_up(covered(m, d, g[i].residual2, g[i].most));
        }
    }
}

bool ki_scancode_holds(kith_metric m, const float *row, size_t d, const float *centre,
                       const uint8_t *code, float scale, float error, float half_norm)
{
    const double factor = row_factor(m, row, d);
    double residual2 = 0.0, most = 0.0, norm2 = 0.0;

    if (!(scale >= 0.0f)) return false;
    for (size_t j = 0; j < d; j++) {
        const double y = shifted(row, centre, factor, j), v = (double)code[j] - 128.0;
        const double r = y - (double)scale * v;
        if (fabs(y) > most) most = fabs(y);
        residual2 += r * r;
        norm2 += v * v;
    }
    norm2 = 0.5 * (double)scale * (double)scale * norm2;
    if (!(norm2 <= LONGEST) || half_norm != (float)norm2) return false;
    return (double)error >= covered(m, d, residual2, most);
}

/* ---- queries --------------------------------------------------------------------------------- */

/* What x is made of: x_j = q_j * factor - (L2: centre_j). */
typedef struct query_shape {
    double factor;
    bool centred;
} query_shape;

static query_shape shape_of(kith_metric m, const float *q, size_t d)
{
    return (query_shape){row_factor(m, q, d), m == KITH_L2};
}

static double component(const query_shape *s, const float *q, const float *centre, size_t j)
{
    return (double)q[j] * s->factor - (s->centred ? (double)centre[j] : 0.0);
}

double ki_scan_most(kith_metric m, const float *q, size_t d, const float *centre)
{
    const query_shape s = shape_of(m, q, d);
    double most[ABREAST] = {0.0};

    for (size_t j = 0; j < d; j++) {
        const double x = fabs(component(&s, q, centre, j));
        most[j % ABREAST] = x > most[j % ABREAST] ? x : most[j % ABREAST];
    }
    return fmax(fmax(most[0], most[1]), fmax(most[2], most[3]));
}

/* 0 when the query is too short or too long for float arithmetic: then all of it is error. */
float ki_scan_unit(double most, double levels)
{
    const double unit = most / levels;

    return unit >= 0x1p-126 && unit <= 0x1p30 ? float_up(unit) : 0.0f;
}

/* Lengths of the query and of the centre, and their product. */
static void take_dot(const query_shape *s, const float *q, size_t d, const float *centre,
                     ki_scan_terms *out)
{
    double dot = 0.0, q2 = 0.0, c2 = 0.0;

    for (size_t j = 0; j < d; j++) {
        const double x = (double)q[j] * s->factor, c = (double)centre[j];
        dot += x * c;
        q2 += x * x;
        c2 += c * c;
    }
    out->dot = dot;
    out->size = sqrt(q2) * (1.0 + U);
    out->lost = ((double)d + 16.0) * 0x1p-51 * out->size * (sqrt(c2) + 1.0);
}

void ki_scan_quantise(kith_metric m, const float *q, size_t d, const float *centre, double most,
                      double levels, float unit, int16_t *w, ki_scan_terms *out)
{
    const query_shape s = shape_of(m, q, d);
    const double t = (double)unit, inverse = t > 0.0 ? 1.0 / t : 0.0;
    double residual2[ABREAST] = {0.0}, w2[ABREAST] = {0.0}, squares;

    for (size_t j = 0; j < d; j++) {
        const double x = component(&s, q, centre, j);
        double v = nearest(x * inverse), r;
        v = v > levels ? levels : v;
        v = v < -levels ? -levels : v;
        r = x - t * v;
        w[j] = (int16_t)v;
        residual2[j % ABREAST] += r * r;
        w2[j % ABREAST] += v * v;
    }
    squares = w2[0] + w2[1] + (w2[2] + w2[3]);
    *out = (ki_scan_terms){.metric = m, .unit = t, .half = 0.5 * t * t * squares};
    out->error = covered(m, d, residual2[0] + residual2[1] + (residual2[2] + residual2[3]), most);
    out->length = t * (sqrt(squares) + 128.0 * sqrt((double)d)) * (1.0 + U);
    if (m != KITH_L2) take_dot(&s, q, d, centre, out);
}

double ki_scan_edge(const ki_scan_terms *t, double tau, double error, double span)
{
    double reach;

    if (t->metric != KITH_L2)
        return tau + t->dot + t->size * error + t->lost * (1.0 + error) +
               (t->error + 16.0 * U * t->length) * span + LOST_TO_UNDERFLOW;
    if (tau < 0.0) return -(double)INFINITY;
    reach = sqrt(tau) * (1.0 + 0x1p-36) + t->error + error;
    return 0.5 * reach * reach * (1.0 + U) - t->half + 8.0 * U * t->length * t->length +
           LOST_TO_UNDERFLOW;
}

/* ---- one query ------------------------------------------------------------------------------- */

enum { QUERY_LEVELS = 127 * 128 }; /* hi in -127…127, lo in -64…63 */

static size_t padded(size_t n)
{
    return (n + 63) / 64 * 64;
}

size_t ki_scan_query_bytes(size_t d)
{
    return 2 * padded(d) + padded(d * sizeof(int16_t));
}

void ki_scan_query_begin(kith_metric m, const float *q, size_t d, const ki_scan_chunk *c,
                         void *scratch, ki_scan_query *out)
{
    int8_t *hi = scratch, *lo = hi + padded(d);
    int16_t *w = (int16_t *)(void *)(lo + padded(d));
    const double most = ki_scan_most(m, q, d, c->centre);
    const float unit = ki_scan_unit(most, QUERY_LEVELS);
    int32_t sums[2] = {0, 0};

    *out = (ki_scan_query){.native = {hi, lo}};
    ki_scan_quantise(m, q, d, c->centre, most, QUERY_LEVELS, unit, w, &out->terms);
    for (size_t j = 0; j < d; j++) {
        const int high = (w[j] + 64 + 128 * 256) / 128 - 256; // floor
        hi[j] = (int8_t)high;
        lo[j] = (int8_t)(w[j] - 128 * high);
        sums[0] += hi[j];
        sums[1] += lo[j];
    }
    out->bias[0] = 128 * sums[0];
    out->bias[1] = 128 * sums[1];
    out->span = sqrt(2.0 * (double)c->half_norm[0]);
    if (!(out->span > 0.0)) out->span = 1.0;
}

/* The rows that pass with an error of their own, not the chunk's largest. */
static size_t second_look(const ki_scan_query *s, const ki_scan_chunk *c, size_t at,
                          const float *score, size_t n, double tau, uint32_t first, uint32_t *pos)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const double edge = ki_scan_edge(&s->terms, tau, (double)c->error[at + i], s->span / 2.0);
        if (!((double)score[i] > edge)) pos[kept++] = first + (uint32_t)i;
    }
    return kept;
}

/* L2: score = (1 - 16u) h - M. Else: e |sv| <= e (span/2 + |sv|^2 / (2 span)) for any span > 0, so
 * what depends on the row joins its score: -(e/span) h - M. */
typedef struct scoring {
    float k, unit;
    int32_t bias[2];
    const float *half_norm, *scale;
    const int32_t *dots;
} scoring;

static inline float score_of(const scoring *f, size_t i)
{
    const float hi = (float)(f->dots[2 * i] - f->bias[0]);
    const float lo = (float)(f->dots[2 * i + 1] - f->bias[1]);

    return f->k * f->half_norm[i] - f->unit * f->scale[i] * (hi * 128.0f + lo);
}

static float share_of_half_norm(const ki_scan_query *s)
{
    const ki_scan_terms *t = &s->terms;

    if (t->metric == KITH_L2) return (float)(1.0 - 16.0 * U);
    return -float_up((t->error + 16.0 * U * t->length) / s->span * (1.0 + 16.0 * U));
}

size_t ki_scan_query_filter(const ki_scan_query *s, const ki_scan_chunk *c, size_t at, size_t n,
                            size_t d, double tau, int32_t *dots, uint32_t *pos)
{
    const float edge = float_up(ki_scan_edge(&s->terms, tau, (double)c->error_max, s->span / 2.0));
    size_t kept = 0;

    ki_kernels_get()->scan[KI_DOT8][KI_U8](&s->native, c->codes + at * d, d, n, d, dots);
    for (size_t b = 0; b < n; b += STEP) {
        const size_t m = n - b < STEP ? n - b : STEP;
        const scoring f = {share_of_half_norm(s), (float)s->terms.unit, {s->bias[0], s->bias[1]},
                           c->half_norm + at + b, c->scale + at + b, dots + 2 * b};
        float score[STEP];
        int any = 0;
        if (m == STEP)
            for (size_t i = 0; i < STEP; i++) score[i] = score_of(&f, i);
        else
            for (size_t i = 0; i < STEP; i++) score[i] = i < m ? score_of(&f, i) : 0.0f;
        for (size_t i = 0; i < STEP; i++) any |= !(score[i] > edge);
        if (KI_UNLIKELY(any))
            kept += second_look(s, c, at + b, score, m, tau, (uint32_t)b, pos + kept);
    }
    return kept;
}
