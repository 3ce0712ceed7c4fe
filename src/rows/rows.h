/* The row store: what is known of each vector, written once for every navigator. Codes, ids,
 * labels, removed rows, the scan code beside f32 rows; snapshots for readers, one change at a time
 * for writers. A navigator chooses and fills; it never allocates row storage itself.
 *
 * Positions are dense, 0…n-1. Columns are chunks of 2^16 positions. A chunk lies in the mapped
 * file or in memory and never moves while a reader may see it; stored rows are never overwritten.
 *
 * Snapshots. Readers take a ki_view with one atomic addition and give it back with another: no
 * locks. A view is immutable; the writer may fill memory beyond a view's n, which its readers never
 * read. What only old views need is freed by the last reader that gives one back, or by the next
 * change. A search sees one view from beginning to end; a cursor keeps its own.
 */
#ifndef KI_ROWS_H
#define KI_ROWS_H

#include "base/bitset.h"
#include "base/blob.h"
#include "base/threads.h"
#include "codec/codec.h"

enum { KI_CHUNK_BITS = 16, KI_CHUNK = 1 << KI_CHUNK_BITS };

typedef struct ki_rows ki_rows;     /* the store */
typedef struct ki_change ki_change; /* one change under way; holds the writer lock */

/* One column: chunk c holds positions c*KI_CHUNK…; elements of `width` bytes. Shared between
 * views. */
typedef struct ki_column ki_column;
/* First byte of chunk c. */
const void *ki_column_chunk(const ki_column *col, size_t c);

/* The scan code of one chunk (scancode.c): 8-bit codes of the chunk's first `n` rows around a
 * centre, value = centre + scale * (code - 128) (COSINE: of y/|y|), with a proven error a row. */
typedef struct ki_scan_chunk {
    const float *centre;       /* [d] */
    const uint8_t *high, *low; /* [n][ki_plane(d)] each: planes of the codes (kernel.h) */
    const float *scale;        /* [n] */
    const float *error;        /* [n] Euclidean length of what the code misses, rounded up */
    const float *half_norm; /* [n] half the squared length of scale * (code - 128), nearest float */
    uint32_t n;             /* rows of this chunk that have a code in this view: 0 = none */
    float error_max;        /* largest error of the n rows */
    uint32_t rest_max;      /* largest, over the n rows, sum of (2 * (low half) - 15)^2 */
} ki_scan_chunk;

/* What a navigator keeps beside rows (links of a graph, lists): opaque here, shared by the views
 * that go with it, freed with the last of them. A structure may be changed in place where readers
 * can live with it; what an aborted change did to it is taken back by undo. */
typedef struct ki_structure ki_structure;
struct ki_structure {
    atomic_size_t refs;
    void (*release)(ki_structure *s); /* the last reference is gone */
    void (*undo)(ki_structure *s);    /* a change that was given it is aborted; may be NULL */
    void (*settle)(ki_structure *s);  /* … is committed: no undo will come; may be NULL */
};
ki_structure *ki_structure_share(ki_structure *s); /* NULL is fine, here and below */
void ki_structure_release(ki_structure *s);

typedef struct ki_view {
    uint32_t n;          /* positions, removed ones too */
    uint32_t live;       /* rows that are not removed */
    uint64_t version;    /* counts changes */
    uint64_t generation; /* positions keep their meaning while this stays (compact changes it) */
    const ki_codec *codec;
    size_t d, row_bytes; /* codes are packed: stride = row_bytes */
    kith_metric metric;
    double arg;
    const ki_column *codes;
    const ki_column *ids;      /* int64_t; NULL: id = first_id + position */
    int64_t first_id, next_id; /* next_id: what a row without id gets */
    const ki_column *removed;  /* 64-bit words, KI_CHUNK/64 a chunk, set = removed; NULL: none */
    size_t scan_chunks;        /* all chunks of the view; 0 = no scan code */
    const ki_scan_chunk *scan;
    ki_structure *structure; /* the navigator's; NULL: none */
    ki_structure *curve;     /* what tuning found out, opaque as well; NULL: nothing */
    /* further members are private to rows/: labels, id map, owners. */
    struct ki_view_private *own;
} ki_view;

/* ---- store ----------------------------------------------------------------------------------- */

/* codec NULL: adaptive (U8 while every value is an integer 0…255, else F32); for metrics on bits
 * only: Bits. One that learns: rows are F32 until ki_change_learn, or until KI_LEARN_ROWS are there
 * to learn from. scan: keep the scan code where it applies (F32 rows; L2, IP, COSINE). env is
 * borrowed. */
kith_status ki_rows_create(ki_env *env, const ki_codec *codec, size_t d, kith_metric m, double arg,
                           bool scan, ki_rows **out);
void ki_rows_free(ki_rows *r);
/* How a codec that learns shall do so, by its table of parameters; before anybody looks at r. */
void ki_rows_want(ki_rows *r, const ki_codec *codec, const double *params);

/* Hold changes back, for who reads a structure that they alter in place (a graph's links) and needs
 * it as of one moment; let them go on. */
void ki_rows_hold(const ki_rows *r);
void ki_rows_resume(const ki_rows *r);

const ki_view *ki_view_acquire(const ki_rows *r);
void ki_view_release(const ki_rows *r, const ki_view *v);

int64_t ki_view_id(const ki_view *v, uint32_t pos);
bool ki_view_live(const ki_view *v, uint32_t pos); /* pos < n */
/* Position of the live row with this id; false if none. */
bool ki_view_find(const ki_view *v, int64_t id, uint32_t *pos);
const void *ki_view_code(const ki_view *v, uint32_t pos);
/* A row as one of the codec's dtype: as stored or, where only the codec reads that, decoded. */
size_t ki_view_row_bytes(const ki_view *v);
void ki_view_row(const ki_view *v, uint32_t pos, void *out);
/* The label of a row, "" if it has none: borrowed from the view; *len without the closing NUL. */
const char *ki_view_label(const ki_view *v, uint32_t pos, size_t *len);
/* Ids of live rows with this label, ascending: up to cap of them; *n all. */
kith_status ki_view_find_label(const ki_view *v, ki_env *env, const char *text, int64_t *ids,
                               size_t cap, size_t *n);
/* Bytes of the store by part, for kith_stats. */
void ki_view_stats(const ki_view *v, kith_each *each, void *ctx);
/* All invariants: ids unique and findable, counts, labels, scan code bounds of every row. CORRUPT
 * with the row. */
kith_status ki_view_check(const ki_view *v, ki_env *env, ki_progress *p);

/* ---- change: begin … commit or abort --------------------------------------------------------- */

typedef enum ki_put { KI_PUT_ADD, KI_PUT_UPSERT, KI_PUT_UPDATE } ki_put;

/* Takes the writer lock. Nothing is visible, and everything can be undone, until commit. */
kith_status ki_change_begin(ki_rows *r, ki_change **out);
/* A hint for this and later changes: n rows in all will come, so that chunks need not grow. */
void ki_change_expect(ki_change *c, uint64_t n);
/* Check, encode and append rows (kith_add, kith_upsert, kith_update). May be called again; after a
 * call that failed the change can only be aborted. */
kith_status ki_change_put(ki_change *c, ki_put how, kith_rows x, const int64_t *ids,
                          const char *const *labels, uint32_t threads, ki_progress *p);
/* Let the codec learn from x, which is checked, if it learns: rows are stored by that from now on,
 * and so are those that are there. BAD_ARG once rows are stored by what it learned before. */
kith_status ki_change_learn(ki_change *c, kith_rows x, uint32_t threads, ki_progress *p);
kith_status ki_change_remove(ki_change *c, int64_t id, bool *removed);
kith_status ki_change_label(ki_change *c, int64_t id, const char *text);
/* Replace everything by the live rows in order, storage chosen anew, scan code anew; where that
 * would give back nothing, all stays, positions too. No navigator's structure goes with the new
 * rows until one is attached. */
kith_status ki_change_compact(ki_change *c, uint32_t threads, ki_progress *p);
/* Append all live rows of another store's view, with ids and labels. */
kith_status ki_change_merge(ki_change *c, const ki_view *from, uint32_t threads, ki_progress *p);
/* The snapshot as commit would publish it; valid until the next call on c. For navigators. */
const ki_view *ki_change_view(const ki_change *c);
/* The snapshot whose live rows compact poured into this one, in order, with its structure; valid
 * until commit or abort. NULL: this change did not compact. */
const ki_view *ki_change_before(const ki_change *c);
/* Give the snapshot a structure (the reference is taken over; NULL: none from now on). */
void ki_change_attach(ki_change *c, ki_structure *s);
/* The same for what tuning found out; it stays from snapshot to snapshot until this is called. */
void ki_change_tell(ki_change *c, ki_structure *curve);
/* The same for the rows of a file, before anybody looks at them. */
void ki_rows_attach(ki_rows *r, ki_structure *s);
void ki_rows_tell(ki_rows *r, ki_structure *curve);
void ki_change_commit(ki_change *c); /* publishes and unlocks; cannot fail */
void ki_change_abort(ki_change *c);  /* undoes and unlocks; NULL is fine */

/* ---- files ----------------------------------------------------------------------------------- */

/* Write the sections of a view. Unchanged mapped chunks are compared with their checksums by the
 * caller first (ki_container_verify). planning: lengths only. */
kith_status ki_view_write(const ki_view *v, ki_blob_writer *w, bool planning);
/* A store over a file's sections: nothing is copied; `keep` is shared until the last view is gone
 * (share/release called with keep). Sizes, counts and references are checked; row bytes are not
 * touched. */
kith_status ki_rows_open(ki_env *env, const ki_blob_reader *r, void *keep,
                         void (*share)(void *keep), void (*release)(void *keep), ki_rows **out);

#endif
