/* hnswlib's index file. Head of 96 bytes; `count` elements of equal length (word, links on level 0,
 * row, label); for each element the length of its lists above, and these lists. A list is a word
 * (16 bits of count; on level 0 then a bit that says deleted) and room for all its links. Integers
 * are little-endian. Nothing is aligned, nothing is summed: what is read is untrusted, so each size
 * is compared with the length of the file before it is used. */
#include "foreign/hnswbin.h"

#include <math.h>
#include <string.h>

#include "base/looks.h"
#include "base/replace.h"
#include "foreign/foreign.h"

enum {
    DELETED = 1 << 16, /* in the word of level 0 */
    ROW_MAX = 8 * KITH_MAX_DIM,
    LIST_MAX = 4 + 4 * KI_HNSW_LINKS,
    BATCH = 2 << 20 /* bytes written at once */
};

/* Where things lie in the head. */
enum {
    AT_OFFSET = 0, /* of level 0: always 0 */
    AT_CAPACITY = 8,
    AT_COUNT = 16,
    AT_STRIDE = 24,
    AT_LABEL = 32, /* from the begin of an element */
    AT_ROW = 40,   /* the same */
    AT_MAX_LEVEL = 48,
    AT_ENTRY = 52,
    AT_MAX_M = 56,
    AT_MAX_M0 = 64,
    AT_M = 72,
    AT_MULT = 80, /* double: 1 / ln(M); not read, since M says it */
    AT_EF = 88
};

typedef unsigned long long ull; // what %llu prints

/* ---- reading ------------------------------------------------------------------------------ */

static size_t list_bytes(size_t room)
{
    return 4 + 4 * room;
}

/* Sizes of the head that must agree with one another. */
static kith_status check_shape(const uint8_t *head)
{
    static const struct {
        size_t at;
        const char *name;
    } rooms[] = {{AT_M, "M"}, {AT_MAX_M, "maxM"}, {AT_MAX_M0, "maxM0"}};
    const uint64_t offset = ki_le64(head + AT_OFFSET), row = ki_le64(head + AT_ROW),
                   label = ki_le64(head + AT_LABEL), stride = ki_le64(head + AT_STRIDE);
    const uint64_t list = 4 + 4 * ki_le64(head + AT_MAX_M0);

    if (offset != 0)
        return ki_fail(KITH_CORRUPT, "no hnswlib index: it begins with %llu, not with 0",
                       (ull)offset);
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        const uint64_t room = ki_le64(head + rooms[i].at);

        if (room < 1 || room > KI_HNSW_LINKS)
            return ki_fail(KITH_CORRUPT, "no hnswlib index: %s is %llu, not 1…%u", rooms[i].name,
                           (ull)room, KI_HNSW_LINKS);
    }
    if (row != list)
        return ki_fail(KITH_CORRUPT, "an element's row lies at byte %llu, not behind %llu of links",
                       (ull)row, (ull)list);
    if (label <= row)
        return ki_fail(KITH_CORRUPT, "an element's label lies at byte %llu, its row at %llu",
                       (ull)label, (ull)row);
    if (stride < 8 || stride - 8 != label)
        return ki_fail(KITH_CORRUPT, "an element has %llu bytes, and its label lies at byte %llu",
                       (ull)stride, (ull)label);
    if (label - row > ROW_MAX)
        return ki_fail(KITH_LIMIT, "rows of %llu bytes; up to %d can be read", (ull)(label - row),
                       ROW_MAX);
    return KITH_OK;
}

/* How many elements there are, after check_shape: they fit into a file of len bytes. */
static kith_status check_count(const uint8_t *head, uint64_t len)
{
    const uint64_t count = ki_le64(head + AT_COUNT), capacity = ki_le64(head + AT_CAPACITY);
    const uint64_t stride = ki_le64(head + AT_STRIDE);
    const uint32_t entry = ki_le32(head + AT_ENTRY);
    const int level = (int)(int32_t)ki_le32(head + AT_MAX_LEVEL);

    if (count >= UINT32_MAX || count > (len - KI_HNSW_HEAD) / (stride + 4))
        return ki_fail(KITH_CORRUPT, "%llu elements of %llu bytes do not fit: it ends at byte %llu",
                       (ull)count, (ull)stride, (ull)len);
    if (capacity < count)
        return ki_fail(KITH_CORRUPT, "%llu elements where %llu have room", (ull)count,
                       (ull)capacity);
    if (count == 0 && (level != -1 || entry != UINT32_MAX))
        return ki_fail(KITH_CORRUPT, "no elements, but an entry point %u on level %d", entry,
                       level);
    if (count > 0 && entry >= count)
        return ki_fail(KITH_CORRUPT, "the entry point is element %u of %llu", entry, (ull)count);
    if (count > 0 && (level < 0 || level > KI_HNSW_LEVELS))
        return ki_fail(KITH_CORRUPT, "the highest level is %d, not 0…%d", level, KI_HNSW_LEVELS);
    return KITH_OK;
}

static kith_status read_head(const ki_file *file, ki_hnsw_file *f)
{
    const size_t shown = file->len < KI_HNSW_HEAD ? (size_t)file->len : KI_HNSW_HEAD;
    uint8_t head[KI_HNSW_HEAD];
    kith_status st = KITH_OK;

    KI_TRY(ki_file_read(file, 0, head, shown));
    if (ki_looks_lfs(head, shown))
        KI_FAIL(KITH_CORRUPT, "a Git LFS pointer: the file itself was not fetched");
    if (shown < KI_HNSW_HEAD)
        KI_FAIL(KITH_CORRUPT, "%zu bytes are no hnswlib index: its head has %d", shown,
                KI_HNSW_HEAD);
    KI_TRY(check_shape(head));
    KI_TRY(check_count(head, file->len));
    if (file->len > SIZE_MAX / 2)
        KI_FAIL(KITH_LIMIT, "%llu bytes do not fit into memory", (ull)file->len);
    f->len = (size_t)file->len;
    f->count = (size_t)ki_le64(head + AT_COUNT);
    f->stride = (size_t)ki_le64(head + AT_STRIDE);
    f->max_m0 = (size_t)ki_le64(head + AT_MAX_M0);
    f->max_m = (size_t)ki_le64(head + AT_MAX_M);
    f->m = (size_t)ki_le64(head + AT_M);
    f->d_bytes = f->stride - 8 - list_bytes(f->max_m0);
    f->max_elements = ki_le64(head + AT_CAPACITY);
    f->ef_construction = ki_le64(head + AT_EF);
    f->max_level = (int32_t)ki_le32(head + AT_MAX_LEVEL);
    f->entry = ki_le32(head + AT_ENTRY);
out:
    return st;
}

/* One list, whose room lies inside the file, but whose level may be wrong. */
static kith_status check_links(const ki_hnsw_file *f, size_t i, int level)
{
    const size_t room = level ? f->max_m : f->max_m0;
    size_t n;
    const uint8_t *links = ki_hnsw_links(f, i, level, &n);
    const uint32_t word = ki_le32(links - 4);

    if (word & ~(uint32_t)(level ? UINT16_MAX : DELETED | UINT16_MAX))
        return ki_fail(KITH_CORRUPT, "element %zu: 0x%x before the links of level %d is no count",
                       i, word, level);
    if (n > room)
        return ki_fail(KITH_CORRUPT, "element %zu: %zu links on level %d, room for %zu", i, n,
                       level, room);
    for (size_t j = 0; j < n; j++) {
        const uint32_t to = ki_le32(links + 4 * j);

        if (to >= f->count)
            return ki_fail(KITH_CORRUPT,
                           "element %zu: link %zu of level %d goes to %u; there are %zu elements",
                           i, j, level, to, f->count);
        if (level > 0 && ki_hnsw_level(f, to) < level)
            return ki_fail(KITH_CORRUPT,
                           "element %zu: link %zu of level %d goes to %u, which ends on level %d",
                           i, j, level, to, ki_hnsw_level(f, to));
    }
    return KITH_OK;
}

static kith_status check_elements(ki_hnsw_file *f)
{
    kith_status st = KITH_OK;

    for (size_t i = 0; i < f->count; i++) {
        KI_TRY(check_links(f, i, 0));
        f->removed += ki_hnsw_deleted(f, i);
        if (ki_hnsw_label(f, i) < 0)
            KI_FAIL(KITH_LIMIT, "element %zu: label %llu; ids end at 2^63 - 1", i,
                    (ull)ki_hnsw_label(f, i));
    }
out:
    return st;
}

/* Where each element's lists above level 0 begin, and how many there are. */
static kith_status find_upper(ki_hnsw_file *f)
{
    const size_t list = list_bytes(f->max_m);
    size_t at = KI_HNSW_HEAD + f->count * f->stride;

    for (size_t i = 0; i < f->count; i++) {
        uint32_t bytes;

        if (f->len - at < 4)
            return ki_fail(KITH_CORRUPT, "element %zu: its upper levels are cut off at byte %zu", i,
                           f->len);
        bytes = ki_le32(f->bytes + at);
        at += 4;
        if (bytes % list != 0)
            return ki_fail(KITH_CORRUPT,
                           "element %zu: %u bytes of upper levels are no lists of %zu", i, bytes,
                           list);
        if (bytes > f->len - at)
            return ki_fail(KITH_CORRUPT,
                           "element %zu: %u bytes of upper levels are cut off at byte %zu", i,
                           bytes, f->len);
        if (bytes / list > (size_t)f->max_level)
            return ki_fail(KITH_CORRUPT, "element %zu: on level %zu; the highest is %d", i,
                           bytes / list, (int)f->max_level);
        f->upper[i] = (uint64_t)at << 8 | bytes / list;
        at += bytes;
    }
    if (at != f->len)
        return ki_fail(KITH_CORRUPT, "%zu bytes behind the last element, which ends at byte %zu",
                       f->len - at, at);
    if (f->count > 0 && ki_hnsw_level(f, f->entry) != f->max_level)
        return ki_fail(KITH_CORRUPT,
                       "the entry point, element %u, is on level %d; the highest is %d", f->entry,
                       ki_hnsw_level(f, f->entry), (int)f->max_level);
    return KITH_OK;
}

static kith_status check_upper(const ki_hnsw_file *f)
{
    kith_status st = KITH_OK;

    for (size_t i = 0; i < f->count; i++)
        for (int level = 1; level <= ki_hnsw_level(f, i); level++) KI_TRY(check_links(f, i, level));
out:
    return st;
}

/* All of the file; of its head the copy that was checked is what counts. */
static kith_status read_body(const ki_file *file, ki_hnsw_file *f)
{
    kith_status st = KITH_OK;

    f->bytes = ki_array(&f->env, f->len, 1);
    KI_NEED(f->bytes);
    f->upper = ki_array(&f->env, f->count, sizeof *f->upper);
    KI_NEED(f->upper);
    KI_TRY(ki_file_read(file, 0, f->bytes, f->len));
    f->rows = f->bytes + KI_HNSW_HEAD + list_bytes(f->max_m0);
    KI_TRY(check_elements(f));
    KI_TRY(find_upper(f));
    st = check_upper(f);
out:
    return st;
}

kith_status ki_hnsw_read(const char *path, const kith_host *host, ki_hnsw_file **out)
{
    kith_status st = KITH_OK;
    ki_hnsw_file *f = NULL;
    ki_file file = {0};
    ki_env env;

    KI_TRY(ki_env_init(&env, host));
    f = ki_zeros(&env, 1, sizeof *f);
    KI_NEED(f);
    KI_TRY(ki_env_init(&f->env, host));
    KI_TRY(ki_file_open(&f->env, path, &file));
    st = read_head(&file, f);
    if (st == KITH_OK) st = read_body(&file, f);
    if (st == KITH_CORRUPT || st == KITH_LIMIT) st = ki_fail_prefix(st, "%s", path);
    KI_TRY(st);
    *out = f;
    f = NULL;
out:
    ki_file_close(&file);
    ki_hnsw_free(f);
    return st;
}

void ki_hnsw_free(ki_hnsw_file *f)
{
    ki_env env;

    if (!f) return;
    ki_release(&f->env, f->bytes, f->len, 1);
    ki_release(&f->env, f->upper, f->count, sizeof *f->upper);
    if (ki_env_init(&env, &f->env.host) == KITH_OK) ki_release(&env, f, 1, sizeof *f);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* owns: the buffers and the file */
typedef struct writing {
    ki_env env;
    ki_replace file;
    const ki_hnsw_image *image;
    ki_progress progress;
    uint8_t *batch;    /* [BATCH], used of it to be written */
    size_t used, done; /* done: elements, since the last batch */
    uint32_t *links;   /* [room]: of one list */
    size_t room;
} writing;

static kith_status flush(writing *w)
{
    kith_status st = KITH_OK;

    KI_TRY(ki_replace_write(&w->file, w->batch, w->used));
    KI_TRY(ki_progress_add(&w->progress, w->done));
    w->used = w->done = 0;
out:
    return st;
}

/* The place of the next len bytes of the file, cleared; good until the next call. */
static kith_status next_bytes(writing *w, size_t len, uint8_t **out)
{
    kith_status st = KITH_OK;

    ki_assert(len <= BATCH);
    if (len > BATCH - w->used) KI_TRY(flush(w));
    *out = w->batch + w->used;
    memset(*out, 0, len);
    w->used += len;
out:
    return st;
}

/* n of w->links as the list of element i, whose word begins at `to`. */
static kith_status put_links(const writing *w, uint32_t i, int level, uint32_t n, uint8_t *to)
{
    const ki_hnsw_image *m = w->image;
    const size_t room = level ? m->m : m->max_m0;

    if (n > room)
        return ki_fail(KITH_CORRUPT, "element %u: %u links on level %d, room for %zu", i, n, level,
                       room);
    ki_put_le32(to, n);
    for (uint32_t j = 0; j < n; j++) {
        const uint32_t link = w->links[j];

        if (link >= m->count)
            return ki_fail(KITH_CORRUPT,
                           "element %u: link %u of level %d goes to %u; there are %zu elements", i,
                           j, level, link, m->count);
        if (level > 0 && m->level(m->ctx, link) < level)
            return ki_fail(KITH_CORRUPT,
                           "element %u: link %u of level %d goes to %u, which ends on level %d", i,
                           j, level, link, m->level(m->ctx, link));
        ki_put_le32(to + 4 + 4 * (size_t)j, link);
    }
    return KITH_OK;
}

static size_t stride_of(const ki_hnsw_image *m)
{
    return list_bytes(m->max_m0) + m->d_bytes + 8;
}

static kith_status write_element(writing *w, uint32_t i)
{
    const ki_hnsw_image *m = w->image;
    kith_status st = KITH_OK;
    bool deleted = false;
    uint64_t label = 0;
    uint32_t n = 0;
    uint8_t *to;

    KI_TRY(next_bytes(w, stride_of(m), &to));
    memset(w->links, 0, m->max_m0 * sizeof *w->links);
    m->element(m->ctx, i, to + list_bytes(m->max_m0), &label, &deleted, w->links, &n);
    KI_TRY(put_links(w, i, 0, n, to));
    if (deleted) ki_put_le32(to, n | DELETED);
    if (label > INT64_MAX)
        KI_FAIL(KITH_LIMIT, "element %u: label %llu; ids end at 2^63 - 1", i, (ull)label);
    ki_put_le64(to + stride_of(m) - 8, label);
    w->done++;
out:
    return st;
}

static kith_status write_upper(writing *w, uint32_t i)
{
    const ki_hnsw_image *m = w->image;
    const size_t list = list_bytes(m->m);
    const int level = m->level(m->ctx, i);
    kith_status st = KITH_OK;
    uint8_t *to;

    if (level < 0 || level > m->max_level)
        KI_FAIL(KITH_CORRUPT, "element %u: on level %d; the highest is %d", i, level,
                (int)m->max_level);
    KI_TRY(next_bytes(w, 4, &to));
    ki_put_le32(to, (uint32_t)((size_t)level * list));
    for (int l = 1; l <= level; l++) {
        uint32_t n = 0;

        KI_TRY(next_bytes(w, list, &to));
        memset(w->links, 0, m->m * sizeof *w->links);
        m->upper(m->ctx, i, l, w->links, &n);
        KI_TRY(put_links(w, i, l, n, to));
    }
    w->done++;
out:
    return st;
}

static kith_status check_image(const ki_hnsw_image *m)
{
    if (m->count >= UINT32_MAX)
        return ki_fail(KITH_LIMIT, "%zu elements; such an index holds up to %u", m->count,
                       UINT32_MAX - 1);
    if (m->m < 1 || m->m > KI_HNSW_LINKS || m->max_m0 < 1 || m->max_m0 > KI_HNSW_LINKS)
        return ki_fail(KITH_LIMIT,
                       "lists of %zu links, of %zu on level 0; such an index holds 1…%u", m->m,
                       m->max_m0, KI_HNSW_LINKS);
    if (m->d_bytes < 1 || m->d_bytes > ROW_MAX)
        return ki_fail(KITH_LIMIT, "rows of %zu bytes; 1…%d can be written", m->d_bytes, ROW_MAX);
    if (m->count == 0) return KITH_OK;
    if (m->max_level < 0 || m->max_level > KI_HNSW_LEVELS)
        return ki_fail(KITH_LIMIT, "the highest level is %d; 0…%d can be written",
                       (int)m->max_level, KI_HNSW_LEVELS);
    if (m->entry >= m->count)
        return ki_fail(KITH_CORRUPT, "the entry point is element %u of %zu", m->entry, m->count);
    if (m->level(m->ctx, m->entry) != m->max_level)
        return ki_fail(KITH_CORRUPT,
                       "the entry point, element %u, is on level %d; the highest is %d", m->entry,
                       m->level(m->ctx, m->entry), (int)m->max_level);
    return KITH_OK;
}

static size_t at_least(size_t a, size_t b)
{
    return a > b ? a : b;
}

static kith_status write_head(writing *w)
{
    const ki_hnsw_image *m = w->image;
    const double mult = m->m > 1 ? 1 / log((double)m->m) : HUGE_VAL; // hnswlib's, for M = 1 too
    kith_status st = KITH_OK;
    uint64_t mult_bits;
    uint8_t *head;

    KI_TRY(next_bytes(w, KI_HNSW_HEAD, &head));
    memcpy(&mult_bits, &mult, sizeof mult_bits);
    ki_put_le64(head + AT_CAPACITY, at_least(m->max_elements, at_least(m->count, 1)));
    ki_put_le64(head + AT_COUNT, m->count);
    ki_put_le64(head + AT_STRIDE, stride_of(m));
    ki_put_le64(head + AT_LABEL, stride_of(m) - 8);
    ki_put_le64(head + AT_ROW, list_bytes(m->max_m0));
    ki_put_le32(head + AT_MAX_LEVEL, m->count ? (uint32_t)m->max_level : UINT32_MAX);
    ki_put_le32(head + AT_ENTRY, m->count ? m->entry : UINT32_MAX);
    ki_put_le64(head + AT_MAX_M, m->m);
    ki_put_le64(head + AT_MAX_M0, m->max_m0);
    ki_put_le64(head + AT_M, m->m);
    ki_put_le64(head + AT_MULT, mult_bits);
    ki_put_le64(head + AT_EF, at_least(m->ef_construction, m->m));
out:
    return st;
}

static kith_status writing_init(writing *w, const char *path)
{
    kith_status st = KITH_OK;

    w->room = at_least(w->image->m, w->image->max_m0);
    w->links = ki_array(&w->env, w->room, sizeof *w->links);
    KI_NEED(w->links);
    w->batch = ki_array(&w->env, BATCH, 1);
    KI_NEED(w->batch);
    st = ki_replace_begin(&w->env, path, &w->file);
out:
    return st;
}

kith_status ki_hnsw_write(const ki_hnsw_image *image, const char *path, const kith_host *host,
                          const kith_watch *watch)
{
    const uint32_t n = (uint32_t)image->count;
    writing w = {.image = image};
    kith_status st = KITH_OK;

    _Static_assert(LIST_MAX + ROW_MAX + 8 <= BATCH, "an element fits into a batch");
    KI_TRY(ki_env_init(&w.env, host));
    KI_TRY(check_image(image));
    KI_TRY(writing_init(&w, path));
    ki_progress_init(&w.progress, watch, "write", 2 * (uint64_t)n);
    KI_TRY(write_head(&w));
    for (uint32_t i = 0; i < n; i++) KI_TRY(write_element(&w, i));
    for (uint32_t i = 0; i < n; i++) KI_TRY(write_upper(&w, i));
    KI_TRY(flush(&w));
    KI_TRY(ki_progress_end(&w.progress));
    st = ki_replace_commit(&w.file);
out:
    ki_replace_end(&w.file);
    ki_release(&w.env, w.links, w.room, sizeof *w.links);
    ki_release(&w.env, w.batch, BATCH, 1);
    return st;
}
