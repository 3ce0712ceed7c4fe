/* Principal components by subspace iteration: see principal.h. Loops run over components side by
 * side, each summed in one order, so that vectors of any width give the same bits. */
#include "cluster/principal.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

enum {
    ROUNDS = 4,   /* of the iteration */
    TOGETHER = 8, /* directions that share a pass over the matrix */
    STRETCH = 512 /* of its columns, which stay in the near cache */
};

/* What is this much shorter than it was before the others were taken out is what rounding left. */
static const double NOTHING = 1e-5;

kith_status ki_covariance(ki_env *env, ki_type type, const void *const *rows, size_t m, size_t d,
                          float *cov)
{
    const uint8_t flip = type == KI_U8 ? 0x80 : 0; // less 128: then they are I8
    ki_scan *const products = ki_kernels_get()->scan[KI_IP][KI_I8];
    kith_status st = KITH_OK;
    double *sum = NULL;
    int32_t *product = NULL;
    uint8_t *column = ki_array(env, d, m);

    KI_NEED(column);
    sum = ki_zeros(env, d, sizeof *sum);
    KI_NEED(sum);
    product = ki_array(env, d, sizeof *product);
    KI_NEED(product);
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < d; i++) {
            const uint8_t x = ((const uint8_t *)rows[j])[i] ^ flip;

            column[i * m + j] = x;
            sum[i] += (int8_t)x;
        }
    for (size_t i = 0; i < d; i++) {
        products(column + i * m, column + i * m, m, d - i, m, product);
        for (size_t j = i; j < d; j++) {
            const double both = product[j - i] - sum[i] * sum[j] / (double)m;

            cov[i * d + j] = cov[j * d + i] = (float)(both / (double)m);
        }
    }
out:
    ki_release(env, column, d, m);
    ki_release(env, sum, d, sizeof *sum);
    ki_release(env, product, d, sizeof *product);
    return st;
}

/* out [r][d] = q [r][d] times cov. */
static void multiply(const float *cov, size_t d, const float *q, size_t r, float *out)
{
    memset(out, 0, r * d * sizeof *out);
    for (size_t at = 0; at < d; at += STRETCH)
        for (size_t i = 0; i < r; i += TOGETHER) {
            const size_t some = r - i < TOGETHER ? r - i : TOGETHER;
            const size_t n = d - at < STRETCH ? d - at : STRETCH;

            for (size_t k = 0; k < d; k++)
                for (size_t j = i; j < i + some; j++) {
                    const float by = q[j * d + k], *restrict from = cov + k * d + at;
                    float *restrict to = out + j * d + at;

                    for (size_t c = 0; c < n; c++) to[c] += by * from[c];
                }
        }
}

static double dot(const float *a, const float *b, size_t d)
{
    enum { SUMS = 8 }; // of their own, so that none waits for the one before
    double sum[SUMS] = {0.0}, all = 0.0;
    size_t i = 0;

    for (; i + SUMS <= d; i += SUMS)
        for (size_t j = 0; j < SUMS; j++) sum[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < d; i++) sum[0] += (double)a[i] * (double)b[i];
    for (size_t j = 0; j < SUMS; j++) all += sum[j];
    return all;
}

/* Gram and Schmidt, one after the other. */
static void straighten(float *q, size_t r, size_t d)
{
    for (size_t i = 0; i < r; i++) {
        float *x = q + i * d;
        const double before = sqrt(dot(x, x, d));
        double length;

        for (size_t j = 0; j < i; j++) {
            const float *y = q + j * d;
            const float by = (float)dot(x, y, d);

            for (size_t c = 0; c < d; c++) x[c] -= by * y[c];
        }
        length = sqrt(dot(x, x, d));
        if (!(length > NOTHING * before)) length = INFINITY;
        for (size_t c = 0; c < d; c++) x[c] = (float)((double)x[c] / length);
    }
}

kith_status ki_principal(ki_env *env, const float *cov, size_t d, size_t r, uint64_t seed,
                         float *out)
{
    kith_status st = KITH_OK;
    float *next = ki_array(env, r * d, sizeof *next);

    KI_NEED(next);
    for (size_t i = 0; i < r * d; i++)
        out[i] = ki_random_f32(seed, KI_RNG_PRINCIPAL, i) - 0.5f;
    for (size_t round = 0; round < ROUNDS; round++) {
        multiply(cov, d, out, r, next);
        straighten(next, r, d);
        memcpy(out, next, r * d * sizeof *out);
    }
out:
    ki_release(env, next, r * d, sizeof *next);
    return st;
}
