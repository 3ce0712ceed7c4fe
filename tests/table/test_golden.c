/* The golden files of format version 1, kept forever: each still opens and answers, and the same
 * rows still give the same bytes, whatever the machine, the compiler, the number of threads.
 * KITH_GOLDEN=write makes them anew, which only a new format version may. */
#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1300, MOST = 16 };

typedef struct golden {
    const char *path, *spec;
    kith_metric metric;
    size_t d;
    float (*value)(size_t i, size_t j);
    int own_ids, labels, removed;
} golden;

static float quarter(size_t i, size_t j)
{
    return (float)((i * 37 + j * j * 11 + i * j) % 199) / 4 - 20;
}

static float byte(size_t i, size_t j)
{
    return (float)((i * 7 + j * 13 + i * j) % 256);
}

static float bit(size_t i, size_t j)
{
    return (float)((i * 5 + j * 3 + i * j / 3) % 2);
}

static const golden files[] = {
    {"tests/golden/v1.kith", "Flat", KITH_COSINE, 8, quarter, 1, 1, 1},
    {"tests/golden/v1-u8.kith", "Flat", KITH_L2, 5, byte, 0, 0, 0},
    {"tests/golden/v1-bits.kith", "Flat", KITH_HAMMING, 13, bit, 0, 1, 0},
};

static kith_index *make(const golden *g, uint32_t threads)
{
    static const char *const names[] = {"anna", "bert", "čapek"};
    static float x[N * MOST];
    static const char *labels[N];
    static int64_t ids[N];
    kith_host host = KITH_HOST_INIT;
    kith_index *ix;

    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < g->d; j++) x[i * g->d + j] = g->value(i, j);
        ids[i] = g->own_ids ? (int64_t)(i * 1000003 % 7919) - 50 : (int64_t)i;
        if (ids[i] == KITH_NO_ID) ids[i] = 1 << 20;
        labels[i] = i % 7 ? names[i % 3] : NULL;
    }
    host.threads = threads;
    must(kith_create(g->spec, g->d, g->metric, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, 1100, KITH_F32), g->own_ids ? ids : NULL,
                  g->labels ? labels : NULL, NULL));
    must(kith_add(ix, KITH_ROWS(x + 1100 * g->d, N - 1100, KITH_F32),
                  g->own_ids ? ids + 1100 : NULL, g->labels ? labels + 1100 : NULL, NULL));
    if (g->removed) must(kith_remove(ix, ids + 40, 25, NULL));
    return ix;
}

typedef struct buffer {
    uint8_t *p;
    size_t len;
} buffer;

static int append(void *ctx, const void *bytes, size_t len)
{
    buffer *b = ctx;

    b->p = realloc(b->p, b->len + len);
    assert_non_null(b->p);
    memcpy(b->p + b->len, bytes, len);
    b->len += len;
    return 0;
}

static buffer read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t part[4096];
    buffer b = {0};
    size_t n;

    if (!f) fail_msg("%s is missing", path);
    while ((n = fread(part, 1, sizeof part, f)) > 0) append(&b, part, n);
    fclose(f);
    return b;
}

static void same_bytes(void **state)
{
    static const uint32_t threads[] = {1, 2, 5};

    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        buffer want = read_file(files[f].path);

        for (size_t t = 0; t < 3; t++) {
            kith_index *ix = make(&files[f], threads[t]);
            buffer got = {0};
            size_t at = 0;

            must(kith_write(ix, append, &got));
            while (at < got.len && at < want.len && got.p[at] == want.p[at]) at++;
            if (at != got.len || at != want.len)
                fail_msg("%s: %zu bytes, not %zu; byte %zu differs", files[f].path, got.len,
                         want.len, at);
            free(got.p);
            kith_free(ix);
        }
        free(want.p);
    }
}

static void same_answers(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        const golden *g = &files[f];
        kith_index *old, *fresh = make(g, 1);
        int64_t a[5 * 10], b[5 * 10];
        float da[5 * 10], db[5 * 10], q[5 * MOST];

        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < g->d; j++) q[i * g->d + j] = g->value(i * 211 + 3, j + 1);
        must(kith_open(g->path, KITH_OPEN_VERIFY, NULL, &old));
        must(kith_verify(old, NULL));
        assert_int_equal(kith_count(old), kith_count(fresh));
        must(kith_search(old, KITH_ROWS(q, 5, KITH_F32), NULL, a, da));
        must(kith_search(fresh, KITH_ROWS(q, 5, KITH_F32), NULL, b, db));
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(da, db, sizeof da);
        if (g->labels) {
            size_t na, nb;

            must(kith_find_label(old, "čapek", a, 5, &na));
            must(kith_find_label(fresh, "čapek", b, 5, &nb));
            assert_true(na == nb && na > 100);
            assert_memory_equal(a, b, 5 * sizeof *a);
        }
        kith_free(old);
        kith_free(fresh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bytes),
                                       cmocka_unit_test(same_answers)};
    const char *how = getenv("KITH_GOLDEN");

    if (how && strcmp(how, "write") == 0)
        for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
            kith_index *ix = make(&files[f], 1);

            must(kith_save(ix, files[f].path, NULL));
            kith_free(ix);
        }
    return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
