/* The collector of candidates (top.h): offers are appended; when the buffer is full, or when the
 * caller finds it worth while, the k-th smallest upper end becomes tau and what begins above it
 * goes (quickselect: linear). Where that frees too little, because many keys lie within one
 * another's intervals or are equal, all are decided canonically and the k best by (key, id) stay:
 * each offer costs a constant number of comparisons and at most one key on average, whatever the
 * data.
 */
#include "rows/top.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

enum { CAP_LEAST = 256, ROOM_FIRST = 64 };

void ki_top_begin(ki_top *t, ki_env *env, const ki_view *v, const ki_ask *ask, const void *q,
                  int64_t exclude, void *work)
{
    t->env = env;
    t->v = v;
    t->ask = ask;
    t->q = q;
    t->exclude = exclude;
    t->work = work;
    t->k = ask->k;
    t->tau = ask->limit;
    t->tied = false;
    t->bet = (double)INFINITY;
    t->n = 0;
    t->cap = t->k > SIZE_MAX / 4 ? SIZE_MAX : t->k * 4 < CAP_LEAST ? CAP_LEAST : t->k * 4;
}

void ki_top_free(ki_top *t)
{
    if (t->item) ki_release(t->env, t->item, t->room, sizeof *t->item);
    t->item = NULL;
    t->room = t->n = 0;
}

/* ---- order ----------------------------------------------------------------------------------- */

static inline bool before(const ki_view *v, const ki_scored *a, const ki_scored *b)
{
    if (a->lo != b->lo) return a->lo < b->lo;
    return a->pos != b->pos && ki_view_id(v, a->pos) < ki_view_id(v, b->pos);
}

/* Whole, never member by member: a load that spans two recent stores waits for both. */
static inline void swap(ki_scored *a, ki_scored *b)
{
    unsigned char x[sizeof *a], y[sizeof *a];

    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    memcpy(a, y, sizeof y);
    memcpy(b, x, sizeof x);
}

/* Quickselect: put the k of s [n] with the smallest KEY(item) first, in no order; the largest of
 * theirs is returned. The partition has no branch that depends on data (a guess that fails costs as
 * much as ten comparisons); the pivot is drawn, so that no order of rows is a bad one, and a pivot
 * that is the smallest takes its equals along. 0 < k <= n. */
#define SELECT(name, type, KEY)                                                                    \
    static type name(const ki_view *v, ki_scored *s, size_t n, size_t k)                           \
    {                                                                                              \
        (void)v;                                                                                   \
        for (;;) {                                                                                 \
            const size_t at = (size_t)((ki_mix64(n ^ k << 20) >> 32) * n >> 32), last = n - 1;     \
            const type pivot = KEY(s[at]);                                                         \
            size_t less = 0;                                                                       \
            swap(&s[at], &s[last]);                                                                \
            for (size_t i = 0; i < last; i++) {                                                    \
                const bool is_less = KEY(s[i]) < pivot;                                            \
                swap(&s[i], &s[less]);                                                             \
                less += is_less;                                                                   \
            }                                                                                      \
            swap(&s[last], &s[less]);                                                              \
            if (k == less + 1) return pivot;                                                       \
            if (k <= less) {                                                                       \
                n = less;                                                                          \
                continue;                                                                          \
            }                                                                                      \
            if (less++ == 0)                                                                       \
                for (size_t i = less; i < n; i++) {                                                \
                    const bool is_equal = KEY(s[i]) == pivot;                                      \
                    swap(&s[i], &s[less]);                                                         \
                    less += is_equal;                                                              \
                }                                                                                  \
            if (k <= less) return pivot;                                                           \
            s += less;                                                                             \
            n -= less;                                                                             \
            k -= less;                                                                             \
        }                                                                                          \
    }
#define UP_OF(x) ki_scored_up(&(x))
#define ID_OF(x) ki_view_id(v, (x).pos)
SELECT(select_up, double, UP_OF)
SELECT(select_id, int64_t, ID_OF)

/* Heapsort: candidates are few, and it needs no memory. */
static void sift(const ki_view *v, ki_scored *s, size_t n, size_t at)
{
    const ki_scored x = s[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n) child += before(v, &s[child], &s[child + 1]);
        if (!before(v, &x, &s[child])) break;
        s[at] = s[child];
    }
    s[at] = x;
}

static void sort_by_key(const ki_view *v, ki_scored *s, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) sift(v, s, n, i);
    for (size_t end = n; end-- > 1;) {
        swap(&s[0], &s[end]);
        sift(v, s, end, 0);
    }
}

/* ---- deciding -------------------------------------------------------------------------------- */

/* The canonical keys of all candidates that have an interval still. */
static void decide(ki_top *t)
{
    enum { BATCH = 64 };
    const ki_view *v = t->v;
    const void *row[BATCH];
    double key[BATCH];
    size_t which[BATCH], m = 0;

    for (size_t i = 0; i <= t->n; i++) {
        if (i < t->n && t->item[i].wide > 0.0f) {
            row[m] = ki_view_code(v, t->item[i].pos);
            ki_prefetch_row(row[m], v->row_bytes);
            which[m++] = i;
        }
        if (m < BATCH && i < t->n) continue;
        ki_codec_keys(v->codec, v->metric, v->arg, v->d, t->q, row, m, t->work, key);
        for (size_t j = 0; j < m; j++) {
            t->item[which[j]].lo = key[j];
            t->item[which[j]].wide = 0.0f;
        }
        m = 0;
    }
}

static void drop_above(ki_top *t, double tau)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        if (t->item[i].lo <= tau) t->item[n++] = t->item[i];
    t->n = n;
}

void ki_top_settle(ki_top *t)
{
    double kth;

    if (t->n < t->k) return;
    kth = select_up(t->v, t->item, t->n, t->k);
    if (kth < t->tau) {
        t->tau = kth;
        t->tied = false;
    }
    drop_above(t, t->tau);
}

/* ---- bets ------------------------------------------------------------------------------------ */

/* Of K best rows, each offered by now with probability f, Binomial(K, f) have been; above its mean
 * by four standard deviations and three it is once in 10^5 or less. */
static size_t bet_rank(double k, double share)
{
    const double mean = k * share;

    return (size_t)ceil(mean + 3.0 * sqrt(mean * (1.0 - share)) + 2.0);
}

/* Neighbours in storage are often near one another, and come together: those of one place count as
 * one. Places that share a bit are taken for one, which only makes the bet safer. */
enum { PLACE_ROWS = 4096, PLACES = 1024 };
static size_t new_places(const ki_scored *s, size_t n, uint64_t *seen)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t bit = ki_mix64(s[i].pos / PLACE_ROWS) % PLACES;
        count += !ki_bit_get(seen, bit);
        ki_bit_set(seen, bit);
    }
    return count;
}

void ki_top_bet(ki_top *t, double share)
{
    const size_t wanted = bet_rank((double)t->k, share);
    uint64_t seen[PLACES / 64] = {0};
    size_t from = 0, rank = wanted, met = 0;

    while (rank <= t->n && rank < t->k) {
        const double up = select_up(t->v, t->item + from, t->n - from, rank - from);

        met += new_places(t->item + from, rank - from, seen);
        if (met >= wanted) {
            if (!(up < t->bet)) return;
            t->bet = up;
            drop_above(t, up); // what begins there could answer only if the bet is lost
            return;
        }
        from = rank;
        rank += wanted - met > rank / 4 ? wanted - met : rank / 4;
    }
}

bool ki_top_won(const ki_top *t)
{
    return !(t->bet < (double)INFINITY) || (t->n == t->k && t->item[t->n - 1].lo <= t->bet);
}

/* Of decided items keep the k best: those below the k-th key, and of its equals the smallest ids.
 * n >= k. */
static void keep_best(ki_top *t, double *kth, int64_t *worst_id)
{
    size_t less = 0, equal;

    *kth = select_up(t->v, t->item, t->n, t->k);
    for (size_t i = 0; i < t->n; i++)
        if (t->item[i].lo < *kth) swap(&t->item[i], &t->item[less++]);
    equal = less;
    for (size_t i = less; i < t->n; i++)
        if (t->item[i].lo == *kth) swap(&t->item[i], &t->item[equal++]);
    *worst_id = select_id(t->v, t->item + less, equal - less, t->k - less);
    t->n = t->k;
}

/* Decide all and keep the k best. */
static void cut(ki_top *t)
{
    decide(t);
    drop_above(t, t->tau);
    if (t->n < t->k) return;
    keep_best(t, &t->tau, &t->worst_id);
    t->tied = true;
}

/* ---- offers ---------------------------------------------------------------------------------- */

static kith_status make_room(ki_top *t)
{
    ki_scored *more;
    size_t room;

    if (t->n == t->cap) {
        ki_top_settle(t);
        if (t->n > t->cap - t->cap / 4) cut(t);
        return KITH_OK;
    }
    room = t->room == 0 ? ROOM_FIRST : t->room * 2;
    if (room > t->cap) room = t->cap;
    more = ki_regrow(t->env, t->item, t->n, room, sizeof *more);
    if (!more) return KITH_NO_MEMORY;
    if (t->item) ki_release(t->env, t->item, t->room, sizeof *t->item);
    t->item = more;
    t->room = room;
    return KITH_OK;
}

/* Whether the row may answer at all. Cursors decide the rows around the place they stand at. */
static bool may_answer(ki_top *t, ki_scored *s)
{
    const ki_ask *ask = t->ask;
    const ki_mask *mask = ask->mask;

    if (mask && mask->words) {
        if (s->pos >= mask->n || !ki_bit_get(mask->words, s->pos)) return false;
    }
    if (!ki_view_live(t->v, s->pos)) return false;
    if (t->exclude != KITH_NO_ID && ki_view_id(t->v, s->pos) == t->exclude) return false;
    if (ask->has_after && s->lo <= ask->after_key) {
        if (ki_scored_up(s) < ask->after_key) return false;
        if (s->wide > 0.0f) {
            const void *row = ki_view_code(t->v, s->pos);
            s->lo = ki_codec_key(t->v->codec, t->v->metric, t->v->arg, t->v->d, t->q, row, t->work);
            s->wide = 0.0f;
        }
        if (s->lo < ask->after_key ||
            (s->lo == ask->after_key && ki_view_id(t->v, s->pos) <= ask->after_id))
            return false;
    }
    return true;
}

kith_status ki_top_offer(ki_top *t, ki_scored s)
{
    if (!(s.lo <= t->tau) || !may_answer(t, &s) || !(s.lo <= t->tau)) return KITH_OK;
    if (t->tied && s.lo == t->tau && ki_view_id(t->v, s.pos) > t->worst_id) return KITH_OK;
    if (t->n == t->room || t->n == t->cap) {
        if (make_room(t) != KITH_OK) return KITH_NO_MEMORY;
        if (!(s.lo <= t->tau)) return KITH_OK;
    }
    t->item[t->n++] = s;
    return KITH_OK;
}

kith_status ki_top_offer_all(ki_top *t, const ki_scored *s, size_t n)
{
    kith_status st = KITH_OK;

    for (size_t i = 0; i < n; i++) KI_TRY(ki_top_offer(t, s[i]));
out:
    return st;
}

kith_status ki_top_merge(ki_top *into, const ki_top *from)
{
    kith_status st = KITH_OK;

    if (from->bet < into->bet) into->bet = from->bet;
    if (from->tau < into->tau) {
        into->tau = from->tau;
        into->tied = false;
    }
    KI_TRY(ki_top_offer_all(into, from->item, from->n));
out:
    return st;
}

void ki_top_finish(ki_top *t)
{
    double kth;
    int64_t worst_id;

    ki_top_settle(t);
    decide(t);
    drop_above(t, t->tau);
    if (t->n > t->k) keep_best(t, &kth, &worst_id);
    sort_by_key(t->v, t->item, t->n);
}
