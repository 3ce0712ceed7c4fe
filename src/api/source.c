/* kith_source_open and what else reads and writes files of vectors, ids and labels: here the format
 * is chosen; foreign/ knows the formats. An index as a source is indexsource.c. */
#include <string.h>

#include "api/index.h"
#include "base/looks.h"
#include "foreign/foreign.h"
#include "foreign/lists.h"
#include "foreign/rowfile.h"

/* ---- an index in a file ------------------------------------------------------------------- */

/* owns: itself, the index, the source over it */
typedef struct index_file {
    ki_env env;
    kith_index *index;
    kith_source rows;
} index_file;

static void index_close(void *ctx)
{
    index_file *f = ctx;
    ki_env env;

    if (f->rows.close) f->rows.close(f->rows.ctx);
    kith_free(f->index);
    if (ki_env_init(&env, &f->env.host) == KITH_OK) ki_release(&env, f, 1, sizeof *f);
}

static kith_status index_next(void *ctx, size_t max, kith_batch *out)
{
    index_file *f = ctx;

    return f->rows.next(f->rows.ctx, max, out);
}

static kith_status index_open(const char *path, const kith_host *host, kith_source *out)
{
    kith_status st = KITH_OK;
    index_file *f = NULL;
    ki_env env;

    KI_TRY(ki_env_init(&env, host));
    f = ki_zeros(&env, 1, sizeof *f);
    KI_NEED(f);
    KI_TRY(ki_env_init(&f->env, host));
    KI_TRY(kith_open(path, KITH_OPEN_MAP | KITH_OPEN_READ_ONLY, host, &f->index));
    KI_TRY(kith_source_index(f->index, &f->rows));
    *out = f->rows;
    out->ctx = f;
    out->next = index_next;
    out->close = index_close;
    f = NULL;
out:
    if (f) index_close(f);
    return st;
}

/* ---- choosing the format ------------------------------------------------------------------ */

static kith_status refuse(const char *path, const uint8_t *start, size_t len)
{
    char seems[KI_LOOKS_TEXT];

    ki_fail(KITH_UNSUPPORTED,
            "begins like %s; vectors come in .npy .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin "
            "or a kith index",
            ki_looks_like(start, len, seems));
    return ki_fail_prefix(KITH_UNSUPPORTED, "%s", path);
}

/* What no ending tells, the first bytes may: a numpy array or an index by any name. */
static kith_status open_by_start(const char *path, const kith_host *host, kith_source *out)
{
    uint8_t start[KI_LOOKS_BYTES] = {0};
    kith_status st = KITH_OK;
    ki_file f = {0};
    size_t len;
    ki_env env;

    KI_TRY(ki_env_init(&env, host));
    KI_TRY(ki_file_open(&env, path, &f));
    len = f.len < sizeof start ? (size_t)f.len : sizeof start;
    KI_TRY(ki_file_read(&f, 0, start, len));
    ki_file_close(&f);
    if (memcmp(start, "kith", 4) == 0 || ki_ends_in(path, ".kith"))
        st = index_open(path, host, out);
    else if (memcmp(start, "\x93NUMPY", 6) == 0)
        st = ki_format_npy.open(path, host, out);
    else
        st = refuse(path, start, len);
out:
    ki_file_close(&f);
    return st;
}

static kith_status check_path(const char *path, const void *out)
{
    if (!path || !*path) return ki_fail(KITH_BAD_ARG, "path is %s", path ? "empty" : "NULL");
    return out ? KITH_OK : ki_fail(KITH_BAD_ARG, "out is NULL");
}

kith_status kith_source_open(const char *path, const kith_host *host, kith_source *out)
{
    const ki_format *format;
    kith_source src;
    kith_status st = check_path(path, out);

    if (st != KITH_OK) return st;
    format = ki_format_find(path);
    st = format ? format->open(path, host, &src) : open_by_start(path, host, &src);
    if (st == KITH_OK) *out = src;
    return st;
}

kith_status ki_source_take(const kith_source *src, kith_source *out)
{
    static const ki_sized sized = {"kith_source", "sizeof(kith_source)",
                                   KI_SIZE_UP_TO(kith_source, close), sizeof(kith_source)};
    static const kith_source preset = {0};
    kith_status st;

    if (!src) return ki_fail(KITH_BAD_ARG, "the source may not be NULL");
    *out = preset;
    st = ki_sized_copy(&sized, src, out);
    if (st == KITH_OK && !out->next) st = ki_fail(KITH_BAD_ARG, "the source's next is NULL");
    return st;
}

kith_status kith_source_save(kith_source *src, kith_dtype dtype, const char *path,
                             const kith_host *host, const kith_watch *w)
{
    const ki_format *format;
    kith_source own;
    kith_status st;

    st = ki_source_take(src, &own);
    if (st == KITH_OK) st = check_path(path, src);
    if (st != KITH_OK) return st;
    format = ki_format_find(path);
    if (!format)
        return ki_fail(KITH_BAD_ARG,
                       "%s: its ending names no vector file; known are .npy .fvecs "
                       ".bvecs .ivecs .fbin .u8bin .i8bin .ibin",
                       path);
    return format->save(&own, dtype, path, host, w);
}

/* ---- ids and labels ----------------------------------------------------------------------- */

kith_status kith_ids_read(const char *path, const kith_host *host, int64_t **ids, size_t *n)
{
    kith_status st = check_path(path, ids && n ? ids : NULL);
    ki_env env;

    if (st == KITH_OK) st = ki_env_init(&env, host);
    return st == KITH_OK ? ki_ids_read(&env, path, ids, n) : st;
}

void kith_ids_free(int64_t *ids, size_t n, const kith_host *host)
{
    ki_env env;

    if (ids && ki_env_init(&env, host) == KITH_OK) ki_release(&env, ids, n, sizeof *ids);
}

kith_status kith_labels_read(const char *path, const kith_host *host, char ***labels, size_t *n)
{
    kith_status st = check_path(path, labels && n ? labels : NULL);
    ki_env env;

    if (st == KITH_OK) st = ki_env_init(&env, host);
    return st == KITH_OK ? ki_labels_read(&env, path, labels, n) : st;
}

void kith_labels_free(char **labels, size_t n, const kith_host *host)
{
    ki_env env;

    if (labels && ki_env_init(&env, host) == KITH_OK) ki_labels_free(&env, labels, n);
}
