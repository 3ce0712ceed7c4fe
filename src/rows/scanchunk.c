/* Where the scan code of a chunk lies in memory, and how a change keeps it up with the rows. What
 * the codes are is scancode.c's. A chunk gets its code with its first KI_SCAN_SEED rows; from then
 * on rows are coded as they come, so the bytes depend on the rows and their order alone. */
#include "rows/store.h"

#include <string.h>

#include "rows/scancode.h"

enum { PIECE = 1024 }; // rows that one thread codes at a time

/* Centre, three floats a row, two planes; each 64-byte aligned. Returns the length of all. */
static size_t lay_out(uint8_t *at, size_t cap, size_t d, ki_scan_arrays *out)
{
    const size_t centre = (d * sizeof(float) + 63) / 64 * 64;
    const size_t terms = (cap * sizeof(float) + 63) / 64 * 64;
    const size_t plane = (cap * ki_plane(d) + 63) / 64 * 64;

    if (at) {
        void *const part[] = {at, at + centre, at + centre + terms, at + centre + 2 * terms};
        uint8_t *planes = at + centre + 3 * terms;

        *out = (ki_scan_arrays){part[0], part[1], part[2], part[3], planes, planes + plane};
    }
    return centre + 3 * terms + 2 * plane;
}

typedef struct coding {
    const ki_view *view;
    size_t chunk, from, to; // rows of the chunk
    ki_scan_arrays place;
    uint32_t rest[KI_CHUNK / PIECE]; // the largest of each piece
    ki_progress *progress;
} coding;

static kith_status code_piece(void *arg, size_t i)
{
    coding *g = arg;
    const ki_view *v = g->view;
    const size_t at = g->from + i * PIECE, left = g->to - at;
    const size_t n = left < PIECE ? left : PIECE;
    const void *rows = v->own->codes->chunk[g->chunk]->bytes + at * v->row_bytes;

    g->rest[i] = ki_scancode_encode(v->metric, rows, n, v->d, &g->place, at);
    return ki_progress_add(g->progress, 0);
}

kith_status ki_scan_chunk_create(ki_env *env, uint32_t cap, size_t d, const ki_scan_chunk *from,
                                 ki_scan_chunk *out, ki_chunk **block)
{
    const size_t n = from->n;
    kith_status st = KITH_OK;
    ki_scan_arrays a = {0};

    KI_TRY(ki_chunk_create(env, cap, lay_out(NULL, cap, d, NULL), block));
    (void)lay_out((*block)->own, cap, d, &a);
    ki_assert(a.centre);
    if (n) {
        memcpy(a.centre, from->centre, d * sizeof(float));
        memcpy(a.scale, from->scale, n * sizeof(float));
        memcpy(a.error, from->error, n * sizeof(float));
        memcpy(a.half_norm, from->half_norm, n * sizeof(float));
        memcpy(a.high, from->high, n * ki_plane(d));
        memcpy(a.low, from->low, n * ki_plane(d));
    }
    *out = (ki_scan_chunk){.centre = a.centre,
                           .high = a.high,
                           .low = a.low,
                           .scale = a.scale,
                           .error = a.error,
                           .half_norm = a.half_norm,
                           .n = from->n,
                           .error_max = from->error_max,
                           .rest_max = from->rest_max};
out:
    return st;
}

/* Memory of a chunk's scan code for as many rows as its codes have room for. */
static kith_status reserve_rows(ki_view *v, size_t chunk, ki_scan_chunk *s)
{
    const uint32_t cap = v->own->codes->chunk[chunk]->cap;
    const ki_chunk *old;
    kith_status st = KITH_OK;
    ki_chunk *block;

    KI_TRY(ki_column_own(&v->own->scans, chunk + 1));
    old = v->own->scans->chunk[chunk];
    if (old && old->own && old->cap >= cap && s->n) goto out;
    KI_TRY(ki_scan_chunk_create(v->own->env, cap, v->d, s, s, &block));
    ki_column_place(v->own->scans, chunk, block);
out:
    return st;
}

static kith_status scan_chunk(ki_change *c, size_t chunk, uint32_t threads, ki_progress *p)
{
    ki_view *v = c->next;
    ki_env *env = v->own->env;
    ki_scan_chunk *s = &v->own->scan[chunk];
    const size_t start = chunk << KI_CHUNK_BITS, left = v->n - start;
    coding g = {v, chunk, s->n, left < KI_CHUNK ? left : KI_CHUNK, {0}, {0}, p};
    const ki_chunk *block;
    kith_status st = KITH_OK;
    size_t pieces;

    if (g.to < KI_SCAN_SEED || g.to == s->n) return KITH_OK;
    KI_TRY(reserve_rows(v, chunk, s));
    block = v->own->scans->chunk[chunk];
    (void)lay_out(block->own, block->cap, v->d, &g.place);
    if (s->n == 0)
        ki_scancode_centre(v->metric, (const void *)v->own->codes->chunk[chunk]->bytes, v->d,
                           g.place.centre);
    pieces = (g.to - g.from + PIECE - 1) / PIECE;
    KI_TRY(ki_parallel(env, ki_thread_count(env, threads, pieces), pieces, code_piece, &g));
    for (size_t i = g.from; i < g.to; i++)
        if (g.place.error[i] > s->error_max) s->error_max = g.place.error[i];
    for (size_t i = 0; i < pieces; i++)
        if (g.rest[i] > s->rest_max) s->rest_max = g.rest[i];
    s->n = (uint32_t)g.to;
out:
    return st;
}

/* One entry a chunk, the new ones without code. */
static kith_status reserve_entries(ki_view *v)
{
    struct ki_view_private *own = v->own;
    const size_t chunks = ki_view_chunks(v);
    ki_scan_chunk *scan;

    if (chunks > own->scan_room) {
        const size_t room = chunks + chunks / 8;

        scan = ki_regrow(own->env, own->scan, v->scan_chunks, room, sizeof *scan);
        if (!scan) return KITH_NO_MEMORY;
        ki_release(own->env, own->scan, own->scan_room, sizeof *scan);
        own->scan = scan;
        own->scan_room = room;
        ki_view_show(v);
    }
    for (size_t i = v->scan_chunks; i < chunks; i++) own->scan[i] = (ki_scan_chunk){0};
    v->scan_chunks = chunks;
    return KITH_OK;
}

kith_status ki_change_scan(ki_change *c, uint32_t n0, uint32_t threads, ki_progress *p)
{
    ki_view *v = c->next;
    kith_status st = KITH_OK;

    if (!v->own->scan_wanted || !ki_scancode_applies(v->codec, v->metric)) return KITH_OK;
    if (v->scan_chunks == 0 && v->n < KI_SCAN_SEED) return KITH_OK;
    if (!v->own->scans) KI_TRY(ki_column_create(v->own->env, 0, false, &v->own->scans));
    if (v->scan_chunks == 0) n0 = 0;
    KI_TRY(reserve_entries(v));
    for (size_t chunk = n0 >> KI_CHUNK_BITS; chunk < v->scan_chunks; chunk++)
        KI_TRY(scan_chunk(c, chunk, threads, p));
out:
    return st;
}
