/* Rectangular arrays in files, read in batches. Memory is bounded by BATCH whatever the file is:
 * rows that lie column after column are gathered, a run of each column per batch. */
#include "foreign/rowfile.h"

#include <string.h>

#include "base/looks.h"

enum {
    BATCH = 4 << 20,         /* bytes of a batch, about; at least one row */
    COLUMN_BATCH = 32 << 20, /* the same for columns: longer runs, fewer reads */
    LFS = 24
};

typedef unsigned long long ull; // what %llu prints

/* ---- files -------------------------------------------------------------------------------- */

kith_status ki_file_open(ki_env *env, const char *path, ki_file *out)
{
    const kith_files *files = env->host.files;
    ki_file f = {.env = env};
    const size_t len = strlen(path), cut = len >= sizeof f.path ? len - sizeof f.path + 1 : 0;
    int err = files->open(files->ctx, path, KITH_FILE_READ, &f.handle);

    if (err) return ki_fail_errno(err, "open", path);
    err = files->length(files->ctx, f.handle, &f.len);
    if (err) {
        files->close(files->ctx, f.handle);
        return ki_fail_errno(err, "read", path);
    }
    memcpy(f.path, path + cut, len - cut + 1);
    *out = f;
    return KITH_OK;
}

kith_status ki_file_read(const ki_file *f, uint64_t at, void *buf, size_t len)
{
    const kith_files *files = f->env->host.files;
    int err;

    if (at > f->len || len > f->len - at)
        return ki_fail(KITH_IO, "%s ends at byte %llu; bytes %llu…%llu are wanted", f->path,
                       (ull)f->len, (ull)at, (ull)(at + len - 1));
    err = len ? files->read(files->ctx, f->handle, at, buf, len) : 0;
    return err ? ki_fail_errno(err, "read", f->path) : KITH_OK;
}

void ki_file_close(ki_file *f)
{
    if (f->handle) f->env->host.files->close(f->env->host.files->ctx, f->handle);
    f->handle = NULL;
}

/* ---- components --------------------------------------------------------------------------- */

static const struct {
    size_t bytes;
    kith_dtype dtype;
} elements[KI_ELEMENTS] = {
    [KI_EL_F16] = {2, KITH_F16}, [KI_EL_F32] = {4, KITH_F32}, [KI_EL_F64] = {8, KITH_F64},
    [KI_EL_I8] = {1, KITH_I8},   [KI_EL_U8] = {1, KITH_U8},   [KI_EL_I16] = {2, KITH_I32},
    [KI_EL_U16] = {2, KITH_I32}, [KI_EL_I32] = {4, KITH_I32}, [KI_EL_U32] = {4, KITH_I64},
    [KI_EL_I64] = {8, KITH_I64}, [KI_EL_U64] = {8, KITH_I64}, [KI_EL_BOOL] = {1, KITH_U8},
};

size_t ki_element_bytes(ki_element e)
{
    return elements[e].bytes;
}

kith_dtype ki_element_dtype(ki_element e)
{
    return elements[e].dtype;
}

static size_t out_bytes(ki_element e) // of a component in a batch
{
    return e == KI_EL_I16 || e == KI_EL_U16 ? 4 : e == KI_EL_U32 ? 8 : elements[e].bytes;
}

static void swap_all(uint8_t *p, size_t n, size_t bytes)
{
    for (size_t i = 0; i < n; i++, p += bytes)
        for (size_t a = 0, b = bytes - 1; a < b; a++, b--) {
            const uint8_t t = p[a];

            p[a] = p[b];
            p[b] = t;
        }
}

/* n components as in the file (own byte order) to components of batches, `stride` bytes apart. The
 * copies have a length the compiler knows. */
static void widen(ki_element e, const uint8_t *from, size_t n, uint8_t *to, size_t stride)
{
    for (size_t i = 0; i < n; i++, to += stride) {
        if (e == KI_EL_I16 || e == KI_EL_U16) {
            const uint16_t v = ki_le16(from + 2 * i);

            ki_put_le32(to, e == KI_EL_I16 && v >= 0x8000 ? v | 0xffff0000u : v);
        } else if (e == KI_EL_U32) {
            ki_put_le64(to, ki_le32(from + 4 * i));
        } else if (elements[e].bytes == 8) {
            memcpy(to, from + 8 * i, 8);
        } else if (elements[e].bytes == 4) {
            memcpy(to, from + 4 * i, 4);
        } else if (elements[e].bytes == 2) {
            memcpy(to, from + 2 * i, 2);
        } else {
            *to = from[i];
        }
    }
}

/* ---- reading ------------------------------------------------------------------------------ */

static size_t row_bytes(const ki_layout *l) // in the file
{
    return l->lead + l->d * elements[l->element].bytes;
}

kith_status ki_rowfile_create(const char *path, const kith_host *host, ki_rowfile **out)
{
    kith_status st = KITH_OK;
    ki_rowfile *r = NULL;
    uint8_t start[LFS];
    ki_env env;

    KI_TRY(ki_env_init(&env, host));
    r = ki_zeros(&env, 1, sizeof *r);
    KI_NEED(r);
    KI_TRY(ki_env_init(&r->env, host));
    KI_TRY(ki_file_open(&r->env, path, &r->file));
    if (r->file.len >= sizeof start) {
        KI_TRY(ki_file_read(&r->file, 0, start, sizeof start));
        if (ki_looks_lfs(start, sizeof start))
            KI_FAIL(KITH_CORRUPT, "%s is a Git LFS pointer: the file itself was not fetched", path);
    }
    *out = r;
    r = NULL;
out:
    ki_rowfile_free(r);
    return st;
}

void ki_rowfile_free(ki_rowfile *r)
{
    ki_env env;

    if (!r) return;
    ki_release(&r->env, r->raw, r->raw_len, 1);
    ki_release(&r->env, r->rows, r->rows_len, 1);
    ki_file_close(&r->file);
    if (ki_env_init(&env, &r->env.host) == KITH_OK) ki_release(&env, r, 1, sizeof *r);
}

kith_status ki_rowfile_check(const ki_rowfile *r, uint64_t *end)
{
    const ki_layout *l = &r->layout;
    const uint64_t room = r->file.len - l->at;

    if (l->d == 0 || l->d > KITH_MAX_DIM)
        return ki_fail(KITH_LIMIT, "%s: rows of %zu components; 1…%u can be read", r->file.path,
                       l->d, KITH_MAX_DIM);
    if (l->n > room / row_bytes(l) && l->columns)
        return ki_fail(KITH_CORRUPT,
                       "%s: %llu columns-first rows of %zu do not fit: it ends at byte "
                       "%llu",
                       r->file.path, (ull)l->n, l->d, (ull)r->file.len);
    if (l->n > room / row_bytes(l))
        return ki_fail(KITH_CORRUPT, "%s: row %llu of %llu is cut off: the file ends at byte %llu",
                       r->file.path, (ull)(room / row_bytes(l)), (ull)l->n, (ull)r->file.len);
    *end = l->at + l->n * row_bytes(l);
    return KITH_OK;
}

/* n rows from r->row on, as they lie in the file. */
static kith_status read_rows(ki_rowfile *r, size_t n)
{
    const ki_layout *l = &r->layout;
    const size_t bytes = row_bytes(l);
    kith_status st = KITH_OK;

    KI_TRY(ki_file_read(&r->file, l->at + r->row * bytes, r->raw, n * bytes));
    for (size_t i = 0; l->lead && i < n; i++)
        if (ki_le32(r->raw + i * bytes) != l->d)
            KI_FAIL(KITH_CORRUPT, "%s: row %llu says it has %d components, row 0 has %zu",
                    r->file.path, (ull)(r->row + i), (int)(int32_t)ki_le32(r->raw + i * bytes),
                    l->d);
    if (l->swap) swap_all(r->raw, n * l->d, elements[l->element].bytes);
    if (r->rows) widen(l->element, r->raw, n * l->d, r->rows, out_bytes(l->element));
out:
    return st;
}

/* The same where the file holds columns: a run of n components of each. */
static kith_status gather_rows(ki_rowfile *r, size_t n)
{
    const ki_layout *l = &r->layout;
    const size_t from = elements[l->element].bytes, to = out_bytes(l->element);
    kith_status st = KITH_OK;

    ki_assert(r->rows);
    for (size_t j = 0; j < l->d; j++) {
        KI_TRY(ki_file_read(&r->file, l->at + (j * l->n + r->row) * from, r->raw, n * from));
        if (l->swap) swap_all(r->raw, n, from);
        widen(l->element, r->raw, n, r->rows + j * to, l->d * to);
    }
out:
    return st;
}

/* What widening leaves to be looked at: booleans are 0 and 1, u64 fit i64. */
static kith_status check_values(const ki_rowfile *r, uint8_t *values, size_t n)
{
    const size_t d = r->layout.d;

    for (size_t i = 0; r->layout.element == KI_EL_BOOL && i < n * d; i++)
        values[i] = values[i] != 0;
    for (size_t i = 0; r->layout.element == KI_EL_U64 && i < n * d; i++)
        if (ki_le64(values + 8 * i) > INT64_MAX)
            return ki_fail(KITH_LIMIT, "%s: row %llu, column %zu is %llu: more than 2^63 - 1",
                           r->file.path, (ull)r->row + i / d, i % d,
                           (ull)ki_le64(values + 8 * i));
    return KITH_OK;
}

static kith_status next(void *ctx, size_t max, kith_batch *out)
{
    ki_rowfile *r = ctx;
    const ki_layout *l = &r->layout;
    const uint64_t left = l->n - r->row;
    const size_t cap = max < r->cap ? max : r->cap;
    const size_t n = left < cap ? (size_t)left : cap;
    uint8_t *values = r->rows ? r->rows : r->raw + l->lead;
    kith_status st = KITH_OK;

    if (max == 0) KI_FAIL(KITH_BAD_ARG, "a batch of 0 rows is asked for");
    KI_TRY(l->columns ? gather_rows(r, n) : read_rows(r, n));
    KI_TRY(check_values(r, values, n));
    r->row += n;
    *out = (kith_batch){.rows = {.data = values,
                                 .n = n,
                                 .stride = l->lead + l->d * out_bytes(l->element),
                                 .dtype = elements[l->element].dtype}};
out:
    return st;
}

static void close_source(void *ctx)
{
    ki_rowfile_free(ctx);
}

kith_status ki_rowfile_start(ki_rowfile *r, kith_source *out)
{
    const ki_layout *l = &r->layout;
    const size_t from = elements[l->element].bytes, to = out_bytes(l->element);
    const size_t batch = (l->columns ? COLUMN_BATCH : BATCH) / (l->lead + l->d * to);
    kith_status st = KITH_OK;

    r->cap = batch < 1 ? 1 : l->n < batch ? (size_t)l->n : batch;
    r->raw_len = r->cap * (l->columns ? from : row_bytes(l));
    r->raw = ki_array(&r->env, r->raw_len, 1);
    KI_NEED(r->raw);
    if (l->columns || to != from) {
        r->rows_len = r->cap * l->d * to;
        r->rows = ki_array(&r->env, r->rows_len, 1);
        KI_NEED(r->rows);
    }
    *out = (kith_source){.size = sizeof *out,
                         .ctx = r,
                         .dtype = elements[l->element].dtype,
                         .d = l->d,
                         .n = l->n,
                         .next = next,
                         .close = close_source};
out:
    return st;
}
