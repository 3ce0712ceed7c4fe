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
 * Float arithmetic. <w,v> is exact in int32; its conversion, the factors t, s and the final
 * subtraction cost 5 u |M| + 2 u h (7 u |M| where half the unit is denormal). With Q = t |w| that
 * is at most 8 u Q |sv| + 2 u h (Cauchy-Schwarz); Q |sv| <= Q^2/2 + |sv|^2/2, so L2 pays 8 u Q^2/2
 * and 8 u h of the 16 u h it gives away; IP pays 8 u Q |sv| beside e_q |sv|.
 * Sums in double. Of `lost`, |c| is there as such, |y| <= |c| + |sv| + e_y: e_y by `slope`, |sv| by
 * the 8 u Q |sv| or, for unit 0, by what `covered` adds to e_q.
 * Underflow. Units and scales below 2^-126 are not used and <w,v> is an integer, so products lose
 * less than 2^-100 in all. A denormal half_norm is off by 2^-150, times e_q / span <= |q| 2^75 (IP:
 * no span is below sqrt(2^-149)), and panels take lengths up to 2^-74 for 0: both are below the
 * 2^-47 |q| that `lost` has beyond |q| |c|.
 */
#include "rows/scancode.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define CODE_MAX 127.0
#define LONGEST 0x1p100 /* half_norm beyond that is not used */
#define U 0x1p-24
#define LOST_TO_UNDERFLOW 0x1p-100

#define ROUNDS 0x1.8p52 /* + |v| < 2^51 rounds v to the nearest integer, ties to even */

enum { GROUP = 4 }; /* rows coded together: additions wait for one another */

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

float ki_scan_up(double v)
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

/* The error that covers a computed residual: of its square, of max|y'| and of |y| (COSINE: 1). */
static double covered(kith_metric m, size_t d, double residual2, double most)
{
    const double lost = ((double)d + 16.0) * 0x1p-52;
    const double lengths = sqrt((double)d) * most + (m == KITH_COSINE ? 1.0 : 0.0);

    return sqrt(residual2) * (1.0 + lost) + lost * lengths;
}

/* A row, or a query, under way. */
typedef struct quantising {
    const float *row;
    double factor, most, scale, inverse, residual2, norm2;
    uint32_t rest;
} quantising;

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static const float nothing[STRIP]; // a strip of the centre where there is none

/* The largest |row_j factor - centre_j|; centre NULL: 0. */
static double most_of(const float *row, const float *centre, double factor, size_t d)
{
    double most[LANES] = {0.0};

    for (size_t at = 0; at < d; at += STRIP) {
        const float *x = row + at, *c = centre ? centre + at : nothing;
        const size_t n = d - at < STRIP ? d - at : STRIP;

        for (size_t j = 0; n == STRIP && j < STRIP; j += LANES)
            for (size_t k = 0; k < LANES; k++)
                most[k] = larger(fabs(shifted(x + j, c + j, factor, k)), most[k]);
        for (size_t j = 0; n < STRIP && j < n; j++)
            most[0] = larger(fabs(shifted(x, c, factor, j)), most[0]);
    }
    for (size_t k = 1; k < LANES; k++) most[0] = larger(most[k], most[0]);
    return most[0];
}

/* Components of a row, or of a query, from `at` on: their v, and what each misses by, squared. No
 * |y| is above as many scales as there are levels but by rounding, so no v is out of -127…127. The
 * lowest bits of the rounding sum are those of v as an integer. */
KI_INLINE void code_strip(const quantising *g, size_t at, const float *centre, size_t n, int16_t *v,
                          double *missed2)
{
    const double factor = g->factor, scale = g->scale, inverse = g->inverse;

    for (size_t j = 0; j < n; j++) {
        const double y = shifted(g->row + at, centre, factor, j), sum = y * inverse + ROUNDS;
        const double r = y - scale * (sum - ROUNDS);
        uint64_t bits;

        memcpy(&bits, &sum, sizeof bits);
        v[j] = (int16_t)bits;
        missed2[j] = r * r;
    }
}

/* Codes to their halves of the planes, the lower before the upper; what they add to the row's
 * sums. */
KI_INLINE void keep_strip(quantising *g, const int16_t *v, size_t n, bool upper,
                          uint8_t *restrict high, uint8_t *restrict low)
{
    int32_t norm2 = 0, rest = 0;
    uint8_t code[STRIP];

    for (size_t j = 0; j < n; j++) norm2 += v[j] * v[j];
    for (size_t j = 0; j < n; j++) code[j] = (uint8_t)(v[j] + 128);
    for (size_t j = 0; j < n; j++) {
        const int32_t r = 2 * (code[j] & 15) - 15;
        rest += r * r;
    }
    for (size_t j = 0; j < n && !upper; j++) high[j] = code[j] >> 4;
    for (size_t j = 0; j < n && !upper; j++) low[j] = code[j] & 15;
    for (size_t j = 0; j < n && upper; j++) high[j] |= code[j] & 0xf0;
    for (size_t j = 0; j < n && upper; j++) low[j] |= (uint8_t)(code[j] << 4);
    g->norm2 += norm2;
    g->rest += (uint32_t)rest;
}

_Static_assert(GROUP == 4, "add_up has four sums");

/* The residuals of GROUP rows, each in index order: sums that need not wait for one another. */
static void add_up(double missed2[GROUP][STRIP], size_t n, quantising *g)
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

/* Components from…end-1 of up to GROUP rows, all of the lower or all of the upper half. high, low:
 * those of the first row. */
static void code_half(quantising *g, size_t n, size_t d, size_t from, size_t end,
                      const float *centre, uint8_t *high, uint8_t *low)
{
    const size_t plane = ki_plane(d);
    double missed2[GROUP][STRIP] = {{0.0}};
    int16_t v[STRIP];

    for (size_t at = from; at < end; at += STRIP) {
        const size_t left = end - at;

        for (size_t i = 0; i < n; i++) {
            const size_t to = i * plane + at - from;

            if (left >= STRIP) {
                code_strip(&g[i], at, centre + at, STRIP, v, missed2[i]);
                keep_strip(&g[i], v, STRIP, from > 0, high + to, low + to);
            } else {
                code_strip(&g[i], at, centre + at, left, v, missed2[i]);
                keep_strip(&g[i], v, left, from > 0, high + to, low + to);
            }
        }
        add_up(missed2, left < STRIP ? left : STRIP, g);
    }
}

/* A row that is too short or too long for float arithmetic: it is its centre, all else is error.
 * Its codes are any then; these have the smallest rest. */
static void give_up(quantising *g, size_t d, const float *centre, uint8_t *high, uint8_t *low)
{
    const size_t plane = ki_plane(d);

    g->residual2 = 0.0;
    for (size_t j = 0; j < d; j++) {
        const double y = shifted(g->row, centre, g->factor, j);
        g->residual2 += y * y;
    }
    g->scale = g->norm2 = 0.0;
    g->rest = (uint32_t)d;
    memset(high, 0x88, plane);
    memset(low, 0x88, plane);
    if (d % 2) high[plane - 1] = low[plane - 1] = 0x08;
}

static quantising begin(kith_metric m, const float *row, size_t d, const float *centre)
{
    quantising g = {.row = row, .factor = row_factor(m, row, d)};
    float scale;

    g.most = most_of(row, centre, g.factor, d);
    scale = (float)(g.most / CODE_MAX);
    if (scale < FLT_MIN) return g; // denormals are too coarse a unit to count in
    g.scale = (double)scale;
    g.inverse = 1.0 / g.scale;
    return g;
}

uint32_t ki_scancode_encode(kith_metric m, const float *rows, size_t n, size_t d,
                            const ki_scan_arrays *to, size_t at)
{
    const size_t plane = ki_plane(d);
    quantising g[GROUP] = {{0}};
    uint32_t rest_max = 0;

    for (size_t first = 0; first < n; first += GROUP) {
        const size_t some = n - first < GROUP ? n - first : GROUP;
        uint8_t *high = to->high + (at + first) * plane, *low = to->low + (at + first) * plane;

        for (size_t i = 0; i < some; i++) g[i] = begin(m, rows + (first + i) * d, d, to->centre);
        code_half(g, some, d, 0, plane, to->centre, high, low);
        code_half(g, some, d, plane, d, to->centre, high, low);
        for (size_t i = 0; i < some; i++, high += plane, low += plane) {
            const double half = 0.5 * g[i].scale * g[i].scale;
            const size_t row = at + first + i;

            if (!(g[i].scale > 0.0) || half * g[i].norm2 > LONGEST)
                give_up(&g[i], d, to->centre, high, low);
            to->scale[row] = (float)g[i].scale;
            to->half_norm[row] = (float)(half * g[i].norm2);
            to->error[row] = ki_scan_up(covered(m, d, g[i].residual2, g[i].most));
            if (g[i].rest > rest_max) rest_max = g[i].rest;
        }
    }
    return rest_max;
}

static unsigned half_byte(const uint8_t *row, size_t d, size_t j)
{
    const size_t plane = ki_plane(d);

    return j < plane ? row[j] & 15 : row[j - plane] >> 4;
}

bool ki_scancode_holds(kith_metric m, const float *row, size_t d, const ki_scan_chunk *c, size_t i,
                       uint32_t *rest)
{
    const double factor = row_factor(m, row, d), scale = (double)c->scale[i];
    const size_t plane = ki_plane(d);
    const uint8_t *high = c->high + i * plane, *low = c->low + i * plane;
    double residual2 = 0.0, most = 0.0, norm2 = 0.0;

    *rest = 0;
    if (!(scale >= 0.0)) return false;
    if (d % 2 && (high[plane - 1] | low[plane - 1]) > 15) return false;
    for (size_t j = 0; j < d; j++) {
        const int32_t l = (int32_t)half_byte(low, d, j), half = 2 * l - 15;
        const int32_t code = 16 * (int32_t)half_byte(high, d, j) + l;
        const double y = shifted(row, c->centre, factor, j), v = (double)code - 128.0;
        const double r = y - scale * v;
        if (fabs(y) > most) most = fabs(y);
        residual2 += r * r;
        norm2 += v * v;
        *rest += (uint32_t)(half * half);
    }
    norm2 = 0.5 * scale * scale * norm2;
    if (!(norm2 <= LONGEST) || c->half_norm[i] != (float)norm2) return false;
    return (double)c->error[i] >= covered(m, d, residual2, most);
}

/* ---- queries --------------------------------------------------------------------------------- */

/* x_j = q_j * factor - (L2: centre_j). */
static const float *centre_of(kith_metric m, const float *centre)
{
    return m == KITH_L2 ? centre : NULL;
}

double ki_scan_most(kith_metric m, const float *q, size_t d, const float *centre)
{
    return most_of(q, centre_of(m, centre), row_factor(m, q, d), d);
}

/* 0 when the query is too short or too long for float arithmetic: then all of it is error. */
float ki_scan_unit(double most, double levels)
{
    const double unit = most / levels;

    return unit >= 0x1p-126 && unit <= 0x1p30 ? ki_scan_up(unit) : 0.0f;
}

/* Lengths of the query and of the centre, and their product. The 1 is the length of a row under
 * COSINE, and covers for both what underflows (above). */
static void take_dot(const float *q, double factor, size_t d, const float *centre,
                     ki_scan_terms *out)
{
    double dot = 0.0, q2 = 0.0, c2 = 0.0;

    for (size_t j = 0; j < d; j++) {
        const double x = (double)q[j] * factor, c = (double)centre[j];
        dot += x * c;
        q2 += x * x;
        c2 += c * c;
    }
    out->dot = dot;
    out->size = sqrt(q2) * (1.0 + U);
    out->lost = ((double)d + 16.0) * 0x1p-51 * out->size * (sqrt(c2) + 1.0);
}

/* Sums of a strip, in lanes. */
KI_INLINE void add_strip(const int16_t *v, const double *missed2, size_t n, double *residual2,
                         int64_t *squares)
{
    int32_t some = 0;

    for (size_t j = 0; j < n; j++) some += v[j] * v[j];
    for (size_t j = 0; j < n; j++) residual2[j % LANES] += missed2[j];
    *squares += some;
}

void ki_scan_quantise(kith_metric m, const float *q, size_t d, const float *centre, double most,
                      float unit, int16_t *w, ki_scan_terms *out)
{
    const double t = (double)unit;
    const float *shift = centre_of(m, centre);
    quantising g = {.row = q, .factor = row_factor(m, q, d), .scale = t};
    double residual2[LANES] = {0.0}, missed2[STRIP];
    int64_t squares = 0;

    g.inverse = t > 0.0 ? 1.0 / t : 0.0;
    for (size_t at = 0; at < d; at += STRIP) {
        const float *c = shift ? shift + at : nothing;
        const size_t n = d - at;

        if (n >= STRIP) {
            code_strip(&g, at, c, STRIP, w + at, missed2);
            add_strip(w + at, missed2, STRIP, residual2, &squares);
        } else {
            code_strip(&g, at, c, n, w + at, missed2);
            add_strip(w + at, missed2, n, residual2, &squares);
        }
    }
    for (size_t k = 1; k < LANES; k++) residual2[0] += residual2[k];
    *out = (ki_scan_terms){.metric = m, .unit = t, .half = 0.5 * t * t * (double)squares};
    out->error = covered(m, d, residual2[0], most);
    out->length = t * sqrt((double)squares) * (1.0 + U);
    if (m != KITH_L2) take_dot(q, g.factor, d, centre, out);
}

ki_scan_edges ki_scan_edges_of(const ki_scan_terms *t, double tau, double span)
{
    double reach;

    if (t->metric != KITH_L2)
        return (ki_scan_edges){tau + t->dot + t->lost + (t->error + 16.0 * U * t->length) * span +
                                   LOST_TO_UNDERFLOW,
                               t->size + t->lost, 0.0};
    if (tau < 0.0) return (ki_scan_edges){-(double)INFINITY, 0.0, 0.0};
    reach = sqrt(tau) * (1.0 + 0x1p-36) + t->error;
    return (ki_scan_edges){0.5 * reach * reach * (1.0 + U) - t->half +
                               8.0 * U * t->length * t->length + LOST_TO_UNDERFLOW,
                           reach * (1.0 + U), 0.5 * (1.0 + U)};
}
