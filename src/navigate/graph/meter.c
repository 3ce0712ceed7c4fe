/* Measuring: see meter.h. */
#include "navigate/graph/meter.h"

#include <float.h>
#include <string.h>

/* ---- life ------------------------------------------------------------------------------------ */

void ki_meter_deinit(ki_meter *m)
{
    if (!m->env) return;
    ki_release(m->env, m->room, m->room_len, sizeof *m->room);
    ki_release(m->env, m->work, 1, m->work_len);
    ki_release(m->env, m->codes, m->codes_len, 1);
    *m = (ki_meter){0};
}

/* What stands for the 16 halves in the 7 bits that are left of a code's 8. */
static void set_levels(ki_grid4 *grid)
{
    for (size_t h = 0; h < 16; h++) grid->level[h] = (uint8_t)(8 * h + 4);
}

static kith_status need_codes(ki_meter *m)
{
    const size_t len = (2 + KI_METER_BATCH) * m->g->lens->wide;
    kith_status st = KITH_OK;

    if (m->codes_len >= len) return KITH_OK;
    ki_release(m->env, m->codes, m->codes_len, 1);
    m->codes_len = 0;
    m->codes = ki_array(m->env, len, 1);
    KI_NEED(m->codes);
    m->codes_len = len;
out:
    return st;
}

kith_status ki_meter_init(ki_meter *m, ki_env *env, const ki_view *v, const ki_graph *g)
{
    const size_t work = ki_score_bytes(v->codec, v->metric, v->d);
    kith_status st = KITH_OK;

    m->env = env;
    m->g = g;
    m->v = v;
    if (g->lens->halved) {
        m->visit = ki_kernels_get()->visit[KI_GRID4][KI_U8];
        m->closer = ki_kernels_get()->visit[KI_L2][KI_U8];
        set_levels(&m->grid);
        return need_codes(m);
    }
    if (g->lens->kind != KI_LENS_ROWS) {
        m->visit = ki_kernels_get()->visit[KI_L2][g->lens->type];
        if (g->lens->kind == KI_LENS_SHORT)
            m->closer = ki_kernels_get()->visit[KI_L2][g->lens->rows];
        return KITH_OK;
    }
    if (m->room_len < v->d) {
        ki_release(env, m->room, m->room_len, sizeof *m->room);
        m->room_len = 0;
        m->room = ki_array(env, v->d, sizeof *m->room);
        KI_NEED(m->room);
        m->room_len = v->d;
    }
    if (m->work_len < work) {
        ki_release(env, m->work, 1, m->work_len);
        m->work_len = 0;
        m->work = ki_array(env, 1, work);
        KI_NEED(m->work);
        m->work_len = work;
    }
out:
    return st;
}

/* ---- what is looked for ---------------------------------------------------------------------- */

/* Seven bits of each component: more would not fit the kernel, nor tell more apart by halves. */
static void look_for(ki_meter *m, const uint8_t *code)
{
    const size_t wide = m->g->lens->wide;
    uint8_t *seven = m->codes;

    for (size_t i = 0; i < wide; i++) seven[i] = code[i] >> 1;
    m->code = code;
    m->grid.low = seven;
    m->grid.high = seven + m->g->lens->bytes;
    m->query = &m->grid;
}

void ki_meter_query(ki_meter *m, const void *query)
{
    m->query = query;
    if (m->g->lens->halved) look_for(m, query);
    if (m->g->lens->kind == KI_LENS_SHORT) m->code = (const uint8_t *)query + m->g->lens->wide;
}

static void join(const ki_meter *m, uint32_t pos, uint8_t *code)
{
    ki_kernels_get()->join_planes(ki_graph_code(m->g, pos), ki_graph_rest(m->g, pos), 1,
                                  m->g->lens->wide, 0, code);
}

void ki_meter_row(ki_meter *m, uint32_t pos)
{
    const uint8_t *row = ki_graph_code(m->g, pos);

    m->query = row;
    if (m->g->lens->halved) {
        uint8_t *code = m->codes + m->g->lens->wide;

        join(m, pos, code);
        look_for(m, code);
    }
    if (m->g->lens->kind != KI_LENS_ROWS || m->v->codec->type == KI_BITS) return;
    ki_codec_decode(m->v->codec, row, m->v->row_bytes, 1, m->v->d, m->room);
    m->query = m->room;
}

/* ---- distances ------------------------------------------------------------------------------- */

/* A similarity of 0…1 becomes a distance of 0…1. What no float holds is as far as can be. */
static float of_key(kith_metric metric, double key)
{
    const double dist = metric == KITH_JACCARD ? 1.0 + key : key;

    if (dist > (double)FLT_MAX) return FLT_MAX;
    return dist > 0.0 ? (float)dist : 0.0f;
}

static void take_keys(const ki_meter *m, const void *const *rows, const void *const *next, size_t n,
                      float *dist)
{
    const ki_view *v = m->v;
    double key[KI_METER_BATCH];

    for (size_t at = 0; at < n; at += KI_METER_BATCH) {
        const size_t some = n - at < KI_METER_BATCH ? n - at : KI_METER_BATCH;

        for (size_t i = 0; next && i < some; i++) ki_graph_expect_row(next[at + i], v->row_bytes);
        ki_codec_keys(v->codec, v->metric, v->arg, v->d, m->query, rows + at, some, m->work, key);
        for (size_t i = 0; i < some; i++) dist[at + i] = of_key(v->metric, key[i]);
    }
}

void ki_meter_take(const ki_meter *m, const void *const *rows, const void *const *next, size_t n,
                   float *dist)
{
    int32_t sum[KI_METER_BATCH];

    if (!m->visit || m->g->lens->kind == KI_LENS_ROWS) {
        take_keys(m, rows, next, n, dist);
        return;
    }
    for (size_t at = 0; at < n; at += KI_METER_BATCH) {
        const size_t some = n - at < KI_METER_BATCH ? n - at : KI_METER_BATCH;

        m->visit(m->query, rows + at, next ? next + at : NULL, some, m->g->lens->wide, sum);
        for (size_t i = 0; i < some; i++) dist[at + i] = (float)sum[i];
    }
}

/* Always of a whole batch, so that no branch depends on n, and as integers. */
float ki_meter_least(const ki_meter *m, const void *const *rows, size_t n)
{
    int32_t sum[KI_METER_BATCH], least = INT32_MAX;

    if (!m->visit || m->g->lens->kind == KI_LENS_ROWS) {
        float dist[KI_METER_BATCH], nearest = FLT_MAX;

        take_keys(m, rows, NULL, n, dist);
        for (size_t i = 0; i < n; i++) nearest = dist[i] < nearest ? dist[i] : nearest;
        return nearest;
    }
    for (size_t i = 0; i < KI_METER_BATCH; i++) sum[i] = INT32_MAX;
    m->visit(m->query, rows, NULL, n, m->g->lens->wide, sum);
    for (size_t i = 0; i < KI_METER_BATCH; i++) least = sum[i] < least ? sum[i] : least;
    return (float)least;
}

static void by_whole_codes(const ki_meter *m, const uint32_t *pos, size_t n, float *dist)
{
    const size_t wide = m->g->lens->wide;
    uint8_t *codes = m->codes + 2 * wide;
    const void *rows[KI_METER_BATCH];
    int32_t sum[KI_METER_BATCH];

    for (size_t i = 0; i < KI_METER_BATCH; i++) rows[i] = codes + i * wide;
    for (size_t at = 0; at < n; at += KI_METER_BATCH) {
        const size_t some = n - at < KI_METER_BATCH ? n - at : KI_METER_BATCH;

        for (size_t i = 0; i < some; i++) join(m, pos[at + i], codes + i * wide);
        m->closer(m->code, rows, NULL, some, wide, sum);
        for (size_t i = 0; i < some; i++) dist[at + i] = (float)sum[i];
    }
}

/* Those of the next batch are asked for meanwhile. */
static void by_rows(const ki_meter *m, const uint32_t *pos, size_t n, float *dist)
{
    const void *rows[2][KI_METER_BATCH];
    int32_t sum[KI_METER_BATCH];

    for (size_t i = 0; i < KI_METER_BATCH; i++) {
        rows[0][i] = ki_view_code(m->v, pos[i < n ? i : 0]);
        ki_graph_expect_row(rows[0][i], m->v->row_bytes);
    }
    for (size_t at = 0, b = 0; at < n; at += KI_METER_BATCH, b = !b) {
        const size_t some = n - at < KI_METER_BATCH ? n - at : KI_METER_BATCH;

        for (size_t i = 0; i < KI_METER_BATCH; i++) {
            const size_t next = at + KI_METER_BATCH + i;

            rows[!b][i] = ki_view_code(m->v, pos[next < n ? next : at]);
        }
        m->closer(m->code, rows[b], rows[!b], some, m->v->row_bytes, sum);
        for (size_t i = 0; i < some; i++) dist[at + i] = (float)sum[i];
    }
}

void ki_meter_closer(const ki_meter *m, const uint32_t *pos, size_t n, float *dist)
{
    if (m->g->lens->halved)
        by_whole_codes(m, pos, n, dist);
    else if (n > 0)
        by_rows(m, pos, n, dist);
}
