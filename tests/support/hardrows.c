/* Rows that are hard on bounds (hardrows.h): pure functions of a seed. */
#include "support/hardrows.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

const char *hard_name(hard_kind kind)
{
    static const char *const names[HARD_KINDS] = {"random", "repeated", "offset", "denormal",
                                                  "constant", "zero", "huge", "scales", "outliers"};
    return kind < HARD_KINDS ? names[kind] : "?";
}

/* Roughly normal. */
static double noise(uint64_t seed, uint64_t at)
{
    double s = 0;

    for (uint64_t i = 0; i < 4; i++) s += (double)ki_random_f32(seed, KI_RNG_TEST, 4 * at + i);
    return (s - 2) * 1.7;
}

static double value(hard_kind kind, uint64_t seed, size_t i, size_t j, size_t d)
{
    const double v = noise(seed, i * d + j);

    switch (kind) {
    case HARD_REPEATED: return noise(seed, i % 5 * d + j);
    case HARD_OFFSET: return 1e6 + v * (double)(1 << i % 7);
    case HARD_DENORMAL: return v * 1e-42;
    case HARD_CONSTANT: return 7.25;
    case HARD_ZERO: return 0;
    case HARD_HUGE: return (v > 0 ? 1 : -1) * (3.4e38 - fabs(v) * 1e36);
    case HARD_SCALES: return ldexp(v, (int)(i % 41) * 4 - 80);
    case HARD_OUTLIERS: return i % 97 == 0 ? v * 1e15 : v;
    case HARD_RANDOM:
    case HARD_KINDS: break;
    }
    return v;
}

/* Integers: bytes whose lengths differ, or the kinds that make sense of them. */
static double whole_value(hard_kind kind, uint64_t seed, size_t i, size_t j, size_t d, double lo,
                          double hi)
{
    const size_t row = kind == HARD_REPEATED ? i % 5 : i;
    const double v = (double)ki_random_f32(seed, KI_RNG_TEST, row * d + j);

    if (kind == HARD_ZERO) return 0;
    if (kind == HARD_CONSTANT) return hi;
    if (kind == HARD_OUTLIERS) return i % 97 == 0 ? (j % 2 ? lo : hi) : floor(v * 2);
    return floor(lo + (kind == HARD_SCALES ? v * v * v * v : v) * (hi - lo + 0.999));
}

static float held(const ki_codec *c, kith_metric m, double v)
{
    const double most = c->type == KI_F16 ? 65000 : c->type == KI_BF16 ? 3.3e38 : 3.402e38;

    if (ki_metric_of(m)->nonnegative) v = fabs(v);
    return (float)(v > most ? most : v < -most ? -most : v);
}

static bool integers(const ki_codec *c, kith_metric m, double *lo, double *hi)
{
    *lo = c->type == KI_I8 && !ki_metric_of(m)->nonnegative ? -128 : 0;
    *hi = c->type == KI_U8 ? 255 : c->type == KI_I8 ? 127 : 1;
    return c->type == KI_U8 || c->type == KI_I8 || c->type == KI_BITS;
}

void hard_rows(hard_kind kind, const ki_codec *c, kith_metric m, uint64_t seed, size_t n, size_t d,
               float *x)
{
    double lo, hi;
    const bool whole = integers(c, m, &lo, &hi);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            x[i * d + j] = whole ? (float)whole_value(kind, seed, i, j, d, lo, hi)
                                 : held(c, m, value(kind, seed, i, j, d));
}

void hard_queries(hard_kind kind, const ki_codec *c, kith_metric m, uint64_t seed, const float *x,
                  size_t n, size_t nq, size_t d, bool whole, float *q)
{
    double lo, hi;

    if (whole || c->type == KI_BITS || !integers(c, m, &lo, &hi))
        hard_rows(kind, c, m, seed, nq, d, q);
    else
        for (size_t i = 0; i < nq; i++)
            for (size_t j = 0; j < d; j++)
                q[i * d + j] = held(c, m, value(kind, seed, i, j, d) * 50);
    for (size_t i = 0; n && i < nq; i += 3)
        memcpy(q + i * d, x + ki_random_below(seed, KI_RNG_SAMPLE, i, (uint32_t)n) * d,
               d * sizeof *q);
}
