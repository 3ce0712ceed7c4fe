/* The live rows of an index as a source: rows as stored (decoded where only the codec reads them),
 * ids, labels, over one snapshot. */
#include "api/index.h"

enum { BATCH = 4096 };

/* owns: buffers, the snapshot. The index outlives it. */
typedef struct index_source {
    const kith_index *ix;
    const ki_view *view;
    uint32_t at;         /* next position */
    size_t row_bytes;    /* as stored, or decoded where only the codec reads rows */
    uint8_t *rows;       /* [BATCH][row_bytes] */
    int64_t *ids;        /* [BATCH] */
    const char **labels; /* [BATCH] */
} index_source;

static ki_env *env_of(const index_source *s)
{
    return ki_unconst(&s->ix->env);
}

static kith_status next_rows(void *ctx, size_t max, kith_batch *out)
{
    index_source *s = ctx;
    const ki_view *v = s->view;
    bool labelled = false;
    size_t n = 0;

    for (; s->at < v->n && n < max && n < BATCH; s->at++) {
        size_t len;

        if (!ki_view_live(v, s->at)) continue;
        ki_view_row(v, s->at, s->rows + n * s->row_bytes);
        s->ids[n] = ki_view_id(v, s->at);
        s->labels[n] = ki_view_label(v, s->at, &len);
        if (len == 0) s->labels[n] = NULL;
        labelled |= len > 0;
        n++;
    }
    *out = (kith_batch){
        {s->rows, n, s->row_bytes, v->codec->dtype}, s->ids, labelled ? s->labels : NULL};
    return KITH_OK;
}

static void close_source(void *ctx)
{
    index_source *s = ctx;
    ki_env *env = env_of(s);

    ki_release(env, s->rows, BATCH, s->row_bytes);
    ki_release(env, s->ids, BATCH, sizeof *s->ids);
    ki_release(env, s->labels, BATCH, sizeof *s->labels);
    ki_view_release(s->ix->rows, s->view);
    ki_release(env, s, 1, sizeof *s);
}

kith_status kith_source_index(const kith_index *ix, kith_source *out)
{
    kith_status st = KITH_OK;
    index_source *s = NULL;

    if (!ix || !out) KI_FAIL(KITH_BAD_ARG, "index and out may not be NULL");
    KI_TRY(ki_index_undamaged(ix, NULL));
    s = ki_zeros(ki_unconst(&ix->env), 1, sizeof *s);
    KI_NEED(s);
    s->ix = ix;
    s->view = ki_view_acquire(ix->rows);
    s->row_bytes = ki_view_row_bytes(s->view);
    s->rows = ki_array(env_of(s), BATCH, s->row_bytes);
    KI_NEED(s->rows);
    s->ids = ki_array(env_of(s), BATCH, sizeof *s->ids);
    KI_NEED(s->ids);
    s->labels = ki_array(env_of(s), BATCH, sizeof *s->labels);
    KI_NEED(s->labels);
    *out = (kith_source){sizeof *out,   s,         s->view->codec->dtype, s->view->d,
                         s->view->live, next_rows, close_source};
    s = NULL;
out:
    if (s) close_source(s);
    return st;
}
