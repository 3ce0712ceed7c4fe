/* Exact search over all rows of a view: the ids and order that a float64 brute force returns, ties
 * by smaller id, whatever the ISA, the batch size, the number of threads. Every fast path keeps
 * each row whose proven interval can reach the k-th key and recomputes those canonically.
 *
 * One query: kernel scans of the scan code, or of the rows themselves. Two or more (of scan codes,
 * which are cheap to scan, some more): panels of queries against superblocks of rows that stay in
 * L2 (many x many, fused with the threshold), falling back by panel to the direct kernels when
 * bounds decide too little. Filters that pass few rows: gathers. */
#ifndef KI_EXACT_H
#define KI_EXACT_H

#include "rows/filter.h"

/* A hit with its canonical key (smaller is nearer). */
typedef struct ki_found {
    double key;
    int64_t id;
    uint32_t pos;
} ki_found;

/* What is asked, the same for all queries of a call. */
typedef struct ki_ask {
    size_t k;      /* SIZE_MAX: all within the limit */
    double limit;  /* largest key that may answer; INFINITY = all */
    const ki_mask *mask;
    bool has_after; /* cursor: only hits behind (after_key, after_id) in the order */
    double after_key;
    int64_t after_id;
    const int64_t
        *exclude; /* [nq] an id that does not answer the query (KITH_NO_ID: none) or NULL */
    bool held_out; /* such a row is not gone through either, as if it had never come; walks */
    uint32_t threads;
    ki_progress *progress; /* counts rows x queries; may be NULL */
    /* What approximate navigators heed, 0 = their default: see kith_query. */
    uint32_t effort, rerank;
    float slack;
    uint64_t deadline_us, max_visits;
    bool exhaustive;          /* look at every row: for who calls a navigator, or ki_exact_search */
    _Atomic uint64_t *visits; /* counts the distances that walks take; may be NULL */
} ki_ask;

/* Scratch that grows to what searches need and is kept between them. */
typedef struct ki_scratch ki_scratch;
kith_status ki_scratch_create(ki_env *env, ki_scratch **out);
void ki_scratch_free(ki_scratch *s);
/* A place for what a navigator keeps between searches, NULL at first: whoever fills it says how it
 * is freed. Another navigator's is freed first. */
void **ki_scratch_keep(ki_scratch *s, void (*release)(void *kept));
ki_env *ki_scratch_env(const ki_scratch *s); /* where its memory comes from */

/* Receives the hits of query i, best first, all at once; any thread, one call a query. The array is
 * lent. flags: KITH_EXACT, KITH_TRUNCATED. Not OK ends the search. */
typedef kith_status ki_receive(void *ctx, size_t i, const ki_found *hit, size_t n, uint32_t flags);

/* q: nq queries checked already (ki_rows_check): float[nq][d], or packed bits [nq][row_bytes] for
 * Bits. scratch is used by the calling thread; helpers take their own from env. */
kith_status ki_exact_search(const ki_view *v, ki_env *env, const void *q, size_t nq,
                            const ki_ask *ask, ki_scratch *scratch, ki_receive *receive, void *ctx);

#endif
