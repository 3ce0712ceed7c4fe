/* A store over the sections of a file (rowswrite.c writes them). Nothing is copied: chunks point
 * into the sections. Sizes, counts and flags are checked here against each other; numbers that lie
 * in row sections (positions, offsets of labels) are checked where they are used, because a mapped
 * file can change under us. Sections that do not begin at a multiple of 8 in memory (a caller's
 * odd buffer) are copied instead. */
#include "rows/rowsfile.h"

#include <math.h>
#include <string.h>

#include "rows/scancode.h"
#include "rows/store.h"

typedef unsigned long long ull; // what %llu prints

/* What an open needs to know. */
typedef struct opening {
    ki_env *env;
    const ki_blob_reader *reader;
    ki_mapping *map;
    ki_rows_head head;
    ki_span entries; // of the scan code, behind the head
    ki_view *view;
} opening;

static kith_status corrupt(uint32_t type, const char *what, ull is, ull should)
{
    char name[5];

    return ki_fail(KITH_CORRUPT, "section %s: %s %llu, should be %llu", ki_blob_name(type, name),
                   what, is, should);
}

/* A section that must have len bytes; with len 0 it must be absent. */
static kith_status need(const opening *o, uint32_t type, uint64_t len, ki_span *out)
{
    kith_status st = KITH_OK;

    KI_TRY(o->reader->find(o->reader, type, 0, out));
    if (len > 0 && !out->ptr) KI_TRY(ki_blob_need(o->reader, type, 0, out));
    if (out->len != len) return corrupt(type, "its bytes are", out->len, len);
out:
    return st;
}

/* ---- head ------------------------------------------------------------------------------------ */

static kith_status check_ids(const ki_rows_head *h)
{
    const uint64_t first = (uint64_t)h->first_id, last = first + (h->n ? h->n - 1 : 0);

    if (h->next_id < KITH_NO_ID)
        return corrupt(KI_SECTION_ROWS, "its next id is", (ull)h->next_id, 0);
    if (h->flags & KI_ROWS_OWN_IDS && h->first_id != 0)
        return corrupt(KI_SECTION_ROWS, "its first id is", first, 0);
    if (h->flags & KI_ROWS_OWN_IDS || h->n == 0) return KITH_OK;
    if ((int64_t)last < h->first_id || (h->first_id <= KITH_NO_ID && (int64_t)last >= KITH_NO_ID))
        return ki_fail(KITH_CORRUPT, "section ROWS: %u ids from %lld on are not possible", h->n,
                       (long long)h->first_id);
    if (h->next_id != KITH_NO_ID && h->next_id <= (int64_t)last)
        return corrupt(KI_SECTION_ROWS, "its next id is", (ull)h->next_id, last + 1);
    return KITH_OK;
}

static kith_status check_head(const ki_rows_head *h, ki_span section)
{
    const ki_codec *codec = ki_codec_of_file(h->codec);
    const ki_metric *metric = ki_metric_of((kith_metric)h->metric);
    kith_status st = KITH_OK;

    if (!codec) KI_FAIL(KITH_VERSION, "section ROWS: codec %u is unknown here", h->codec);
    if (!metric) KI_FAIL(KITH_VERSION, "section ROWS: metric %u is unknown here", h->metric);
    if (h->flags & ~(uint32_t)KI_ROWS_FLAGS || h->later)
        KI_FAIL(KITH_VERSION, "section ROWS: flags %x %llx are unknown here", h->flags,
                (ull)h->later);
    if (h->d == 0 || h->d > KITH_MAX_DIM)
        KI_FAIL(KITH_CORRUPT, "section ROWS: %llu components a row, 1…%u are possible", (ull)h->d,
                KITH_MAX_DIM);
    if (h->n > KITH_MAX_ROWS || h->live > h->n || h->labelled > h->live)
        KI_FAIL(KITH_CORRUPT, "section ROWS: %u rows, %u live, %u with labels", h->n, h->live,
                h->labelled);
    if (ki_codec_suits(codec, metric->id) != KITH_OK)
        KI_FAIL(KITH_CORRUPT, "section ROWS: %s on %s rows", metric->name, codec->name);
    if (metric->id == KITH_LP ? !(h->arg > 0 && isfinite(h->arg)) : !isfinite(h->arg))
        KI_FAIL(KITH_CORRUPT, "section ROWS: %g is no argument of %s", h->arg, metric->name);
    if (section.len != KI_ROWS_HEAD + (uint64_t)h->scan_chunks * KI_ROWS_SCAN_ENTRY)
        KI_FAIL(KITH_CORRUPT, "section ROWS: %zu bytes do not hold %u chunks of scan code",
                section.len, h->scan_chunks);
    KI_TRY(check_ids(h));
out:
    return st;
}

static kith_status read_head(opening *o)
{
    ki_rows_head *h = &o->head;
    kith_status st = KITH_OK;
    const uint8_t *p;
    ki_span section;
    uint64_t arg;

    KI_TRY(ki_blob_need(o->reader, KI_SECTION_ROWS, 0, &section));
    p = section.ptr;
    if (section.len < 4) KI_FAIL(KITH_CORRUPT, "section ROWS: %zu bytes", section.len);
    h->version = ki_le32(p);
    if (h->version != KI_ROWS_VERSION)
        KI_FAIL(KITH_VERSION, "section ROWS: version %u, known here is %d", h->version,
                KI_ROWS_VERSION);
    if (section.len < KI_ROWS_HEAD)
        KI_FAIL(KITH_CORRUPT, "section ROWS: %zu bytes, its head has %d", section.len,
                KI_ROWS_HEAD);
    h->codec = ki_le32(p + 4);
    h->metric = ki_le32(p + 8);
    h->flags = ki_le32(p + 12);
    h->d = ki_le64(p + 16);
    arg = ki_le64(p + 24);
    memcpy(&h->arg, &arg, sizeof h->arg);
    h->n = ki_le32(p + 32);
    h->live = ki_le32(p + 36);
    h->first_id = (int64_t)ki_le64(p + 40);
    h->next_id = (int64_t)ki_le64(p + 48);
    h->labelled = ki_le32(p + 56);
    h->scan_chunks = ki_le32(p + 60);
    h->text_len = ki_le64(p + 64);
    h->later = ki_le64(p + 72);
    KI_TRY(check_head(h, section));
    o->entries = (ki_span){p + KI_ROWS_HEAD, section.len - KI_ROWS_HEAD};
out:
    return st;
}

/* ---- columns --------------------------------------------------------------------------------- */

static bool aligned(const void *p)
{
    return (uintptr_t)p % 8 == 0;
}

/* A chunk of the section; copied when `copy` is set. */
static kith_status chunk_of(const opening *o, const uint8_t *bytes, uint32_t cap, size_t len,
                            bool copy, ki_chunk **out)
{
    kith_status st;

    if (!copy) return ki_chunk_borrow(o->env, bytes, cap, len, o->map, out);
    st = ki_chunk_create(o->env, cap, len, out);
    if (st == KITH_OK) memcpy((*out)->own, bytes, len);
    return st;
}

/* A column of n elements over a section that is that long. */
static kith_status open_column(const opening *o, ki_span section, size_t width, ki_column **col)
{
    const size_t chunks = ((size_t)o->head.n + KI_CHUNK - 1) >> KI_CHUNK_BITS;
    kith_status st = KITH_OK;

    if (!*col) KI_TRY(ki_column_create(o->env, width, false, col));
    KI_TRY(ki_column_own(col, chunks));
    for (size_t c = 0; c < chunks; c++) {
        const uint64_t left = o->head.n - (uint64_t)c * KI_CHUNK;
        const uint32_t rows = left < KI_CHUNK ? (uint32_t)left : KI_CHUNK;

        KI_TRY(chunk_of(o, section.ptr + c * KI_CHUNK * width, rows, rows * width,
                        !aligned(section.ptr), &(*col)->chunk[c]));
    }
out:
    return st;
}

static kith_status open_codes(const opening *o)
{
    kith_status st = KITH_OK;
    ki_span codes;

    KI_TRY(need(o, KI_SECTION_CODES, (uint64_t)o->head.n * o->view->row_bytes, &codes));
    KI_TRY(open_column(o, codes, o->view->row_bytes, &o->view->own->codes));
out:
    return st;
}

/* The codec of the head, with what it learned. */
static kith_status open_codec(const opening *o, const ki_codec **out)
{
    const ki_codec *c = ki_codec_of_file(o->head.codec);
    const size_t d = (size_t)o->head.d;
    kith_status st = KITH_OK;
    ki_span learned;

    KI_TRY(need(o, KI_SECTION_LEARNED, ki_codec_learned_bytes(c, d), &learned));
    *out = c;
    if (c->learn)
        KI_TRY(ki_codec_read_learned(c, o->env, d, (kith_metric)o->head.metric, learned, out));
out:
    return st;
}

static kith_status open_ids(const opening *o)
{
    struct ki_view_private *own = o->view->own;
    const ki_rows_head *h = &o->head;
    const bool own_ids = (h->flags & KI_ROWS_OWN_IDS) != 0;
    kith_status st = KITH_OK;
    ki_span ids, by_id;

    KI_TRY(need(o, KI_SECTION_IDS, own_ids ? 8 * (uint64_t)h->n : 0, &ids));
    KI_TRY(need(o, KI_SECTION_BY_ID, own_ids ? 4 * (uint64_t)h->live : 0, &by_id));
    o->view->first_id = h->first_id;
    o->view->next_id = h->next_id;
    if (!own_ids) goto out;
    KI_TRY(open_column(o, ids, sizeof(int64_t), &own->ids));
    own->idmap.sorted = by_id.ptr;
    own->idmap.sorted_n = h->live;
    own->idmap.base = h->n;
    own->idmap.map = ki_mapping_share(o->map);
out:
    return st;
}

/* Removed rows are few bytes and all else is counted by them: they are looked at here. The last
 * chunk is copied to its full length, because rows that come read bits behind the section's end. */
static kith_status open_removed(const opening *o)
{
    struct ki_view_private *own = o->view->own;
    const ki_rows_head *h = &o->head;
    const size_t a_chunk = KI_CHUNK / 8, words = ki_bit_words(h->n);
    uint64_t gone = 0, tail = 0;
    kith_status st = KITH_OK;
    ki_span bits;

    KI_TRY(need(o, KI_SECTION_REMOVED, h->live < h->n ? 8 * (uint64_t)words : 0, &bits));
    if (h->live == h->n) goto out;
    for (size_t i = 0; i < words; i++) gone += KI_POPCOUNT64(ki_le64(bits.ptr + 8 * i));
    if (gone != h->n - h->live)
        KI_TRY(corrupt(KI_SECTION_REMOVED, "its removed rows are", gone, h->n - h->live));
    if (h->n % 64) tail = ki_le64(bits.ptr + 8 * (words - 1)) >> h->n % 64;
    if (tail) KI_FAIL(KITH_CORRUPT, "section GONE: rows behind the last one are removed");
    KI_TRY(ki_column_create(o->env, sizeof(uint64_t), true, &own->removed));
    for (size_t at = 0; at < bits.len; at += a_chunk) {
        const size_t c = at / a_chunk, left = bits.len - at;
        void *whole;

        if (left < a_chunk) {
            KI_TRY(ki_column_edit(&own->removed, c, a_chunk, &whole));
            memcpy(whole, bits.ptr + at, left);
            continue;
        }
        KI_TRY(ki_column_own(&own->removed, c + 1));
        KI_TRY(chunk_of(o, bits.ptr + at, KI_CHUNK, a_chunk, !aligned(bits.ptr),
                        &own->removed->chunk[c]));
    }
out:
    return st;
}

static kith_status open_labels(const opening *o)
{
    ki_labels *l = &o->view->own->labels;
    const ki_rows_head *h = &o->head;
    kith_status st = KITH_OK;
    ki_span at, text, sorted;

    KI_TRY(need(o, KI_SECTION_LABEL_AT, h->labelled ? 8 * ((uint64_t)h->n + 1) : 0, &at));
    KI_TRY(need(o, KI_SECTION_LABELS, h->labelled ? h->text_len : 0, &text));
    KI_TRY(need(o, KI_SECTION_BY_LABEL, 4 * (uint64_t)h->labelled, &sorted));
    if (!h->labelled) goto out;
    l->base = (ki_label_base){at.ptr, text.ptr, sorted.ptr, text.len, h->n, h->labelled};
    l->map = ki_mapping_share(o->map);
out:
    return st;
}

/* ---- scan code ------------------------------------------------------------------------------- */

/* The entries: every chunk but the last has a code for all of its rows; the last one too, or
 * none. */
static kith_status read_entries(const opening *o, uint64_t *rows, uint64_t *coded)
{
    const ki_rows_head *h = &o->head;
    ki_scan_chunk *scan = o->view->own->scan;

    *rows = *coded = 0;
    for (uint32_t c = 0; c < h->scan_chunks; c++) {
        const uint8_t *entry = o->entries.ptr + (size_t)c * KI_ROWS_SCAN_ENTRY;
        const uint64_t left = h->n - (uint64_t)c * KI_CHUNK;
        const uint32_t full = left < KI_CHUNK ? (uint32_t)left : KI_CHUNK, n = ki_le32(entry);
        const uint32_t error = ki_le32(entry + 4);

        scan[c] = (ki_scan_chunk){.n = n, .rest_max = ki_le32(entry + 8)};
        memcpy(&scan[c].error_max, &error, sizeof error);
        if (n != (full < KI_SCAN_SEED ? 0 : full))
            return ki_fail(KITH_CORRUPT, "section ROWS: chunk %u of %u rows has %u scan codes", c,
                           full, n);
        if (n == 0 && (error || scan[c].rest_max))
            return ki_fail(KITH_CORRUPT,
                           "section ROWS: chunk %u has no scan codes, but errors of "
                           "them",
                           c);
        if (!(scan[c].error_max >= 0)) // infinite for rows whose length is beyond f32
            return ki_fail(KITH_CORRUPT, "section ROWS: chunk %u has scan codes with error %g", c,
                           (double)scan[c].error_max);
        *rows += n;
        *coded += n > 0;
    }
    return KITH_OK;
}

static kith_status open_scan_chunk(const opening *o, size_t c, ki_span centres, ki_span terms,
                                   ki_span codes)
{
    struct ki_view_private *own = o->view->own;
    ki_scan_chunk *s = &own->scan[c];
    const size_t d = o->view->d, plane = ki_plane(d), start = c * KI_CHUNK;
    const bool copy = !aligned(centres.ptr) || !aligned(terms.ptr);
    const uint8_t *term = terms.ptr + start * 3 * sizeof(float);

    s->centre = (const float *)(const void *)(centres.ptr + c * d * sizeof(float));
    s->scale = (const float *)(const void *)term;
    s->error = (const float *)(const void *)(term + s->n * sizeof(float));
    s->half_norm = (const float *)(const void *)(term + 2 * sizeof(float) * s->n);
    s->high = codes.ptr + start * 2 * plane;
    s->low = s->high + s->n * plane;
    if (copy) return ki_scan_chunk_create(o->env, s->n, d, s, s, &own->scans->chunk[c]);
    return ki_chunk_borrow(o->env, s->high, s->n, 2 * plane * s->n, o->map, &own->scans->chunk[c]);
}

static kith_status open_scan(const opening *o)
{
    struct ki_view_private *own = o->view->own;
    const ki_rows_head *h = &o->head;
    ki_span centres, terms, codes;
    uint64_t rows = 0, coded = 0;
    kith_status st = KITH_OK;

    if (h->scan_chunks) {
        if (h->scan_chunks != ki_view_chunks(o->view))
            KI_TRY(corrupt(KI_SECTION_ROWS, "its chunks of scan code are", h->scan_chunks,
                           ki_view_chunks(o->view)));
        if (!(h->flags & KI_ROWS_SCAN) || !ki_scancode_applies(o->view->codec, o->view->metric))
            KI_FAIL(KITH_CORRUPT, "section ROWS: a scan code for rows that cannot have one");
        own->scan = ki_array(o->env, h->scan_chunks, sizeof *own->scan);
        KI_NEED(own->scan);
        own->scan_room = h->scan_chunks;
        KI_TRY(read_entries(o, &rows, &coded));
    }
    KI_TRY(need(o, KI_SECTION_CENTRES, coded * h->d * sizeof(float), &centres));
    KI_TRY(need(o, KI_SECTION_TERMS, rows * 3 * sizeof(float), &terms));
    KI_TRY(need(o, KI_SECTION_SCAN_CODES, rows * 2 * ki_plane(h->d), &codes));
    if (!coded) goto out;
    KI_TRY(ki_column_create(o->env, 0, false, &own->scans));
    KI_TRY(ki_column_own(&own->scans, h->scan_chunks));
    for (size_t c = 0; c < coded; c++) KI_TRY(open_scan_chunk(o, c, centres, terms, codes));
    o->view->scan_chunks = h->scan_chunks;
out:
    return st;
}

/* ---- all ------------------------------------------------------------------------------------- */

kith_status ki_rows_open(ki_env *env, const ki_blob_reader *r, void *keep,
                         void (*share)(void *keep), void (*release)(void *keep), ki_rows **out)
{
    opening o = {.env = env, .reader = r};
    const ki_codec *codec = NULL;
    kith_status st = KITH_OK;

    KI_TRY(read_head(&o));
    KI_TRY(ki_mapping_create(env, keep, share, release, &o.map));
    KI_TRY(open_codec(&o, &codec));
    KI_TRY(ki_view_create(env, codec, (size_t)o.head.d, (kith_metric)o.head.metric, o.head.arg,
                          &o.view));
    o.view->n = o.head.n;
    o.view->live = o.head.live;
    o.view->own->adaptive = (o.head.flags & KI_ROWS_ADAPTIVE) != 0;
    o.view->own->scan_wanted = (o.head.flags & KI_ROWS_SCAN) != 0;
    KI_TRY(open_codes(&o));
    KI_TRY(open_ids(&o));
    KI_TRY(open_removed(&o));
    KI_TRY(open_labels(&o));
    KI_TRY(open_scan(&o));
    ki_view_show(o.view);
    KI_TRY(ki_rows_adopt(env, o.view, out));
    o.view = NULL;
out:
    ki_view_free(o.view);
    ki_codec_release(codec);
    ki_mapping_release(o.map);
    return st;
}
