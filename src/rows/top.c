/* The collector of candidates (top.h): offers are appended; when the buffer is full, or when the
 * caller finds it worth while, the k-th smallest upper end becomes tau and what begins above it
 * goes (quickselect: linear). Where that frees too little, because many keys lie within one
 * another's intervals or are equal, all are decided canonically and the k best by (key, id) stay:
 * each offer costs a constant number of comparisons and at most one key on average, whatever the
 * data.
 */
#include "rows/top.h"

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

/* How candidates are compared: by their upper ends, or, decided, by (key, id). */
typedef enum order { BY_UP, BY_KEY } order;

static inline bool before(const ki_view *v, order o, const ki_scored *a, const ki_scored *b)
{
    if (o == BY_UP) return ki_scored_up(a) < ki_scored_up(b);
    if (a->lo != b->lo) return a->lo < b->lo;
    return a->pos != b->pos && ki_view_id(v, a->pos) < ki_view_id(v, b->pos);
}

static inline void swap(ki_scored *a, ki_scored *b)
{
    const ki_scored t = *a;
    *a = *b;
    *b = t;
}

/* Put the k best of n first, in no order, and the worst of them at k-1 (Hoare's quickselect; the
 * pivot is drawn, so that no order of rows is a bad one). 0 < k <= n. */
static inline void select_best(const ki_view *v, order o, ki_scored *s, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;

    while (lo < hi) {
        const ki_scored pivot = s[lo + ki_mix64(lo ^ hi << 20) % (hi - lo + 1)];
        size_t i = lo, j = hi;
        for (;;) {
            while (before(v, o, &s[i], &pivot)) i++;
            while (before(v, o, &pivot, &s[j])) j--;
            if (i >= j) break;
            swap(&s[i++], &s[j--]);
        }
        // s[lo…i-1] <= pivot <= s[j+1…hi]; i == j: s[i] is a pivot's equal
        if (i == j && k - 1 == i) return;
        if (k - 1 < i)
            hi = i - 1;
        else
            lo = i == j ? i + 1 : i;
    }
}

/* Heapsort: candidates are few, and it needs no memory. */
static void sift(const ki_view *v, ki_scored *s, size_t n, size_t at)
{
    const ki_scored x = s[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(v, BY_KEY, &s[child], &s[child + 1])) child++;
        if (!before(v, BY_KEY, &x, &s[child])) break;
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
            KI_PREFETCH(row[m]);
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

static void drop_above(ki_top *t, size_t from, double tau)
{
    size_t n = from;

    for (size_t i = from; i < t->n; i++)
        if (t->item[i].lo <= tau) t->item[n++] = t->item[i];
    t->n = n;
}

void ki_top_settle(ki_top *t)
{
    double kth;

    if (t->n < t->k) return;
    select_best(t->v, BY_UP, t->item, t->n, t->k);
    kth = ki_scored_up(&t->item[0]);
    for (size_t i = 1; i < t->k; i++)
        if (ki_scored_up(&t->item[i]) > kth) kth = ki_scored_up(&t->item[i]);
    if (kth < t->tau) {
        t->tau = kth;
        t->tied = false;
    }
    drop_above(t, 0, t->tau);
}

/* Decide all and keep the k best. */
static void cut(ki_top *t)
{
    decide(t);
    drop_above(t, 0, t->tau);
    if (t->n < t->k) return;
    select_best(t->v, BY_KEY, t->item, t->n, t->k);
    t->n = t->k;
    t->tau = t->item[0].lo;
    t->worst_id = ki_view_id(t->v, t->item[0].pos);
    for (size_t i = 1; i < t->k; i++) {
        const ki_scored *s = &t->item[i];
        if (s->lo < t->tau) continue;
        const int64_t id = ki_view_id(t->v, s->pos);
        if (s->lo > t->tau || id > t->worst_id) t->worst_id = id;
        t->tau = s->lo;
    }
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
    ki_top_settle(t);
    decide(t);
    drop_above(t, 0, t->tau);
    if (t->n > t->k) {
        select_best(t->v, BY_KEY, t->item, t->n, t->k);
        t->n = t->k;
    }
    sort_by_key(t->v, t->item, t->n);
}
