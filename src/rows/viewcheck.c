/* All invariants of a view (their numbers are those in store.h), row by row: for kith_verify and
 * for tests after each change. Every failure is CORRUPT and names the row. */
#include "rows/store.h"

#include <math.h>
#include <string.h>

#include "rows/scancode.h"

enum { PIECE = 1024 };

typedef long long ll; // what %lld prints

/* ---- 1, 2: columns and removed rows ---------------------------------------------------------- */

static kith_status check_column(const ki_view *v, const ki_column *col, size_t width,
                                const char *name)
{
    const size_t chunks = ki_view_chunks(v);

    if (col->width != width || col->count < chunks)
        return ki_fail(KITH_CORRUPT, "%s: %zu chunks of width %zu, should be %zu of %zu", name,
                       col->count, col->width, chunks, width);
    for (size_t c = 0; c < chunks; c++) {
        const uint64_t left = v->n - (uint64_t)c * KI_CHUNK;
        const ki_chunk *k = col->chunk[c];

        if (!k || k->cap < (left < KI_CHUNK ? left : KI_CHUNK) || (k->own && k->own != k->bytes))
            return ki_fail(KITH_CORRUPT, "%s: chunk %zu has too little room", name, c);
    }
    return KITH_OK;
}

static kith_status check_removed(const ki_view *v)
{
    const uint32_t whole = (uint32_t)(ki_view_chunks(v) * KI_CHUNK);
    uint32_t gone = 0;

    for (uint32_t pos = 0; pos < whole; pos++) {
        const bool removed = ki_column_removed(v->own->removed, pos);

        if (removed && pos >= v->n)
            return ki_fail(KITH_CORRUPT, "row %u of %u is removed", pos, v->n);
        gone += removed;
    }
    if (gone != v->n - v->live)
        return ki_fail(KITH_CORRUPT, "%u of %u rows are removed, but %u are live", gone, v->n,
                       v->live);
    return KITH_OK;
}

/* ---- 3: ids ---------------------------------------------------------------------------------- */

static kith_status check_id(const ki_view *v, uint32_t pos)
{
    const int64_t id = ki_view_id(v, pos);
    uint32_t found;

    if (id == KITH_NO_ID) return ki_fail(KITH_CORRUPT, "row %u has the id -1", pos);
    if (v->next_id != KITH_NO_ID && id >= v->next_id)
        return ki_fail(KITH_CORRUPT, "row %u has id %lld, but %lld comes next", pos, (ll)id,
                       (ll)v->next_id);
    if (!ki_view_live(v, pos)) return KITH_OK;
    if (!ki_view_find(v, id, &found))
        return ki_fail(KITH_CORRUPT, "row %u has id %lld, which is not found", pos, (ll)id);
    if (found != pos)
        return ki_fail(KITH_CORRUPT, "rows %u and %u both have id %lld", found, pos, (ll)id);
    return KITH_OK;
}

/* ---- 1, 5: values and scan code -------------------------------------------------------------- */

static kith_status check_padding(const ki_view *v, uint32_t pos)
{
    const uint8_t *row = ki_view_code(v, pos);

    const size_t used = v->codec->grid ? v->d * v->codec->grid->bits % 8 : v->d % 8;
    const int last = row[v->row_bytes - 1];

    if ((v->codec->type != KI_BITS && !v->codec->grid) || used == 0) return KITH_OK;
    if ((v->codec->grid ? last >> used : last & 0xff >> used) == 0) return KITH_OK;
    return ki_fail(KITH_CORRUPT, "row %u has bits behind its last component", pos);
}

/* The largest error and rest of some rows. */
typedef struct maxima {
    float error;
    uint32_t rest;
} maxima;

static kith_status check_code(const ki_view *v, const ki_scan_chunk *s, uint32_t pos, maxima *most)
{
    const size_t i = pos % KI_CHUNK;
    uint32_t rest;

    if (!(s->error[i] <= s->error_max))
        return ki_fail(KITH_CORRUPT, "row %u: its scan code errs by %g, its chunk's by %g", pos,
                       (double)s->error[i], (double)s->error_max);
    if (!ki_scancode_holds(v->metric, ki_view_code(v, pos), v->d, s, i, &rest) ||
        rest > s->rest_max)
        return ki_fail(KITH_CORRUPT, "row %u: its scan code lies", pos);
    if (s->error[i] > most->error) most->error = s->error[i];
    if (rest > most->rest) most->rest = rest;
    return KITH_OK;
}

typedef struct checking {
    const ki_view *view;
    ki_progress *progress;
    maxima *most; /* [pieces], where there is a scan code */
} checking;

/* PIECE rows, all of one chunk. Values are checked as those of a caller are. */
static kith_status check_piece(void *arg, size_t i)
{
    const checking *g = arg;
    const ki_view *v = g->view;
    const size_t first = i * PIECE, left = v->n - first, n = left < PIECE ? left : PIECE;
    const kith_rows rows = {ki_view_code(v, (uint32_t)first), n, v->row_bytes, v->codec->dtype};
    const bool any = v->codec->type == KI_CODED; // whatever they hold is a value
    const ki_scan_chunk *s = v->scan_chunks ? &v->scan[first >> KI_CHUNK_BITS] : NULL;
    kith_status st = KITH_OK;

    if (!any && ki_rows_check_part(rows, 0, n, v->d, v->metric, "row") != KITH_OK) {
        st = ki_fail_prefix(KITH_CORRUPT, "behind position %zu", first);
        goto out;
    }
    for (size_t j = 0; j < n; j++) {
        const uint32_t pos = (uint32_t)(first + j);

        KI_TRY(check_padding(v, pos));
        KI_TRY(check_id(v, pos));
        if (s && pos % KI_CHUNK < s->n) KI_TRY(check_code(v, s, pos, &g->most[i]));
    }
    KI_TRY(ki_progress_add(g->progress, n));
out:
    return st;
}

static kith_status check_entries(const ki_view *v)
{
    if (v->scan_chunks && v->scan_chunks != ki_view_chunks(v))
        return ki_fail(KITH_CORRUPT, "%zu chunks of scan code for %zu of rows", v->scan_chunks,
                       ki_view_chunks(v));
    if (v->scan_chunks && !ki_scancode_applies(v->codec, v->metric))
        return ki_fail(KITH_CORRUPT, "a scan code for rows that cannot have one");
    for (size_t c = 0; c < v->scan_chunks; c++) {
        const uint64_t left = v->n - (uint64_t)c * KI_CHUNK;
        const uint64_t rows = left < KI_CHUNK ? left : KI_CHUNK;

        if (v->scan[c].n != (rows < KI_SCAN_SEED ? 0 : rows))
            return ki_fail(KITH_CORRUPT, "chunk %zu has %u scan codes for %llu rows", c,
                           v->scan[c].n, (unsigned long long)rows);
    }
    return KITH_OK;
}

/* What the chunks say of all of their rows. */
static kith_status check_maxima(const ki_view *v, const maxima *most, size_t pieces)
{
    for (size_t c = 0; c < v->scan_chunks; c++) {
        const size_t end = (c + 1) * (KI_CHUNK / PIECE);
        const ki_scan_chunk *s = &v->scan[c];
        maxima all = {0};

        for (size_t i = c * (KI_CHUNK / PIECE); i < pieces && i < end; i++) {
            if (most[i].error > all.error) all.error = most[i].error;
            if (most[i].rest > all.rest) all.rest = most[i].rest;
        }
        if (s->error_max > all.error || s->rest_max > all.rest)
            return ki_fail(KITH_CORRUPT, "chunk %zu says more of its scan code's errors than is",
                           c);
    }
    return KITH_OK;
}

/* ---- all ------------------------------------------------------------------------------------- */

kith_status ki_view_check(const ki_view *v, ki_env *env, ki_progress *p)
{
    const struct ki_view_private *own = v->own;
    const size_t pieces = ((size_t)v->n + PIECE - 1) / PIECE;
    checking g = {v, p, NULL};
    kith_status st = KITH_OK;

    if (v->scan_chunks) {
        g.most = ki_array(env, pieces, sizeof *g.most);
        KI_NEED(g.most);
        memset(g.most, 0, pieces * sizeof *g.most);
    }
    KI_TRY(check_column(v, own->codes, v->codec->row_bytes(v->d), "rows"));
    if (own->ids) KI_TRY(check_column(v, own->ids, sizeof(int64_t), "ids"));
    KI_TRY(check_removed(v));
    KI_TRY(check_entries(v));
    KI_TRY(ki_parallel(env, ki_thread_count(env, 0, pieces), pieces, check_piece, &g));
    KI_TRY(check_maxima(v, g.most, pieces));
    KI_TRY(ki_labels_check(&own->labels, env, v->n));
out:
    ki_release(env, g.most, pieces, sizeof *g.most);
    return st;
}
