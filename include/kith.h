/* kith.h: all of libkith, the nearest neighbours of a vector among millions of others.
 *
 *     kith_index *ix;
 *     kith_create("Flat", 128, KITH_L2, NULL, &ix);
 *     kith_add(ix, KITH_ROWS(base, 1000000, KITH_F32), NULL, NULL, NULL);
 *     kith_search(ix, KITH_ROWS(query, 1, KITH_F32), &(kith_query)KITH_QUERY_K(10), ids, dist);
 *     kith_save(ix, "base.kith", NULL);
 *     kith_free(ix);
 *
 * What is not in this file is not part of the library's contract.
 *
 * Errors. Functions that can fail return a kith_status and, on failure, leave one sentence for
 * kith_last_error() of the same thread. The library never prints, exits or aborts. Unless a
 * declaration says otherwise, a failed call leaves the index and its file as they were and writes
 * nothing through `out` parameters. NULL where something is needed is BAD_ARG; functions without a
 * status then return 0, "" or nothing. Declarations name the statuses that mean something special;
 * besides, any call may return BAD_ARG and NO_MEMORY, one with a watch CANCELLED, one that reads or
 * writes files IO, and one that changes an index READ_ONLY and LIMIT (rows, labels, snapshots).
 * Ownership. Input pointers are borrowed for the call. Only *_create, *_open and *_copy hand over
 * memory, through their last parameter; every *_free accepts NULL.
 * Threads. Calls that take a `const kith_index *` may run at any time, from any number of threads,
 * beside one changing call; changing calls queue on the index's writer lock; only kith_free and
 * kith_set_param need the index alone. docs/THREADS.md is the whole contract.
 * Structs that begin with a size tell the header they were compiled with: a library takes those of
 * its own and of earlier releases, and refuses (BAD_ARG) those of later ones.
 * Sizes. An index holds at most KITH_MAX_ROWS rows of at most KITH_MAX_DIM components.
 */
#ifndef KITH_H
#define KITH_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#    define KITH_API __attribute__((visibility("default")))
#else
#    define KITH_API
#endif

#define KITH_VERSION_MAJOR 0
#define KITH_VERSION_MINOR 1
#define KITH_VERSION_PATCH 0
/* Major * 10000 + minor * 100 + patch: of this header; kith_version() tells the library's. */
#define KITH_HEADER_VERSION \
    (KITH_VERSION_MAJOR * 10000 + KITH_VERSION_MINOR * 100 + KITH_VERSION_PATCH)

#define KITH_NO_ID     ((int64_t)-1) /* pads short result rows; the one id that add refuses */
#define KITH_MAX_ROWS  2147483646u   /* 2^31 - 2 */
#define KITH_MAX_DIM   32768u        /* sums of squares of bytes stay below 2^31 */
#define KITH_MAX_LABEL 65535u        /* bytes of one label */

/* ---- status ------------------------------------------------------------------------------- */

/* Name, pinned value, phrase: makes the enum, the names and the bindings' exceptions. */
#define KITH_STATUS_LIST(X)          \
    X(OK, 0, "ok")                   \
    X(BAD_ARG, 1, "bad argument")    \
    X(BAD_SPEC, 2, "bad spec")       \
    X(NO_MEMORY, 3, "out of memory") \
    X(LIMIT, 4, "too large")         \
    X(UNSUPPORTED, 5, "unsupported") \
    X(UNTRAINED, 6, "not trained")   \
    X(READ_ONLY, 7, "read-only")     \
    X(NOT_FOUND, 8, "no such id")    \
    X(EXISTS, 9, "id exists")        \
    X(IO, 10, "input/output failed") \
    X(CORRUPT, 11, "damaged file")   \
    X(VERSION, 12, "file too new")   \
    X(CANCELLED, 13, "cancelled")

#define KITH_ENUM_(name, value, phrase) KITH_##name = (value),
typedef enum kith_status { KITH_STATUS_LIST(KITH_ENUM_) KITH_STATUS_MAX_ = 0x7fffffff } kith_status;

/* KITH_HEADER_VERSION of the library that is linked. */
KITH_API uint32_t kith_version(void);
/* "BAD_ARG" for KITH_BAD_ARG; "?" for a value that is none. Never NULL. */
KITH_API const char *kith_status_name(kith_status st);
/* The sentence of this thread's last failed call: what was wrong, where, what would be right.
 * "" before the first failure. Valid until this thread's next failing call. */
KITH_API const char *kith_last_error(void);
/* Leave a sentence (cut at 255 bytes) for kith_last_error and return st: for kith_source and
 * kith_files written outside the library. */
KITH_API kith_status kith_fail(kith_status st, const char *sentence);

/* ---- metrics and types ---------------------------------------------------------------------- */

/* How near two rows x and y are; kith_list("metrics") names them. "Larger is nearer" for inner
 * product, cosine and Jaccard: those are reported as similarities, every other as a distance, and
 * thresholds are given in the reported unit. Arithmetic is canonical: the stored values in double,
 * summed in index order, no fused operations; ties go to the smaller id. */
typedef enum kith_metric {
    KITH_L2 = 1,             /* sum (x-y)^2: squared, no root */
    KITH_IP = 2,             /* sum x*y, larger is nearer */
    KITH_COSINE = 3,         /* sum x*y / sqrt(sum x^2 * sum y^2); a zero vector has 0 */
    KITH_L1 = 4,             /* sum |x-y| */
    KITH_LINF = 5,           /* max |x-y| */
    KITH_LP = 6,             /* sum |x-y|^p, no root; p is the metric's argument */
    KITH_CANBERRA = 7,       /* sum |x-y| / (|x|+|y|), 0/0 = 0 */
    KITH_BRAY_CURTIS = 8,    /* sum |x-y| / sum |x+y|, 0/0 = 0 */
    KITH_JENSEN_SHANNON = 9, /* 1/2 sum x ln(2x/(x+y)) + y ln(2y/(x+y)); rows must be >= 0 */
    KITH_JACCARD = 10,       /* sum min(x,y) / sum max(x,y), 0/0 = 1, larger is nearer; rows >= 0 */
    KITH_HAMMING = 11        /* bits that differ */
} kith_metric;

/* The type of the components a caller hands over. What an index stores is its codec's affair. */
typedef enum kith_dtype {
    KITH_F32 = 1,
    KITH_F64 = 2, /* rounded to f32 first */
    KITH_F16 = 3, /* IEEE binary16 */
    KITH_BF16 = 4,
    KITH_I8 = 5,
    KITH_U8 = 6,
    KITH_BIT = 7, /* 8 components a byte, the first in the highest bit (numpy.packbits) */
    KITH_I32 = 8, /* rounded to f32 first, as is I64 */
    KITH_I64 = 9
} kith_dtype;
#define KITH_AS_STORED ((kith_dtype)0) /* to kith_source_save: the type that the rows have */

/* n rows of d components: d is the index's (or the source's). Borrowed.
 *   data    row i starts at data + i*stride; alignment is not needed
 *   stride  bytes from row to row; 0 = packed */
typedef struct kith_rows {
    const void *data;
    size_t n, stride;
    kith_dtype dtype;
} kith_rows;

#ifdef __cplusplus
#    define KITH_ROWS(data, n, dtype) (kith_rows{(data), (n), 0, (dtype)})
#else
#    define KITH_ROWS(data, n, dtype) ((kith_rows){(data), (n), 0, (dtype)})
#endif

/* ---- what a program may lend ----------------------------------------------------------------- */

/* Called now and then by long work, from one thread at a time, with the phase and how much of it
 * is done (total 0: unknown). Non-zero cancels: the call returns KITH_CANCELLED, and what it was
 * changing is as before. */
typedef int kith_poll(void *ctx, const char *phase, uint64_t done, uint64_t total);
typedef struct kith_watch {
    kith_poll *poll;
    void *ctx;
} kith_watch;

/* What is told in figures, one call for each: name, text (a unit, or the value when it is words),
 * number (NAN for words). */
typedef void kith_each(void *ctx, const char *name, const char *text, double value);

typedef enum kith_file_mode {
    KITH_FILE_READ = 1,  /* an existing file */
    KITH_FILE_CREATE = 2 /* a new file to write and read back; it is an error if it exists */
} kith_file_mode;

/* The file layer, replaceable whole: tests fail the n-th call, embedders bring their own disk.
 * Each function returns 0 or an errno value. `file` is what open gave. Calls on different files may
 * come from different threads at once. */
typedef struct kith_files {
    uint32_t size; /* sizeof(kith_files) */
    void *ctx;
    int (*open)(void *ctx, const char *path, kith_file_mode mode, void **file);
    int (*length)(void *ctx, void *file, uint64_t *len);
    int (*read)(void *ctx, void *file, uint64_t at, void *buf, size_t len); /* all len bytes */
    int (*write)(void *ctx, void *file, uint64_t at, const void *buf, size_t len); /* all */
    int (*sync)(void *ctx, void *file);
    int (*close)(void *ctx, void *file);                        /* the handle is gone either way */
    int (*rename)(void *ctx, const char *from, const char *to); /* replaces `to` atomically */
    int (*remove)(void *ctx, const char *path);
    int (*sync_folder)(void *ctx, const char *path); /* of the folder that holds path */
    int (*map)(void *ctx, void *file, uint64_t len,
               const void **bytes); /* read-only; outlives close */
    int (*unmap)(void *ctx, const void *bytes, uint64_t len);
} kith_files;

/* The operating system's files. */
KITH_API const kith_files *kith_os_files(void);

/* What an index may use of the program. NULL members mean libc and the library's own threads.
 * Copied; what it points to must live as long as what was made with it: an index with its cursors,
 * hits and bound filters, a context, a filter, a source. */
typedef struct kith_host {
    uint32_t size;    /* sizeof(kith_host) */
    uint32_t threads; /* for batches and builds; 0 = as many as the process may run on; 1 = none */
    void *ctx;        /* for alloc, release and parallel */
    void *(*alloc)(void *ctx, size_t len, size_t align); /* align: a power of two */
    void (*release)(void *ctx, void *p, size_t len, size_t align);
    /* Call job(arg, i) once for each i < n, on any threads, and return when all are done. */
    void (*parallel)(void *ctx, size_t n, void (*job)(void *arg, size_t i), void *arg);
    const kith_files *files;
} kith_host;
#define KITH_HOST_INIT                                     \
    {                                                      \
        sizeof(kith_host), 0, NULL, NULL, NULL, NULL, NULL \
    }

/* ---- index: create, open, save --------------------------------------------------------------- */

typedef struct kith_index kith_index;     /* made by create and open */
typedef struct kith_context kith_context; /* scratch of a search, reusable, one thread at a time */
typedef struct kith_filter kith_filter;   /* which rows may answer; immutable and shareable */
typedef struct kith_cursor kith_cursor;   /* keeps its index alive: free in any order */
typedef struct kith_hits kith_hits;       /* range results: rows of unknown length */

/* An empty index.
 *   spec        `Flat`, `Graph48`, `Flat(scan=off)`, `auto`…: navigator[,codec], each with
 *               (name=value,…) of its parameters; docs/PARAMETERS.md, also for what Faiss's
 *               factory takes and this release does not
 *   d           components of a row, 1…KITH_MAX_DIM (bits for Bits)
 *   metric      KITH_LP takes its p from the spec: `Flat(p=3)`
 * BAD_SPEC points at the character; UNSUPPORTED names a pair of metric and type without sense. */
KITH_API kith_status kith_create(const char *spec, size_t d, kith_metric metric,
                                 const kith_host *host, kith_index **out);

enum {
    KITH_OPEN_MAP = 0,    /* the file is mapped: opened at once, its pages are read when touched */
    KITH_OPEN_COPY = 1,   /* everything is read into memory */
    KITH_OPEN_VERIFY = 2, /* every checksum is compared first */
    KITH_OPEN_READ_ONLY = 4, /* changing calls return READ_ONLY */
    KITH_OPEN_REPAIR = 8 /* every checksum is compared, and what kith_repair can make anew from the
                            rows may be damaged: it is left out, and so is a damaged curve */
};
/* The index in a file. Structure and metadata are checked always, rows with KITH_OPEN_VERIFY (or
 * kith_verify). A mapped index can be changed (what changes is copied) and saved, over its own file
 * too. IO: the sentence names the path; CORRUPT: the damaged section (XXH3 checksums, layout in
 * docs/FORMAT.md); VERSION: a newer format. */
KITH_API kith_status kith_open(const char *path, uint32_t flags, const kith_host *host,
                               kith_index **out);
/* The same from bytes in memory, which must outlive the index; any alignment (8 is faster). */
KITH_API kith_status kith_open_view(const void *bytes, size_t len, uint32_t flags,
                                    const kith_host *host, kith_index **out);
/* Write the index to path: a temporary file beside it, fsync, rename, fsync of the folder. When it
 * returns KITH_OK the new file is on disk; at any earlier moment the old one is there, whole. Of
 * two programs that open, change and save one file the last save wins; the command locks it, which
 * programs can do too (docs/THREADS.md). CORRUPT: the file behind an opened ix is damaged; it is
 * verified first, so that damage gets no fresh checksum. CANCELLED leaves the old file. */
KITH_API kith_status kith_save(const kith_index *ix, const char *path, const kith_watch *w);
/* The index in another program's file, its graph taken over as it is: links, levels, entry; labels
 * become ids, rows marked as deleted are removed. Searches with the same effort find as much as
 * they do there, and what they report is exact.
 *   format  "hnswlib" (kith_list("index_formats")); NULL = by the name's ending (.bin, .hnsw)
 *   d       components of a row; 0 = as many f32 as a row has bytes for. Where it has just d bytes,
 *           they are u8 (hnswlib's L2SpaceI)
 *   metric  L2, IP or COSINE: it does not stand in the file. Rows of hnswlib's cosine have length 1
 * CORRUPT and LIMIT name the element. Memory beside the index: the file's length. */
KITH_API kith_status kith_import(const char *path, const char *format, size_t d, kith_metric metric,
                                 const kith_host *host, const kith_watch *w, kith_index **out);
/* Write an index as another program's file, which that program opens and searches: rows as f32 (of
 * COSINE divided by their length), ids as labels, removed rows as deleted ones. UNSUPPORTED: what
 * is no HNSW, or of a metric that the program has not. LIMIT: an id below 0. Atomic as save. */
KITH_API kith_status kith_export(const kith_index *ix, const char *path, const char *format,
                                 const kith_watch *w);
/* The same bytes in order to a sink; non-zero from the sink stops with IO. CORRUPT as save. */
KITH_API kith_status kith_write(const kith_index *ix,
                                int (*sink)(void *ctx, const void *bytes, size_t len), void *ctx);
/* Compare every checksum of the file behind ix and check all invariants of what is in memory.
 * CORRUPT names the section and its blocks, or the row. What KITH_OPEN_REPAIR left out is damage
 * until kith_repair; after it the index in memory is sound, and a save makes the file so. */
KITH_API kith_status kith_verify(const kith_index *ix, const kith_watch *w);
/* Mend what kith_verify finds wrong beside the rows: of a graph links, twins, entries, levels,
 * counts and rows out of reach; where that is not enough, or was left out by KITH_OPEN_REPAIR, it
 * is made anew from the rows. Nothing is saved. The rows must be sound: CORRUPT says which of them,
 * or which section, is not, and that is not mended. READ_ONLY.
 *   each  what was wrong: "damage" and the first sentence about it; then, where it is not 0, how
 *         much of what was mended ("links", "twins", "entries", "levels", "counts", "unreached") or
 *         made anew ("rebuilt"). Not called when all is well; may be NULL.
 * Cost: that of kith_verify, twice; a build where it is made anew. */
KITH_API kith_status kith_repair(kith_index *ix, kith_each *each, void *ctx, const kith_watch *w);
/* Cursors that are open keep what they need; everything else of ix is gone. */
KITH_API void kith_free(kith_index *ix);

/* ---- rows in, rows out ----------------------------------------------------------------------- */

/* Rows are checked first: a NaN or infinity, a value the codec cannot hold, a repeated or stored id
 * is an error with its row and column, and then nothing is added.
 *   x       x.n rows of kith_dim(ix) components
 *   ids     [x.n] or NULL: the next consecutive numbers (the largest id so far + 1 …)
 *   labels  [x.n] UTF-8 strings, NULL entries = none; or NULL
 * add: EXISTS when an id is stored. upsert: replaces those. update: NOT_FOUND when one is not.
 * UNSUPPORTED: a type without sense for the metric (bits for L2).
 * A row that is replaced keeps its label unless labels gives one. */
KITH_API kith_status kith_add(kith_index *ix, kith_rows x, const int64_t *ids,
                              const char *const *labels, const kith_watch *w);
KITH_API kith_status kith_upsert(kith_index *ix, kith_rows x, const int64_t *ids,
                                 const char *const *labels, const kith_watch *w);
KITH_API kith_status kith_update(kith_index *ix, kith_rows x, const int64_t *ids,
                                 const char *const *labels, const kith_watch *w);
/* Forget rows; ids that are not stored are passed over. *removed (may be NULL) counts. Their space
 * comes back with kith_compact; in a graph (Graph, HNSW, NSW) also by itself, with the change that
 * finds its share `sweep` of the rows removed: that one takes longer, and memory for the rows that
 * are left. */
KITH_API kith_status kith_remove(kith_index *ix, const int64_t *ids, size_t n, size_t *removed);
/* Rewrite the rows without the removed ones, in the order they have, and choose their storage anew
 * (f32 rows that are all integers 0…255 become u8, losslessly). Ids stay. A graph stays what it
 * was, without the removed rows; it is made anew where half of them were or storage changed. */
KITH_API kith_status kith_compact(kith_index *ix, const kith_watch *w);
/* Add all rows of `from` (same dimension, metric and p) to `into`. EXISTS when both hold an id;
 * CORRUPT when the file behind `from` is damaged: it is compared first. */
KITH_API kith_status kith_merge(kith_index *into, const kith_index *from, const kith_watch *w);
/* Learn what the codec needs from x: ranges for SQ8, SQ6 and SQ4. OK when nothing is needed; rows
 * that add would refuse are refused here, too. May be called again until rows are stored by what
 * was learned, then BAD_ARG. Without it such codecs learn by themselves from all rows there are as
 * soon as an addition makes them 1,024 or more, and keep rows as f32 until then: so what is stored
 * depends on how many come at once. */
KITH_API kith_status kith_train(kith_index *ix, kith_rows x, const kith_watch *w);

/* The stored row of id as kith_dim floats (Bits: 0 and 1). NOT_FOUND when it is not stored. */
KITH_API kith_status kith_get(const kith_index *ix, int64_t id, float *out);
/* 1 when id is stored, else 0. */
KITH_API int kith_contains(const kith_index *ix, int64_t id);
/* The ids of live rows in the order of their positions, from the at-th on: up to cap of them to
 * ids, their number to *got. */
KITH_API kith_status kith_ids(const kith_index *ix, uint64_t at, size_t cap, int64_t *ids,
                              size_t *got);
/* Give id a label (NULL: none) of at most KITH_MAX_LABEL bytes of UTF-8. Labels need not be unique.
 * NOT_FOUND when id is not stored. */
KITH_API kith_status kith_set_label(kith_index *ix, int64_t id, const char *text);
/* The label of id with a closing NUL to buf (cap bytes, cut to fit); *len (may be NULL) its whole
 * length. A row without label: "" and 0. NOT_FOUND when id is not stored. */
KITH_API kith_status kith_get_label(const kith_index *ix, int64_t id, char *buf, size_t cap,
                                    size_t *len);
/* The ids of all rows with this label, ascending: up to cap to ids, how many there are to *n.
 * None is OK with *n = 0. */
KITH_API kith_status kith_find_label(const kith_index *ix, const char *text, int64_t *ids,
                                     size_t cap, size_t *n);

/* ---- search ---------------------------------------------------------------------------------- */

enum {                       /* kith_query.options */
       KITH_EXCLUDE_SELF = 1 /* kith_search_ids: a row does not answer its own query */
};
enum {                     /* kith_query.flags, one word a query */
       KITH_EXACT = 1,     /* proven: what an exhaustive search returns */
       KITH_TRUNCATED = 2, /* deadline or visit cap ended it, with rows left to look at */
       KITH_SHORT = 4      /* fewer than k rows are given: no more may answer, or, with
                              KITH_TRUNCATED, no more were found by then */
};

/* How to search. Start from KITH_QUERY_INIT. */
typedef struct kith_query {
    uint32_t size;    /* sizeof(kith_query) */
    uint32_t k;       /* neighbours wanted, 1…KITH_MAX_ROWS */
    uint32_t threads; /* 0 = the host's */
    uint32_t effort;  /* recall against time: ef (HNSW), nprobe (IVF), nodes (Forest); 0 = default;
                         Flat looks at everything whatever it says */
    uint32_t rerank;  /* candidates rescored exactly; 0 = default */
    uint32_t options; /* KITH_EXCLUDE_SELF */
    float recall;     /* instead of effort, slack and rerank: see kith_tune; 0 = off */
    float limit;      /* only rows at most this distant, or at least this similar; NAN = all */
    uint64_t deadline_us, max_visits; /* of one query; 0 = none; UNSUPPORTED where nothing can stop
                                         early (Flat); a graph's exact answers heed neither */
    const kith_filter *filter;        /* NULL = all rows */
    const kith_watch *watch;          /* NULL = none */
    kith_context *context;            /* NULL = one from the index's pool */
    uint32_t *flags;                  /* out [nq], or NULL */
    float slack; /* a graph's walk goes on while rows come up that are at most (1 + slack) times as
                    distant as the k-th found, and within the best `effort`; 0 = by effort */
} kith_query;
#define KITH_QUERY_K(k)                                                                    \
    {                                                                                      \
        sizeof(kith_query), (k), 0, 0, 0, 0, 0.0f, NAN, 0, 0, NULL, NULL, NULL, NULL, 0.0f \
    }
#define KITH_QUERY_INIT KITH_QUERY_K(10)

/* The k nearest stored rows to each query, best first; equally near rows by ascending id.
 *   q     nq = q.n rows of kith_dim(ix) components; not finite: BAD_ARG with row and column
 *   how   NULL means KITH_QUERY_INIT
 *   ids   out [nq][k]; slots after the last hit hold KITH_NO_ID
 *   dist  out [nq][k] in the metric's unit, NAN after the last hit; may be NULL
 * OK also when fewer than k rows can answer. On failure ids, dist and flags are unspecified.
 * Flat: filter and refine with proven bounds (Seidl and Kriegel 1998, the optimal multi-step k-NN),
 * docs/ARCHITECTURE.md. */
KITH_API kith_status kith_search(const kith_index *ix, kith_rows q, const kith_query *how,
                                 int64_t *ids, float *dist);
/* The same for n stored rows as queries. NOT_FOUND names the first id that is not stored. */
KITH_API kith_status kith_search_ids(const kith_index *ix, const int64_t *of, size_t n,
                                     const kith_query *how, int64_t *ids, float *dist);
/* All rows within how->limit (BAD_ARG if NAN) of each query, best first; how->k is not used. The
 * hits are to be freed, in any order with the index. */
KITH_API kith_status kith_range(const kith_index *ix, kith_rows q, const kith_query *how,
                                kith_hits **out);
/* Number of queries, and the i-th one's hits: returns their number (0 when there is no i-th) and
 * lends ids and dist (each may be NULL) until kith_hits_free. */
KITH_API size_t kith_hits_count(const kith_hits *h);
KITH_API size_t kith_hits_row(const kith_hits *h, size_t i, const int64_t **ids,
                              const float **dist);
KITH_API void kith_hits_free(kith_hits *h);
/* One query, page by page, best first: no row twice, none left out (but that a graph may miss rows,
 * as in a search). Of how, filter (which must outlive the cursor), limit, threads and how hard to
 * search count; k, watch, context, flags and options are not used. UNSUPPORTED: a deadline or a
 * visit cap, which would leave rows out. The cursor sees the index as it was when it was opened. */
KITH_API kith_status kith_cursor_open(const kith_index *ix, kith_rows one, const kith_query *how,
                                      kith_cursor **out);
/* Up to cap further rows; *got = 0 is the end. dist may be NULL. After a failure (NO_MEMORY) the
 * same rows come with the next call. */
KITH_API kith_status kith_cursor_next(kith_cursor *c, size_t cap, int64_t *ids, float *dist,
                                      size_t *got);
KITH_API void kith_cursor_free(kith_cursor *c);
/* Scratch for searches of one thread at a time on any index; without it each index keeps a pool.
 * host (may be NULL) gives the context's own memory; threads and executor of a search are those of
 * the index's host. */
KITH_API kith_status kith_context_create(const kith_host *host, kith_context **out);
KITH_API void kith_context_free(kith_context *c);

/* ---- recall as a setting --------------------------------------------------------------------- */

/* How to tune. Start from KITH_TUNING_INIT. */
typedef struct kith_tuning {
    uint32_t size;    /* sizeof(kith_tuning) */
    uint32_t k;       /* neighbours of each query, as they will be asked for mostly */
    uint32_t sample;  /* queries to measure with: so many of those given, or of the rows */
    uint32_t threads; /* 0 = the host's */
    uint64_t seed;    /* of what is drawn */
} kith_tuning;
#define KITH_TUNING_INIT                    \
    {                                       \
        sizeof(kith_tuning), 10, 1000, 0, 0 \
    }

/* A point of the curve: a setting, what recall it reaches, what it costs. */
typedef struct kith_point {
    float recall; /* as measured, less its standard error: 0…1, never 1 */
    float slack;
    uint32_t effort, rerank;
    float visits; /* rows whose distance is taken, of a query */
    float us;     /* microseconds of a query on one thread, when and where it was tuned */
} kith_point;

/* Measure what each recall takes, and keep it in ix, its file and what is made of that: afterwards
 * kith_query.recall = 0.99 searches with the least work that reached 0.99. Between two points the
 * harder one is taken; 1, and what is above the last, look at every row. The curve holds for k
 * neighbours and fewer; for more, effort grows with k. For how->limit alone (kith_range) it is a
 * guess. Without a curve kith_query.recall is UNTRAINED, below 1, but where the search is exact
 * with any effort: k is so large, or so few rows may answer.
 *   queries  like those that will come: the more alike, the better it holds; NULL: rows are drawn,
 *            each held out of the walk and of its answer, and found about as hard as a new row is
 *   how      NULL means KITH_TUNING_INIT
 * Measured on one snapshot, beside readers and changes, then stored as a change is. Only `us` is
 * timed; all else is counted, the same for the same rows, queries and seed. Tune again when the
 * rows have become many more, or others. OK and nothing stored where every search is exact anyway
 * (Flat, few rows). UNTRAINED, and the curve stays what it was, where no point was found: searches
 * with such a k look at every row, or no walk is sure to reach 0.8; the sentence says which. Cost:
 * an exact search and about a hundred searches of each query. */
KITH_API kith_status kith_tune(kith_index *ix, const kith_rows *queries, const kith_tuning *how,
                               const kith_watch *w);
/* The curve, ascending: up to cap points, how many there are to *n; 0 when ix was not tuned. */
KITH_API kith_status kith_curve(const kith_index *ix, kith_point *points, size_t cap, size_t *n);

/* ---- filters --------------------------------------------------------------------------------- */

/* host: for the filter's memory; may be NULL. A join takes that of a, a bound filter the index's,
 * which then must live as long as the filter.
 * Ids whose bit is set: bit i%64 of words[i/64], i < nbits. Borrowed: words outlive the filter. */
KITH_API kith_status kith_filter_bits(const uint64_t *words, size_t nbits, const kith_host *host,
                                      kith_filter **out);
/* The ids listed, in any order (copied). */
KITH_API kith_status kith_filter_ids(const int64_t *ids, size_t n, const kith_host *host,
                                     kith_filter **out);
/* lo <= id <= hi. */
KITH_API kith_status kith_filter_range(int64_t lo, int64_t hi, const kith_host *host,
                                       kith_filter **out);
/* Ids for which keep returns non-zero. Called from any thread; slow beside the others: bind it. */
KITH_API kith_status kith_filter_call(int (*keep)(void *ctx, int64_t id), void *ctx,
                                      const kith_host *host, kith_filter **out);
typedef enum kith_join { KITH_AND = 1, KITH_OR = 2, KITH_NOT = 3 } kith_join;
/* a AND b, a OR b, NOT a (b NULL). The new filter shares a and b: free them in any order. */
KITH_API kith_status kith_filter_join(kith_join op, const kith_filter *a, const kith_filter *b,
                                      kith_filter **out);
/* The ids that pass f and are stored now, as a bitmap of ix's rows, to be used in many searches of
 * ix (BAD_ARG with another index). They pass as long as they are stored, their rows replaced or the
 * index compacted or not; ids that come later do not. Nothing of f is kept: it may be freed, and so
 * may what it borrows. */
KITH_API kith_status kith_filter_bind(const kith_index *ix, const kith_filter *f,
                                      kith_filter **out);
KITH_API void kith_filter_free(kith_filter *f);

/* ---- asking ---------------------------------------------------------------------------------- */

KITH_API size_t kith_dim(const kith_index *ix);
KITH_API uint64_t kith_count(const kith_index *ix); /* live rows */
KITH_API kith_metric kith_metric_of(const kith_index *ix);
KITH_API kith_dtype kith_dtype_of(const kith_index *ix); /* what its rows are stored as; f32 where
                                                            only the codec can read them (SQ8…) */
/* Canonical spec with all parameters that are not defaults; lives as long as ix. */
KITH_API const char *kith_spec(const kith_index *ix);
/* count, bytes, file_bytes, removed, scan_bytes, visits…: what `kith info` shows. */
KITH_API void kith_stats(const kith_index *ix, kith_each *each, void *ctx);
/* What is beside the rows, looked at as a whole; part says what of it:
 *   "graph"        nodes, twins, degrees, of HNSW rows, links and reach of each level, the share
 *                  that is reached, and mean length of paths and clustering of a sample beside
 *                  those of a random graph: what `kith info --graph` shows
 *   "out_degrees"  for each number of links away from a node ("48") how many nodes have it
 *   "in_degrees"   the same of links to a node
 * Numbers of a sample are the same at every call. Where there is no graph (too few rows), "graph"
 * says so in words and the others say nothing. UNSUPPORTED: an index that has none by its spec;
 * NOT_FOUND names the parts. Cost: some passes over all links, on one thread; holds changes back
 * as save does, so each may not change, save or verify ix. */
KITH_API kith_status kith_inspect(const kith_index *ix, const char *part, kith_each *each,
                                  void *ctx, const kith_watch *w);
/* The members of a table, in order, each with a sentence: "metrics", "dtypes", "navigators",
 * "codecs", "formats", "index_formats" (other programs' indexes), "isas" (value: 1 when this CPU
 * runs it), "kernels" (for the sentence the isa that fills the slot). NOT_FOUND for another
 * name. */
KITH_API kith_status kith_list(const char *table, kith_each *each, void *ctx);

/* A row of the table of parameters. */
typedef struct kith_param {
    const char *name, *aliases, *owner, *type, *about; /* owner: "Flat", "search"…; type: "int",
                                                          "float", "flag", or "a|b|c" */
    double lo, hi, preset;
} kith_param;
/* The i-th parameter of all; NOT_FOUND after the last. */
KITH_API kith_status kith_param_at(size_t i, kith_param *out);
/* Set a build parameter of ix by name or alias, as in its spec: "scan", "off". Only while ix has no
 * rows, and alone (as kith_free). BAD_ARG tells the range; NOT_FOUND: no such parameter. */
KITH_API kith_status kith_set_param(kith_index *ix, const char *name, const char *value);

/* By name, in either case: "l2" or "euclidean" → KITH_L2. NOT_FOUND lists the names. */
KITH_API kith_status kith_metric_find(const char *name, kith_metric *out);
KITH_API const char *kith_metric_name(kith_metric m);
KITH_API int kith_metric_is_similarity(kith_metric m); /* larger is nearer */
KITH_API kith_status kith_dtype_find(const char *name, kith_dtype *out);
KITH_API const char *kith_dtype_name(kith_dtype t);
/* Bytes of a packed row of d components. */
KITH_API size_t kith_row_bytes(kith_dtype t, size_t d);
/* Rows of any type as f32 (Bits: 0 and 1): out [x.n][d]. */
KITH_API kith_status kith_to_f32(kith_rows x, size_t d, float *out);

/* ---- sources: rows that come in batches ------------------------------------------------------ */

/* Up to `max` rows at a time, so that what is larger than memory can be read. */
typedef struct kith_batch {
    kith_rows rows;            /* n = 0: the end */
    const int64_t *ids;        /* [n] or NULL */
    const char *const *labels; /* [n] or NULL */
} kith_batch;                  /* lent until the next call of next or close */

typedef struct kith_source {
    uint32_t size; /* sizeof(kith_source) */
    void *ctx;
    kith_dtype dtype;
    size_t d;
    uint64_t n; /* rows in all, UINT64_MAX when unknown */
    kith_status (*next)(void *ctx, size_t max, kith_batch *out);
    void (*close)(void *ctx);
} kith_source;

/* The vectors of a file, told by its name and first bytes: .npy (and FILE.npy#1, the second array),
 * .fvecs .bvecs .ivecs, .fbin .u8bin .i8bin .ibin, or another kith index. host: for files and
 * memory; may be NULL. Call src->close(src->ctx) when done. */
KITH_API kith_status kith_source_open(const char *path, const kith_host *host, kith_source *out);
/* The live rows of an index, with ids and labels; ix outlives the source. CORRUPT when the file
 * behind it is damaged: it is compared first, so that damage is never copied. */
KITH_API kith_status kith_source_index(const kith_index *ix, kith_source *out);
/* Add all rows of a source, with ids and labels where it has them. All or nothing, as kith_add. */
KITH_API kith_status kith_add_source(kith_index *ix, kith_source *src, const kith_watch *w);
/* Write all rows of a source to a vector file, its format told by the name (.npy .fvecs .bvecs
 * .ivecs .fbin .u8bin .i8bin .ibin). dtype: what to convert to; KITH_AS_STORED = what the format
 * has, or else the source. Atomic as save. */
KITH_API kith_status kith_source_save(kith_source *src, kith_dtype dtype, const char *path,
                                      const kith_host *host, const kith_watch *w);
/* Ids from an array of integers, one a row, or text, one a line, blank ones passed over: *ids [*n],
 * to be freed by kith_ids_free. */
KITH_API kith_status kith_ids_read(const char *path, const kith_host *host, int64_t **ids,
                                   size_t *n);
KITH_API void kith_ids_free(int64_t *ids, size_t n, const kith_host *host);
/* Labels: one a line of UTF-8 text, or a .npy of U or S strings: (*labels)[*n], NUL-ended. */
KITH_API kith_status kith_labels_read(const char *path, const kith_host *host, char ***labels,
                                      size_t *n);
KITH_API void kith_labels_free(char **labels, size_t n, const kith_host *host);

#ifdef __cplusplus
}
#endif
#endif
