/* Calls that change an index: each is one ki_change, committed whole or undone. */
#include "api/index.h"

#include <math.h>
#include <string.h>

/* Where many rows are removed, those that are left move together; the navigator's structure follows
 * the rows; then the change is published and *c is NULL. A change that failed is still the
 * caller's, to be aborted. */
static kith_status finish(kith_index *ix, ki_change **c, ki_progress *p)
{
    const ki_navigator *nav = ix->plan.nav;
    kith_status st = KITH_OK;

    if (nav->crowded && nav->crowded(ki_change_view(*c), ix->plan.params))
        KI_TRY(ki_change_compact(*c, 0, p));
    if (nav->update) KI_TRY(nav->update(*c, &ix->env, ix->plan.params, 0, p));
    KI_TRY(ki_progress_end(p));
    ki_change_commit(*c);
    *c = NULL;
out:
    return st;
}

static kith_status put(kith_index *ix, ki_put how, kith_rows x, const int64_t *ids,
                       const char *const *labels, const kith_watch *w)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    ki_progress p;

    KI_TRY(ki_index_writable(ix));
    if (x.n == 0) goto out;
    if (how == KI_PUT_UPDATE && !ids) KI_FAIL(KITH_BAD_ARG, "an update needs ids");
    ki_progress_init(&p, w, how == KI_PUT_ADD ? "add" : "update", x.n);
    KI_TRY(ki_change_begin(ix->rows, &c));
    KI_TRY(ki_change_put(c, how, x, ids, labels, 0, &p));
    KI_TRY(finish(ix, &c, &p));
out:
    ki_change_abort(c);
    return st;
}

kith_status kith_add(kith_index *ix, kith_rows x, const int64_t *ids, const char *const *labels,
                     const kith_watch *w)
{
    return put(ix, KI_PUT_ADD, x, ids, labels, w);
}

kith_status kith_upsert(kith_index *ix, kith_rows x, const int64_t *ids, const char *const *labels,
                        const kith_watch *w)
{
    return put(ix, KI_PUT_UPSERT, x, ids, labels, w);
}

kith_status kith_update(kith_index *ix, kith_rows x, const int64_t *ids, const char *const *labels,
                        const kith_watch *w)
{
    return put(ix, KI_PUT_UPDATE, x, ids, labels, w);
}

kith_status kith_add_source(kith_index *ix, kith_source *src, const kith_watch *w)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    kith_batch batch;
    kith_source s;
    ki_progress p;

    KI_TRY(ki_index_writable(ix));
    KI_TRY(ki_source_take(src, &s));
    if (s.d != ix->d)
        KI_FAIL(KITH_BAD_ARG, "the source has %zu components a row, the index %zu", s.d, ix->d);
    ki_progress_init(&p, w, "add", s.n == UINT64_MAX ? 0 : s.n);
    KI_TRY(ki_change_begin(ix->rows, &c));
    if (s.n != UINT64_MAX) ki_change_expect(c, kith_count(ix) + s.n);
    for (;;) {
        KI_TRY(s.next(s.ctx, KI_CHUNK, &batch));
        if (batch.rows.n == 0) break;
        KI_TRY(ki_change_put(c, KI_PUT_ADD, batch.rows, batch.ids, batch.labels, 0, &p));
    }
    KI_TRY(finish(ix, &c, &p));
out:
    ki_change_abort(c);
    return st;
}

kith_status kith_remove(kith_index *ix, const int64_t *ids, size_t n, size_t *removed)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    size_t count = 0;
    bool was;

    KI_TRY(ki_index_writable(ix));
    if (n && !ids) KI_FAIL(KITH_BAD_ARG, "ids may not be NULL");
    KI_TRY(ki_change_begin(ix->rows, &c));
    for (size_t i = 0; i < n; i++) {
        KI_TRY(ki_change_remove(c, ids[i], &was));
        count += was;
    }
    KI_TRY(finish(ix, &c, NULL));
    if (removed) *removed = count;
out:
    ki_change_abort(c);
    return st;
}

kith_status kith_set_label(kith_index *ix, int64_t id, const char *text)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;

    KI_TRY(ki_index_writable(ix));
    KI_TRY(ki_change_begin(ix->rows, &c));
    KI_TRY(ki_change_label(c, id, text));
    ki_change_commit(c);
    c = NULL;
out:
    ki_change_abort(c);
    return st;
}

kith_status kith_compact(kith_index *ix, const kith_watch *w)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    ki_progress p;

    KI_TRY(ki_index_writable(ix));
    ki_progress_init(&p, w, "compact", kith_count(ix));
    KI_TRY(ki_change_begin(ix->rows, &c));
    KI_TRY(ki_change_compact(c, 0, &p));
    KI_TRY(finish(ix, &c, &p));
out:
    ki_change_abort(c);
    return st;
}

static void tell(const ki_findings *found, kith_each *each, void *ctx)
{
    if (!each) return;
    if (found->damage[0]) each(ctx, "damage", found->damage, (double)NAN);
    for (size_t i = 0; i < found->n; i++)
        each(ctx, found->mended[i].name, found->mended[i].unit, found->mended[i].count);
}

kith_status kith_repair(kith_index *ix, kith_each *each, void *ctx, const kith_watch *w)
{
    char before[KI_SENTENCE]; // success leaves the sentence alone, whatever was found
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    ki_findings found = {.n = 0};
    const ki_navigator *nav;
    ki_progress p;

    ki_sentence_get(before);
    KI_TRY(ki_index_writable(ix));
    nav = ix->plan.nav;
    KI_TRY(ki_index_undamaged(ix, w));
    KI_TRY(ki_change_begin(ix->rows, &c));
    ki_progress_init(&p, w, "check", ki_change_view(c)->n);
    KI_TRY(ki_view_check(ki_change_view(c), &ix->env, &p));
    if (!atomic_load(&ix->repaired)) memcpy(found.damage, ix->damage, sizeof found.damage);
    if (nav->repair) KI_TRY(nav->repair(c, &ix->env, ix->plan.params, 0, &found, &p));
    KI_TRY(ki_progress_end(&p));
    atomic_store(&ix->repaired, true);
    ki_change_commit(c);
    c = NULL;
    ki_sentence_set(before);
    tell(&found, each, ctx);
out:
    ki_change_abort(c);
    return st;
}

kith_status kith_merge(kith_index *into, const kith_index *from, const kith_watch *w)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    const ki_view *v = NULL;
    ki_progress p;

    KI_TRY(ki_index_writable(into));
    if (!from) KI_FAIL(KITH_BAD_ARG, "the index to merge may not be NULL");
    if (into == from) KI_FAIL(KITH_BAD_ARG, "an index cannot be merged into itself");
    if (into->d != from->d)
        KI_FAIL(KITH_BAD_ARG, "%zu components a row cannot be merged into %zu", from->d, into->d);
    if (into->metric != from->metric)
        KI_FAIL(KITH_BAD_ARG, "an index for %s cannot be merged into one for %s",
                kith_metric_name(from->metric), kith_metric_name(into->metric));
    KI_TRY(ki_index_undamaged(from, w));
    v = ki_view_acquire(from->rows);
    ki_progress_init(&p, w, "merge", v->live);
    KI_TRY(ki_change_begin(into->rows, &c));
    if (into->metric == KITH_LP && ki_change_view(c)->arg != v->arg)
        KI_FAIL(KITH_BAD_ARG, "an index for p = %.9g cannot be merged into one for p = %.9g",
                v->arg, ki_change_view(c)->arg);
    KI_TRY(ki_change_merge(c, v, 0, &p));
    KI_TRY(finish(into, &c, &p));
out:
    ki_change_abort(c);
    if (v) ki_view_release(from->rows, v);
    return st;
}

kith_status kith_train(kith_index *ix, kith_rows x, const kith_watch *w)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    ki_progress p;

    if (!ix) KI_FAIL(KITH_BAD_ARG, "the index may not be NULL");
    KI_TRY(ki_rows_check(x, ix->d, ix->metric, "row"));
    if (!ix->plan.codec || !ix->plan.codec->learn) goto out;
    KI_TRY(ki_index_writable(ix));
    ki_progress_init(&p, w, "train", x.n);
    KI_TRY(ki_change_begin(ix->rows, &c));
    KI_TRY(ki_change_learn(c, x, 0, &p));
    KI_TRY(finish(ix, &c, &p));
out:
    ki_change_abort(c);
    return st;
}
