/* Every public call while the n-th allocation, or the n-th call of the file layer, fails, for all
 * n: nothing leaks, the old file stays whole, the index still answers as before. */
#include "support/failing.h"
#include "support/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { D = 12, N = 1500, MORE = 40, K = 5 };

static float base[N + MORE][D];
static const char *labels[N + MORE];
static int64_t own_ids[N + MORE];
static char path[64], other[64], vectors[64], ids_file[64], labels_file[64], written[64];
static uint8_t *image; /* the bytes of `other` */
static size_t image_len;

static void fill(void)
{
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < N + MORE; i++) {
        for (size_t j = 0; j < D; j++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            base[i][j] = (float)(x % 1000) / 64 - 7;
        }
        labels[i] = i % 3 ? "often" : "rare";
        own_ids[i] = (int64_t)(i * 7 + 3);
    }
}

/* One call under test on an index of N rows. Sets *changed when, on success, the answers may
 * differ. */
typedef kith_status action(kith_index **ix, const kith_host *host);

static kith_status do_create(kith_index **ix, const kith_host *host)
{
    kith_index *more;
    const kith_status st = kith_create("Flat,F16", D, KITH_COSINE, host, &more);

    (void)ix;
    if (st == KITH_OK) kith_free(more);
    return st;
}

static kith_status do_add(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_add(*ix, KITH_ROWS(base[N], MORE, KITH_F32), own_ids + N, labels + N, NULL);
}

static kith_status do_upsert(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_upsert(*ix, KITH_ROWS(base[5], MORE, KITH_F32), own_ids, NULL, NULL);
}

static kith_status do_update(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_update(*ix, KITH_ROWS(base[5], MORE, KITH_F32), own_ids, labels + 1, NULL);
}

static kith_status do_remove(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_remove(*ix, own_ids, MORE, NULL);
}

static kith_status do_label(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_set_label(*ix, own_ids[4], "another");
}

static kith_status do_compact(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_compact(*ix, NULL);
}

static kith_status do_merge(kith_index **ix, const kith_host *host)
{
    kith_index *more;
    kith_status st;

    (void)host;
    must(kith_create("Flat", D, KITH_L2, NULL, &more));
    must(kith_add(more, KITH_ROWS(base[N], MORE, KITH_F32), own_ids + N, labels + N, NULL));
    st = kith_merge(*ix, more, NULL);
    kith_free(more);
    return st;
}

static kith_status do_search(kith_index **ix, const kith_host *host)
{
    int64_t ids[3 * K];
    float dist[3 * K];

    (void)host;
    return kith_search(*ix, KITH_ROWS(base, 3, KITH_F32), &(kith_query)KITH_QUERY_K(K), ids, dist);
}

static kith_status do_search_ids(kith_index **ix, const kith_host *host)
{
    int64_t ids[3 * K];

    (void)host;
    return kith_search_ids(*ix, own_ids, 3, &(kith_query)KITH_QUERY_K(K), ids, NULL);
}

static kith_status do_range(kith_index **ix, const kith_host *host)
{
    kith_query how = KITH_QUERY_INIT;
    kith_hits *hits;
    kith_status st;

    (void)host;
    how.limit = 60;
    st = kith_range(*ix, KITH_ROWS(base, 3, KITH_F32), &how, &hits);
    if (st == KITH_OK) kith_hits_free(hits);
    return st;
}

/* A page that fails is asked for once more. If that works, all rows come, in their order. */
static kith_status do_cursor(kith_index **ix, const kith_host *host)
{
    enum { PAGE = 100 };
    kith_cursor *c;
    int64_t ids[N + PAGE];
    float dist[N + PAGE];
    size_t got = 1, n = 0;
    kith_status st = kith_cursor_open(*ix, KITH_ROWS(base, 1, KITH_F32), NULL, &c), last = st;

    (void)host;
    if (st != KITH_OK) return st;
    for (bool again = false; last == KITH_OK && got; n += got) {
        assert_true(n <= N);
        last = kith_cursor_next(c, PAGE, ids + n, dist + n, &got);
        if (last == KITH_OK) continue;
        st = last;
        got = 0;
        if (!again) last = kith_cursor_next(c, PAGE, ids + n, dist + n, &got);
        again = true;
    }
    if (last == KITH_OK) {
        assert_int_equal(n, N);
        for (size_t i = 1; i < n; i++)
            assert_true(dist[i - 1] < dist[i] || (dist[i - 1] == dist[i] && ids[i - 1] < ids[i]));
    }
    kith_cursor_free(c);
    return st;
}

static kith_status do_filter(kith_index **ix, const kith_host *host)
{
    kith_filter *listed = NULL, *range = NULL, *both = NULL, *bound = NULL;
    int64_t ids[K];
    kith_query how = KITH_QUERY_K(K);
    kith_status st = kith_filter_ids(own_ids, MORE, host, &listed);

    if (st == KITH_OK) st = kith_filter_range(0, 100, host, &range);
    if (st == KITH_OK) st = kith_filter_join(KITH_AND, listed, range, &both);
    if (st == KITH_OK) st = kith_filter_bind(*ix, both, &bound);
    if (st == KITH_OK) {
        how.filter = bound;
        st = kith_search(*ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL);
    }
    kith_filter_free(listed);
    kith_filter_free(range);
    kith_filter_free(both);
    kith_filter_free(bound);
    return st;
}

static kith_status do_find_label(kith_index **ix, const kith_host *host)
{
    int64_t ids[N];
    size_t n;

    (void)host;
    return kith_find_label(*ix, "rare", ids, N, &n);
}

static kith_status do_context(kith_index **ix, const kith_host *host)
{
    kith_query how = KITH_QUERY_K(K);
    int64_t ids[K];
    kith_status st = kith_context_create(host, &how.context);

    if (st != KITH_OK) return st;
    st = kith_search(*ix, KITH_ROWS(base, 1, KITH_F32), &how, ids, NULL);
    kith_context_free(how.context);
    return st;
}

static kith_status do_source(kith_index **ix, const kith_host *host)
{
    kith_batch batch = {0};
    kith_source src;
    kith_status st = kith_source_index(*ix, &src);

    (void)host;
    if (st != KITH_OK) return st;
    do st = src.next(src.ctx, 1000, &batch);
    while (st == KITH_OK && batch.rows.n);
    src.close(src.ctx);
    return st;
}

static kith_status do_save(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_save(*ix, path, NULL);
}

static int count_bytes(void *ctx, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)ctx += len;
    return 0;
}

static kith_status do_write(kith_index **ix, const kith_host *host)
{
    size_t len = 0;

    (void)host;
    return kith_write(*ix, count_bytes, &len);
}

static kith_status open_as(uint32_t flags, const kith_host *host)
{
    kith_index *more;
    const kith_status st = kith_open(other, flags, host, &more);

    if (st == KITH_OK) kith_free(more);
    return st;
}

static kith_status do_open(kith_index **ix, const kith_host *host)
{
    (void)ix;
    return open_as(KITH_OPEN_MAP | KITH_OPEN_VERIFY, host);
}

static kith_status do_load(kith_index **ix, const kith_host *host)
{
    (void)ix;
    return open_as(KITH_OPEN_COPY | KITH_OPEN_VERIFY, host);
}

static kith_status do_verify(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_verify(*ix, NULL);
}

static kith_status do_read(kith_index **ix, const kith_host *host)
{
    kith_batch batch = {0};
    kith_source src;
    kith_status st = kith_source_open(other, host, &src);

    (void)ix;
    if (st != KITH_OK) return st;
    do st = src.next(src.ctx, 100, &batch);
    while (st == KITH_OK && batch.rows.n);
    src.close(src.ctx);
    return st;
}

/* A file of rows, in batches. */
static kith_status do_add_source(kith_index **ix, const kith_host *host)
{
    kith_source src;
    kith_status st = kith_source_open(vectors, host, &src);

    if (st != KITH_OK) return st;
    st = kith_add_source(*ix, &src, NULL);
    src.close(src.ctx);
    return st;
}

static kith_status do_open_view(kith_index **ix, const kith_host *host)
{
    kith_index *more;
    const kith_status st = kith_open_view(image, image_len, KITH_OPEN_VERIFY, host, &more);

    (void)ix;
    if (st == KITH_OK) kith_free(more);
    return st;
}

/* On an index of its own: it must be empty. Failing leaves the parameter and the index. */
static kith_status do_set_param(kith_index **ix, const kith_host *host)
{
    kith_index *empty;
    kith_status st = kith_create("Flat", D, KITH_L2, host, &empty);

    (void)ix;
    if (st != KITH_OK) return st;
    st = kith_set_param(empty, "scan", "off");
    assert_string_equal(kith_spec(empty), st == KITH_OK ? "Flat(scan=off)" : "Flat");
    kith_free(empty);
    return st;
}

static kith_status do_train(kith_index **ix, const kith_host *host)
{
    (void)host;
    return kith_train(*ix, KITH_ROWS(base, N, KITH_F32), NULL);
}

static kith_status do_source_save(kith_index **ix, const kith_host *host)
{
    kith_source src;
    kith_status st = kith_source_index(*ix, &src);

    if (st != KITH_OK) return st;
    st = kith_source_save(&src, KITH_AS_STORED, written, host, NULL);
    src.close(src.ctx);
    return st;
}

static kith_status do_ids_read(kith_index **ix, const kith_host *host)
{
    int64_t *ids;
    size_t n;
    const kith_status st = kith_ids_read(ids_file, host, &ids, &n);

    (void)ix;
    if (st != KITH_OK) return st;
    assert_int_equal(n, N);
    assert_memory_equal(ids, own_ids, N * sizeof *ids);
    kith_ids_free(ids, n, host);
    return st;
}

static kith_status do_labels_read(kith_index **ix, const kith_host *host)
{
    char **read;
    size_t n;
    const kith_status st = kith_labels_read(labels_file, host, &read, &n);

    (void)ix;
    if (st != KITH_OK) return st;
    assert_int_equal(n, N);
    for (size_t i = 0; i < n; i++) assert_string_equal(read[i], labels[i]);
    kith_labels_free(read, n, host);
    return st;
}

static const struct {
    const char *name;
    action *act;
} actions[] = {
    {"create", do_create},   {"add", do_add},
    {"upsert", do_upsert},   {"update", do_update},
    {"remove", do_remove},   {"label", do_label},
    {"compact", do_compact}, {"merge", do_merge},
    {"search", do_search},   {"search_ids", do_search_ids},
    {"range", do_range},     {"cursor", do_cursor},
    {"filter", do_filter},   {"find_label", do_find_label},
    {"context", do_context}, {"source_index", do_source},
    {"save", do_save},       {"write", do_write},
    {"open", do_open},       {"load", do_load},
    {"verify", do_verify},   {"source_open", do_read},
    {"add_source", do_add_source},   {"open_view", do_open_view},
    {"set_param", do_set_param},     {"train", do_train},
    {"source_save", do_source_save}, {"ids_read", do_ids_read},
    {"labels_read", do_labels_read},
};

static void prepare(failing_host *f, bool mapped, kith_index **ix)
{
    failing_init(f);
    f->host.threads = 1;
    if (mapped) {
        must(kith_open(other, KITH_OPEN_MAP, &f->host, ix));
        return;
    }
    must(kith_create("Flat", D, KITH_L2, &f->host, ix));
    must(kith_add(*ix, KITH_ROWS(base, N, KITH_F32), own_ids, labels, NULL));
}

static void answers(const kith_index *ix, int64_t ids[K])
{
    float dist[K];

    must(kith_search(ix, KITH_ROWS(base[9], 1, KITH_F32), &(kith_query)KITH_QUERY_K(K), ids, dist));
}

/* After a failure all is as it was, and works once nothing fails any more. */
static void settle(size_t a, failing_host *f, kith_index *ix, kith_status st, const int64_t want[K])
{
    const size_t count = (size_t)kith_count(ix);
    int64_t ids[K];
    kith_index *old;

    if (st != KITH_OK) {
        assert_int_equal(count, N);
        answers(ix, ids);
        assert_memory_equal(ids, want, sizeof ids);
        if (strlen(kith_last_error()) < 8)
            fail_msg("%s: no sentence: \"%s\"", actions[a].name, kith_last_error());
    }
    must(kith_verify(ix, NULL));
    must(kith_open(path, KITH_OPEN_VERIFY, NULL, &old));
    kith_free(old);
    if (st != KITH_OK) must(actions[a].act(&ix, &f->host));
}

static void each_failure(bool files, bool mapped)
{
    for (size_t a = 0; a < sizeof actions / sizeof *actions; a++) {
        size_t n = 0, failed = 0;

        for (bool more = true; more;) {
            failing_host f;
            int64_t want[K];
            kith_index *ix;
            kith_status st;

            n++;
            prepare(&f, mapped, &ix);
            answers(ix, want);
            if (files)
                failing_files_at(&f, FAILING_ANY, n, n % 2 == 0, n % 3 ? EIO : ENOSPC);
            else
                failing_alloc_at(&f, n, n % 2 == 0);
            st = actions[a].act(&ix, &f.host);
            more = failing_happened(&f);
            if (files)
                failing_files_at(&f, FAILING_ANY, 0, false, 0);
            else
                failing_alloc_at(&f, 0, false);
            if (st != KITH_OK && st != (files ? KITH_IO : KITH_NO_MEMORY))
                fail_msg("%s, failure %zu: %s: %s", actions[a].name, n, kith_status_name(st),
                         kith_last_error());
            failed += st != KITH_OK;
            settle(a, &f, ix, st, want);
            kith_free(ix);
            if (failing_complaint(&f))
                fail_msg("%s, failure %zu: %s", actions[a].name, n, failing_complaint(&f));
            assert_true(n < 3000);
        }
        print_message("%-14s %4zu places to fail, %4zu reported\n", actions[a].name, n - 1, failed);
    }
}

static void allocations(void **state)
{
    (void)state;
    each_failure(false, false);
}

static void allocations_mapped(void **state)
{
    (void)state;
    each_failure(false, true);
}

static void files(void **state)
{
    (void)state;
    each_failure(true, false);
}

static void files_mapped(void **state)
{
    (void)state;
    each_failure(true, true);
}

/* A disk that fills up at every possible byte: the old file stays, the sentence says why. */
static void full_disk(void **state)
{
    kith_index *ix, *old;
    failing_host f;
    kith_status st;

    (void)state;
    prepare(&f, false, &ix);
    for (uint64_t room = 0;; room = room * 3 / 2 + 700) {
        failing_disk(&f, room);
        st = kith_save(ix, path, NULL);
        if (st == KITH_OK) break;
        assert_int_equal(st, KITH_IO);
        if (!strstr(kith_last_error(), "No space left")) fail_msg("%s", kith_last_error());
        must(kith_open(path, KITH_OPEN_VERIFY, NULL, &old));
        assert_int_equal(kith_count(old), N);
        kith_free(old);
    }
    kith_free(ix);
    assert_null(failing_complaint(&f));
}

static int keep_bytes(void *ctx, const void *bytes, size_t len)
{
    (void)ctx;
    image = realloc(image, image_len + len);
    assert_non_null(image);
    memcpy(image + image_len, bytes, len);
    image_len += len;
    return 0;
}

/* Vectors, ids and labels as people have them. */
static void write_files(void)
{
    FILE *f = fopen(vectors, "wb"), *g = fopen(ids_file, "w"), *h = fopen(labels_file, "w");
    const int32_t d = D;

    assert_true(f && g && h);
    for (size_t i = 0; i < MORE; i++) {
        assert_int_equal(fwrite(&d, sizeof d, 1, f), 1);
        assert_int_equal(fwrite(base[N + i], sizeof base[N], 1, f), 1);
    }
    for (size_t i = 0; i < N; i++) fprintf(g, "%lld\n", (long long)own_ids[i]);
    for (size_t i = 0; i < N; i++) fprintf(h, "%s\n", labels[i]);
    assert_int_equal(fclose(f) | fclose(g) | fclose(h), 0);
}

static int setup(void **state)
{
    kith_index *ix;

    (void)state;
    fill();
    snprintf(path, sizeof path, "/tmp/kith-failures.%ld.kith", (long)getpid());
    snprintf(other, sizeof other, "/tmp/kith-failures.%ld.other.kith", (long)getpid());
    snprintf(vectors, sizeof vectors, "/tmp/kith-failures.%ld.fvecs", (long)getpid());
    snprintf(ids_file, sizeof ids_file, "/tmp/kith-failures.%ld.ids", (long)getpid());
    snprintf(labels_file, sizeof labels_file, "/tmp/kith-failures.%ld.labels", (long)getpid());
    snprintf(written, sizeof written, "/tmp/kith-failures.%ld.npy", (long)getpid());
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(base, N, KITH_F32), own_ids, labels, NULL));
    must(kith_save(ix, path, NULL));
    must(kith_save(ix, other, NULL));
    must(kith_write(ix, keep_bytes, NULL));
    kith_free(ix);
    write_files();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    unlink(vectors);
    unlink(ids_file);
    unlink(labels_file);
    unlink(written);
    free(image);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations), cmocka_unit_test(allocations_mapped),
        cmocka_unit_test(files),       cmocka_unit_test(files_mapped),
        cmocka_unit_test(full_disk),
    };

    return cmocka_run_group_tests_name("failures", tests, setup, teardown);
}
