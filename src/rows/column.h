/* Columns: what is stored of each position, in chunks of KI_CHUNK positions that never move and are
 * shared between views. For rows/, and for navigators that keep something of each position.
 *
 * 1. A chunk or column with one reference belongs to the change under way (or to nobody else) and
 *    may be rewritten; a shared one is copied first, except that
 * 2. the writer may fill elements of a shared chunk at or beyond the n of every view that sees it.
 * 3. A mapped chunk is never written; its memory belongs to the file, which it keeps open.
 * A navigator may change elements of shared chunks in place, if readers can live with it. */
#ifndef KI_COLUMN_H
#define KI_COLUMN_H

#include "rows/rows.h"

/* A file whose bytes chunks borrow: one share of what the opener lent, given back with the last
 * reference. */
typedef struct ki_mapping {
    atomic_size_t refs;
    ki_env *env;
    void *keep;
    void (*release)(void *keep);
} ki_mapping;

kith_status ki_mapping_create(ki_env *env, void *keep, void (*share)(void *keep),
                              void (*release)(void *keep), ki_mapping **out);
ki_mapping *ki_mapping_share(ki_mapping *m); /* NULL is fine, here and below */
void ki_mapping_release(ki_mapping *m);

/* owns: own, and a reference on map. */
typedef struct ki_chunk {
    atomic_size_t refs;
    ki_env *env;
    const uint8_t *bytes;
    uint8_t *own;    /* the same bytes when they may be written, else NULL */
    size_t len;      /* of bytes */
    uint32_t cap;    /* positions it has room for */
    ki_mapping *map; /* NULL: memory */
} ki_chunk;

kith_status ki_chunk_create(ki_env *env, uint32_t cap, size_t len, ki_chunk **out);
kith_status ki_chunk_borrow(ki_env *env, const void *bytes, uint32_t cap, size_t len,
                            ki_mapping *map, ki_chunk **out);
ki_chunk *ki_chunk_share(ki_chunk *k);
void ki_chunk_release(ki_chunk *k);

/* owns: a reference on each chunk; a chunk may be NULL where nothing was written yet. */
struct ki_column {
    atomic_size_t refs;
    ki_env *env;
    size_t width; /* bytes of an element; 0: chunks have a layout of their own */
    bool zeroed;  /* what was never written reads as zero */
    size_t count, room;
    ki_chunk *chunk[]; /* [room], the first count are valid */
};

kith_status ki_column_create(ki_env *env, size_t width, bool zeroed, ki_column **out);
ki_column *ki_column_share(ki_column *col);
void ki_column_release(ki_column *col);
/* Make *col one that nobody else holds, with at least `chunks` chunks. */
kith_status ki_column_own(ki_column **col, size_t chunks);
/* Room to write positions n…n+more-1; what lies below n is kept. A chunk that is new gets what is
 * asked or, when more is expected, what will come; one that grows doubles. */
kith_status ki_column_extend(ki_column **col, uint64_t n, uint64_t more, uint64_t expect);
/* Every chunk with positions below n in memory, to be written in place: those of a file are copied.
 * What views share is shared still. */
kith_status ki_column_write(ki_column **col, uint64_t n);
/* The whole chunk c, always len bytes in this column, to be rewritten: copied when it is shared,
 * zeros when it is new. */
kith_status ki_column_edit(ki_column **col, size_t c, size_t len, void **bytes);
/* Put a chunk at c, whose reference the column takes over. */
void ki_column_place(ki_column *col, size_t c, ki_chunk *k);
/* Bytes of all chunks. */
size_t ki_column_bytes(const ki_column *col);

static inline int64_t ki_column_id(const ki_column *ids, uint32_t pos)
{
    const void *bytes = ids->chunk[pos >> KI_CHUNK_BITS]->bytes;

    return ((const int64_t *)bytes)[pos % KI_CHUNK];
}

/* Whether the bit of pos is set in the column of removed rows, which may be NULL. */
static inline bool ki_column_removed(const ki_column *removed, uint32_t pos)
{
    const size_t c = pos >> KI_CHUNK_BITS;
    const void *words;

    if (!removed || c >= removed->count || !removed->chunk[c]) return false;
    words = removed->chunk[c]->bytes;
    return ki_bit_get(words, pos % KI_CHUNK);
}

#endif
