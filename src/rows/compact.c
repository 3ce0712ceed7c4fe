/* Changes that pour the live rows of one view into another: compact and merge. Stored codes are
 * rows of their codec's type (or are decoded to such, which is coded to the same), so both are a
 * series of puts and every check holds for them too. */
#include "rows/store.h"

#include <string.h>

enum { GATHER_BYTES = 16 << 20, FIT_PIECE = 1024 };

/* Rows on their way: ids and labels of a batch, and the rows themselves where they do not lie side
 * by side. */
typedef struct pouring {
    ki_change *change;
    const ki_view *from;
    uint32_t threads;
    ki_progress *progress;
    size_t room;         // rows of a batch
    size_t row_bytes;    // of a row on its way
    uint8_t *rows;       // [room][row_bytes]; NULL when nothing was removed or decoded
    int64_t *ids;        // [room]
    const char **labels; // [room]
} pouring;

static kith_status put_batch(const pouring *g, const void *rows, size_t n, bool labelled)
{
    const kith_rows x = {rows, n, g->row_bytes, g->from->codec->dtype};

    return ki_change_put(g->change, KI_PUT_ADD, x, g->ids, labelled ? g->labels : NULL, g->threads,
                         g->progress);
}

/* The live rows of positions pos…end-1, all in one chunk. */
static kith_status pour(const pouring *g, uint32_t pos, uint32_t end)
{
    const ki_view *v = g->from;
    const void *first = ki_view_code(v, pos);
    bool labelled = false;
    size_t n = 0;

    for (; pos < end; pos++) {
        size_t len;

        if (!ki_view_live(v, pos)) continue;
        if (g->rows) ki_view_row(v, pos, g->rows + n * g->row_bytes);
        g->ids[n] = ki_view_id(v, pos);
        g->labels[n] = ki_view_label(v, pos, &len);
        if (len == 0) g->labels[n] = NULL;
        labelled |= len > 0;
        n++;
    }
    return n ? put_batch(g, g->rows ? g->rows : first, n, labelled) : KITH_OK;
}

static kith_status pour_live(ki_change *c, const ki_view *from, uint32_t threads, ki_progress *p)
{
    ki_env *env = c->rows->env;
    const bool gathers = from->codec->type == KI_CODED || from->live < from->n;
    pouring g = {.change = c, .from = from, .threads = threads, .progress = p, .room = KI_CHUNK};
    const uint64_t expect = c->rows->expect, sum = (uint64_t)c->next->n + from->live;
    kith_status st = KITH_OK;

    g.row_bytes = ki_view_row_bytes(from);
    if (gathers && GATHER_BYTES / g.row_bytes < g.room) g.room = GATHER_BYTES / g.row_bytes;
    if (g.room > from->n) g.room = from->n;
    if (sum > expect) c->rows->expect = sum;
    g.ids = ki_array(env, g.room, sizeof *g.ids);
    KI_NEED(g.ids);
    g.labels = ki_array(env, g.room, sizeof *g.labels);
    KI_NEED(g.labels);
    if (gathers) {
        g.rows = ki_array(env, g.room, g.row_bytes);
        KI_NEED(g.rows);
    }
    for (uint32_t pos = 0, end; pos < from->n; pos = end) {
        const uint64_t left = from->n - pos, chunk = KI_CHUNK - pos % KI_CHUNK;

        end = pos + (uint32_t)(chunk < left ? chunk : left);
        if (end - pos > g.room) end = pos + (uint32_t)g.room;
        KI_TRY(pour(&g, pos, end));
    }
out:
    c->rows->expect = expect;
    ki_release(env, g.rows, g.room, g.row_bytes);
    ki_release(env, g.ids, g.room, sizeof *g.ids);
    ki_release(env, g.labels, g.room, sizeof *g.labels);
    return st;
}

kith_status ki_change_merge(ki_change *c, const ki_view *from, uint32_t threads, ki_progress *p)
{
    kith_status st;

    ki_assert(from->d == c->next->d && from->metric == c->next->metric);
    st = pour_live(c, from, threads, p);
    c->failed |= st != KITH_OK;
    return st;
}

/* ---- compact --------------------------------------------------------------------------------- */

typedef struct fitting {
    const ki_view *view;
    atomic_bool misfit;
    ki_progress *progress;
} fitting;

static kith_status fit_piece(void *arg, size_t i)
{
    fitting *f = arg;
    const ki_view *v = f->view;
    const size_t first = i * FIT_PIECE, left = v->n - first;
    const size_t end = first + (left < FIT_PIECE ? left : FIT_PIECE);

    for (size_t pos = first; pos < end && !atomic_load_explicit(&f->misfit, memory_order_relaxed);
         pos++) {
        const kith_rows row = {ki_view_code(v, (uint32_t)pos), 1, 0, v->codec->dtype};

        if (ki_view_live(v, (uint32_t)pos) && !ki_rows_fit_u8(row, v->d))
            atomic_store_explicit(&f->misfit, true, memory_order_relaxed);
    }
    return ki_progress_add(f->progress, 0);
}

/* What an adaptive store is kept as from now on. */
static kith_status choose(const ki_view *v, uint32_t threads, ki_progress *p, const ki_codec **out)
{
    const size_t pieces = ((size_t)v->n + FIT_PIECE - 1) / FIT_PIECE;
    fitting f = {.view = v, .progress = p};
    kith_status st = KITH_OK;

    *out = v->codec;
    if (!v->own->adaptive || v->codec->type != KI_F32 || v->live == 0) return KITH_OK;
    KI_TRY(ki_parallel(v->own->env, ki_thread_count(v->own->env, threads, pieces), pieces,
                       fit_piece, &f));
    if (!atomic_load(&f.misfit)) *out = ki_codec_find("U8");
out:
    return st;
}

/* Nothing to win: no row was removed, no label replaced, and rows are kept as they would be. */
static bool is_compact(const ki_view *v, const ki_codec *codec)
{
    return codec == v->codec && v->live == v->n && v->own->labels.entries <= v->n;
}

/* Into a new view; what the old one put into memory that it shares with base is taken back. */
kith_status ki_change_compact(ki_change *c, uint32_t threads, ki_progress *p)
{
    ki_view *const old = c->next;
    const uint32_t inserted = c->inserted;
    const ki_codec *codec;
    kith_status st = KITH_OK;
    ki_view *fresh = NULL;

    KI_TRY(choose(old, threads, p, &codec));
    if (is_compact(old, codec)) goto out;
    KI_TRY(ki_view_create(old->own->env, codec, old->d, old->metric, old->arg, &fresh));
    fresh->version = old->version;
    fresh->generation = old->generation + 1;
    fresh->own->scan_wanted = old->own->scan_wanted;
    fresh->own->wanted = old->own->wanted;
    memcpy(fresh->own->params, old->own->params, sizeof old->own->params);
    c->next = fresh;
    st = pour_live(c, old, threads, p);
    c->next = old;
    c->inserted = inserted;
    if (st != KITH_OK) goto out;
    ki_change_unlink(c);
    fresh->next_id = old->next_id;
    fresh->curve = ki_structure_share(old->curve);
    fresh->own->adaptive = old->own->adaptive; // not while rows came in: the codec is chosen
    c->next = fresh;
    ki_view_free(c->before);
    c->before = old; // navigators look where rows came from
    fresh = NULL;
out:
    ki_view_free(fresh);
    c->failed |= st != KITH_OK;
    return st;
}
