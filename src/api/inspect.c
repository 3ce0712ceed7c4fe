/* What an index and the tables say of themselves: rows by id, labels, counts, names, parameters. */
#include "api/curve.h"
#include "api/index.h"
#include "base/cpu.h"
#include "base/names.h"
#include "foreign/foreign.h"

#include <stdio.h>
#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------ */

kith_status kith_get(const kith_index *ix, int64_t id, float *out)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    uint32_t pos;

    KI_TRY(ki_index_look(ix, &v));
    if (!out) KI_FAIL(KITH_BAD_ARG, "out may not be NULL");
    if (!ki_view_find(v, id, &pos)) KI_FAIL(KITH_NOT_FOUND, "id %lld is not stored", (long long)id);
    ki_codec_decode(v->codec, ki_view_code(v, pos), v->row_bytes, 1, v->d, out);
out:
    ki_index_leave(ix, v);
    return st;
}

int kith_contains(const kith_index *ix, int64_t id)
{
    const ki_view *v = ix ? ki_view_acquire(ix->rows) : NULL;
    uint32_t pos;
    const bool there = v && ki_view_find(v, id, &pos);

    ki_index_leave(ix, v);
    return there;
}

kith_status kith_ids(const kith_index *ix, uint64_t at, size_t cap, int64_t *ids, size_t *got)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    uint64_t live = 0;
    size_t n = 0;

    KI_TRY(ki_index_look(ix, &v));
    if (!got || (cap && !ids)) KI_FAIL(KITH_BAD_ARG, "ids and got may not be NULL");
    for (uint32_t pos = v->live == v->n && at < v->n ? (uint32_t)at : 0; pos < v->n && n < cap;
         pos++) {
        if (v->live < v->n && (!ki_view_live(v, pos) || live++ < at)) continue;
        if (v->live == v->n && pos < at) continue;
        ids[n++] = ki_view_id(v, pos);
    }
    *got = n;
out:
    ki_index_leave(ix, v);
    return st;
}

kith_status kith_get_label(const kith_index *ix, int64_t id, char *buf, size_t cap, size_t *len)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    const char *text;
    size_t n, fits;
    uint32_t pos;

    KI_TRY(ki_index_look(ix, &v));
    if (cap && !buf) KI_FAIL(KITH_BAD_ARG, "buf may not be NULL");
    if (!ki_view_find(v, id, &pos)) KI_FAIL(KITH_NOT_FOUND, "id %lld is not stored", (long long)id);
    text = ki_view_label(v, pos, &n);
    if (cap) {
        fits = n < cap ? n : cap - 1;
        memcpy(buf, text, fits);
        buf[fits] = 0;
    }
    if (len) *len = n;
out:
    ki_index_leave(ix, v);
    return st;
}

kith_status kith_find_label(const kith_index *ix, const char *text, int64_t *ids, size_t cap,
                            size_t *n)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;

    KI_TRY(ki_index_look(ix, &v));
    if (!text || !n || (cap && !ids)) KI_FAIL(KITH_BAD_ARG, "text, ids and n may not be NULL");
    KI_TRY(ki_view_find_label(v, ki_unconst(&ix->env), text, ids, cap, n));
out:
    ki_index_leave(ix, v);
    return st;
}

kith_status kith_filter_bind(const kith_index *ix, const kith_filter *f, kith_filter **out)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;

    KI_TRY(ki_index_look(ix, &v));
    if (!f || !out) KI_FAIL(KITH_BAD_ARG, "filter and out may not be NULL");
    KI_TRY(ki_filter_bind(ix->rows, v, f, out));
out:
    ki_index_leave(ix, v);
    return st;
}

/* ---- the index ------------------------------------------------------------------------------- */

size_t kith_dim(const kith_index *ix)
{
    return ix ? ix->d : 0;
}

uint64_t kith_count(const kith_index *ix)
{
    const ki_view *v = ix ? ki_view_acquire(ix->rows) : NULL;
    const uint64_t live = v ? v->live : 0;

    ki_index_leave(ix, v);
    return live;
}

kith_metric kith_metric_of(const kith_index *ix)
{
    return ix ? ix->metric : (kith_metric)0;
}

kith_dtype kith_dtype_of(const kith_index *ix)
{
    const ki_view *v = ix ? ki_view_acquire(ix->rows) : NULL;
    const kith_dtype t = v ? v->codec->dtype : (kith_dtype)0;

    ki_index_leave(ix, v);
    return t;
}

const char *kith_spec(const kith_index *ix)
{
    return ix ? ix->spec : "";
}

void kith_stats(const kith_index *ix, kith_each *each, void *ctx)
{
    const ki_view *v;

    if (!ix || !each) return;
    v = ki_view_acquire(ix->rows);
    each(ctx, "count", "rows", v->live);
    each(ctx, "removed", "rows", v->n - v->live);
    each(ctx, "dim", "components", (double)v->d);
    each(ctx, "row_bytes", "bytes", (double)v->row_bytes);
    ki_view_stats(v, each, ctx);
    if (ix->plan.nav->stats) ix->plan.nav->stats(v, each, ctx);
    ki_curve_stats(v, each, ctx);
    each(ctx, "memory_bytes", "bytes", (double)atomic_load(&ix->env.bytes));
    each(ctx, "file_bytes", "bytes",
         ix->container ? (double)ki_container_bytes(ix->container) : 0.0);
    ki_view_release(ix->rows, v);
}

kith_status kith_inspect(const kith_index *ix, const char *part, kith_each *each, void *ctx,
                         const kith_watch *w)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    ki_progress p;

    if (!ix || !part || !each) KI_FAIL(KITH_BAD_ARG, "index, part and each may not be NULL");
    if (!ix->plan.nav->inspect) KI_FAIL(KITH_UNSUPPORTED, "%s has no graph", ix->plan.nav->name);
    v = ki_index_look_whole(ix);
    ki_progress_init(&p, w, "inspect", 0);
    KI_TRY(ix->plan.nav->inspect(v, ki_unconst(&ix->env), part, each, ctx, &p));
out:
    ki_index_leave_whole(ix, v);
    return st;
}

/* ---- tables ---------------------------------------------------------------------------------- */

typedef struct dtype_row {
    kith_dtype id;
    const char *name, *aliases, *about;
    size_t bits; /* of a component */
} dtype_row;

static const dtype_row dtypes[] = {
    {KITH_F32, "f32", "float32,float", "IEEE single precision", 32},
    {KITH_F64, "f64", "float64,double", "IEEE double precision; rounded to f32 first", 64},
    {KITH_F16, "f16", "float16,half", "IEEE half precision", 16},
    {KITH_BF16, "bf16", "bfloat16", "the upper half of a single", 16},
    {KITH_I8, "i8", "int8", "-128…127", 8},
    {KITH_U8, "u8", "uint8,byte", "0…255", 8},
    {KITH_BIT, "bit", "bits,b1", "8 components a byte, the first in the highest bit", 1},
    {KITH_I32, "i32", "int32", "rounded to f32 first", 32},
    {KITH_I64, "i64", "int64", "rounded to f32 first", 64},
};

static const dtype_row *dtype_of(kith_dtype t)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].id == t) return &dtypes[i];
    return NULL;
}

kith_status kith_dtype_find(const char *name, kith_dtype *out)
{
    if (!name || !out) return ki_fail(KITH_BAD_ARG, "name and out may not be NULL");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (ki_named(name, dtypes[i].name, dtypes[i].aliases)) {
            *out = dtypes[i].id;
            return KITH_OK;
        }
    return ki_fail(KITH_NOT_FOUND, "no type \"%.40s\"; known: f32 f64 f16 bf16 i8 u8 bit i32 i64",
                   name);
}

const char *kith_dtype_name(kith_dtype t)
{
    const dtype_row *row = dtype_of(t);

    return row ? row->name : "?";
}

size_t kith_row_bytes(kith_dtype t, size_t d)
{
    const dtype_row *row = dtype_of(t);

    if (!row) return 0;
    return row->bits == 1 ? d / 8 + (d % 8 != 0) : d * (row->bits / 8);
}

kith_status kith_to_f32(kith_rows x, size_t d, float *out)
{
    kith_status st = KITH_OK;

    if (d == 0) KI_FAIL(KITH_BAD_ARG, "dimension 0: 1 or more is possible");
    KI_TRY(ki_rows_check_shape(x, d, KITH_HAMMING, "row")); // a metric that bits have, too
    if (x.n && !out) KI_FAIL(KITH_BAD_ARG, "out may not be NULL");
    ki_rows_to_f32(x, 0, x.n, d, out);
out:
    return st;
}

kith_status kith_metric_find(const char *name, kith_metric *out)
{
    const ki_metric *m;
    char known[160] = "";
    size_t at = 0;

    if (!name || !out) return ki_fail(KITH_BAD_ARG, "name and out may not be NULL");
    for (size_t i = 0; (m = ki_metric_at(i)) != NULL; i++) {
        if (ki_named(name, m->name, m->aliases)) {
            *out = m->id;
            return KITH_OK;
        }
        at += strlen(strncat(known, " ", sizeof known - at - 1)) - at;
        at += strlen(strncat(known, m->name, sizeof known - at - 1)) - at;
    }
    return ki_fail(KITH_NOT_FOUND, "no metric \"%.40s\"; known:%s", name, known);
}

const char *kith_metric_name(kith_metric m)
{
    const ki_metric *row = ki_metric_of(m);

    return row ? row->name : "?";
}

int kith_metric_is_similarity(kith_metric m)
{
    const ki_metric *row = ki_metric_of(m);

    return row && row->similarity;
}

/* Which instruction set does what: "scan l2 f32" is one query against rows (contiguous, or given by
 * position or address: those come from the same one), "block dot u8" a panel of queries. */
static void list_kernels(kith_each *each, void *ctx)
{
    static const char *const types[KI_TYPES] = {"f32", "f16", "bf16", "i8", "u8", "bit"};
    static const char *const ops[KI_OPS] = {"l2",      "ip",       "dot2",  "l1",
                                            "linf",    "canberra", "bray2", "minmax2",
                                            "hamming", "andor2",   "dot4",  "grid4"};
    static const struct {
        ki_block_op op;
        const char *name;
    } blocks[KI_BLOCK_OPS] = {
        {KI_BLOCK_DOT_F32, "block dot f32"}, {KI_BLOCK_DOT_BF16, "block dot bf16"},
        {KI_BLOCK_DOT_I8, "block dot i8"},   {KI_BLOCK_DOT_U8, "block dot u8"},
        {KI_BLOCK_DOT_I7, "block dot i7"},   {KI_BLOCK_L2_F32, "block l2 f32"},
        {KI_BLOCK_L1_F32, "block l1 f32"},   {KI_BLOCK_HAMMING, "block hamming bit"},
        {KI_BLOCK_ANDS, "block and bit"},
    };
    const ki_kernels *k = ki_kernels_get();
    char name[40];

    for (size_t op = 0; op < KI_OPS; op++)
        for (size_t type = 0; type < KI_TYPES; type++) {
            if (!k->scan[op][type]) continue;
            snprintf(name, sizeof name, "scan %s %s", ops[op], types[type]);
            each(ctx, name, ki_kernels_origin(&k->scan[op][type], k), (double)NAN);
        }
    for (size_t i = 0; i < KI_BLOCK_OPS; i++)
        each(ctx, blocks[i].name, ki_kernels_origin(&k->block[blocks[i].op], k), (double)NAN);
    each(ctx, "products u6", ki_kernels_origin(&k->products6, k), (double)NAN);
    each(ctx, "least f32", ki_kernels_origin(&k->least, k), (double)NAN);
    each(ctx, "hadamard f32", ki_kernels_origin(&k->hadamard, k), (double)NAN);
}

kith_status kith_list(const char *table, kith_each *each, void *ctx)
{
    const ki_navigator *nav;
    const ki_format *format;
    const ki_codec *codec;
    const ki_metric *m;
    const ki_isa *isa;

    if (!table || !each) return ki_fail(KITH_BAD_ARG, "table and each may not be NULL");
    if (strcmp(table, "metrics") == 0) {
        for (size_t i = 0; (m = ki_metric_at(i)) != NULL; i++) each(ctx, m->name, m->about, m->id);
    } else if (strcmp(table, "dtypes") == 0) {
        for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
            each(ctx, dtypes[i].name, dtypes[i].about, dtypes[i].id);
    } else if (strcmp(table, "navigators") == 0) {
        for (size_t i = 0; (nav = ki_navigator_at(i)) != NULL; i++)
            each(ctx, nav->name, nav->about, (double)NAN);
    } else if (strcmp(table, "codecs") == 0) {
        for (size_t i = 0; (codec = ki_codec_at(i)) != NULL; i++)
            each(ctx, codec->name, codec->about, (double)NAN);
    } else if (strcmp(table, "formats") == 0) {
        for (size_t i = 0; (format = ki_format_at(i)) != NULL; i++)
            each(ctx, format->name, format->about, (double)NAN);
    } else if (strcmp(table, "index_formats") == 0) {
        ki_exchange_list(each, ctx);
    } else if (strcmp(table, "isas") == 0) {
        for (size_t i = 0; (isa = ki_isa_at(i)) != NULL; i++)
            each(ctx, isa->name, "", (isa->needs & ~ki_cpu_features()) == 0);
    } else if (strcmp(table, "kernels") == 0) {
        list_kernels(each, ctx);
    } else {
        return ki_fail(KITH_NOT_FOUND,
                       "no table \"%.40s\"; known: metrics dtypes navigators codecs "
                       "formats index_formats isas kernels",
                       table);
    }
    return KITH_OK;
}

static bool param_at(const ki_param_table *t, size_t *i, kith_param *out)
{
    static const char *const types[] = {
        [KI_PARAM_INT] = "int", [KI_PARAM_FLOAT] = "float", [KI_PARAM_FLAG] = "flag"};
    const ki_param *row;

    if (*i >= t->count) {
        *i -= t->count;
        return false;
    }
    row = &t->row[*i];
    *out = (kith_param){row->name,  row->aliases, t->owner, types[row->type],
                        row->about, row->lo,      row->hi,  row->preset};
    return true;
}

kith_status kith_param_at(size_t i, kith_param *out)
{
    const ki_navigator *nav;
    const ki_codec *codec;
    const size_t asked = i;

    if (!out) return ki_fail(KITH_BAD_ARG, "out may not be NULL");
    for (size_t j = 0; (nav = ki_navigator_at(j)) != NULL; j++)
        if (param_at(&nav->params, &i, out)) return KITH_OK;
    for (size_t j = 0; (codec = ki_codec_at(j)) != NULL; j++)
        if (param_at(&codec->params, &i, out)) return KITH_OK;
    if (param_at(&ki_metric_params, &i, out)) return KITH_OK;
    if (param_at(&ki_search_params, &i, out)) return KITH_OK;
    return ki_fail(KITH_NOT_FOUND, "there is no parameter %zu", asked);
}
