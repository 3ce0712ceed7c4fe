/* The rows that may be among a query's best: a collector of candidates with proven intervals.
 *
 * Invariants, for the rows offered so far that may answer (live, not masked, not excluded, behind
 * the cursor, within the limit):
 *  1. tau is at least the key of the k-th best of them, once there are k.
 *  2. A row whose interval begins above tau is not among the k best, nor one that begins at tau and
 *     has an id above worst_id while `tied`: k rows before it in the order (key, id) are known.
 *  3. Every row of the k best is in item[0…n-1], but for those whose key is above a bet.
 * Proof of 1: k rows have key <= up <= tau. Of 2: key >= lo. So whatever rows are dropped, in what
 * order rows come and how loose intervals are, the k best by (key, id) come out. With bets, a row
 * is dropped only if its interval begins above the smallest of them: when the k-th key found is
 * within it, none of the k best was.
 */
#ifndef KI_TOP_H
#define KI_TOP_H

#include "rows/exact.h"

/* Ask for a row that lies anywhere, or for its beginning: the processor sees how a long one goes
 * on. */
static inline void ki_prefetch_row(const void *row, size_t bytes)
{
    enum { LINE = 64, MOST = 1024 };

    for (size_t at = 0; at < bytes && at < MOST; at += LINE)
        KI_PREFETCH((const unsigned char *)row + at);
}

/* Memory that grows to what was needed once; owns: ptr. */
typedef struct ki_buffer {
    void *ptr;
    size_t len;
} ki_buffer;
/* At least len bytes, 64-byte aligned; what was there is lost, unless there is no memory: NULL
 * with the sentence. */
void *ki_buffer_need(ki_env *env, ki_buffer *b, size_t len);
void ki_buffer_free(ki_env *env, ki_buffer *b);

/* owns: item. A zeroed one is valid and empty. */
typedef struct ki_top {
    ki_env *env;
    const ki_view *v;
    const ki_ask *ask;
    const void *q;    /* canonical query */
    int64_t exclude;  /* KITH_NO_ID: none */
    void *work;       /* of ki_score_bytes, for keys */
    ki_buffer *space; /* as large as item, to sort in; all of a thread share one */
    size_t k;         /* SIZE_MAX: all within tau */
    double tau;
    int64_t worst_id;
    bool tied;
    double bet;      /* INFINITY: none */
    ki_scored *item; /* [room] */
    size_t n, room, cap; /* room grows to cap; a full collector is cut down */
} ki_top;

/* Empty it for a query; what it owns stays. */
void ki_top_begin(ki_top *t, ki_env *env, const ki_view *v, const ki_ask *ask, const void *q,
                  int64_t exclude, void *work, ki_buffer *space);
void ki_top_free(ki_top *t);
/* Keep a row unless it cannot be among the best. NO_MEMORY. */
kith_status ki_top_offer(ki_top *t, ki_scored s);
kith_status ki_top_offer_all(ki_top *t, const ki_scored *s, size_t n);
/* Lower tau to what is known. Worth it when about k rows have come since the last time:
 * ki_top_ripe. */
void ki_top_settle(ki_top *t);
static inline bool ki_top_ripe(const ki_top *t)
{
    return t->n >= t->k && t->n - t->k >= (t->k < 16 ? 8 : t->k / 2);
}
/* Bets. With `share` of all rows offered, in an order that knows nothing of the query, the rows
 * that will be the k best are spread: it is very unlikely that among what was offered there are far
 * more of them than k * share. So the key at a rank somewhat above that is bet to be above the k-th
 * of all, long before tau comes down to it, and rows above it are left out unseen. In the end the
 * bet is won, and the answer proven, when k rows lie within the smallest bet ever made; lost, the
 * query is to be asked again without bets. */
void ki_top_bet(ki_top *t, double share);
/* After ki_top_finish. */
bool ki_top_won(const ki_top *t);
/* A row that begins above this need not be offered. */
static inline double ki_top_edge(const ki_top *t)
{
    return t->bet < t->tau ? t->bet : t->tau;
}
/* Everything that `from` kept. */
kith_status ki_top_merge(ki_top *into, const ki_top *from);
/* The keys of all that may be among the best, sorted by (key, id): item[0…n-1], n <= k,
 * wide = 0. */
void ki_top_finish(ki_top *t);

#endif
