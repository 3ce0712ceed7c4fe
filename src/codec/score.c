/* Scoring: from a kernel slot's numbers to proven intervals of the canonical key, and the key
 * itself.
 *
 * Notation: u = 2^-24; S a sum over real numbers, s what a float slot gives for it, K the canonical
 * key (ki_canon_*: doubles in index order). kernel.h promises |s - S| <= (d+4) u A + d 2^-149,
 * where A is the sum of |terms|. The canonical sum differs from S by at most (d+3) 2^-53 A < u A,
 * since d <= 2^15; so with
 *     gamma = (d+6) u   and   tiny = d 2^-149
 * |s - K| <= gamma A + tiny holds for the canonical sum too, with an u to spare. (CANBERRA's terms
 * carry 4 u each and get gamma = (d+10) u.)
 *
 * SUM      All terms are >= 0, so A = S and  (s - tiny)/(1+gamma) <= K <= (s + tiny)/(1-gamma).
 *          An s of +inf means that a partial sum of the same terms left the range of float, so K >=
 *          FLT_MAX/(1+gamma): taking s for FLT_MAX in the left side stays true, and up is +inf.
 *          LINF is such a sum of one term.
 * DOT      A <= |q||x| (Cauchy-Schwarz); |x|^2 <= (N + tiny)/(1-gamma), N being DOT2's second
 * number.
 *          With |q| < 1e19 and N finite every partial sum is below FLT_MAX; longer queries: CANON.
 * COSINE   The slot's query is q/|q|, rounded to float: off by at most 1.01 u in length. With N in
 *          the normal range (>= d 2^-125, where tiny is below u N) the quotient s/sqrt(N) is off by
 *          gamma + 2 u for the dot and 0.51 gamma + u for the length, in all less than 2.5 gamma.
 *          Rows below that range (zero vectors) and beyond it are left undecided.
 * BRAY, JACCARD   A quotient of two sums of terms >= 0, each bounded like SUM.
 * INT_*    The slot's integers are exact and so is their double; the quotients are computed by the
 *          very expression of the definition, whose sums are exact integers below 2^53 there too.
 *
 * Filters run over whole blocks in float and drop a row only when its interval lies above tau: each
 * says what rounding costs it. A comparison with NaN keeps the row.
 */
#include "codec/codec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/compiler.h"

enum { STEP = 32 };          /* rows that a filter looks at together */
enum { WIDE_FLOATS = 4096 }; /* rows are widened in pieces of 16 KiB: half a level 1 cache */

#define U 0x1p-24

/* ---- preparing ------------------------------------------------------------------------------- */

typedef struct way {
    ki_op op;
    ki_rule rule;
} way;

/* LP with p = 1 and 2 are L1 and L2: pow's own rounding (an ulp of double) is within gamma. */
static way way_of_floats(kith_metric m, double arg)
{
    switch (m) {
    case KITH_L2: return (way){KI_L2, KI_RULE_SUM};
    case KITH_IP: return (way){KI_DOT2, KI_RULE_DOT};
    case KITH_COSINE: return (way){KI_DOT2, KI_RULE_COSINE};
    case KITH_L1: return (way){KI_L1, KI_RULE_SUM};
    case KITH_LINF: return (way){KI_LINF, KI_RULE_SUM};
    case KITH_CANBERRA: return (way){KI_CANBERRA, KI_RULE_SUM};
    case KITH_BRAY_CURTIS: return (way){KI_BRAY2, KI_RULE_BRAY};
    case KITH_JACCARD: return (way){KI_MINMAX2, KI_RULE_JACCARD};
    case KITH_LP:
        if (arg == 1.0) return (way){KI_L1, KI_RULE_SUM};
        if (arg == 2.0) return (way){KI_L2, KI_RULE_SUM};
        break;
    case KITH_JENSEN_SHANNON:
    case KITH_HAMMING: break;
    }
    return (way){KI_OPS, KI_RULE_CANON};
}

static way way_of_integers(kith_metric m)
{
    if (m == KITH_L2) return (way){KI_L2, KI_RULE_INT_SUM};
    if (m == KITH_L1) return (way){KI_L1, KI_RULE_INT_SUM};
    if (m == KITH_IP) return (way){KI_IP, KI_RULE_INT_DOT};
    if (m == KITH_COSINE) return (way){KI_DOT2, KI_RULE_INT_COSINE};
    return (way){KI_OPS, KI_RULE_CANON};
}

static bool results_are_two(ki_rule r)
{
    return r == KI_RULE_DOT || r == KI_RULE_COSINE || r == KI_RULE_BRAY || r == KI_RULE_JACCARD ||
           r == KI_RULE_INT_COSINE || r == KI_RULE_INT_JACCARD;
}

/* Write q to out as bytes when each component is an integer of the type. -0.0 is 0 to every
 * metric. */
static bool narrow(const float *q, size_t d, ki_type t, uint8_t *out)
{
    const float lo = t == KI_U8 ? 0.0f : -128.0f, hi = t == KI_U8 ? 255.0f : 127.0f;

    for (size_t i = 0; i < d; i++) {
        const float v = q[i];
        if (!(v >= lo && v <= hi) || v != (float)(int)v) return false;
        out[i] = (uint8_t)((int)v & 255);
    }
    return true;
}

static double length2(const float *q, size_t d)
{
    double s = 0.0;

    for (size_t i = 0; i < d; i++) s += (double)q[i] * (double)q[i];
    return s;
}

static size_t padded(size_t len)
{
    return (len + 63) / 64 * 64;
}

size_t ki_prepare_bytes(const ki_codec *c, kith_metric m, size_t d)
{
    (void)c;
    (void)m;
    return padded(d * sizeof(float));
}

static void prepare_bits(ki_prepared *p)
{
    const bool hamming = p->metric == KITH_HAMMING;
    const ki_kernels *k = ki_kernels_get();
    const ki_op op = hamming ? KI_HAMMING : KI_ANDOR2;

    p->native = p->q;
    p->scan = k->scan[op][KI_BITS];
    p->gather = k->gather[op][KI_BITS];
    p->rule = hamming ? KI_RULE_INT_SUM : KI_RULE_INT_JACCARD;
}

/* False when no integer slot takes this query: then floats do. */
static bool prepare_integers(ki_prepared *p, void *scratch)
{
    const ki_type type = p->codec->type;
    const way w = way_of_integers(p->metric);
    const ki_kernels *k = ki_kernels_get();

    if ((type != KI_U8 && type != KI_I8) || w.op == KI_OPS) return false;
    if (!narrow(p->q, p->d, type, scratch)) return false;
    p->native = scratch;
    p->scan = k->scan[w.op][type];
    p->gather = k->gather[w.op][type];
    p->rule = w.rule;
    p->norm = length2(p->q, p->d);
    return true;
}

static void prepare_floats(ki_prepared *p, float *scratch)
{
    const float *q = p->q;
    const size_t d = p->d;
    const ki_type type = p->codec->type;
    const way w = way_of_floats(p->metric, p->arg);
    const ki_kernels *k = ki_kernels_get();
    const double length = sqrt(length2(q, d));

    p->native = q;
    p->rule = w.rule;
    p->gamma = ((double)d + (w.op == KI_CANBERRA ? 10.0 : 6.0)) * U;
    p->norm = length * (1.0 + 0x1p-30);
    if (w.op == KI_OPS) return;
    if (w.rule == KI_RULE_DOT && !(p->norm < 1e19)) p->rule = KI_RULE_CANON;
    if (w.rule == KI_RULE_COSINE) {
        for (size_t i = 0; i < d; i++)
            scratch[i] = length > 0.0 ? (float)((double)q[i] / length) : 0.0f;
        p->native = scratch;
    }
    if (type != KI_CODED && type != KI_U8 && type != KI_I8) {
        p->scan = k->scan[w.op][type];
        p->gather = k->gather[w.op][type];
    }
    if (!p->scan || !p->gather) {
        p->scan = k->scan[w.op][KI_F32];
        p->gather = NULL;
    }
}

void ki_prepare(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                void *scratch, ki_prepared *out)
{
    *out = (ki_prepared){.codec = c, .metric = m, .arg = arg, .d = d, .q = q};
    if (c->type == KI_BITS)
        prepare_bits(out);
    else if (!prepare_integers(out, scratch))
        prepare_floats(out, scratch);
}

bool ki_prepared_integer(const ki_prepared *p)
{
    return p->rule >= KI_RULE_INT_SUM && p->rule != KI_RULE_CANON;
}

/* ---- intervals ------------------------------------------------------------------------------- */

static float float_up(double v)
{
    float f;

    if (v > (double)FLT_MAX) return INFINITY;
    f = (float)v;
    return (double)f < v ? nextafterf(f, INFINITY) : f;
}

static float float_down(double v)
{
    return -float_up(-v);
}

/* lo and up carry some ulps of double from their own computation: 2^-50 covers them. */
static ki_scored bracket(double lo, double up, uint32_t pos)
{
    ki_scored s = {-DBL_MAX, INFINITY, pos};

    if (!(fabs(lo) <= 0x1p1000)) return s;
    s.lo = lo - fabs(lo) * 0x1p-50;
    if (fabs(up) <= 0x1p1000) s.wide = float_up(up - s.lo + (fabs(lo) + fabs(up)) * 0x1p-50);
    return s;
}

static double tiny_of(const ki_prepared *p)
{
    return (double)p->d * 0x1p-149;
}

static double normal_edge(const ki_prepared *p)
{
    return (double)p->d * 0x1p-125;
}

static ki_scored of_sum(const ki_prepared *p, double s, uint32_t pos)
{
    const double tiny = tiny_of(p), lo = (fmin(s, (double)FLT_MAX) - tiny) / (1.0 + p->gamma);

    return bracket(lo > 0.0 ? lo : 0.0, (s + tiny) / (1.0 - p->gamma), pos);
}

static ki_scored of_dot(const ki_prepared *p, double s, double n, uint32_t pos)
{
    const double tiny = tiny_of(p);
    const double e = p->gamma * p->norm * sqrt((n + tiny) / (1.0 - p->gamma)) + tiny;

    return bracket(-s - e, -s + e, pos);
}

static ki_scored of_cosine(const ki_prepared *p, double s, double n, uint32_t pos)
{
    const double c = -s / sqrt(n), e = 2.5 * p->gamma;

    if (!(n >= normal_edge(p) && n <= (double)FLT_MAX)) return (ki_scored){-DBL_MAX, INFINITY, pos};
    return bracket(c - e, c + e, pos);
}

static ki_scored of_ratio(const ki_prepared *p, double over, double under, double sign,
                          uint32_t pos)
{
    const double tiny = tiny_of(p), g = p->gamma;
    const double lo = fmax(over - tiny, 0.0) / (1.0 + g) / ((under + tiny) / (1.0 - g));
    const double up = (over + tiny) / (1.0 - g) / ((under - tiny) / (1.0 + g));

    if (!(under >= normal_edge(p) && under <= (double)FLT_MAX && over <= (double)FLT_MAX))
        return (ki_scored){-DBL_MAX, INFINITY, pos};
    return sign < 0.0 ? bracket(-up, -lo, pos) : bracket(lo, up, pos);
}

double ki_cosine_key(double dot, double q2, double x2)
{
    return q2 == 0.0 || x2 == 0.0 ? 0.0 : 0.0 - dot / sqrt(q2 * x2);
}

/* ---- filters: which rows of a block to look at closer ---------------------------------------- */

/* Appends to keep each i < n for which `test` holds. Whole steps are tested first, without branches
 * and past n (what lies there is initialised), because most steps have no row to keep. */
#define KEEP_IF(test)                                  \
    for (size_t b = 0; b < n; b += STEP) {             \
        int any = 0;                                   \
        for (size_t j = 0; j < STEP; j++) {            \
            const size_t i = b + j;                    \
            any |= (test);                             \
        }                                              \
        if (KI_LIKELY(!any)) continue;                 \
        for (size_t i = b; i < n && i < b + STEP; i++) \
            if (test) keep[kept++] = (uint16_t)i;      \
    }

/* K > tau whenever (s - tiny)/(1+gamma) > tau. */
static size_t keep_sums(const ki_prepared *p, const float *s, size_t n, double tau, uint16_t *keep)
{
    const float edge = float_up((tau * (1.0 + p->gamma) + tiny_of(p)) * (1.0 + 0x1p-50));
    size_t kept = 0;

    if (tau < 0.0) return 0;
    KEEP_IF(!(s[i] > edge))
    return kept;
}

/* The row goes when s < t - e, t = -tau: t - s = w > 0 and w^2 > e^2 = (gamma |q|)^2 (N + tiny)/(1
 * - gamma). Float costs w 1 u, w^2 2 u and 1 u, the right side 2 u: 16 u cover them; squares that
 * underflow keep their order, since rounding is monotone. tiny of the dot itself goes into t. */
static size_t keep_dots(const ki_prepared *p, const float *s, size_t n, double tau, uint16_t *keep)
{
    const double g = p->gamma * p->norm;
    const float t = float_down(-tau - 2.0 * tiny_of(p));
    const float e2 = float_up(g * g * (1.0 + 4.0 * p->gamma + 16.0 * U));
    const float tiny = float_up(tiny_of(p));
    size_t kept = 0;

    KEEP_IF(
        !((t - s[2 * i] > 0.0f) & ((t - s[2 * i]) * (t - s[2 * i]) > e2 * (s[2 * i + 1] + tiny))))
    return kept;
}

/* The row goes when s < t sqrt(N), t = (-tau - error) * scale: compared by squares and sign, each
 * rounded by 2 u at most, for which t gives way by 8 u. lo … FLT_MAX is where N can be trusted. */
#define KEEP_COSINES(S, N)                                                                   \
    const double given = t - 8.0 * U * fabs(t);                                              \
    const float t2 = given >= 0.0 ? float_down(given * given) : float_up(given * given);     \
    size_t kept = 0;                                                                         \
    if (given >= 0.0) {                                                                      \
        KEEP_IF(!(((N) >= lo) & ((N) <= FLT_MAX) & (((S) < 0.0f) | ((S) * (S) < t2 * (N))))) \
    } else {                                                                                 \
        KEEP_IF(!(((N) >= lo) & ((N) <= FLT_MAX) & ((S) < 0.0f) & ((S) * (S) > t2 * (N))))   \
    }                                                                                        \
    return kept;

static size_t keep_cosines(const float *s, size_t n, double t, float lo, uint16_t *keep)
{
    KEEP_COSINES(s[2 * i], s[2 * i + 1])
}

/* Integers cost an u more as floats; the exact keys decide afterwards. */
static size_t keep_int_cosines(const int32_t *s, size_t n, double t, uint16_t *keep)
{
    const float lo = 1.0f;

    KEEP_COSINES((float)s[2 * i], (float)s[2 * i + 1])
}

static size_t keep_all(size_t n, uint16_t *keep)
{
    for (size_t i = 0; i < n; i++) keep[i] = (uint16_t)i;
    return n;
}

static int32_t clamp_int(double v)
{
    return v <= INT32_MIN ? INT32_MIN : v >= INT32_MAX ? INT32_MAX : (int32_t)v;
}

static size_t keep_int_sums(const int32_t *s, size_t n, double tau, uint16_t *keep)
{
    const int32_t edge = clamp_int(floor(tau));
    size_t kept = 0;

    if (tau < 0.0) return 0;
    KEEP_IF(s[i] <= edge)
    return kept;
}

static size_t keep_int_dots(const int32_t *s, size_t n, double tau, uint16_t *keep)
{
    const int32_t edge = clamp_int(ceil(-tau));
    size_t kept = 0;

    KEEP_IF(s[i] >= edge)
    return kept;
}

/* ---- one block ------------------------------------------------------------------------------- */

typedef struct numbers {
    union {
        float f[2 * KI_SCORE_ROWS];
        int32_t i[2 * KI_SCORE_ROWS];
    };
    uint16_t keep[KI_SCORE_ROWS];
} numbers;

static size_t wide_rows(size_t d)
{
    const size_t n = WIDE_FLOATS / d;

    return n == 0 ? 1 : n > KI_SCORE_ROWS ? KI_SCORE_ROWS : n;
}

/* Numbers, then rows as f32: a piece of a block, or one row for its key. */
size_t ki_score_bytes(const ki_codec *c, kith_metric m, size_t d)
{
    const size_t rows = c->type == KI_F32 || c->type == KI_BITS ? 0 : wide_rows(d);

    (void)m;
    return sizeof(numbers) + padded(rows * d * sizeof(float));
}

static float *wide_of(void *work)
{
    return (float *)(void *)((unsigned char *)work + sizeof(numbers));
}

static void run_widened(const ki_prepared *p, float *wide, const unsigned char *rows, size_t stride,
                        const uint32_t *pos, size_t n, float *out)
{
    const size_t step = wide_rows(p->d), results = results_are_two(p->rule) ? 2 : 1;

    for (size_t at = 0; at < n; at += step) {
        const size_t m = n - at < step ? n - at : step;
        if (pos)
            for (size_t i = 0; i < m; i++)
                ki_codec_decode(p->codec, rows + pos[at + i] * stride, stride, 1, p->d,
                                wide + i * p->d);
        else
            ki_codec_decode(p->codec, rows + at * stride, stride, m, p->d, wide);
        p->scan(p->native, wide, p->d * sizeof(float), m, p->d, out + at * results);
    }
}

static void run(const ki_prepared *p, void *work, const void *rows, size_t stride,
                const uint32_t *pos, size_t n)
{
    float *out = ((numbers *)work)->f;
    const size_t end = (n + STEP - 1) / STEP * STEP;

    if (end > n) { // filters look at whole steps
        memset(out + n, 0, (end - n) * sizeof(float));
        memset(out + 2 * n, 0, 2 * (end - n) * sizeof(float));
    }
    if (!p->gather)
        run_widened(p, wide_of(work), rows, stride, pos, n, out);
    else if (pos)
        p->gather(p->native, rows, stride, pos, n, p->d, out);
    else
        p->scan(p->native, rows, stride, n, p->d, out);
}

static size_t filter(const ki_prepared *p, const numbers *x, size_t n, double tau, uint16_t *keep)
{
    switch (p->rule) {
    case KI_RULE_SUM: return keep_sums(p, x->f, n, tau, keep);
    case KI_RULE_DOT: return keep_dots(p, x->f, n, tau, keep);
    case KI_RULE_COSINE:
        return keep_cosines(x->f, n, -tau - 2.5 * p->gamma, float_up(normal_edge(p)), keep);
    case KI_RULE_INT_SUM: return keep_int_sums(x->i, n, tau, keep);
    case KI_RULE_INT_DOT: return keep_int_dots(x->i, n, tau, keep);
    case KI_RULE_INT_COSINE:
        return keep_int_cosines(x->i, n, (-tau - 8.0 * U) * sqrt(p->norm), keep);
    case KI_RULE_BRAY:
    case KI_RULE_JACCARD:
    case KI_RULE_INT_JACCARD:
    case KI_RULE_CANON: break;
    }
    return keep_all(n, keep);
}

static ki_scored interval(const ki_prepared *p, const numbers *x, size_t i, uint32_t pos)
{
    const float *f = x->f;
    const int32_t *v = x->i;

    switch (p->rule) {
    case KI_RULE_SUM: return of_sum(p, (double)f[i], pos);
    case KI_RULE_DOT: return of_dot(p, (double)f[2 * i], (double)f[2 * i + 1], pos);
    case KI_RULE_COSINE: return of_cosine(p, (double)f[2 * i], (double)f[2 * i + 1], pos);
    case KI_RULE_BRAY: return of_ratio(p, (double)f[2 * i], (double)f[2 * i + 1], 1.0, pos);
    case KI_RULE_JACCARD: return of_ratio(p, (double)f[2 * i], (double)f[2 * i + 1], -1.0, pos);
    case KI_RULE_INT_SUM: return (ki_scored){(double)v[i], 0.0f, pos};
    case KI_RULE_INT_DOT: return (ki_scored){0.0 - (double)v[i], 0.0f, pos};
    case KI_RULE_INT_COSINE:
        return (ki_scored){ki_cosine_key((double)v[2 * i], p->norm, (double)v[2 * i + 1]), 0.0f,
                           pos};
    case KI_RULE_INT_JACCARD:
        return (ki_scored){v[2 * i + 1] ? 0.0 - (double)v[2 * i] / (double)v[2 * i + 1] : -1.0,
                           0.0f, pos};
    case KI_RULE_CANON: break;
    }
    return (ki_scored){-DBL_MAX, INFINITY, pos};
}

/* No slot: the definition for each row. */
static size_t score_canon(const ki_prepared *p, void *work, const unsigned char *rows,
                          size_t stride, const uint32_t *pos, uint32_t first, size_t n, double tau,
                          ki_scored *out)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t row = pos ? pos[i] : i;
        const double key =
            ki_codec_key(p->codec, p->metric, p->arg, p->d, p->q, rows + row * stride, work);
        if (key <= tau) out[m++] = (ki_scored){key, 0.0f, first + (uint32_t)row};
    }
    return m;
}

size_t ki_score(const ki_prepared *p, void *work, const void *rows, size_t stride,
                const uint32_t *pos, uint32_t first, size_t n, double tau, ki_scored *out)
{
    uint16_t *keep = ((numbers *)work)->keep;
    size_t kept, m = 0;

    ki_assert(n <= KI_SCORE_ROWS);
    if (p->rule == KI_RULE_CANON)
        return score_canon(p, work, rows, stride, pos, first, n, tau, out);
    run(p, work, rows, stride, pos, n);
    kept = filter(p, work, n, tau, keep);
    for (size_t j = 0; j < kept; j++) {
        const size_t i = keep[j];
        const ki_scored s = interval(p, work, i, first + (pos ? pos[i] : (uint32_t)i));
        if (s.lo <= tau) out[m++] = s;
    }
    return m;
}

/* ---- keys ------------------------------------------------------------------------------------ */

double ki_codec_key(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                    const void *row, void *work)
{
    float *wide = wide_of(work);

    if (c->type == KI_BITS) return ki_canon_bits(m, q, row, d);
    if (c->type == KI_F32) return ki_canon_f32(m, arg, q, row, d);
    ki_codec_decode(c, row, c->row_bytes(d), 1, d, wide);
    return ki_canon_f32(m, arg, q, wide, d);
}

enum { ABREAST = 4 }; /* an addition waits for the one before it: four sums hide that */

static double at(const unsigned char *row, size_t i)
{
    float v;
    memcpy(&v, row + i * sizeof v, sizeof v);
    return (double)v;
}

static void keys_l2(const float *q, const void *const *rows, size_t d, double key[ABREAST])
{
    const unsigned char *const x0 = rows[0], *const x1 = rows[1], *const x2 = rows[2],
                               *const x3 = rows[3];
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;

    for (size_t i = 0; i < d; i++) {
        const double a = (double)q[i];
        const double t0 = a - at(x0, i), t1 = a - at(x1, i), t2 = a - at(x2, i), t3 = a - at(x3, i);
        s0 += t0 * t0;
        s1 += t1 * t1;
        s2 += t2 * t2;
        s3 += t3 * t3;
    }
    key[0] = s0;
    key[1] = s1;
    key[2] = s2;
    key[3] = s3;
}

static void keys_ip(const float *q, const void *const *rows, size_t d, double key[ABREAST])
{
    const unsigned char *const x0 = rows[0], *const x1 = rows[1], *const x2 = rows[2],
                               *const x3 = rows[3];
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;

    for (size_t i = 0; i < d; i++) {
        const double a = (double)q[i];
        s0 += a * at(x0, i);
        s1 += a * at(x1, i);
        s2 += a * at(x2, i);
        s3 += a * at(x3, i);
    }
    key[0] = 0.0 - s0;
    key[1] = 0.0 - s1;
    key[2] = 0.0 - s2;
    key[3] = 0.0 - s3;
}

/* A query of integers that rows of bytes could be: its bytes. */
static bool as_bytes(ki_type type, const float *q, size_t d, uint8_t *out)
{
    const float lo = type == KI_U8 ? 0.0f : -128.0f, hi = type == KI_U8 ? 255.0f : 127.0f;

    if (ki_kernels_get()->find_noninteger(q, d, lo, hi) < d) return false;
    for (size_t i = 0; i < d; i++) out[i] = (uint8_t)(int)q[i];
    return true;
}

/* Sums of integers are exact in any order. */
static void keys_of_bytes(const ki_codec *c, kith_metric m, size_t d, const uint8_t *q,
                          const void *const *rows, size_t n, double *key)
{
    enum { BATCH = 16 };
    ki_visit *const visit = ki_kernels_get()->visit[m == KITH_L2 ? KI_L2 : KI_IP][c->type];
    int32_t sum[BATCH];

    for (size_t at = 0; at < n; at += BATCH) {
        const size_t some = n - at < BATCH ? n - at : BATCH;

        visit(q, rows + at, NULL, some, d, sum);
        for (size_t i = 0; i < some; i++)
            key[at + i] = (double)(m == KITH_L2 ? sum[i] : -sum[i]); // no 0 with a sign
    }
}

void ki_codec_keys(const ki_codec *c, kith_metric m, double arg, size_t d, const void *q,
                   const void *const *rows, size_t n, void *work, double *key)
{
    const bool sums = m == KITH_L2 || m == KITH_IP;
    uint8_t *const bytes = (uint8_t *)wide_of(work);
    size_t i = 0;

    if (sums && n > 0 && (c->type == KI_U8 || c->type == KI_I8) && as_bytes(c->type, q, d, bytes)) {
        keys_of_bytes(c, m, d, bytes, rows, n, key);
        return;
    }
    if (c->type == KI_F32 && sums)
        for (; i + ABREAST <= n; i += ABREAST)
            (m == KITH_L2 ? keys_l2 : keys_ip)(q, rows + i, d, key + i);
    for (; i < n; i++) key[i] = ki_codec_key(c, m, arg, d, q, rows[i], work);
}
