/* A walk through a graph towards a query: from the nearest entry along links, always on from the
 * nearest row that was seen and not yet gone on from, until what is left is too far away. The core
 * of every search, and of insertions.
 *
 * A walk is bound by memory: each row it looks at is a cache miss. So it does not take one row at a
 * time: 8 to 24 rows are always on their way into the cache, 16 distances are one call of a kernel,
 * and the rows to go on from are chosen early, so that their links come in time. Marking, inserting
 * and choosing have no branch that depends on data. */
#ifndef KI_WALK_H
#define KI_WALK_H

#include "navigate/graph/meter.h"

/* Walks by halves: how far two rows' distances may be off, one from the other, in the units of walk
 * distances, at most once in some thousand (three standard deviations). */
#define KI_WALK_OFF 10.0f

enum { KI_WALK_BATCH = 16, KI_WALK_RING = 1024, KI_WALK_BINS = 2048 };

/* Whether a row may answer; key: its walk distance. */
typedef bool ki_admit(void *ctx, uint32_t pos, float key);

typedef struct ki_walk_ask {
    uint32_t n;      /* positions at or beyond this are not there: the view's n */
    size_t k;        /* rows wanted */
    size_t effort;   /* go on only among this many nearest … */
    float slack;     /* … and within (1 + slack) times the k-th distance */
    float reach;     /* go on to everything within (1 + slack) times this distance; 0: no more */
    ki_admit *admit; /* NULL: all */
    void *ctx;
    uint64_t max_visits, until_us; /* 0: none; a clock of ki_now_us */
    uint32_t start;         /* begin here; UINT32_MAX: at the nearest entry, or down the tower */
    const uint32_t *hidden; /* a position that is not there; NULL: none */
    /* A filter's bits: rows that may answer, of the pass_n first positions; NULL: none. Where a
     * smaller share than least_share of them passes near the query, or after so many distances as
     * patience says, the walk ends: it is hopeless. */
    const uint64_t *pass;
    uint32_t pass_n;
    float least_share;
    uint64_t patience;
} ki_walk_ask;

/* A row that was nearer than the bound when it was seen, and may answer. */
typedef struct ki_seen {
    float key; /* walk distance: squared where the metric is */
    uint32_t pos;
} ki_seen;

/* Scratch of one thread, and the answer. owns: meter, marks, trail, pool, best, kept. */
typedef struct ki_walk {
    ki_env *env;
    const ki_graph *g;
    ki_meter meter; /* with what is looked for */
    size_t (*least)(const float *key, size_t n);
    /* Rows that were seen, as bits: eight times as many fit into the near cache as of bytes. */
    uint64_t *marks;
    size_t marks_len; /* words */
    /* The same rows in order. The distance of those from `head` on is to be taken; those before
     * `asked` are on their way; the addresses of those before `located` lie in a ring. */
    uint32_t *trail;
    size_t trail_room, head, tail, asked, located, ahead;
    const void *address[KI_WALK_RING];
    uint64_t look_at, clock_at; /* visits; hops */
    /* Rows to go on from, in no order; keys behind the last are infinite. */
    float *pool_key;
    uint32_t *pool;
    size_t open, pool_room, tidy_at;
    uint32_t ready[4];
    size_t ready_n;
    /* The k smallest keys so far, as a heap with the largest on top. */
    float *best;
    size_t found, best_room;
    /* All that were kept. */
    ki_seen *kept;
    size_t kept_n, kept_room;
    /* Keys counted by size, to know the effort-th. */
    uint32_t bins[KI_WALK_BINS];
    int32_t first_bin;
    size_t bin, within;                 /* rows in bins up to `bin` */
    float bound, kth, widen, unit, off; /* unit: of walk distances, 0 where there is none */
    uint64_t visits, hops;
    bool truncated, looked, hopeless;
} ki_walk;

/* Keep x in a heap of at most `most` keys, the smallest so far, the largest of them on top. */
void ki_heap_keep(float *heap, size_t *n, size_t most, float x);
void ki_walk_free(ki_walk *w);
/* Walk in the graph that w->meter is ready for, towards its query. Afterwards kept[kept_n] is what
 * was seen, and kth the k-th key, INFINITY when fewer were found. NO_MEMORY. */
kith_status ki_walk_run(ki_walk *w, const ki_walk_ask *ask);

#endif
