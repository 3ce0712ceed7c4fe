/* Six bits a component: see six.h. */
#include "navigate/graph/six.h"

#include <string.h>

#include "base/rng.h"

enum {
    PROBES = 128,
    SAMPLE = 1024,
    /* Each difference is off by 1/6 in the square, so that of a squared distance s about
     * sqrt(2 s / 3): less than 3 % from here on. */
    NEAREST_LEAST = 1000
};

size_t ki_six_bytes(const ki_lens *l)
{
    return (l->bytes + KI_PANEL - 1) / KI_PANEL * KI_PANEL;
}

void ki_six_row(const ki_lens *l, const uint8_t *code, uint8_t *out)
{
    const uint64_t flip = l->type == KI_I8 ? UINT64_C(0x8080808080808080) : 0;
    uint64_t eight;
    size_t i = 0;

    for (; i + sizeof eight <= l->bytes; i += sizeof eight) {
        memcpy(&eight, code + i, sizeof eight);
        eight = (eight ^ flip) >> 2 & UINT64_C(0x3f3f3f3f3f3f3f3f);
        memcpy(out + i, &eight, sizeof eight);
    }
    for (; i < l->bytes; i++) out[i] = (code[i] ^ (uint8_t)flip) >> 2;
    memset(out + l->bytes, 0, ki_six_bytes(l) - l->bytes);
}

kith_status ki_six_fits(ki_env *env, const ki_graph *g, const uint32_t *pos, size_t n,
                        uint64_t seed, bool *out)
{
    const size_t bytes = ki_six_bytes(g->lens), m = n < SAMPLE ? n : SAMPLE;
    const size_t probes = m < PROBES ? m : PROBES;
    uint32_t count[KI_PANEL], close = 0;
    ki_near near[KI_PANEL];
    kith_status st = KITH_OK;
    ki_nearest x = {0};

    KI_TRY(ki_nearest_init(&x, env, KI_U8, true, bytes, m));
    for (size_t i = 0; i < m; i++) {
        const size_t from = i * n / m, to = (i + 1) * n / m; // one of each stretch, none twice
        const size_t at = from + ki_random_below(seed, KI_RNG_SAMPLE, i, (uint32_t)(to - from));

        ki_six_row(g->lens, ki_graph_code(g, pos[at]), x.rows + i * bytes);
    }
    ki_nearest_block(&x, m);
    for (size_t q = 0; q < probes; q += KI_PANEL) {
        const size_t nq = probes - q < KI_PANEL ? probes - q : KI_PANEL;

        ki_nearest_find(&x, x.rows + q * bytes, nq, 1, (uint32_t)q, near, count);
        for (size_t i = 0; i < nq; i++) close += count[i] == 0 || near[i].dist < NEAREST_LEAST;
    }
    *out = close <= probes / 4;
out:
    ki_nearest_deinit(&x);
    return st;
}
