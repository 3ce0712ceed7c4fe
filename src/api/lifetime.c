/* From nothing or a file to an index, and to its end: create, open, save, write, verify, free. */
#include "api/curve.h"
#include "api/index.h"

#include <string.h>

kith_status ki_index_create(const kith_host *host, kith_index **out)
{
    kith_status st = KITH_OK;
    kith_index *ix = NULL;
    ki_env env;

    KI_TRY(ki_env_init(&env, host));
    ix = ki_zeros(&env, 1, sizeof *ix);
    KI_NEED(ix);
    KI_TRY(ki_env_init(&ix->env, host)); // the index's own count of bytes starts here
    atomic_init(&ix->refs, 1);
    *out = ix;
    ix = NULL;
out:
    if (ix) ki_release(&env, ix, 1, sizeof *ix);
    return st;
}

static kith_status check_shape(size_t d, kith_metric m)
{
    if (d == 0 || d > KITH_MAX_DIM)
        return ki_fail(d == 0 ? KITH_BAD_ARG : KITH_LIMIT, "dimension %zu: 1…%u is possible", d,
                       KITH_MAX_DIM);
    if (!ki_metric_of(m)) return ki_fail(KITH_BAD_ARG, "%d is no metric", (int)m);
    return KITH_OK;
}

/* How the spec's codec learns, if it does. */
static void want(const kith_index *ix)
{
    const ki_plan *plan = &ix->plan;

    if (plan->codec && plan->codec->learn) ki_rows_want(ix->rows, plan->codec, plan->codec_params);
}

static kith_status create_rows(kith_index *ix)
{
    const ki_plan *plan = &ix->plan;
    const bool scan = plan->nav->scan >= 0 && plan->params[plan->nav->scan] > 0;

    kith_status st = KITH_OK;

    KI_TRY(ki_rows_create(&ix->env, plan->codec, ix->d, ix->metric, plan->p, scan, &ix->rows));
    want(ix);
out:
    return st;
}

kith_status kith_create(const char *spec, size_t d, kith_metric metric, const kith_host *host,
                        kith_index **out)
{
    kith_status st = KITH_OK;
    kith_index *ix = NULL;

    if (!spec || !out) KI_FAIL(KITH_BAD_ARG, "spec and out may not be NULL");
    KI_TRY(check_shape(d, metric));
    KI_TRY(ki_index_create(host, &ix));
    KI_TRY(ki_plan_parse(spec, metric, &ix->plan));
    ix->d = d;
    ix->metric = metric;
    ki_plan_text(&ix->plan, metric, ix->spec);
    KI_TRY(create_rows(ix));
    *out = ix;
    ix = NULL;
out:
    kith_free(ix);
    return st;
}

kith_status kith_set_param(kith_index *ix, const char *name, const char *value)
{
    kith_status st = KITH_OK;
    const ki_view *v;
    ki_rows *before;
    ki_plan plan;
    uint32_t n;

    KI_TRY(ki_index_writable(ix));
    if (!name || !value) KI_FAIL(KITH_BAD_ARG, "name and value may not be NULL");
    v = ki_view_acquire(ix->rows);
    n = v->n;
    ki_view_release(ix->rows, v);
    if (n) KI_FAIL(KITH_BAD_ARG, "%s is set before the first row; the index has %u", name, n);
    plan = ix->plan;
    before = ix->rows;
    st = ki_plan_set(&ix->plan, name, value);
    if (st == KITH_OK) st = create_rows(ix);
    if (st != KITH_OK) {
        ix->plan = plan;
        goto out;
    }
    ki_rows_free(before);
    ki_plan_text(&ix->plan, ix->metric, ix->spec);
out:
    return st;
}

/* ---- open ------------------------------------------------------------------------------------ */

static void share_container(void *keep)
{
    ki_container_share(keep);
}

static void release_container(void *keep)
{
    ki_container_release(keep);
}

/* What is beside the rows could not be opened: without it, then, where that is asked for. */
static kith_status pass_over(kith_index *ix, kith_status st, uint32_t flags)
{
    if (st != KITH_CORRUPT || !(flags & KITH_OPEN_REPAIR)) return st;
    if (!ix->damage[0]) ki_sentence_get(ix->damage);
    return KITH_OK;
}

/* Rows of a codec that learns are F32 until there are enough of them. */
static bool is_kept_by(const ki_view *v, const ki_codec *codec)
{
    if (codec->learn && v->codec->type == KI_F32) return v->n < KI_LEARN_ROWS;
    return v->codec->file_id == codec->file_id;
}

/* The spec in the file decides the navigator; the rows know dimension, metric and codec. */
static kith_status open_sections(kith_index *ix, uint32_t flags)
{
    kith_status st = KITH_OK;
    const ki_blob_reader *r = ki_container_reader(ix->container);
    const ki_view *v = NULL;
    char text[KI_SPEC_TEXT];
    ki_span spec;

    KI_TRY(ki_blob_need(r, KI_SECTION_SPEC, 0, &spec));
    if (spec.len == 0 || spec.len >= sizeof text)
        KI_FAIL(KITH_CORRUPT, "section SPEC has %zu bytes; 1…%d are possible", spec.len,
                KI_SPEC_TEXT - 1);
    memcpy(text, spec.ptr, spec.len);
    text[spec.len] = 0;
    KI_TRY(ki_rows_open(&ix->env, r, ix->container, share_container, release_container, &ix->rows));
    v = ki_view_acquire(ix->rows);
    ix->d = v->d;
    ix->metric = v->metric;
    st = ki_plan_parse(text, ix->metric, &ix->plan);
    if (st != KITH_OK) {
        ki_fail_prefix(st, "section SPEC");
        st = KITH_CORRUPT;
        goto out;
    }
    if (ix->plan.codec && !is_kept_by(v, ix->plan.codec))
        KI_FAIL(KITH_CORRUPT, "section SPEC says %s, the rows are %s", ix->plan.codec->name,
                v->codec->name);
    ki_plan_text(&ix->plan, ix->metric, ix->spec);
    want(ix);
    if (ix->plan.nav->open) {
        const ki_opening from = {r, ix->container, share_container, release_container};
        st = ix->plan.nav->open(ix->rows, &ix->env, &from, ix->plan.params);
        KI_TRY(pass_over(ix, st, flags));
    }
    KI_TRY(pass_over(ix, ki_curve_open(ix->rows, &ix->env, r), flags));
    if (ki_container_damage(ix->container)[0])
        memcpy(ix->damage, ki_container_damage(ix->container), sizeof ix->damage);
out:
    if (v) ki_view_release(ix->rows, v);
    return st;
}

static kith_status check_flags(uint32_t flags)
{
    if (flags &
        ~(uint32_t)(KITH_OPEN_COPY | KITH_OPEN_VERIFY | KITH_OPEN_READ_ONLY | KITH_OPEN_REPAIR))
        return ki_fail(KITH_BAD_ARG, "open flags 0x%x: unknown bits", flags);
    return KITH_OK;
}

kith_status kith_open(const char *path, uint32_t flags, const kith_host *host, kith_index **out)
{
    kith_status st = KITH_OK;
    kith_index *ix = NULL;
    char before[KI_SENTENCE]; // success leaves the sentence alone, damage passed over or not

    ki_sentence_get(before);
    if (!path || !out) KI_FAIL(KITH_BAD_ARG, "path and out may not be NULL");
    KI_TRY(check_flags(flags));
    KI_TRY(ki_index_create(host, &ix));
    ix->read_only = (flags & KITH_OPEN_READ_ONLY) != 0;
    KI_TRY(ki_container_open(&ix->env, path, flags, &ix->container));
    st = open_sections(ix, flags);
    if (st != KITH_OK) {
        ki_fail_prefix(st, "%.150s", path);
        goto out;
    }
    if (ix->damage[0]) ki_sentence_set(before);
    *out = ix;
    ix = NULL;
out:
    kith_free(ix);
    return st;
}

kith_status kith_open_view(const void *bytes, size_t len, uint32_t flags, const kith_host *host,
                           kith_index **out)
{
    kith_status st = KITH_OK;
    kith_index *ix = NULL;
    char before[KI_SENTENCE];

    ki_sentence_get(before);
    if (!bytes || !out) KI_FAIL(KITH_BAD_ARG, "bytes and out may not be NULL");
    KI_TRY(check_flags(flags));
    KI_TRY(ki_index_create(host, &ix));
    ix->read_only = (flags & KITH_OPEN_READ_ONLY) != 0;
    KI_TRY(ki_container_view(&ix->env, bytes, len, flags, &ix->container));
    KI_TRY(open_sections(ix, flags));
    if (ix->damage[0]) ki_sentence_set(before);
    *out = ix;
    ix = NULL;
out:
    kith_free(ix);
    return st;
}

/* ---- save ------------------------------------------------------------------------------------ */

typedef struct saving {
    const kith_index *ix;
    const ki_view *view;
} saving;

static kith_status fill(void *arg, ki_blob_writer *w, bool planning)
{
    const saving *s = arg;
    const size_t len = strlen(s->ix->spec);
    kith_status st = KITH_OK;

    KI_TRY(w->begin(w, KI_SECTION_SPEC, 0, len, false));
    if (!planning) KI_TRY(w->put(w, s->ix->spec, len));
    KI_TRY(w->end(w));
    KI_TRY(ki_view_write(s->view, w, planning));
    if (s->ix->plan.nav->write) KI_TRY(s->ix->plan.nav->write(s->view, w, planning));
    KI_TRY(ki_curve_write(s->view, w, planning));
out:
    return st;
}

const ki_view *ki_index_look_whole(const kith_index *ix)
{
    if (ix->plan.nav->write) ki_rows_hold(ix->rows);
    return ki_view_acquire(ix->rows);
}

void ki_index_leave_whole(const kith_index *ix, const ki_view *v)
{
    if (!v) return;
    ki_view_release(ix->rows, v);
    if (ix->plan.nav->write) ki_rows_resume(ix->rows);
}

kith_status ki_index_undamaged(const kith_index *ix, const kith_watch *w)
{
    ki_progress p;

    if (!ix->container) return KITH_OK;
    ki_progress_init(&p, w, "verify", ki_container_bytes(ix->container));
    return ki_container_verify(ix->container, 0, &p);
}

kith_status kith_save(const kith_index *ix, const char *path, const kith_watch *w)
{
    kith_status st = KITH_OK;
    saving s = {ix, NULL};
    ki_progress p;

    if (!ix || !path) KI_FAIL(KITH_BAD_ARG, "index and path may not be NULL");
    KI_TRY(ki_index_undamaged(ix, w));
    s.view = ki_index_look_whole(ix);
    ki_progress_init(&p, w, "save", 0);
    /* The env is shared with const callers: its members are lent functions and an atomic count. */
    KI_TRY(ki_container_save(ki_unconst(&ix->env), path, fill, &s, &p));
out:
    ki_index_leave_whole(ix, s.view);
    return st;
}

kith_status kith_write(const kith_index *ix, int (*sink)(void *ctx, const void *bytes, size_t len),
                       void *ctx)
{
    kith_status st = KITH_OK;
    saving s = {ix, NULL};
    ki_progress p;

    if (!ix || !sink) KI_FAIL(KITH_BAD_ARG, "index and sink may not be NULL");
    KI_TRY(ki_index_undamaged(ix, NULL));
    s.view = ki_index_look_whole(ix);
    ki_progress_init(&p, NULL, "write", 0);
    KI_TRY(ki_container_write(ki_unconst(&ix->env), sink, ctx, fill, &s, &p));
out:
    ki_index_leave_whole(ix, s.view);
    return st;
}

kith_status kith_verify(const kith_index *ix, const kith_watch *w)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    ki_progress p;

    if (!ix) KI_FAIL(KITH_BAD_ARG, "the index may not be NULL");
    KI_TRY(ki_index_undamaged(ix, w));
    v = ki_index_look_whole(ix);
    ki_progress_init(&p, w, "check", v->n);
    KI_TRY(ki_view_check(v, ki_unconst(&ix->env), &p));
    if (ix->plan.nav->check) KI_TRY(ix->plan.nav->check(v, ki_unconst(&ix->env), &p));
    if (ix->damage[0] && !atomic_load(&ix->repaired)) KI_FAIL(KITH_CORRUPT, "%s", ix->damage);
out:
    ki_index_leave_whole(ix, v);
    return st;
}

/* ---- end ------------------------------------------------------------------------------------- */

kith_status ki_index_writable(const kith_index *ix)
{
    if (!ix) return ki_fail(KITH_BAD_ARG, "the index may not be NULL");
    return ix->read_only ? ki_fail(KITH_READ_ONLY, "the index was opened read-only") : KITH_OK;
}

kith_status ki_index_look(const kith_index *ix, const ki_view **v)
{
    if (!ix) return ki_fail(KITH_BAD_ARG, "the index may not be NULL");
    *v = ki_view_acquire(ix->rows);
    return KITH_OK;
}

void ki_index_leave(const kith_index *ix, const ki_view *v)
{
    if (v) ki_view_release(ix->rows, v);
}

void ki_index_share(const kith_index *ix)
{
    kith_index *shared = ki_unconst(ix); // a count, not a change of the index

    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
}

void kith_free(kith_index *ix)
{
    ki_env env;

    if (!ix) return;
    /* Release our accesses to whoever frees; acquire theirs when it is us. */
    if (atomic_fetch_sub_explicit(&ix->refs, 1, memory_order_acq_rel) > 1) return;
    for (size_t i = 0; i < KI_INDEX_CONTEXTS; i++) kith_context_free(atomic_load(&ix->idle[i]));
    ki_rows_free(ix->rows);
    ki_container_release(ix->container);
    env.host = ix->env.host;
    atomic_init(&env.bytes, sizeof *ix);
    ki_release(&env, ix, 1, sizeof *ix);
}
