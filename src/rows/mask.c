/* Filters as bitmaps of positions. Where ids are consecutive, bits and ranges are whole words at a
 * time; lists of ids go through the id map, so they cost their own length. Removed rows are masked
 * once, at the end. */
#include "rows/filter_node.h"

#include <string.h>

/* Where a node is evaluated: bits at or beyond v->n stay clear. */
typedef struct place {
    const ki_rows *rows;
    const ki_view *view;
    ki_env *env;
    size_t words; // of a bitmap
} place;

static kith_status eval(const place *at, const kith_filter *f, uint64_t *out);

/* Set bits from…to-1. */
static void set_bits(uint64_t *words, size_t from, size_t to)
{
    const size_t first = from / 64, last = to / 64;
    const uint64_t head = ~(uint64_t)0 << from % 64;
    const uint64_t tail = ((uint64_t)1 << to % 64) - 1;

    if (from >= to) return;
    if (first == last) {
        words[first] |= head & tail;
        return;
    }
    words[first] |= head;
    for (size_t i = first + 1; i < last; i++) words[i] = ~(uint64_t)0;
    if (tail) words[last] |= tail;
}

/* ---- leaves ---------------------------------------------------------------------------------- */

static bool has_bit(const kith_filter *f, int64_t id)
{
    const uint64_t at = (uint64_t)id - (uint64_t)f->lo;

    return id >= f->lo && at < f->n && ki_bit_get(f->words, (size_t)at);
}

/* 64 bits of the caller's from bit `at` on, zeros behind the end. */
static uint64_t word_at(const kith_filter *f, uint64_t at)
{
    const uint64_t i = at / 64, last = ki_bit_words(f->n);
    uint64_t word = i < last ? f->words[i] >> at % 64 : 0;

    if (at % 64 && i + 1 < last) word |= f->words[i + 1] << (64 - at % 64);
    if (at >= f->n) return 0;
    return f->n - at < 64 ? word & (((uint64_t)1 << (f->n - at)) - 1) : word;
}

static void eval_bits(const place *at, const kith_filter *f, uint64_t *out)
{
    const ki_view *v = at->view;
    const uint64_t first = (uint64_t)v->first_id - (uint64_t)f->lo;

    if (v->ids || v->first_id < f->lo) {
        for (uint32_t pos = 0; pos < v->n; pos++)
            if (has_bit(f, ki_view_id(v, pos))) ki_bit_set(out, pos);
        return;
    }
    for (size_t i = 0; i < at->words; i++) out[i] = word_at(f, first + 64 * i);
    if (v->n % 64) out[at->words - 1] &= ((uint64_t)1 << v->n % 64) - 1;
}

static bool has_id(const kith_filter *f, int64_t id)
{
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;

        if (f->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < f->n && f->ids[lo] == id;
}

/* By whichever is fewer, ids of the list or rows. */
static void eval_ids(const place *at, const kith_filter *f, uint64_t *out)
{
    const ki_view *v = at->view;
    uint32_t pos;

    if (f->n > v->n) {
        for (pos = 0; pos < v->n; pos++)
            if (has_id(f, ki_view_id(v, pos))) ki_bit_set(out, pos);
        return;
    }
    for (size_t i = 0; i < f->n; i++)
        if (ki_view_find(v, f->ids[i], &pos)) ki_bit_set(out, pos);
}

static void eval_range(const place *at, const kith_filter *f, uint64_t *out)
{
    const ki_view *v = at->view;
    uint64_t from, to;

    if (v->ids) {
        for (uint32_t pos = 0; pos < v->n; pos++) {
            const int64_t id = ki_view_id(v, pos);

            if (id >= f->lo && id <= f->hi) ki_bit_set(out, pos);
        }
        return;
    }
    if (f->hi < v->first_id || f->lo > f->hi) return;
    from = f->lo > v->first_id ? (uint64_t)f->lo - (uint64_t)v->first_id : 0;
    to = (uint64_t)f->hi - (uint64_t)v->first_id;
    set_bits(out, from < v->n ? (size_t)from : v->n, to < v->n ? (size_t)to + 1 : v->n);
}

static void eval_call(const place *at, const kith_filter *f, uint64_t *out)
{
    const ki_view *v = at->view;

    for (uint32_t pos = 0; pos < v->n; pos++)
        if (ki_view_live(v, pos) && f->keep(f->ctx, ki_view_id(v, pos))) ki_bit_set(out, pos);
}

/* ---- joins and bound filters ----------------------------------------------------------------- */

static kith_status check_store(const place *at, const kith_filter *f)
{
    if (f->store == at->rows->serial) return KITH_OK;
    return ki_fail(KITH_BAD_ARG, "the filter is bound to another index");
}

/* As it was bound, and the rows behind that replaced one which passed: where nothing was removed
 * since, nothing was replaced. By ids when compact gave the positions another meaning. */
static kith_status eval_bound(const place *at, const kith_filter *f, uint64_t *out)
{
    const ki_view *v = at->view;
    const uint32_t n = f->n < v->n ? (uint32_t)f->n : v->n;
    const kith_status st = check_store(at, f);

    if (st != KITH_OK) return st;
    if (f->generation != v->generation) return eval(at, f->a, out);
    memcpy(out, f->positions, ki_bit_words(n) * sizeof *out);
    if (n % 64) out[n / 64] &= ((uint64_t)1 << n % 64) - 1;
    for (uint32_t pos = n; pos < v->n && f->removed != v->n - v->live; pos++) {
        const int64_t id = ki_view_id(v, pos);

        if (f->a->kind == KI_NODE_BITS ? has_bit(f->a, id) : has_id(f->a, id)) ki_bit_set(out, pos);
    }
    return KITH_OK;
}

/* The deeper side first: then a chain of joins needs one further bitmap, not one a joint. */
static kith_status eval_pair(const place *at, const kith_filter *f, uint64_t *out)
{
    const bool swap = f->b->depth > f->a->depth;
    kith_status st = KITH_OK;
    uint64_t *other = NULL;

    KI_TRY(eval(at, swap ? f->b : f->a, out));
    other = ki_zeros(at->env, at->words, sizeof *other);
    KI_NEED(other);
    KI_TRY(eval(at, swap ? f->a : f->b, other));
    if (f->kind == KI_NODE_AND)
        for (size_t i = 0; i < at->words; i++) out[i] &= other[i];
    else
        for (size_t i = 0; i < at->words; i++) out[i] |= other[i];
out:
    ki_release(at->env, other, at->words, sizeof *other);
    return st;
}

static kith_status eval_not(const place *at, const kith_filter *f, uint64_t *out)
{
    const kith_status st = eval(at, f->a, out);

    for (size_t i = 0; i < at->words; i++) out[i] = ~out[i];
    if (at->view->n % 64) out[at->words - 1] &= ((uint64_t)1 << at->view->n % 64) - 1;
    return st;
}

/* out: cleared words. */
static kith_status eval(const place *at, const kith_filter *f, uint64_t *out)
{
    switch (f->kind) {
    case KI_NODE_BITS: eval_bits(at, f, out); return KITH_OK;
    case KI_NODE_IDS: eval_ids(at, f, out); return KITH_OK;
    case KI_NODE_RANGE: eval_range(at, f, out); return KITH_OK;
    case KI_NODE_CALL: eval_call(at, f, out); return KITH_OK;
    case KI_NODE_AND:
    case KI_NODE_OR: return eval_pair(at, f, out);
    case KI_NODE_NOT: return eval_not(at, f, out);
    case KI_NODE_BOUND: return eval_bound(at, f, out);
    }
    return KITH_OK;
}

/* ---- masks ----------------------------------------------------------------------------------- */

static void mask_removed(const ki_view *v, uint64_t *words, size_t n)
{
    const size_t a_chunk = KI_CHUNK / 64;

    if (!v->removed) return;
    for (size_t i = 0; i < n; i += a_chunk) {
        const uint64_t *gone = ki_column_chunk(v->removed, i / a_chunk);

        for (size_t j = 0; j < a_chunk && i + j < n; j++) words[i + j] &= ~gone[j];
    }
}

kith_status ki_filter_eval(const kith_filter *f, const ki_rows *r, const ki_view *v, ki_env *env,
                           ki_mask *out)
{
    const place at = {r, v, env, ki_bit_words(v->n)};
    kith_status st = KITH_OK;
    uint64_t *words = NULL;

    words = ki_zeros(env, at.words, sizeof *words);
    KI_NEED(words);
    KI_TRY(eval(&at, f, words));
    mask_removed(v, words, at.words);
    *out = (ki_mask){words, v->n, (uint32_t)ki_bit_count(words, at.words), words, at.words};
    words = NULL;
out:
    ki_release(env, words, at.words, sizeof *words);
    return st;
}

/* A bound filter's words as they are, when no row was removed since and the view is not older.
 * Within a generation rows are only ever removed, so their number tells. */
static bool lends(const kith_filter *f, const ki_rows *r, const ki_view *v)
{
    return f->kind == KI_NODE_BOUND && f->store == r->serial && f->generation == v->generation &&
           f->n <= v->n && f->removed == v->n - v->live;
}

kith_status ki_filter_mask(const kith_filter *f, const ki_rows *r, const ki_view *v, ki_env *env,
                           ki_mask *out)
{
    if (!f) {
        *out = (ki_mask){NULL, v->n, v->live, NULL, 0};
        return KITH_OK;
    }
    if (!lends(f, r, v)) return ki_filter_eval(f, r, v, env, out);
    *out = (ki_mask){f->positions, (uint32_t)f->n, f->count, NULL, 0};
    return KITH_OK;
}

void ki_mask_free(ki_env *env, ki_mask *m)
{
    ki_release(env, m->owned, m->owned_words, sizeof *m->owned);
    *m = (ki_mask){0};
}
