/* Filters: nodes that never change and are shared by reference counts; their evaluation to a bitmap
 * of positions is mask.c's. Each has its own memory, because a filter may outlive every index. */
#include "rows/filter_node.h"

#include <string.h>

#include "rows/sort.h"

enum { DEPTH = 500 }; // joins within joins: evaluation and release call themselves

static kith_status create(ki_node_kind kind, const kith_host *host, kith_filter **out)
{
    kith_status st = KITH_OK;
    kith_filter *f = NULL;
    ki_env env;

    if (!out) KI_FAIL(KITH_BAD_ARG, "out may not be NULL");
    KI_TRY(ki_env_init(&env, host));
    f = ki_zeros(&env, 1, sizeof *f);
    KI_NEED(f);
    KI_TRY(ki_env_init(&f->env, host));
    atomic_init(&f->refs, 1);
    f->kind = kind;
    *out = f;
out:
    return st;
}

kith_filter *ki_filter_share(const kith_filter *f)
{
    kith_filter *shared = ki_unconst(f); // a count, not a change of the filter

    if (f) atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void kith_filter_free(kith_filter *f)
{
    ki_env env;

    // Release our reads to whoever frees; acquire the others' when it is us.
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1) return;
    kith_filter_free(f->a);
    kith_filter_free(f->b);
    ki_release(&f->env, f->ids, f->n, sizeof *f->ids);
    ki_release(&f->env, f->positions, f->words_n, sizeof *f->positions);
    env.host = f->env.host;
    atomic_init(&env.bytes, sizeof *f);
    ki_release(&env, f, 1, sizeof *f);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

kith_status kith_filter_bits(const uint64_t *words, size_t nbits, const kith_host *host,
                             kith_filter **out)
{
    kith_status st = KITH_OK;

    if (nbits && !words) KI_FAIL(KITH_BAD_ARG, "%zu bits, but words is NULL", nbits);
    KI_TRY(create(KI_NODE_BITS, host, out));
    (*out)->words = words;
    (*out)->n = nbits;
out:
    return st;
}

/* Sorted and without repeats, so that ids can be found by halving and counted. */
kith_status kith_filter_ids(const int64_t *ids, size_t n, const kith_host *host, kith_filter **out)
{
    kith_status st = KITH_OK;
    kith_filter *f = NULL;
    int64_t *sorted = NULL;
    size_t kept = 0;

    if (!out) KI_FAIL(KITH_BAD_ARG, "out may not be NULL");
    if (n && !ids) KI_FAIL(KITH_BAD_ARG, "%zu ids, but ids is NULL", n);
    KI_TRY(create(KI_NODE_IDS, host, &f));
    sorted = ki_array(&f->env, n, sizeof *sorted);
    KI_NEED(sorted);
    if (n) memcpy(sorted, ids, n * sizeof *sorted);
    KI_TRY(ki_sort_ids(&f->env, sorted, n));
    for (size_t i = 0; i < n; i++)
        if (i == 0 || sorted[i] != sorted[kept - 1]) sorted[kept++] = sorted[i];
    f->ids = ki_regrow(&f->env, sorted, kept, kept, sizeof *sorted);
    KI_NEED(f->ids);
    f->n = kept;
    *out = ki_filter_share(f);
out:
    if (f) ki_release(&f->env, sorted, n, sizeof *sorted);
    kith_filter_free(f);
    return st;
}

kith_status kith_filter_range(int64_t lo, int64_t hi, const kith_host *host, kith_filter **out)
{
    const kith_status st = create(KI_NODE_RANGE, host, out);

    if (st != KITH_OK) return st;
    (*out)->lo = lo;
    (*out)->hi = hi;
    return KITH_OK;
}

kith_status kith_filter_call(int (*keep)(void *ctx, int64_t id), void *ctx, const kith_host *host,
                             kith_filter **out)
{
    kith_status st = KITH_OK;

    if (!keep) KI_FAIL(KITH_BAD_ARG, "keep may not be NULL");
    KI_TRY(create(KI_NODE_CALL, host, out));
    (*out)->keep = keep;
    (*out)->ctx = ctx;
out:
    return st;
}

kith_status kith_filter_join(kith_join op, const kith_filter *a, const kith_filter *b,
                             kith_filter **out)
{
    kith_status st = KITH_OK;
    uint32_t depth;

    if (op != KITH_AND && op != KITH_OR && op != KITH_NOT)
        KI_FAIL(KITH_BAD_ARG, "%d is no kith_join", (int)op);
    if (!a || (op == KITH_NOT) != !b)
        KI_FAIL(KITH_BAD_ARG, "%s",
                op == KITH_NOT ? "NOT joins a alone: b must be NULL"
                               : "AND and OR need both filters");
    depth = a->depth;
    if (b && b->depth > depth) depth = b->depth;
    if (depth >= DEPTH) KI_FAIL(KITH_LIMIT, "filters are joined %d deep, which is the most", DEPTH);
    KI_TRY(create(op == KITH_AND ? KI_NODE_AND : op == KITH_OR ? KI_NODE_OR : KI_NODE_NOT,
                  &a->env.host, out));
    (*out)->a = ki_filter_share(a);
    (*out)->b = ki_filter_share(b);
    (*out)->depth = depth + 1;
out:
    return st;
}

/* The ids of a mask's rows as a filter. Where ids are consecutive the words say them, too; they are
 * borrowed: both nodes are freed together. */
static kith_status name_ids(const ki_view *v, const ki_mask *m, kith_filter **out)
{
    kith_status st = KITH_OK;
    kith_filter *f = NULL;
    size_t n = 0;

    KI_TRY(create(v->ids ? KI_NODE_IDS : KI_NODE_BITS, &v->own->env->host, &f));
    if (!v->ids) {
        f->words = m->words;
        f->n = m->n;
        f->lo = v->first_id;
    } else {
        f->n = m->count;
        f->ids = ki_array(&f->env, f->n, sizeof *f->ids);
        KI_NEED(f->ids);
        for (uint32_t pos = 0; pos < m->n; pos++)
            if (ki_bit_get(m->words, pos)) f->ids[n++] = ki_view_id(v, pos);
        KI_TRY(ki_sort_ids(&f->env, f->ids, n));
    }
    *out = ki_filter_share(f);
out:
    kith_filter_free(f);
    return st;
}

/* The words go into memory of the filter's own, because it may live longer than r. */
kith_status ki_filter_bind(const ki_rows *r, const ki_view *v, const kith_filter *f,
                           kith_filter **out)
{
    kith_status st = KITH_OK;
    kith_filter *bound = NULL;
    ki_mask mask = {0};

    if (!f) KI_FAIL(KITH_BAD_ARG, "the filter may not be NULL");
    KI_TRY(create(KI_NODE_BOUND, &v->own->env->host, &bound));
    KI_TRY(ki_filter_eval(f, r, v, &bound->env, &mask));
    bound->positions = mask.owned;
    bound->words_n = mask.owned_words;
    KI_TRY(name_ids(v, &mask, &bound->a));
    bound->n = mask.n;
    bound->count = mask.count;
    bound->removed = v->n - v->live;
    bound->store = r->serial;
    bound->generation = v->generation;
    *out = bound;
    bound = NULL;
out:
    kith_filter_free(bound);
    return st;
}
