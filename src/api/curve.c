/* What is done with a curve once it is there: settings looked up, its section written and read.
 * docs/FORMAT.md, "The tuned curve", describes the bytes. */
#include "api/curve.h"

#include <math.h>
#include <string.h>

enum { VERSION = 1, HEAD = 32, POINT = 24, DRAWN = 1 };

static void release(ki_structure *s)
{
    ki_curve *c = (ki_curve *)(void *)s;

    ki_release(c->env, c, 1, sizeof *c);
}

kith_status ki_curve_create(ki_env *env, ki_curve **out)
{
    ki_curve *c = ki_zeros(env, 1, sizeof *c);

    if (!c) return KITH_NO_MEMORY;
    atomic_init(&c->structure.refs, 1);
    c->structure.release = release;
    c->env = env;
    *out = c;
    return KITH_OK;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* What was so many for few neighbours, for more of them. */
static uint32_t scaled(uint32_t x, size_t k, uint32_t measured)
{
    const uint64_t more = k > measured ? ((uint64_t)x * k + measured - 1) / measured : x;

    return more < UINT32_MAX ? (uint32_t)more : UINT32_MAX;
}

/* Between two points the harder one counts: what is asked for is a floor. Above the last point only
 * looking at every row is known to reach it. With more neighbours than were measured, effort grows
 * with them; with fewer it stays, and whoever asks looks for as many as were measured. */
kith_status ki_curve_ask(const ki_view *v, float recall, size_t k, ki_ask *ask)
{
    const ki_curve *c = ki_curve_of(v);
    const kith_point *p;
    size_t i = 0;

    if (!(recall > 0.0f) || !v->structure) return KITH_OK; // without one every row is looked at
    ask->exhaustive = recall >= 1.0f;
    if (ask->exhaustive) return KITH_OK;
    if (!c)
        return ki_fail(KITH_UNTRAINED,
                       "recall %g: what it takes was not measured; kith_tune (kith tune) does, or "
                       "give an effort",
                       (double)recall);
    while (i < c->n && c->point[i].recall < recall) i++;
    ask->exhaustive = i == c->n;
    if (ask->exhaustive) return KITH_OK;
    p = &c->point[i];
    ask->effort = scaled(p->effort, k, c->k);
    ask->rerank = scaled(p->rerank, k, c->k);
    ask->slack = p->slack;
    return KITH_OK;
}

void ki_curve_stats(const ki_view *v, kith_each *each, void *ctx)
{
    const ki_curve *c = ki_curve_of(v);

    if (!c) return;
    each(ctx, "tuned_k", "neighbours", c->k);
    each(ctx, "tuned_rows", "rows when the index was tuned", c->rows);
    each(ctx, "tuned_queries", c->drawn ? "rows, drawn" : "queries, given", c->queries);
}

/* ---- the section ----------------------------------------------------------------------------- */

kith_status ki_curve_write(const ki_view *v, ki_blob_writer *w, bool planning)
{
    const ki_curve *c = ki_curve_of(v);
    uint8_t bytes[HEAD + KI_CURVE_POINTS * POINT] = {0};
    kith_status st = KITH_OK;
    size_t len;

    if (!c) return KITH_OK;
    len = HEAD + (size_t)c->n * POINT;
    KI_TRY(w->begin(w, KI_SECTION_CURVE, 0, len, false));
    if (!planning) {
        ki_put_le32(bytes, VERSION);
        ki_put_le32(bytes + 4, c->n);
        ki_put_le32(bytes + 8, c->k);
        ki_put_le32(bytes + 12, c->rows);
        ki_put_le32(bytes + 16, c->queries);
        ki_put_le32(bytes + 20, c->drawn ? DRAWN : 0);
        for (size_t i = 0; i < c->n; i++) {
            const kith_point *p = &c->point[i];
            uint8_t *to = bytes + HEAD + i * POINT;

            ki_put_le_f32(to, p->recall);
            ki_put_le_f32(to + 4, p->slack);
            ki_put_le32(to + 8, p->effort);
            ki_put_le32(to + 12, p->rerank);
            ki_put_le_f32(to + 16, p->visits);
            ki_put_le_f32(to + 20, p->us);
        }
        KI_TRY(w->put(w, bytes, len));
    }
    KI_TRY(w->end(w));
out:
    return st;
}

static kith_status read_head(ki_span s, ki_curve *c)
{
    const uint8_t *h = s.ptr;

    if (s.len < HEAD) return ki_fail(KITH_CORRUPT, "section TUNE has %zu bytes, no head", s.len);
    if (ki_le32(h) != VERSION || ki_le32(h + 20) > DRAWN || ki_le64(h + 24) != 0)
        return ki_fail(KITH_VERSION, "section TUNE has version %u, flags %u; this release knows %d",
                       ki_le32(h), ki_le32(h + 20), VERSION);
    c->n = ki_le32(h + 4);
    c->k = ki_le32(h + 8);
    c->rows = ki_le32(h + 12);
    c->queries = ki_le32(h + 16);
    c->drawn = ki_le32(h + 20) == DRAWN;
    if (c->n > KI_CURVE_POINTS || s.len != HEAD + (size_t)c->n * POINT)
        return ki_fail(KITH_CORRUPT, "section TUNE: %zu bytes do not hold %u points of at most %d",
                       s.len, c->n, KI_CURVE_POINTS);
    if (c->k == 0 || c->k > KITH_MAX_ROWS || c->rows == 0 || c->rows > KITH_MAX_ROWS ||
        c->queries == 0)
        return ki_fail(KITH_CORRUPT, "section TUNE: k = %u, %u rows, %u queries", c->k, c->rows,
                       c->queries);
    return KITH_OK;
}

/* Comparisons that NaN fails. */
static bool is_sound(const kith_point *p, float before)
{
    return p->recall > before && p->recall < 1.0f && p->slack > 0.0f && p->slack <= 100.0f &&
           p->effort > 0 && p->visits >= 0.0f && p->visits < INFINITY && p->us >= 0.0f &&
           p->us < INFINITY;
}

static kith_status read_points(ki_span s, ki_curve *c)
{
    float before = 0.0f;

    for (size_t i = 0; i < c->n; i++) {
        const uint8_t *from = s.ptr + HEAD + i * POINT;
        kith_point *p = &c->point[i];

        *p = (kith_point){ki_le_f32(from),    ki_le_f32(from + 4),  ki_le32(from + 8),
                          ki_le32(from + 12), ki_le_f32(from + 16), ki_le_f32(from + 20)};
        if (!is_sound(p, before))
            return ki_fail(KITH_CORRUPT,
                           "section TUNE: point %zu has recall %g, slack %g, effort %u", i,
                           (double)p->recall, (double)p->slack, p->effort);
        before = p->recall;
    }
    return KITH_OK;
}

kith_status ki_curve_open(ki_rows *rows, ki_env *env, const ki_blob_reader *r)
{
    kith_status st = KITH_OK;
    ki_curve *c = NULL;
    ki_span s;

    KI_TRY(r->find(r, KI_SECTION_CURVE, 0, &s));
    if (!s.ptr) goto out;
    KI_TRY(ki_curve_create(env, &c));
    KI_TRY(read_head(s, c));
    KI_TRY(read_points(s, c));
    ki_rows_tell(rows, &c->structure);
    c = NULL;
out:
    if (c) release(&c->structure);
    return st;
}
