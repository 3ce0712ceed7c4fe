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

void *ki_buffer_need(ki_env *env, ki_buffer *b, size_t len)
{
    void *ptr;

    if (len <= b->len && b->ptr) return b->ptr;
    ptr = ki_array(env, len, 1);
    if (!ptr) return NULL;
    ki_buffer_free(env, b);
    *b = (ki_buffer){ptr, len};
    return ptr;
}

void ki_buffer_free(ki_env *env, ki_buffer *b)
{
    if (b->ptr) ki_release(env, b->ptr, b->len, 1);
    *b = (ki_buffer){0};
}

void ki_top_begin(ki_top *t, ki_env *env, const ki_view *v, const ki_ask *ask, const void *q,
                  int64_t exclude, void *work, ki_buffer *space)
{
    t->env = env;
    t->v = v;
    t->ask = ask;
    t->q = q;
    t->exclude = exclude;
    t->work = work;
    t->space = space;
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

static inline void swap(ki_scored *a, ki_scored *b)
{
    const ki_scored x = *a;

    *a = *b;
    *b = x;
}

/* The k-th smallest of x [n], 0 < k <= n; other: [n]. Both are used up. Quickselect whose partition
 * has no branch that depends on data (a guess that fails costs as much as ten comparisons) and no
 * store that is soon read again; the pivot is drawn, so that no order of rows is a bad one. */
#define SELECT(name, type)                                                                         \
    static type name(type *x, type *other, size_t n, size_t k)                                     \
    {                                                                                              \
        for (;;) {                                                                                 \
            const type pivot = x[(ki_mix64(n ^ k << 20) >> 32) * n >> 32];                         \
            size_t less = 0, rest = 0;                                                             \
            for (size_t i = 0; i < n; i++) {                                                       \
                const type v = x[i];                                                               \
                x[less] = v;                                                                       \
                other[rest] = v;                                                                   \
                less += v < pivot;                                                                 \
                rest += !(v < pivot);                                                              \
            }                                                                                      \
            n = less;                                                                              \
            if (k <= less) continue;                                                               \
            if (k == less + 1) return pivot;                                                       \
            k -= less;                                                                             \
            n = 0;                                                                                 \
            for (size_t i = 0; i < rest; i++) {                                                    \
                x[n] = other[i];                                                                   \
                n += other[i] > pivot;                                                             \
            }                                                                                      \
            if (k <= rest - n) return pivot;                                                       \
            k -= rest - n;                                                                         \
        }                                                                                          \
    }
SELECT(select_key, double)
SELECT(select_id, int64_t)

_Static_assert(sizeof(ki_scored) >= 2 * sizeof(double), "space holds two numbers an item");
/* The k-th smallest upper end. */
static double kth_up(const ki_top *t, size_t k)
{
    double *up = t->space->ptr;

    for (size_t i = 0; i < t->n; i++) up[i] = ki_scored_up(&t->item[i]);
    return select_key(up, up + t->n, t->n, k);
}

static int64_t kth_id(const ki_top *t, const ki_scored *s, size_t n, size_t k)
{
    int64_t *id = t->space->ptr;

    for (size_t i = 0; i < n; i++) id[i] = ki_view_id(t->v, s[i].pos);
    return select_id(id, id + n, n, k);
}

/* Two sorted runs to one, without a branch that depends on data but for equal keys. */
static void merge(const ki_view *v, const ki_scored *a, const ki_scored *a_end, const ki_scored *b,
                  const ki_scored *b_end, ki_scored *to)
{
    while (a < a_end && b < b_end) {
        const size_t from_b = KI_UNLIKELY(b->lo == a->lo) ? before(v, b, a) : b->lo < a->lo;
        const ki_scored *const both[2] = {a, b};
        *to++ = *both[from_b];
        a += 1 - from_b;
        b += from_b;
    }
    for (; a < a_end; a++) *to++ = *a;
    for (; b < b_end; b++) *to++ = *b;
}

/* Runs of one, merged to runs twice as long and so on. */
static void sort_by_key(ki_top *t)
{
    ki_scored *from = t->item, *to = t->space->ptr;

    for (size_t run = 1; run < t->n; run *= 2) {
        ki_scored *const other = from;
        for (size_t i = 0; i < t->n; i += 2 * run) {
            const size_t middle = t->n - i < run ? t->n : i + run;
            const size_t end = t->n - i < 2 * run ? t->n : i + 2 * run;
            merge(t->v, from + i, from + middle, from + middle, from + end, to + i);
        }
        from = to;
        to = other;
    }
    if (from != t->item) memcpy(t->item, from, t->n * sizeof *from);
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

    for (size_t i = 0; i < t->n; i++) {
        const ki_scored s = t->item[i];
        t->item[n] = s;
        n += s.lo <= tau;
    }
    t->n = n;
}

void ki_top_settle(ki_top *t)
{
    double kth;

    if (t->n < t->k) return;
    kth = kth_up(t, t->k);
    if (kth < t->tau) {
        t->tau = kth;
        t->tied = false;
    }
    drop_above(t, t->tau);
}

/* ---- bets ------------------------------------------------------------------------------------ */

/* Of K best rows, each offered by now with probability f, Binomial(K, f) have been; above its mean
 * by four standard deviations and two it is once in 10^4 or less: a lost bet costs another pass
 * over all rows, a higher rank a few more candidates. */
static size_t bet_rank(double k, double share)
{
    const double mean = k * share;

    return (size_t)ceil(mean + 4.0 * sqrt(mean * (1.0 - share)) + 2.0);
}

/* Neighbours in storage are often near one another, and come together: of those of one place the
 * nearest counts. Upper ends of these to up; returns how many. Places that share a number are taken
 * for one, which only makes a bet safer. */
static size_t nearest_of_places(const ki_top *t, double *up)
{
    enum { PLACE_ROWS = 1024, PLACES = 1024 };
    uint64_t seen[PLACES / 64] = {0};
    uint16_t number[PLACES]; // of up, by place
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        const size_t place = t->item[i].pos / PLACE_ROWS % PLACES;
        const double x = ki_scored_up(&t->item[i]);
        if (!ki_bit_get(seen, place)) {
            ki_bit_set(seen, place);
            number[place] = (uint16_t)n;
            up[n++] = x;
        } else if (x < up[number[place]]) {
            up[number[place]] = x;
        }
    }
    return n;
}

void ki_top_bet(ki_top *t, double share)
{
    const size_t rank = bet_rank((double)t->k, share);
    double *const ups = t->space->ptr;
    double up;
    size_t n;

    if (rank > t->n || rank >= t->k) return;
    n = nearest_of_places(t, ups);
    if (rank > n) return;
    up = select_key(ups, ups + n, n, rank);
    if (!(up < ki_top_edge(t))) return;
    t->bet = up;
    drop_above(t, up); // what begins there could answer only if the bet is lost
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

    *kth = kth_up(t, t->k);
    for (size_t i = 0; i < t->n; i++)
        if (t->item[i].lo < *kth) swap(&t->item[i], &t->item[less++]);
    equal = less;
    for (size_t i = less; i < t->n; i++)
        if (t->item[i].lo == *kth) swap(&t->item[i], &t->item[equal++]);
    *worst_id = kth_id(t, t->item + less, equal - less, t->k - less);
    t->n = less;
    for (size_t i = less; i < equal; i++)
        if (ki_view_id(t->v, t->item[i].pos) <= *worst_id) t->item[t->n++] = t->item[i];
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
    if (!ki_buffer_need(t->env, t->space, room * sizeof *more)) return KITH_NO_MEMORY;
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
    sort_by_key(t);
}
