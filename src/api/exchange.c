/* Indexes of other programs: files of theirs become an index, and the other way round. The bytes
 * are read and written by foreign/, links by the navigator that has such ones: here they meet. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/index.h"
#include "foreign/foreign.h"
#include "foreign/hnswbin.h"

/* ---- which format ---------------------------------------------------------------------------- */

typedef struct exchange {
    const char *name, *endings, *about;
    kith_status (*import)(const char *path, size_t d, kith_metric metric, const kith_host *host,
                          const kith_watch *w, kith_index **out);
    kith_status (*export)(const kith_index *ix, const char *path, const kith_watch *w);
} exchange;

static kith_status import_hnswlib(const char *path, size_t d, kith_metric metric,
                                  const kith_host *host, const kith_watch *w, kith_index **out);
static kith_status export_hnswlib(const kith_index *ix, const char *path, const kith_watch *w);

static const exchange exchanges[] = {
    {"hnswlib", ".bin,.hnsw", "hnswlib's save_index of 0.3.4 to 0.8: becomes HNSW, and is written",
     import_hnswlib, export_hnswlib},
};

enum { EXCHANGES = sizeof exchanges / sizeof *exchanges };

void ki_exchange_list(kith_each *each, void *ctx)
{
    for (size_t i = 0; i < EXCHANGES; i++)
        each(ctx, exchanges[i].name, exchanges[i].about, (double)NAN);
}

static bool ends_in(const char *path, const char *endings)
{
    const size_t len = strlen(path);

    while (*endings) {
        const size_t e = strcspn(endings, ",");

        if (len > e && strncasecmp(path + len - e, endings, e) == 0) return true;
        endings += e + (endings[e] == ',');
    }
    return false;
}

static kith_status find_exchange(const char *path, const char *format, const exchange **out)
{
    char known[128] = "";
    size_t at = 0;

    for (size_t i = 0; i < EXCHANGES; i++) {
        const exchange *x = &exchanges[i];

        if (format ? strcasecmp(format, x->name) == 0 : ends_in(path, x->endings)) {
            *out = x;
            return KITH_OK;
        }
        if (at < sizeof known)
            at += (size_t)snprintf(known + at, sizeof known - at, " %s (%s)", x->name, x->endings);
    }
    if (format)
        return ki_fail(KITH_NOT_FOUND, "no index format \"%.40s\"; known:%s", format, known);
    return ki_fail(KITH_BAD_ARG, "%.100s: its name tells no index format; known:%s", path, known);
}

kith_status kith_import(const char *path, const char *format, size_t d, kith_metric metric,
                        const kith_host *host, const kith_watch *w, kith_index **out)
{
    kith_status st = KITH_OK;
    const exchange *x;

    if (!path || !out) KI_FAIL(KITH_BAD_ARG, "path and out may not be NULL");
    KI_TRY(find_exchange(path, format, &x));
    KI_TRY(x->import(path, d, metric, host, w, out));
out:
    return st;
}

kith_status kith_export(const kith_index *ix, const char *path, const char *format,
                        const kith_watch *w)
{
    kith_status st = KITH_OK;
    const exchange *x;

    if (!ix || !path) KI_FAIL(KITH_BAD_ARG, "index and path may not be NULL");
    KI_TRY(find_exchange(path, format, &x));
    KI_TRY(x->export(ix, path, w));
out:
    return st;
}

/* hnswlib has these; its cosine is the inner product of rows of length 1. */
static bool has_metric(kith_metric m)
{
    return m == KITH_L2 || m == KITH_IP || m == KITH_COSINE;
}

/* ---- hnswlib's file becomes an index --------------------------------------------------------- */

static uint32_t file_level(const ki_layers *l, uint32_t pos)
{
    return (uint32_t)ki_hnsw_level(l->ctx, pos);
}

static size_t file_links(const ki_layers *l, uint32_t pos, uint32_t level, uint32_t *out)
{
    const uint8_t *links;
    size_t n;

    links = ki_hnsw_links(l->ctx, pos, (int)level, &n);
    for (size_t i = 0; i < n; i++) out[i] = ki_le32(links + 4 * i);
    return n;
}

/* What the rows are: f32, or bytes where the caller says that there are so many components. */
static kith_status type_of(const ki_hnsw_file *f, size_t *d, kith_dtype *dtype)
{
    *dtype = *d && *d == f->d_bytes ? KITH_U8 : KITH_F32;
    if (!*d && f->d_bytes % sizeof(float) == 0) *d = f->d_bytes / sizeof(float);
    if (*dtype == KITH_U8 || (*d && *d == f->d_bytes / sizeof(float) && f->d_bytes % 4 == 0))
        return KITH_OK;
    if (!*d)
        return ki_fail(KITH_BAD_ARG,
                       "rows of %zu bytes are no f32; for u8 their dimension has to be said",
                       f->d_bytes);
    return ki_fail(KITH_BAD_ARG, "rows of %zu bytes are neither %zu f32 nor %zu u8", f->d_bytes, *d,
                   *d);
}

static kith_status create_for(const ki_hnsw_file *f, size_t d, kith_metric metric,
                              const kith_host *host, kith_index **out)
{
    const uint64_t search = f->ef_construction < 1       ? 1
                            : f->ef_construction > 65536 ? 65536
                                                         : f->ef_construction;
    char spec[64];

    if (f->m < 2 || f->m > 64) return ki_fail(KITH_LIMIT, "M is %zu; kith's HNSW has 2…64", f->m);
    snprintf(spec, sizeof spec, "HNSW%zu(ef_construction=%llu)", f->m, (unsigned long long)search);
    return kith_create(spec, d, metric, host, out);
}

/* All rows, by their labels; those that are deleted go again at once. */
static kith_status put_rows(ki_change *c, ki_env *env, const ki_hnsw_file *f, kith_dtype dtype,
                            ki_progress *p)
{
    const kith_rows x = {f->rows, f->count, f->stride, dtype};
    kith_status st = KITH_OK;
    int64_t *ids;
    bool was;

    ids = ki_array(env, f->count, sizeof *ids);
    KI_NEED(ids);
    for (size_t i = 0; i < f->count; i++) ids[i] = ki_hnsw_label(f, i);
    KI_TRY(ki_change_put(c, KI_PUT_ADD, x, ids, NULL, 0, p));
    for (size_t i = 0; i < f->count; i++)
        if (ki_hnsw_deleted(f, i)) KI_TRY(ki_change_remove(c, ids[i], &was));
out:
    ki_release(env, ids, f->count, sizeof *ids);
    return st;
}

static kith_status fill(kith_index *ix, const ki_hnsw_file *f, kith_dtype dtype,
                        const kith_watch *w)
{
    const ki_layers layers = {.entry = f->entry,
                              .width = (uint32_t)f->max_m,
                              .most = (uint32_t)f->max_m0,
                              .levels = (uint32_t)f->max_level,
                              .ctx = f,
                              .level = file_level,
                              .links = file_links};
    kith_status st = KITH_OK;
    ki_change *c = NULL;
    ki_progress p;

    if (f->count == 0) return KITH_OK;
    if (f->count > KITH_MAX_ROWS)
        return ki_fail(KITH_LIMIT, "%zu elements; an index has up to %u", f->count, KITH_MAX_ROWS);
    ki_progress_init(&p, w, "import", 2 * (uint64_t)f->count);
    KI_TRY(ki_change_begin(ix->rows, &c));
    ki_change_expect(c, f->count);
    KI_TRY(put_rows(c, &ix->env, f, dtype, &p));
    KI_TRY(ix->plan.nav->take(c, &ix->env, ix->plan.params, &layers, 0, &p));
    KI_TRY(ki_progress_end(&p));
    ki_change_commit(c);
    c = NULL;
out:
    ki_change_abort(c);
    return st;
}

static kith_status import_hnswlib(const char *path, size_t d, kith_metric metric,
                                  const kith_host *host, const kith_watch *w, kith_index **out)
{
    kith_status st = KITH_OK;
    ki_hnsw_file *f = NULL;
    kith_index *ix = NULL;
    kith_dtype dtype;

    if (!has_metric(metric))
        KI_FAIL(KITH_BAD_ARG, "%s: hnswlib's indexes are for l2, ip or cosine, not for %s", path,
                kith_metric_name(metric));
    KI_TRY(ki_hnsw_read(path, host, &f));
    st = type_of(f, &d, &dtype);
    if (st == KITH_OK) st = create_for(f, d, metric, host, &ix);
    if (st == KITH_OK) st = fill(ix, f, dtype, w);
    if (st == KITH_EXISTS) st = KITH_CORRUPT; // a label is there twice
    if (st != KITH_OK) {
        ki_fail_prefix(st, "%.150s", path);
        goto out;
    }
    *out = ix;
    ix = NULL;
out:
    kith_free(ix);
    ki_hnsw_free(f);
    return st;
}

/* ---- an index becomes hnswlib's file --------------------------------------------------------- */

/* A label that is taken. */
typedef struct taken {
    int64_t id;
    uint32_t pos;
} taken;

/* owns: layers, row, removed. */
typedef struct writing {
    const ki_view *v;
    ki_env *env;
    ki_layers *layers;
    float *row;     /* [d] */
    taken *removed; /* [removed_n] by position: rows that are removed, and the labels they get */
    size_t removed_n;
    size_t at; /* among them: elements come in order */
} writing;

static int by_id(const void *a, const void *b)
{
    const taken *x = a, *y = b;

    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static int by_position(const void *a, const void *b)
{
    const taken *x = a, *y = b;

    return x->pos < y->pos ? -1 : x->pos > y->pos;
}

/* Labels are unique, deleted ones too: a removed row keeps its id if nobody else has it, and gets a
 * number behind all ids otherwise. */
static kith_status label_removed(writing *w)
{
    const ki_view *v = w->v;
    int64_t next = v->next_id;
    kith_status st = KITH_OK;
    size_t n = 0;

    w->removed_n = v->n - v->live;
    w->removed = ki_array(w->env, w->removed_n, sizeof *w->removed);
    KI_NEED(w->removed);
    for (uint32_t pos = 0; pos < v->n; pos++)
        if (!ki_view_live(v, pos)) w->removed[n++] = (taken){ki_view_id(v, pos), pos};
    qsort(w->removed, n, sizeof *w->removed, by_id);
    for (size_t i = n; i-- > 0;) {
        taken *t = &w->removed[i];
        uint32_t pos;

        if (t->id >= 0 && !ki_view_find(v, t->id, &pos) &&
            (i == 0 || w->removed[i - 1].id != t->id))
            continue;
        if (next < 0)
            KI_FAIL(KITH_LIMIT, "no labels are left for removed rows: compact the index first");
        t->id = next;
        next = next < INT64_MAX ? next + 1 : KITH_NO_ID;
    }
    qsort(w->removed, n, sizeof *w->removed, by_position);
out:
    return st;
}

static kith_status check_ids(const ki_view *v)
{
    for (uint32_t pos = 0; pos < v->n; pos++)
        if (ki_view_live(v, pos) && ki_view_id(v, pos) < 0)
            return ki_fail(KITH_LIMIT, "id %lld: labels of hnswlib are 0 and above",
                           (long long)ki_view_id(v, pos));
    return KITH_OK;
}

static void normalize(float *x, size_t d)
{
    double s = 0.0;

    for (size_t i = 0; i < d; i++) s += (double)x[i] * (double)x[i];
    for (size_t i = 0; s > 0.0 && i < d; i++) x[i] = (float)((double)x[i] / sqrt(s));
}

static void image_element(void *ctx, uint32_t i, uint8_t *row, uint64_t *label, bool *deleted,
                          uint32_t *links0, uint32_t *n0)
{
    writing *w = ctx;
    const ki_view *v = w->v;

    if (i == 0) w->at = 0;
    *deleted = !ki_view_live(v, i);
    *label = (uint64_t)(*deleted ? w->removed[w->at++].id : ki_view_id(v, i));
    ki_codec_decode(v->codec, ki_view_code(v, i), v->row_bytes, 1, v->d, w->row);
    if (v->metric == KITH_COSINE) normalize(w->row, v->d);
    memcpy(row, w->row, v->d * sizeof *w->row);
    *n0 = w->layers ? (uint32_t)w->layers->links(w->layers, i, 0, links0) : 0;
}

static int image_level(void *ctx, uint32_t i)
{
    const writing *w = ctx;

    return w->layers ? (int)w->layers->level(w->layers, i) : 0;
}

static void image_upper(void *ctx, uint32_t i, int level, uint32_t *links, uint32_t *n)
{
    const writing *w = ctx;

    *n = (uint32_t)w->layers->links(w->layers, i, (uint32_t)level, links);
}

static kith_status check_kind(const kith_index *ix)
{
    if (!ix->plan.nav->show)
        return ki_fail(KITH_UNSUPPORTED,
                       "%s has no levels of links: hnswlib's file is made of HNSW, such as HNSW16",
                       ix->plan.nav->name);
    if (!has_metric(ix->metric))
        return ki_fail(KITH_UNSUPPORTED, "hnswlib has l2, ip and cosine, not %s",
                       kith_metric_name(ix->metric));
    return KITH_OK;
}

static kith_status write_image(const kith_index *ix, writing *w, const char *path,
                               const kith_watch *watch)
{
    const double *params = ix->plan.params;
    const ki_param_table *t = &ix->plan.nav->params;
    ki_hnsw_image image = {.count = w->v->n,
                           .max_elements = w->v->n,
                           .d_bytes = w->v->d * sizeof(float),
                           .m = (size_t)params[ki_param_find(t, "M")],
                           .max_m0 = 2 * (size_t)params[ki_param_find(t, "M")],
                           .ef_construction = (size_t)params[ki_param_find(t, "ef_construction")],
                           .ctx = w,
                           .element = image_element,
                           .level = image_level,
                           .upper = image_upper};

    if (w->layers) {
        image.m = w->layers->width;
        image.max_m0 = w->layers->most;
        image.max_level = (int32_t)w->layers->levels;
        image.entry = w->layers->entry;
    }
    return ki_hnsw_write(&image, path, &ix->env.host, watch);
}

static kith_status export_hnswlib(const kith_index *ix, const char *path, const kith_watch *watch)
{
    writing w = {.env = ki_unconst(&ix->env)};
    kith_status st = KITH_OK;
    ki_progress p;

    KI_TRY(check_kind(ix));
    KI_TRY(ki_index_undamaged(ix, watch));
    w.v = ki_index_look_whole(ix);
    ki_progress_init(&p, watch, "link", 0);
    KI_TRY(check_ids(w.v));
    w.row = ki_array(w.env, w.v->d, sizeof *w.row);
    KI_NEED(w.row);
    KI_TRY(label_removed(&w));
    if (w.v->live) KI_TRY(ix->plan.nav->show(w.v, w.env, ix->plan.params, 0, &p, &w.layers));
    KI_TRY(write_image(ix, &w, path, watch));
out:
    if (w.layers) w.layers->end(w.layers);
    if (w.v) {
        ki_release(w.env, w.row, w.v->d, sizeof *w.row);
        ki_release(w.env, w.removed, w.removed_n, sizeof *w.removed);
        ki_index_leave_whole(ix, w.v);
    }
    return st;
}
