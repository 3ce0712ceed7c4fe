/* A view as sections of a file. Chunks go out as they lie, one after the other; what is computed
 * (rows by id, by label) depends on the rows alone, so the same rows give the same bytes. */
#include "rows/store.h"

#include <string.h>

#include "rows/rowsfile.h"
#include "rows/sort.h"

enum { BUFFER = 64 * 1024 };

/* Where bytes go: directly, or small ones together through a buffer. owns: buffer. */
typedef struct writing {
    const ki_view *view;
    ki_env *env;
    ki_blob_writer *w;
    bool planning;
    uint8_t *buffer; // [BUFFER]
    size_t used;
    uint32_t labelled;
    uint64_t text_len;
} writing;

static kith_status flush(writing *g)
{
    const kith_status st = g->used ? g->w->put(g->w, g->buffer, g->used) : KITH_OK;

    g->used = 0;
    return st;
}

static kith_status put_small(writing *g, const void *bytes, size_t len)
{
    kith_status st = KITH_OK;

    if (len > BUFFER - g->used) KI_TRY(flush(g));
    if (len > BUFFER) return g->w->put(g->w, bytes, len);
    memcpy(g->buffer + g->used, bytes, len);
    g->used += len;
out:
    return st;
}

static kith_status put_u32(writing *g, uint32_t v)
{
    uint8_t bytes[4];

    ki_put_le32(bytes, v);
    return put_small(g, bytes, sizeof bytes);
}

static kith_status put_u64(writing *g, uint64_t v)
{
    uint8_t bytes[8];

    ki_put_le64(bytes, v);
    return put_small(g, bytes, sizeof bytes);
}

/* A section of `len` bytes that `put` writes. Sections of nothing are not written. */
static kith_status section(writing *g, uint32_t type, uint64_t len, bool rows,
                           kith_status (*put)(writing *g))
{
    kith_status st = KITH_OK;

    if (len == 0) return KITH_OK;
    KI_TRY(g->w->begin(g->w, type, 0, len, rows));
    if (!g->planning) {
        KI_TRY(put(g));
        KI_TRY(flush(g));
    }
    KI_TRY(g->w->end(g->w));
out:
    return st;
}

/* ---- head ------------------------------------------------------------------------------------ */

static kith_status put_head(writing *g)
{
    const ki_view *v = g->view;
    const struct ki_view_private *own = v->own;
    const uint32_t flags = (own->adaptive ? KI_ROWS_ADAPTIVE : 0u) |
                           (own->scan_wanted ? KI_ROWS_SCAN : 0u) |
                           (own->ids ? KI_ROWS_OWN_IDS : 0u);
    kith_status st = KITH_OK;
    uint64_t arg;

    memcpy(&arg, &v->arg, sizeof arg);
    KI_TRY(put_u32(g, KI_ROWS_VERSION));
    KI_TRY(put_u32(g, v->codec->file_id));
    KI_TRY(put_u32(g, (uint32_t)v->metric));
    KI_TRY(put_u32(g, flags));
    KI_TRY(put_u64(g, v->d));
    KI_TRY(put_u64(g, arg));
    KI_TRY(put_u32(g, v->n));
    KI_TRY(put_u32(g, v->live));
    KI_TRY(put_u64(g, (uint64_t)(own->ids ? 0 : v->first_id)));
    KI_TRY(put_u64(g, (uint64_t)v->next_id));
    KI_TRY(put_u32(g, g->labelled));
    KI_TRY(put_u32(g, (uint32_t)v->scan_chunks));
    KI_TRY(put_u64(g, g->text_len));
    KI_TRY(put_u64(g, 0));
    for (size_t c = 0; c < v->scan_chunks; c++) {
        uint32_t error;

        memcpy(&error, &v->scan[c].error_max, sizeof error);
        KI_TRY(put_u32(g, v->scan[c].n));
        KI_TRY(put_u32(g, error));
        KI_TRY(put_u32(g, v->scan[c].rest_max));
    }
out:
    return st;
}

static kith_status put_learned(writing *g)
{
    const ki_view *v = g->view;
    const size_t len = ki_codec_learned_bytes(v->codec, v->d);
    uint8_t *bytes = ki_array(g->env, len, 1);
    kith_status st = KITH_OK;

    KI_NEED(bytes);
    ki_codec_put_learned(v->codec, v->d, bytes);
    KI_TRY(put_small(g, bytes, len));
out:
    ki_release(g->env, bytes, len, 1);
    return st;
}

/* ---- rows and ids ---------------------------------------------------------------------------- */

/* The first n elements of a column, chunk by chunk. */
static kith_status put_column(writing *g, const ki_column *col, uint64_t n, size_t width,
                              size_t chunk)
{
    kith_status st = KITH_OK;

    for (size_t c = 0; n > 0; c++) {
        const size_t len = n < chunk ? (size_t)n : chunk;

        KI_TRY(g->w->put(g->w, ki_column_chunk(col, c), len * width));
        n -= len;
    }
out:
    return st;
}

static kith_status put_codes(writing *g)
{
    return put_column(g, g->view->codes, g->view->n, g->view->row_bytes, KI_CHUNK);
}

static kith_status put_ids(writing *g)
{
    return put_column(g, g->view->ids, g->view->n, sizeof(int64_t), KI_CHUNK);
}

static kith_status put_removed(writing *g)
{
    return put_column(g, g->view->removed, ki_bit_words(g->view->n), sizeof(uint64_t),
                      KI_CHUNK / 64);
}

/* Live rows by ascending id. What the file behind the view has is still right when no row came or
 * went. */
static kith_status put_by_id(writing *g)
{
    const ki_view *v = g->view;
    const ki_idmap *map = &v->own->idmap;
    kith_status st = KITH_OK;
    uint32_t *positions = NULL;
    uint64_t *keys = NULL;
    size_t n = 0;

    if (map->sorted && map->base == v->n && map->sorted_n == v->live)
        return g->w->put(g->w, map->sorted, 4 * (size_t)map->sorted_n);
    keys = ki_array(g->env, v->live, sizeof *keys);
    KI_NEED(keys);
    positions = ki_array(g->env, v->live, sizeof *positions);
    KI_NEED(positions);
    for (uint32_t pos = 0; pos < v->n && n < v->live; pos++) {
        if (!ki_view_live(v, pos)) continue;
        keys[n] = (uint64_t)ki_view_id(v, pos) ^ (uint64_t)1 << 63; // order of signed numbers
        positions[n++] = pos;
    }
    KI_TRY(ki_sort_pairs(g->env, keys, positions, n));
    for (size_t i = 0; i < n; i++) KI_TRY(put_u32(g, positions[i]));
out:
    ki_release(g->env, keys, v->live, sizeof *keys);
    ki_release(g->env, positions, v->live, sizeof *positions);
    return st;
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* The label of a live row; a removed one has none in a file. */
static const char *label_of(const ki_view *v, uint32_t pos, size_t *len)
{
    *len = 0;
    return ki_view_live(v, pos) ? ki_view_label(v, pos, len) : "";
}

static void count_labels(writing *g)
{
    const ki_labels *l = &g->view->own->labels;
    size_t len;

    if (!l->pool && l->base.n == 0) return;
    for (uint32_t pos = 0; pos < g->view->n; pos++) {
        (void)label_of(g->view, pos, &len);
        g->labelled += len > 0;
        g->text_len += len > 0 ? len + 1 : 0;
    }
}

static kith_status put_label_offsets(writing *g)
{
    kith_status st = KITH_OK;
    uint64_t at = 0;
    size_t len;

    KI_TRY(put_u64(g, 0));
    for (uint32_t pos = 0; pos < g->view->n; pos++) {
        (void)label_of(g->view, pos, &len);
        at += len > 0 ? len + 1 : 0;
        KI_TRY(put_u64(g, at));
    }
out:
    return st;
}

static kith_status put_labels(writing *g)
{
    kith_status st = KITH_OK;

    for (uint32_t pos = 0; pos < g->view->n; pos++) {
        size_t len;
        const char *text = label_of(g->view, pos, &len);

        if (len > 0) KI_TRY(put_small(g, text, len + 1));
    }
out:
    return st;
}

static const char *text_of(void *ctx, uint32_t pos, size_t *len)
{
    const writing *g = ctx;

    return ki_view_label(g->view, pos, len);
}

static kith_status put_by_label(writing *g)
{
    kith_status st = KITH_OK;
    uint32_t *positions = NULL;
    size_t n = 0;

    positions = ki_array(g->env, g->labelled, sizeof *positions);
    KI_NEED(positions);
    for (uint32_t pos = 0; pos < g->view->n && n < g->labelled; pos++) {
        size_t len;

        (void)label_of(g->view, pos, &len);
        if (len > 0) positions[n++] = pos;
    }
    KI_TRY(ki_sort_texts(g->env, positions, n, text_of, g));
    for (size_t i = 0; i < n; i++) KI_TRY(put_u32(g, positions[i]));
out:
    ki_release(g->env, positions, g->labelled, sizeof *positions);
    return st;
}

/* ---- scan code ------------------------------------------------------------------------------- */

static kith_status put_centres(writing *g)
{
    const ki_view *v = g->view;
    kith_status st = KITH_OK;

    for (size_t c = 0; c < v->scan_chunks; c++)
        if (v->scan[c].n) KI_TRY(put_small(g, v->scan[c].centre, v->d * sizeof(float)));
out:
    return st;
}

static kith_status put_terms(writing *g)
{
    kith_status st = KITH_OK;

    for (size_t c = 0; c < g->view->scan_chunks; c++) {
        const ki_scan_chunk *s = &g->view->scan[c];

        if (s->n == 0) continue;
        KI_TRY(put_small(g, s->scale, s->n * sizeof(float)));
        KI_TRY(put_small(g, s->error, s->n * sizeof(float)));
        KI_TRY(put_small(g, s->half_norm, s->n * sizeof(float)));
    }
out:
    return st;
}

static kith_status put_scan_codes(writing *g)
{
    const ki_view *v = g->view;
    kith_status st = KITH_OK;

    for (size_t c = 0; c < v->scan_chunks; c++) {
        const ki_scan_chunk *s = &v->scan[c];

        if (s->n == 0) continue;
        KI_TRY(g->w->put(g->w, s->high, s->n * ki_plane(v->d)));
        KI_TRY(g->w->put(g->w, s->low, s->n * ki_plane(v->d)));
    }
out:
    return st;
}

static kith_status write_scan(writing *g)
{
    const ki_view *v = g->view;
    uint64_t rows = 0, chunks = 0;
    kith_status st = KITH_OK;

    for (size_t c = 0; c < v->scan_chunks; c++) {
        rows += v->scan[c].n;
        chunks += v->scan[c].n > 0;
    }
    KI_TRY(section(g, KI_SECTION_CENTRES, chunks * v->d * sizeof(float), true, put_centres));
    KI_TRY(section(g, KI_SECTION_TERMS, rows * 3 * sizeof(float), true, put_terms));
    KI_TRY(section(g, KI_SECTION_SCAN_CODES, rows * 2 * ki_plane(v->d), true, put_scan_codes));
out:
    return st;
}

/* ---- all ------------------------------------------------------------------------------------- */

kith_status ki_view_write(const ki_view *v, ki_blob_writer *w, bool planning)
{
    writing g = {.view = v, .env = v->own->env, .w = w, .planning = planning};
    const uint64_t n = v->n, live = v->live;
    const bool own_ids = v->ids != NULL;
    kith_status st = KITH_OK;

    g.buffer = ki_array(g.env, BUFFER, 1);
    KI_NEED(g.buffer);
    count_labels(&g);
    KI_TRY(section(&g, KI_SECTION_ROWS, KI_ROWS_HEAD + v->scan_chunks * KI_ROWS_SCAN_ENTRY, false,
                   put_head));
    KI_TRY(section(&g, KI_SECTION_LEARNED, ki_codec_learned_bytes(v->codec, v->d), false,
                   put_learned));
    KI_TRY(
        section(&g, KI_SECTION_REMOVED, live < n ? 8 * ki_bit_words(v->n) : 0, false, put_removed));
    KI_TRY(section(&g, KI_SECTION_IDS, own_ids ? 8 * n : 0, true, put_ids));
    KI_TRY(section(&g, KI_SECTION_BY_ID, own_ids ? 4 * live : 0, true, put_by_id));
    KI_TRY(section(&g, KI_SECTION_LABEL_AT, g.labelled ? 8 * (n + 1) : 0, true, put_label_offsets));
    KI_TRY(section(&g, KI_SECTION_LABELS, g.text_len, true, put_labels));
    KI_TRY(section(&g, KI_SECTION_BY_LABEL, 4 * (uint64_t)g.labelled, true, put_by_label));
    KI_TRY(section(&g, KI_SECTION_CODES, n * v->row_bytes, true, put_codes));
    KI_TRY(write_scan(&g));
out:
    ki_release(g.env, g.buffer, BUFFER, 1);
    return st;
}
