/* hnswlib's index file, read and written: header, rows, labels and links as they lie there. Which
 * metric the rows are for, their component type and their dimension do not stand in the file; what
 * becomes of the graph is not decided here either: no navigator is known. The layout is
 * HierarchicalNSW::saveIndex of hnswlib 0.3.4 to 0.8.0; this text shares no line with it. */
#ifndef KI_HNSWBIN_H
#define KI_HNSWBIN_H

#include "base/threads.h"

enum {
    KI_HNSW_HEAD = 96,         /* bytes before the first element */
    KI_HNSW_LEVELS = 255,      /* the highest level that is read or written */
    KI_HNSW_LINKS = UINT16_MAX /* in one list: the file counts them in 16 bits */
};

/* An hnswlib index in memory, every link, level and count checked: ids in lists are below count, no
 * list is longer than its room, an element that is linked on level l is on level l, the entry point
 * is on max_level and nobody above. Legal, since hnswlib makes them: links to oneself, the same id
 * twice in a list, links one way, elements that nobody reaches, an entry point or all elements
 * deleted. Labels are 0…2^63 - 1 (a kith id); the same one may be there twice, which whoever
 * imports refuses: finding it needs a table of all. Rows are any bytes, NaN among them. Immutable
 * once read; the accessors may be called from any thread.
 * owns: bytes and upper, nothing else is allocated. */
typedef struct ki_hnsw_file {
    ki_env env;
    uint8_t *bytes; /* [len]: the whole file */
    size_t len;
    uint64_t *upper;       /* [count] where an element's list on level 1 begins << 8 | its level */
    size_t count;          /* elements, deleted ones included; below 2^32 - 1 */
    size_t removed;        /* deleted ones among them */
    size_t d_bytes;        /* of a row: 1…8 * KITH_MAX_DIM, of a type that is not said */
    size_t m;              /* M: 1…65535. Of the three: what the level draw uses */
    size_t max_m;          /* room of a list on levels >= 1; as written, M */
    size_t max_m0;         /* room of a list on level 0; as written, 2 M */
    size_t stride;         /* from one row to the next */
    const uint8_t *rows;   /* [count] d_bytes each, `stride` apart, at any alignment */
    uint64_t max_elements; /* whatever the file says, at least count: not to be allocated from */
    uint64_t ef_construction; /* whatever the file says: 0…2^64 - 1 */
    int32_t max_level;        /* 0…255; -1 when count is 0 */
    uint32_t entry;           /* UINT32_MAX when count is 0 */
} ki_hnsw_file;

/* Read all of it: the file's length is allocated, and 8 bytes an element, after the header is known
 * to agree with that length. CORRUPT: "PATH: element 12: link 3 of level 0 goes to …"; LIMIT: a
 * label above 2^63 - 1 (so 2^64 - 1, too: as an id it is nobody's) or a row longer than kith has
 * any; NO_MEMORY, IO. */
kith_status ki_hnsw_read(const char *path, const kith_host *host, ki_hnsw_file **out);
void ki_hnsw_free(ki_hnsw_file *f); /* NULL is fine */

static inline const uint8_t *ki_hnsw_row(const ki_hnsw_file *f, size_t i) /* [d_bytes] */
{
    return f->rows + i * f->stride;
}

static inline int64_t ki_hnsw_label(const ki_hnsw_file *f, size_t i)
{
    return (int64_t)ki_le64(ki_hnsw_row(f, i) + f->d_bytes);
}

static inline bool ki_hnsw_deleted(const ki_hnsw_file *f, size_t i)
{
    return f->bytes[KI_HNSW_HEAD + i * f->stride + 2] != 0; // the third byte of the list's word
}

static inline int ki_hnsw_level(const ki_hnsw_file *f, size_t i) /* 0…max_level */
{
    return (int)(f->upper[i] & 0xff);
}

/* The links of element i on a level up to its own: *n ids, in no order that can be relied on. They
 * lie there as little-endian u32: ki_le32(links + 4 * j). */
static inline const uint8_t *ki_hnsw_links(const ki_hnsw_file *f, size_t i, int level, size_t *n)
{
    const uint8_t *list = f->bytes + KI_HNSW_HEAD + i * f->stride;

    if (level > 0) list = f->bytes + (f->upper[i] >> 8) + (size_t)(level - 1) * (4 + 4 * f->max_m);
    *n = ki_le16(list);
    return list + 4;
}

/* An index to be written, element by element, so that nobody needs it all in the form of the file.
 * Elements are asked for in ascending order, twice: for level 0, then for what lies above. The
 * answers must not change meanwhile; no function is called by two threads at once. */
typedef struct ki_hnsw_image {
    size_t count;           /* below 2^32 - 1 */
    size_t max_elements;    /* written as at least count and 1 */
    size_t d_bytes;         /* of a row: 1…8 * KITH_MAX_DIM */
    size_t m;               /* M, and the room of a list on levels >= 1: 1…65535 */
    size_t max_m0;          /* room of a list on level 0: 1…65535; hnswlib's own is 2 M */
    size_t ef_construction; /* written as at least M */
    int32_t max_level;      /* 0…255; with count 0 this and entry do not matter */
    uint32_t entry;         /* an element on max_level */
    void *ctx;
    /* Element i < count: its row [d_bytes], at any alignment, and n0 <= max_m0 links on level 0.
     * All are cleared beforehand: what stays untouched is 0. */
    void (*element)(void *ctx, uint32_t i, uint8_t *row, uint64_t *label, bool *deleted,
                    uint32_t *links0 /* [max_m0] */, uint32_t *n0);
    /* Of element i, or of one that is linked to: 0…max_level. */
    int (*level)(void *ctx, uint32_t i);
    /* n <= m links of element i on a level 1…level(i). NULL if max_level is 0. */
    void (*upper)(void *ctx, uint32_t i, int level, uint32_t *links /* [m] */, uint32_t *n);
} ki_hnsw_image;

/* Write the file, in place of what path was, whole or not at all (base/replace.h). Unused slots are
 * zero, so the same image gives the same bytes. What hnswlib would read out of bounds is not
 * written: CORRUPT for an id that is none, a link to an element that is not on that level, a level
 * above max_level. LIMIT: sizes that the file cannot say, a label above 2^63 - 1. CANCELLED by w,
 * which may be NULL. Memory: 2 MiB and one list. */
kith_status ki_hnsw_write(const ki_hnsw_image *image, const char *path, const kith_host *host,
                          const kith_watch *w);

#endif
