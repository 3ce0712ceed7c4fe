/* Graphs to sections and back; docs/FORMAT.md, "Sections of graphs", describes their bytes. Links
 * and walk codes are used as they lie in the file: a link is compared with the number of rows when
 * it is followed. */
#include "navigate/graph/tower.h"

#include <string.h>

#define SECTION_GRAPH KI_FOUR('G', 'R', 'P', 'H') /* head, entries, their codes */
#define SECTION_LENS  KI_FOUR('G', 'L', 'E', 'N')
#define SECTION_LINKS KI_FOUR('G', 'L', 'N', 'K')
#define SECTION_CODES KI_FOUR('G', 'C', 'O', 'D')
#define SECTION_RESTS KI_FOUR('G', 'C', 'O', 'L') /* low halves */
#define SECTION_TOWER KI_FOUR('G', 'L', 'E', 'V')

enum { VERSION = 1, HEAD = 64 };

/* ---- writing --------------------------------------------------------------------------------- */

static kith_status put_lens(const ki_graph *g, ki_blob_writer *w, bool planning)
{
    const size_t len = ki_lens_put_bytes(g->lens);
    kith_status st = KITH_OK;
    uint8_t *bytes = NULL;

    KI_TRY(w->begin(w, SECTION_LENS, 0, len, false));
    if (!planning) {
        bytes = ki_array(g->env, len, 1);
        KI_NEED(bytes);
        ki_lens_put(g->lens, bytes);
        KI_TRY(w->put(w, bytes, len));
    }
    KI_TRY(w->end(w));
out:
    ki_release(g->env, bytes, len, 1);
    return st;
}

static kith_status put_tower(const ki_graph *g, ki_blob_writer *w, bool planning)
{
    const size_t len = ki_tower_put_bytes(g->tower);
    kith_status st = KITH_OK;
    uint8_t *bytes = NULL;

    KI_TRY(w->begin(w, SECTION_TOWER, 0, len, false));
    if (!planning) {
        bytes = ki_array(g->env, len, 1);
        KI_NEED(bytes);
        ki_tower_put(g->tower, g->most, bytes);
        KI_TRY(w->put(w, bytes, len));
    }
    KI_TRY(w->end(w));
out:
    ki_release(g->env, bytes, len, 1);
    return st;
}

static void make_head(const ki_graph *g, uint8_t *head)
{
    uint32_t slack;

    memset(head, 0, HEAD);
    ki_put_le32(head, VERSION);
    ki_put_le32(head + 4, g->degree);
    ki_put_le32(head + 8, g->n);
    ki_put_le32(head + 12, g->nodes);
    ki_put_le32(head + 16, g->twins);
    ki_put_le32(head + 20, g->entries);
    ki_put_le32(head + 24, (uint32_t)g->lens->bytes);
    ki_put_le32(head + 28, g->effort);
    memcpy(&slack, &g->slack, sizeof slack);
    ki_put_le32(head + 32, slack);
    ki_put_le32(head + 36, g->since);
}

static kith_status put_head(const ki_graph *g, ki_blob_writer *w, bool planning)
{
    const size_t codes = g->entries * g->lens->bytes;
    kith_status st = KITH_OK;
    uint8_t head[HEAD], entry[4];

    KI_TRY(w->begin(w, SECTION_GRAPH, 0, HEAD + g->entries * sizeof entry + codes, false));
    if (!planning) {
        make_head(g, head);
        KI_TRY(w->put(w, head, HEAD));
        for (size_t i = 0; i < g->entries; i++) {
            ki_put_le32(entry, g->entry[i]);
            KI_TRY(w->put(w, entry, sizeof entry));
        }
        if (codes) KI_TRY(w->put(w, g->entry_code, codes));
    }
    KI_TRY(w->end(w));
out:
    return st;
}

/* A column of n elements, chunk by chunk. Links that change meanwhile are the writer's own: it
 * holds back changes. */
static kith_status put_column(const ki_column *col, uint32_t type, uint32_t n, ki_blob_writer *w,
                              bool planning)
{
    kith_status st = KITH_OK;

    KI_TRY(w->begin(w, type, 0, (uint64_t)n * col->width, true));
    for (size_t c = 0; !planning && c * KI_CHUNK < n; c++) {
        const size_t left = n - c * KI_CHUNK, rows = left < KI_CHUNK ? left : KI_CHUNK;
        KI_TRY(w->put(w, ki_column_chunk(col, c), rows * col->width));
    }
    KI_TRY(w->end(w));
out:
    return st;
}

kith_status ki_graph_write(const ki_view *v, ki_blob_writer *w, bool planning)
{
    const ki_graph *g = ki_graph_of(v);
    kith_status st = KITH_OK;

    if (!g) return KITH_OK;
    KI_TRY(put_head(g, w, planning));
    KI_TRY(put_lens(g, w, planning));
    KI_TRY(put_column(g->links, SECTION_LINKS, g->n, w, planning));
    if (g->codes) KI_TRY(put_column(g->codes, SECTION_CODES, g->n, w, planning));
    if (g->rests) KI_TRY(put_column(g->rests, SECTION_RESTS, g->n, w, planning));
    if (g->tower) KI_TRY(put_tower(g, w, planning));
out:
    return st;
}

/* ---- opening --------------------------------------------------------------------------------- */

typedef struct opening {
    ki_env *env;
    const ki_view *v;
    const ki_blob_reader *reader;
    ki_mapping *map;
    ki_graph *g;
} opening;

/* A section of n elements of `width` bytes as a column over the file. */
static kith_status borrow(const opening *o, uint32_t type, size_t width, ki_column **out)
{
    const uint32_t n = o->v->n;
    kith_status st = KITH_OK;
    char name[5];
    ki_span s;

    KI_TRY(ki_blob_need(o->reader, type, 0, &s));
    if (s.len != (uint64_t)n * width)
        KI_FAIL(KITH_CORRUPT, "section %s has %zu bytes; %llu were expected",
                ki_blob_name(type, name), s.len, (unsigned long long)n * width);
    if ((uintptr_t)s.ptr % sizeof(uint32_t))
        KI_FAIL(KITH_UNSUPPORTED, "an index with a graph cannot be opened from bytes that do not "
                                  "begin at a multiple of 4");
    KI_TRY(ki_column_create(o->env, width, false, out));
    KI_TRY(ki_column_own(out, ((size_t)n + KI_CHUNK - 1) / KI_CHUNK));
    for (size_t c = 0; c * KI_CHUNK < n; c++) {
        const size_t left = n - c * KI_CHUNK, rows = left < KI_CHUNK ? left : KI_CHUNK;
        ki_chunk *k;

        KI_TRY(ki_chunk_borrow(o->env, s.ptr + c * KI_CHUNK * width, (uint32_t)rows, rows * width,
                               o->map, &k));
        ki_column_place(*out, c, k);
    }
out:
    return st;
}

static kith_status check_head(const opening *o, ki_span s)
{
    const uint8_t *h = s.ptr;

    if (s.len < HEAD) return ki_fail(KITH_CORRUPT, "section GRPH has %zu bytes, no head", s.len);
    if (ki_le32(h) != VERSION)
        return ki_fail(KITH_VERSION, "section GRPH has version %u; this release knows %d",
                       ki_le32(h), VERSION);
    if (ki_le32(h + 8) != o->v->n)
        return ki_fail(KITH_CORRUPT, "section GRPH: a graph of %u rows beside %u", ki_le32(h + 8),
                       o->v->n);
    if (ki_le32(h + 4) == 0 || ki_le32(h + 4) % KI_LINK_STEP || ki_le32(h + 4) > KI_DEGREE_MOST)
        return ki_fail(KITH_CORRUPT, "section GRPH: %u links a row", ki_le32(h + 4));
    if (ki_le32(h + 20) == 0 || ki_le32(h + 20) > o->v->n)
        return ki_fail(KITH_CORRUPT, "section GRPH: %u entries", ki_le32(h + 20));
    return KITH_OK;
}

static kith_status read_head(const opening *o, ki_span s)
{
    const uint8_t *h = s.ptr;
    kith_status st = KITH_OK;
    ki_graph *g = o->g;
    size_t codes, len;
    uint32_t slack;

    g->degree = ki_le32(h + 4);
    g->nodes = ki_le32(h + 12);
    g->twins = ki_le32(h + 16);
    g->effort = ki_le32(h + 28);
    slack = ki_le32(h + 32);
    memcpy(&g->slack, &slack, sizeof slack);
    g->since = ki_le32(h + 36) < g->n ? ki_le32(h + 36) : g->n;
    if (!ki_mul(ki_le32(h + 20), g->lens->bytes, &codes) ||
        !ki_add(codes, HEAD + 4 * (size_t)ki_le32(h + 20), &len) || s.len != len ||
        ki_le32(h + 24) != g->lens->bytes)
        KI_FAIL(KITH_CORRUPT, "section GRPH: %zu bytes do not hold %u entries of %zu bytes", s.len,
                ki_le32(h + 20), g->lens->bytes);
    if (g->effort == 0 || !(g->slack >= 0.0f && g->slack <= 100.0f))
        KI_FAIL(KITH_CORRUPT, "section GRPH: effort %u, slack %g", g->effort, (double)g->slack);
    g->entry = ki_array(o->env, ki_le32(h + 20), sizeof *g->entry);
    KI_NEED(g->entry);
    g->entries = ki_le32(h + 20);
    g->entry_code = ki_array(o->env, g->entries, g->lens->bytes);
    KI_NEED(g->entry_code);
    for (size_t i = 0; i < g->entries; i++) {
        g->entry[i] = ki_le32(h + HEAD + 4 * i);
        if (g->entry[i] >= g->n)
            KI_FAIL(KITH_CORRUPT, "section GRPH: entry %zu is row %u of %u", i, g->entry[i], g->n);
    }
    memcpy(g->entry_code, h + HEAD + 4 * (size_t)g->entries, codes);
out:
    return st;
}

/* The levels of HNSW, and how many links a row may have. */
static kith_status read_tower(const opening *o, const ki_graph_how *how)
{
    kith_status st = KITH_OK;
    ki_graph *g = o->g;
    ki_span s;

    g->most = how->at_once ? g->degree : how->most;
    if (how->levels) {
        KI_TRY(ki_blob_need(o->reader, SECTION_TOWER, 0, &s));
        KI_TRY(ki_tower_read(o->env, s, g->n, g->entry[0], &g->most, &g->tower));
        if (g->entries != 1)
            KI_FAIL(KITH_CORRUPT, "section GRPH: %u entries below levels", g->entries);
    }
    if (g->most == 0 || g->most > g->degree)
        KI_FAIL(KITH_CORRUPT, "section GRPH: %u of %u links a row", g->most, g->degree);
out:
    return st;
}

kith_status ki_graph_open(ki_rows *rows, ki_env *env, const ki_opening *from,
                          const ki_graph_how *how)
{
    opening o = {.env = env, .reader = from->reader};
    kith_status st = KITH_OK;
    ki_lens *lens = NULL;
    ki_span head, s;

    o.v = ki_view_acquire(rows);
    KI_TRY(from->reader->find(from->reader, SECTION_GRAPH, 0, &head));
    if (!head.ptr) goto out;
    KI_TRY(check_head(&o, head));
    KI_TRY(ki_blob_need(from->reader, SECTION_LENS, 0, &s));
    KI_TRY(ki_lens_read(env, o.v, s, &lens));
    KI_TRY(ki_mapping_create(env, from->keep, from->share, from->release, &o.map));
    KI_TRY(ki_graph_adopt(env, o.v, lens, &o.g));
    KI_TRY(read_head(&o, head));
    o.g->patient = how->patient;
    KI_TRY(read_tower(&o, how));
    KI_TRY(borrow(&o, SECTION_LINKS, o.g->degree * sizeof(uint32_t), &o.g->links));
    if (ki_lens_codes(lens)) KI_TRY(borrow(&o, SECTION_CODES, lens->bytes, &o.g->codes));
    if (lens->halved) KI_TRY(borrow(&o, SECTION_RESTS, lens->bytes, &o.g->rests));
    KI_TRY(ki_graph_show(o.g, o.v));
    ki_rows_attach(rows, &o.g->structure);
    o.g = NULL;
out:
    ki_graph_free(o.g);
    ki_lens_release(lens);
    ki_mapping_release(o.map);
    ki_view_release(rows, o.v);
    return st;
}
