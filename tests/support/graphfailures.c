/* Failures around an index that has a graph: see graphfailures.h. */
#include "support/graphfailures.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/twoindexes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    D = 8,
    N = 1050,
    FEW = 90,
    MANY = 510,
    K = 5,
    WALKS = 40
}; /* WALKS: an effort at which searches walk */

static float *base; /* [N + MANY][D] */
static const char *spec;
static uint8_t *image;
static size_t image_len;
static char file[64], other[64]; /* the image; where it is saved to */

typedef kith_status action(kith_index *ix, const kith_host *host, const kith_watch *w);

/* Enough for reach to be looked at, copies among them. */
static kith_status do_extend(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    (void)host;
    return kith_add(ix, KITH_ROWS(base + N * D, FEW, KITH_F32), NULL, NULL, w);
}

static kith_status do_rebuild(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    (void)host;
    return kith_add(ix, KITH_ROWS(base + N * D, MANY, KITH_F32), NULL, NULL, w);
}

static kith_status do_remove(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    const int64_t ids[] = {0, 5, 9, 700, 701, 1000};

    (void)host;
    (void)w;
    return kith_remove(ix, ids, 6, NULL);
}

static kith_status do_upsert(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    int64_t ids[30];

    (void)host;
    for (size_t i = 0; i < 30; i++) ids[i] = (int64_t)(i * 35 + 3);
    return kith_upsert(ix, KITH_ROWS(base + (N + 40) * D, 30, KITH_F32), ids, NULL, w);
}

static kith_status do_compact(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    (void)host;
    return kith_compact(ix, w);
}

static kith_status do_merge(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    kith_index *more;
    int64_t ids[40]; // that are not stored yet
    kith_status st;

    (void)host;
    for (size_t i = 0; i < 40; i++) ids[i] = (int64_t)(5000 + i);
    must(kith_create("Flat", D, KITH_L2, NULL, &more));
    must(kith_add(more, KITH_ROWS(base + N * D, 40, KITH_F32), ids, NULL, NULL));
    st = kith_merge(ix, more, w);
    kith_free(more);
    return st;
}

static kith_status do_search(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    kith_query how = KITH_QUERY_K(K);
    int64_t ids[12 * K];

    (void)host;
    how.watch = w;
    how.rerank = 40;
    how.effort = WALKS;
    return kith_search(ix, KITH_ROWS(base, 12, KITH_F32), &how, ids, NULL);
}

static kith_status do_filtered(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    kith_query how = KITH_QUERY_K(K);
    kith_filter *f;
    int64_t ids[2 * K];
    kith_status st;

    (void)host;
    must(kith_filter_range(10, 1040, NULL, &f));
    how.watch = w;
    how.filter = f;
    how.effort = WALKS;
    st = kith_search(ix, KITH_ROWS(base, 2, KITH_F32), &how, ids, NULL);
    kith_filter_free(f);
    return st;
}

static kith_status do_range(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    kith_query how = KITH_QUERY_INIT;
    kith_hits *hits = NULL;
    kith_status st;

    (void)host;
    how.limit = 3;
    how.effort = WALKS;
    how.watch = w;
    st = kith_range(ix, KITH_ROWS(base, 3, KITH_F32), &how, &hits);
    kith_hits_free(hits);
    return st;
}

static kith_status do_cursor(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    kith_query how = KITH_QUERY_INIT;
    kith_cursor *c;
    int64_t ids[200];
    size_t got;
    kith_status st;

    (void)host;
    (void)w;
    how.effort = WALKS;
    st = kith_cursor_open(ix, KITH_ROWS(base, 1, KITH_F32), &how, &c);
    if (st != KITH_OK) return st;
    st = kith_cursor_next(c, 20, ids, NULL, &got);
    if (st == KITH_OK) st = kith_cursor_next(c, 200, ids, NULL, &got);
    kith_cursor_free(c);
    return st;
}

static kith_status do_verify(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    (void)host;
    return kith_verify(ix, w);
}

static kith_status do_save(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    (void)host;
    return kith_save(ix, other, w);
}

/* Another one, walked through. */
static kith_status open_another(uint32_t flags, const kith_host *host)
{
    kith_index *ix;
    kith_status st = kith_open(file, flags, host, &ix);

    if (st != KITH_OK) return st;
    st = do_search(ix, host, NULL);
    kith_free(ix);
    return st;
}

static kith_status do_open(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    (void)ix;
    (void)w;
    return open_another(KITH_OPEN_VERIFY, host);
}

static kith_status do_load(kith_index *ix, const kith_host *host, const kith_watch *w)
{
    (void)ix;
    (void)w;
    return open_another(KITH_OPEN_COPY, host);
}

/* bulk: links many rows, which takes its time. */
static const struct {
    const char *name;
    action *act;
    bool bulk;
} actions[] = {
    {"extend", do_extend, false}, {"rebuild", do_rebuild, true},    {"remove", do_remove, false},
    {"upsert", do_upsert, false}, {"compact", do_compact, true},    {"merge", do_merge, false},
    {"search", do_search, false}, {"filtered", do_filtered, false}, {"range", do_range, false},
    {"cursor", do_cursor, false}, {"verify", do_verify, false},     {"save", do_save, false},
    {"open", do_open, false},     {"load", do_load, false},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void is_as_before(const kith_index *ix, const char *name, size_t n)
{
    size_t len;
    uint8_t *bytes = bytes_of(ix, &len);

    if (len != image_len || memcmp(bytes, image, len) != 0)
        fail_msg("%s, failure %zu: the index has changed", name, n);
    free(bytes);
}

/* Every failure leaves the index whole, so that the next is tried on the same one. */
static void fail_each(size_t a, size_t step)
{
    failing_host f;
    kith_index *ix;
    size_t n = 0;

    failing_init(&f);
    f.host.threads = 1;
    must(kith_open_view(image, image_len, 0, &f.host, &ix));
    for (bool more = true; more;) {
        kith_status st;

        n += step;
        failing_alloc_at(&f, n, n / step % 2);
        st = actions[a].act(ix, &f.host, NULL);
        more = failing_happened(&f);
        failing_alloc_at(&f, 0, false);
        if (st != KITH_OK && st != KITH_NO_MEMORY)
            fail_msg("%s, failure %zu: %s: %s", actions[a].name, n, kith_status_name(st),
                     kith_last_error());
        if (st != KITH_OK) is_as_before(ix, actions[a].name, n);
        if (st == KITH_OK && more) { // it could do without
            must(kith_verify(ix, NULL));
            kith_free(ix);
            must(kith_open_view(image, image_len, 0, &f.host, &ix));
        }
        assert_true(n < 5000);
    }
    must(kith_verify(ix, NULL));
    kith_free(ix);
    if (failing_complaint(&f)) fail_msg("%s: %s", actions[a].name, failing_complaint(&f));
    print_message("%-9s some %zu allocations\n", actions[a].name, n - step);
}

static int cancel_at(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    size_t *left = ctx;

    if (!phase || !*phase || (total && done > total)) return 2;
    return *left == 0 || --*left == 0;
}

/* Polls come as time goes by, so that few or many are seen; the first is always there. */
static void cancel_each(size_t a)
{
    kith_index *ix;
    size_t n = 0;

    must(kith_open_view(image, image_len, 0, NULL, &ix));
    for (kith_status st = KITH_CANCELLED; st != KITH_OK;) {
        size_t left = ++n;
        const kith_watch w = {cancel_at, &left};

        st = actions[a].act(ix, NULL, &w);
        if (st != KITH_OK && st != KITH_CANCELLED)
            fail_msg("%s, poll %zu: %s", actions[a].name, n, kith_last_error());
        if (st != KITH_OK) is_as_before(ix, actions[a].name, n);
    }
    must(kith_verify(ix, NULL));
    kith_free(ix);
}

/* The n-th operation on files fails, on an index that is mapped: it is as before, and so is its
 * file. */
static void fail_files(size_t a)
{
    for (size_t n = 1, more = 1; more; n++) {
        failing_host f;
        kith_index *ix, *old;
        kith_status st;

        failing_init(&f);
        f.host.threads = 1;
        must(kith_open(file, 0, &f.host, &ix));
        failing_files_at(&f, FAILING_ANY, n, false, EIO);
        st = actions[a].act(ix, &f.host, NULL);
        more = failing_happened(&f);
        failing_files_at(&f, FAILING_ANY, 0, false, 0);
        if (st != KITH_OK && st != KITH_IO)
            fail_msg("%s, file operation %zu: %s: %s", actions[a].name, n, kith_status_name(st),
                     kith_last_error());
        if (st != KITH_OK) is_as_before(ix, actions[a].name, n);
        must(kith_verify(ix, NULL));
        must(kith_open(file, KITH_OPEN_VERIFY, NULL, &old));
        is_as_before(old, actions[a].name, n);
        kith_free(old);
        kith_free(ix);
        if (failing_complaint(&f)) fail_msg("%s: %s", actions[a].name, failing_complaint(&f));
        assert_true(n < 200);
    }
}

static void make_image(void)
{
    const int64_t gone[] = {17, 18, 19, 500};
    kith_index *ix;

    base = need_floats((N + MANY) * D);
    clustered_rows(4, N + MANY, D, 9, 0.6f, false, base);
    for (size_t i = 20; i < N + MANY; i += 9) memcpy(base + i * D, base, D * sizeof *base);
    must(kith_create(spec, D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(base, N, KITH_F32), NULL, NULL, NULL));
    must(kith_remove(ix, gone, 4, NULL));
    image = bytes_of(ix, &image_len);
    must(kith_save(ix, file, NULL));
    must(kith_save(ix, other, NULL));
    kith_free(ix);
}

void fail_graphs(const char *of, size_t step)
{
    spec = of;
    (void)snprintf(file, sizeof file, "%s", in_folder("image.kith"));
    (void)snprintf(other, sizeof other, "%s", in_folder("other.kith"));
    make_image();
    for (size_t a = 0; a < ACTIONS; a++) fail_each(a, actions[a].bulk ? 3 * step : step);
    for (size_t a = 0; a < ACTIONS; a++) cancel_each(a);
    for (size_t a = 0; a < ACTIONS; a++)
        if (!actions[a].bulk) fail_files(a);
    assert_int_equal(files_in_folder(), 2);
    assert_int_equal(remove(file) | remove(other), 0);
    free(base);
    free(image);
}
