/* Create, save, open, write, verify, free: what comes back is what was saved, and errors are
 * sentences. */
#define _GNU_SOURCE /* mkdtemp */
#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { D = 10, N = 3000 };

static char folder[64], path[128];

static void make_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
}

static kith_index *filled(const char *spec, kith_metric m)
{
    static float x[N][D];
    kith_index *ix;

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++) x[i][j] = (float)((i * 31 + j * 17) % 1009) / 8;
    must(kith_create(spec, D, m, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
    return ix;
}

static void answers(const kith_index *ix, int64_t ids[50], float dist[50])
{
    float q[5][D];

    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < D; j++) q[i][j] = (float)((i * 7 + j * 3) % 101);
    must(kith_search(ix, KITH_ROWS(q, 5, KITH_F32), NULL, ids, dist));
}

static void same_after_files(void **state)
{
    static const uint32_t flags[] = {KITH_OPEN_MAP, KITH_OPEN_COPY, KITH_OPEN_VERIFY,
                                     KITH_OPEN_COPY | KITH_OPEN_VERIFY, KITH_OPEN_READ_ONLY};
    int64_t ids[50], got_ids[50];
    float dist[50], got[50];
    kith_index *ix = filled("Flat", KITH_L2), *back;
    FILE *first, *second;
    int a, b;

    (void)state;
    make_path("one.kith");
    answers(ix, ids, dist);
    must(kith_save(ix, path, NULL));
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        must(kith_open(path, flags[i], NULL, &back));
        answers(back, got_ids, got);
        assert_memory_equal(ids, got_ids, sizeof ids);
        assert_memory_equal(dist, got, sizeof dist);
        must(kith_verify(back, NULL));
        kith_free(back);
    }
    /* The same rows give the same bytes, and a mapped index saved over its own file too. */
    first = fopen(path, "rb");
    assert_non_null(first);
    must(kith_open(path, KITH_OPEN_MAP, NULL, &back));
    must(kith_save(back, path, NULL));
    kith_free(back);
    second = fopen(path, "rb");
    assert_non_null(second);
    do {
        a = getc(first);
        b = getc(second);
        assert_int_equal(a, b);
    } while (a != EOF);
    fclose(first);
    fclose(second);
    kith_free(ix);
}

typedef struct buffer {
    uint8_t *p;
    size_t len, stop; /* refuses more than stop bytes */
} buffer;

static int sink(void *ctx, const void *bytes, size_t len)
{
    buffer *b = ctx;

    if (b->len + len > b->stop) return 1;
    b->p = realloc(b->p, b->len + len);
    assert_non_null(b->p);
    memcpy(b->p + b->len, bytes, len);
    b->len += len;
    return 0;
}

static void through_memory(void **state)
{
    kith_index *ix = filled("Flat,BF16", KITH_COSINE), *back;
    int64_t ids[50], got_ids[50];
    float dist[50], got[50];
    buffer b = {NULL, 0, SIZE_MAX}, little = {NULL, 0, 1000};
    uint8_t *odd;

    (void)state;
    answers(ix, ids, dist);
    must(kith_write(ix, sink, &b));
    refused(kith_write(ix, sink, &little), KITH_IO, "");
    free(little.p);
    odd = malloc(b.len + 1); // bytes at an odd address
    assert_non_null(odd);
    memcpy(odd + 1, b.p, b.len);
    must(kith_open_view(odd + 1, b.len, KITH_OPEN_VERIFY, NULL, &back));
    answers(back, got_ids, got);
    assert_memory_equal(ids, got_ids, sizeof ids);
    must(kith_add(back, KITH_ROWS(dist, 5, KITH_F32), NULL, NULL, NULL));
    kith_free(back);
    kith_free(ix);
    free(b.p);
    free(odd);
}

static void small_stays_small(void **state)
{
    float x[10][D] = {{0}};
    kith_index *ix;
    struct stat s;

    (void)state;
    x[0][0] = 0.5f;
    make_path("small.kith");
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_save(ix, path, NULL)); // an index without rows is one too
    kith_free(ix);
    must(kith_open(path, KITH_OPEN_VERIFY, NULL, &ix));
    assert_int_equal(kith_count(ix), 0);
    must(kith_add(ix, KITH_ROWS(x, 10, KITH_F32), NULL, NULL, NULL));
    must(kith_save(ix, path, NULL));
    kith_free(ix);
    assert_int_equal(stat(path, &s), 0);
    assert_true(s.st_size <= 16384);
}

static void refusals(void **state)
{
    kith_host host = KITH_HOST_INIT;
    kith_index *ix = filled("Flat", KITH_L2), *back = NULL;

    (void)state;
    refused(kith_create("Flat", 0, KITH_L2, NULL, &back), KITH_BAD_ARG, "dimension 0");
    refused(kith_create("Flat", KITH_MAX_DIM + 1, KITH_L2, NULL, &back), KITH_LIMIT, "dimension");
    refused(kith_create("Flat", 4, (kith_metric)99, NULL, &back), KITH_BAD_ARG, "99");
    refused(kith_create(NULL, 4, KITH_L2, NULL, &back), KITH_BAD_ARG, "NULL");
    host.size = 3;
    refused(kith_create("Flat", 4, KITH_L2, &host, &back), KITH_BAD_ARG, "3");
    make_path("none.kith");
    refused(kith_open(path, 0, NULL, &back), KITH_IO, "No such file");
    refused(kith_open(folder, 0, NULL, &back), KITH_IO, folder);
    make_path("one.kith");
    refused(kith_open(path, 64, NULL, &back), KITH_BAD_ARG, "flags");
    make_path("missing/deep.kith");
    refused(kith_save(ix, path, NULL), KITH_IO, "No such file");
    refused(kith_save(ix, folder, NULL), KITH_BAD_ARG, folder);
    make_path("text.kith");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 300; i++) fputs("this is no index\n", f);
    fclose(f);
    refused(kith_open(path, 0, NULL, &back), KITH_CORRUPT, "text.kith");
    assert_null(back);
    kith_free(ix);
    kith_free(NULL);
}

static void read_only(void **state)
{
    const float x[D] = {1};
    const int64_t id = 3;
    kith_index *ix, *other = filled("Flat", KITH_L2);

    (void)state;
    make_path("one.kith");
    must(kith_open(path, KITH_OPEN_READ_ONLY, NULL, &ix));
    refused(kith_add(ix, KITH_ROWS(x, 1, KITH_F32), NULL, NULL, NULL), KITH_READ_ONLY, "read-only");
    refused(kith_upsert(ix, KITH_ROWS(x, 1, KITH_F32), &id, NULL, NULL), KITH_READ_ONLY, "");
    refused(kith_remove(ix, &id, 1, NULL), KITH_READ_ONLY, "");
    refused(kith_set_label(ix, 3, "x"), KITH_READ_ONLY, "");
    refused(kith_compact(ix, NULL), KITH_READ_ONLY, "");
    refused(kith_merge(ix, other, NULL), KITH_READ_ONLY, "");
    kith_free(ix);
    kith_free(other);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kith-lifetime.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_after_files), cmocka_unit_test(through_memory),
        cmocka_unit_test(small_stays_small), cmocka_unit_test(refusals),
        cmocka_unit_test(read_only),
    };

    return cmocka_run_group_tests_name("lifetime", tests, setup, teardown);
}
