/* The metrics' definition: canonical keys in double, summed in index order, no fused operation.
 * Every answer of the library comes from here or is proven equal to what would.
 *
 * Differences, products and squares of floats are exact or nearly so in double, so the only freedom
 * is the order of the additions: that is why the loops are plain and this file is never compiled
 * with -ffast-math or contraction. Squares of the smallest and largest floats stay within double's
 * range, and so do the products of two sums of them.
 */
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

#include "base/compiler.h"

static double at(const void *row, size_t i)
{
    float v;
    memcpy(&v, (const unsigned char *)row + i * sizeof v, sizeof v);
    return (double)v;
}

/* sum += term for each pair of components a, b. */
#define SUM(sum, term)                                                                             \
    for (size_t i = 0; i < d; i++) {                                                               \
        const double a = at(q, i), b = at(x, i);                                                   \
        (sum) += (term);                                                                           \
    }

/* 0/0 is `none`. */
static double ratio(double over, double under, double none)
{
    return over == 0.0 && under == 0.0 ? none : over / under;
}

static double l2(const void *q, const void *x, size_t d)
{
    double s = 0.0;
    SUM(s, (a - b) * (a - b))
    return s;
}

static double ip(const void *q, const void *x, size_t d)
{
    double s = 0.0;
    SUM(s, a * b)
    return 0.0 - s;
}

static double cosine(const void *q, const void *x, size_t d)
{
    double dot = 0.0, nq = 0.0, nx = 0.0;
    for (size_t i = 0; i < d; i++) {
        const double a = at(q, i), b = at(x, i);
        dot += a * b;
        nq += a * a;
        nx += b * b;
    }
    return nq == 0.0 || nx == 0.0 ? 0.0 : 0.0 - dot / sqrt(nq * nx);
}

static double l1(const void *q, const void *x, size_t d)
{
    double s = 0.0;
    SUM(s, fabs(a - b))
    return s;
}

static double linf(const void *q, const void *x, size_t d)
{
    double s = 0.0;
    for (size_t i = 0; i < d; i++) {
        const double t = fabs(at(q, i) - at(x, i));
        if (t > s) s = t;
    }
    return s;
}

static double lp(double p, const void *q, const void *x, size_t d)
{
    double s = 0.0;
    SUM(s, pow(fabs(a - b), p))
    return s;
}

static double canberra(const void *q, const void *x, size_t d)
{
    double s = 0.0;
    SUM(s, ratio(fabs(a - b), fabs(a) + fabs(b), 0.0))
    return s;
}

static double bray_curtis(const void *q, const void *x, size_t d)
{
    double over = 0.0, under = 0.0;
    SUM(over, fabs(a - b))
    SUM(under, fabs(a + b))
    return ratio(over, under, 0.0);
}

/* x ln(2x / (x+y)), 0 for x = 0. */
static double entropy_term(double x, double y)
{
    return x == 0.0 ? 0.0 : x * log(2.0 * x / (x + y));
}

/* Never negative: floats that differ do so by 2^-24 of themselves or more, which is worth 2^-50,
 * and the rounding of the logarithms less. */
static double jensen_shannon(const void *q, const void *x, size_t d)
{
    double s = 0.0;
    SUM(s, entropy_term(a, b) + entropy_term(b, a))
    return 0.5 * s;
}

static double jaccard(const void *q, const void *x, size_t d)
{
    double both = 0.0, either = 0.0;
    SUM(both, a < b ? a : b)
    SUM(either, a < b ? b : a)
    return 0.0 - ratio(both, either, 1.0);
}

double ki_canon_f32(kith_metric m, double arg, const void *q, const void *x, size_t d)
{
    switch (m) {
    case KITH_L2: return l2(q, x, d);
    case KITH_IP: return ip(q, x, d);
    case KITH_COSINE: return cosine(q, x, d);
    case KITH_L1: return l1(q, x, d);
    case KITH_LINF: return linf(q, x, d);
    case KITH_LP: return lp(arg, q, x, d);
    case KITH_CANBERRA: return canberra(q, x, d);
    case KITH_BRAY_CURTIS: return bray_curtis(q, x, d);
    case KITH_JENSEN_SHANNON: return jensen_shannon(q, x, d);
    case KITH_JACCARD: return jaccard(q, x, d);
    case KITH_HAMMING: break; // is defined on bits only
    }
    return (double)NAN;
}

double ki_canon_bits(kith_metric m, const void *q, const void *x, size_t d)
{
    const size_t len = (d + 7) / 8;
    uint64_t a, b, differ = 0, both = 0, either = 0;

    for (size_t i = 0; i < len; i += sizeof a) {
        const size_t part = len - i < sizeof a ? len - i : sizeof a;
        a = b = 0;
        memcpy(&a, (const unsigned char *)q + i, part);
        memcpy(&b, (const unsigned char *)x + i, part);
        differ += KI_POPCOUNT64(a ^ b);
        both += KI_POPCOUNT64(a & b);
        either += KI_POPCOUNT64(a | b);
    }
    if (m == KITH_HAMMING) return (double)differ;
    return m == KITH_JACCARD ? 0.0 - ratio((double)both, (double)either, 1.0) : (double)NAN;
}
