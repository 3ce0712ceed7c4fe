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

typedef struct covarying {
    ki_env *env;
    const uint8_t *column; /* [d][m], as I8 */
    const double *sum;     /* [d] */
    size_t m, d;
    ki_progress *progress;
    float *cov;
} covarying;

static kith_status covary(void *arg, size_t i)
{
    const covarying *x = arg;
    const size_t m = x->m, d = x->d;
    const uint8_t *column = x->column + i * m;
    kith_status st = KITH_OK;
    int32_t *product = ki_array(x->env, d - i, sizeof *product);

    KI_NEED(product);
    ki_kernels_get()->scan[KI_IP][KI_I8](column, column, m, d - i, m, product);
    for (size_t j = i; j < d; j++) {
        const double both = product[j - i] - x->sum[i] * x->sum[j] / (double)m;

        x->cov[i * d + j] = x->cov[j * d + i] = (float)(both / (double)m);
    }
    KI_TRY(ki_progress_add(x->progress, 0));
out:
    ki_release(x->env, product, d - i, sizeof *product);
    return st;
}

kith_status ki_covariance(ki_env *env, ki_type type, const void *const *rows, size_t m, size_t d,
                          size_t threads, ki_progress *p, float *cov)
{
    const uint8_t flip = type == KI_U8 ? 0x80 : 0; // less 128: then they are I8
    kith_status st = KITH_OK;
    double *sum = NULL;
    uint8_t *column = ki_array(env, d, m);

    KI_NEED(column);
    sum = ki_zeros(env, d, sizeof *sum);
    KI_NEED(sum);
    for (size_t j = 0; j < m; j++)
        for (size_t i = 0; i < d; i++) {
            const uint8_t x = ((const uint8_t *)rows[j])[i] ^ flip;

            column[i * m + j] = x;
            sum[i] += (int8_t)x;
        }
    KI_TRY(ki_parallel(env, threads, d, covary, &(covarying){env, column, sum, m, d, p, cov}));
out:
    ki_release(env, column, d, m);
    ki_release(env, sum, d, sizeof *sum);
    return st;
}

typedef struct multiplying {
    const float *cov, *q; /* [d][d], [r][d] */
    size_t d, r;
    ki_progress *progress;
    float *out; /* [r][d] */
} multiplying;

/* Some directions times the matrix. */
static kith_status multiply(void *arg, size_t piece)
{
    const multiplying *x = arg;
    const size_t d = x->d, i = piece * TOGETHER, end = i + TOGETHER < x->r ? i + TOGETHER : x->r;

    memset(x->out + i * d, 0, (end - i) * d * sizeof *x->out);
    for (size_t at = 0; at < d; at += STRETCH) {
        const size_t n = d - at < STRETCH ? d - at : STRETCH;

        for (size_t k = 0; k < d; k++)
            for (size_t j = i; j < end; j++) {
                const float by = x->q[j * d + k], *restrict from = x->cov + k * d + at;
                float *restrict to = x->out + j * d + at;

                for (size_t c = 0; c < n; c++) to[c] += by * from[c];
            }
    }
    return ki_progress_add(x->progress, 0);
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
static kith_status straighten(float *q, size_t r, size_t d, ki_progress *p)
{
    kith_status st = KITH_OK;

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
        if (i % TOGETHER == 0) KI_TRY(ki_progress_add(p, 0));
    }
out:
    return st;
}

kith_status ki_principal(ki_env *env, const float *cov, size_t d, size_t r, uint64_t seed,
                         size_t threads, ki_progress *p, float *out)
{
    kith_status st = KITH_OK;
    float *next = ki_array(env, r * d, sizeof *next);

    KI_NEED(next);
    for (size_t i = 0; i < r * d; i++) out[i] = ki_random_f32(seed, KI_RNG_PRINCIPAL, i) - 0.5f;
    for (size_t round = 0; round < ROUNDS; round++) {
        KI_TRY(ki_parallel(env, threads, (r + TOGETHER - 1) / TOGETHER, multiply,
                           &(multiplying){cov, out, d, r, p, next}));
        KI_TRY(straighten(next, r, d, p));
        memcpy(out, next, r * d * sizeof *out);
    }
out:
    ki_release(env, next, r * d, sizeof *next);
    return st;
}
