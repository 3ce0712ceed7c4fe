/* Codecs that have learned (learned.h), from an array and the memory of the process. */
#include "support/learned.h"

#include <string.h>

#include "support/harness.h"

typedef struct matrix {
    const float *x;
    size_t d;
} matrix;

static void take(const void *ctx, size_t first, size_t n, float *out)
{
    const matrix *m = ctx;

    memcpy(out, m->x + first * m->d, n * m->d * sizeof *out);
}

const ki_codec *learned(const ki_codec *c, kith_metric m, const float *x, size_t n, size_t d,
                        const double *params)
{
    static ki_env env;
    const matrix rows = {x, d};
    const ki_lesson lesson = {n, d, m, take, &rows, NULL};
    double presets[KI_CODEC_PARAMS];
    const ki_codec *out;

    if (!c->learn) return c;
    must(ki_env_init(&env, NULL));
    ki_param_presets(&c->params, presets);
    must(c->learn(c, &env, &lesson, params ? params : presets, &out));
    return out;
}
