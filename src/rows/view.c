/* What can be asked of a view: rows by position and id, labels, sizes. Reads only what the view
 * knows; the writer may be at work on the same memory beyond it. */
#include "rows/store.h"

#include <string.h>

#include "rows/sort.h"

int64_t ki_view_id(const ki_view *v, uint32_t pos)
{
    return v->own->ids ? ki_column_id(v->own->ids, pos) : v->first_id + (int64_t)pos;
}

bool ki_view_live(const ki_view *v, uint32_t pos)
{
    return !ki_column_removed(v->own->removed, pos);
}

bool ki_view_find(const ki_view *v, int64_t id, uint32_t *pos)
{
    const struct ki_view_private *own = v->own;
    const uint64_t ahead = (uint64_t)id - (uint64_t)v->first_id;

    if (own->ids) return ki_idmap_find(&own->idmap, own->ids, own->removed, v->n, id, pos, NULL);
    if (id < v->first_id || ahead >= v->n || ki_column_removed(own->removed, (uint32_t)ahead))
        return false;
    *pos = (uint32_t)ahead;
    return true;
}

const void *ki_view_code(const ki_view *v, uint32_t pos)
{
    return v->own->codes->chunk[pos >> KI_CHUNK_BITS]->bytes + pos % KI_CHUNK * v->row_bytes;
}

size_t ki_view_row_bytes(const ki_view *v)
{
    return v->codec->type == KI_CODED ? v->d * sizeof(float) : v->row_bytes;
}

void ki_view_row(const ki_view *v, uint32_t pos, void *out)
{
    if (v->codec->type == KI_CODED)
        ki_codec_decode(v->codec, ki_view_code(v, pos), v->row_bytes, 1, v->d, out);
    else
        memcpy(out, ki_view_code(v, pos), v->row_bytes);
}

const char *ki_view_label(const ki_view *v, uint32_t pos, size_t *len)
{
    return ki_labels_get(&v->own->labels, pos, len);
}

/* ---- by label -------------------------------------------------------------------------------- */

typedef struct gathering {
    const ki_view *view;
    int64_t *ids; // [cap]; NULL: count only
    size_t cap, n;
} gathering;

static kith_status gather(void *ctx, uint32_t pos)
{
    gathering *g = ctx;

    if (pos >= g->view->n || !ki_view_live(g->view, pos)) return KITH_OK;
    if (g->ids && g->n == g->cap) return KITH_OK; // a mapped file that changes under us
    if (g->ids) g->ids[g->n] = ki_view_id(g->view, pos);
    g->n++;
    return KITH_OK;
}

/* Counted, then gathered: a view gives the same answer twice. */
kith_status ki_view_find_label(const ki_view *v, ki_env *env, const char *text, int64_t *ids,
                               size_t cap, size_t *n)
{
    gathering g = {v, NULL, 0, 0};
    kith_status st = KITH_OK;
    int64_t *found = NULL;
    size_t all = 0;

    KI_TRY(ki_labels_find(&v->own->labels, text, gather, &g));
    all = g.n;
    if (cap > 0 && all > 0) {
        found = ki_array(env, all, sizeof *found);
        KI_NEED(found);
        g = (gathering){v, found, all, 0};
        KI_TRY(ki_labels_find(&v->own->labels, text, gather, &g));
        KI_TRY(ki_sort_ids(env, found, g.n));
        for (size_t i = 0; i < g.n && i < cap; i++) ids[i] = found[i];
    }
    *n = g.n;
out:
    ki_release(env, found, all, sizeof *found);
    return st;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

void ki_view_stats(const ki_view *v, kith_each *each, void *ctx)
{
    const struct ki_view_private *own = v->own;

    each(ctx, "code_bytes", "bytes", (double)ki_column_bytes(own->codes));
    each(ctx, "scan_bytes", "bytes", (double)ki_column_bytes(own->scans));
    each(ctx, "id_bytes", "bytes",
         (double)(ki_column_bytes(own->ids) + ki_idmap_bytes(&own->idmap)));
    each(ctx, "label_bytes", "bytes", (double)ki_labels_bytes(&own->labels));
    each(ctx, "removed_bytes", "bytes", (double)ki_column_bytes(own->removed));
}
