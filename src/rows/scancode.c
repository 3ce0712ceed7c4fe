/* The scan code: how it is made and what it proves (scancode.h).
 *
 * All in double, in index order, without fused operations, so that the same rows give the same bytes
 * everywhere. A row is y' = y - centre (COSINE: y/|y| - centre); its scale is max|y'| / 127; its error
 * is the length of y' - scale*(code-128), computed, plus what the computing can have lost: each y'_j
 * is within 2^-53 |y'_j| of the real one (COSINE: (d+8) 2^-53 |y_j|/|y| more, for the length and the
 * quotient), scale*(code-128) is exact (24 + 8 bits), the subtraction rounds by 2^-53 once more and the
 * sum of squares by (d+2) 2^-53: (d+16) 2^-52 of each length involved covers it all. */
#include "rows/scancode.h"

#include <float.h>
#include <math.h>

#define CODE_MAX 127.0

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

/* Nearest integer, ties to even, for |v| < 2^51: the addition rounds. */
static double nearest(double v)
{
    return (v + 0x1.8p52) - 0x1.8p52;
}

/* The error that covers a computed residual: of its square, of max|y'| and of |y| (COSINE: 1). */
static double covered(kith_metric m, size_t d, double residual2, double most)
{
    const double lost = ((double)d + 16.0) * 0x1p-52;
    const double lengths = sqrt((double)d) * most + (m == KITH_COSINE ? 1.0 : 0.0);

    return sqrt(residual2) * (1.0 + lost) + lost * lengths;
}

static void encode_row(kith_metric m, const float *row, size_t d, const float *centre,
                       uint8_t *code, float *scale, float *error, float *half_norm)
{
    const double factor = row_factor(m, row, d);
    double most = 0.0, inverse = 0.0, s, residual2 = 0.0, norm2 = 0.0;

    for (size_t j = 0; j < d; j++) {
        const double y = fabs(shifted(row, centre, factor, j));
        if (y > most) most = y;
    }
    *scale = (float)(most / CODE_MAX);
    if (*scale < FLT_MIN) *scale = 0.0f; // denormals are too coarse a unit to count in
    s = (double)*scale;
    if (s > 0.0) inverse = 1.0 / s;
    for (size_t j = 0; j < d; j++) {
        const double y = shifted(row, centre, factor, j);
        double v = nearest(y * inverse), r;
        v = v > CODE_MAX ? CODE_MAX : v < -CODE_MAX ? -CODE_MAX : v;
        r = y - s * v;
        residual2 += r * r;
        norm2 += v * v;
        code[j] = (uint8_t)(int)(v + 128.0);
    }
    s = 0.5 * s * s * norm2;
    *half_norm = s <= (double)FLT_MAX ? (float)s : INFINITY;
    *error = float_up(covered(m, d, residual2, most));
}

void ki_scancode_encode(kith_metric m, const float *rows, size_t n, size_t d, const float *centre,
                        uint8_t *codes, float *scale, float *error, float *half_norm)
{
    for (size_t i = 0; i < n; i++)
        encode_row(m, rows + i * d, d, centre, codes + i * d, &scale[i], &error[i], &half_norm[i]);
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
    if (half_norm != (norm2 <= (double)FLT_MAX ? (float)norm2 : INFINITY)) return false;
    return (double)error >= covered(m, d, residual2, most);
}
