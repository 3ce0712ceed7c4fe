/* Codecs that learn, by their table, as users meet them: rows wait until there are enough or until
 * kith_train; answers are exact of what is stored, under every metric; what is stored survives
 * files, updates, compaction and merging; the same rows give the same bytes for any number of
 * threads; failures leave everything as it was. */
#include "support/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "codec/codec.h"
#include "support/failing.h"
#include "support/sink.h"

enum { N = 1300, D = 13, NQ = 9, K = 7 };

static float x[N][D], q[NQ][D];

static float value(size_t i, size_t j, bool nonnegative)
{
    const float v = (ki_random_f32(5, KI_RNG_TEST, i * D + j) - 0.4f) * (float)(j + 1) * 3.0f;

    return nonnegative ? fabsf(v) : v;
}

static void draw(kith_metric m)
{
    const bool nonnegative = ki_metric_of(m)->nonnegative;

    for (size_t j = 0; j < D; j++) {
        for (size_t i = 0; i < N; i++) x[i][j] = value(i, j, nonnegative);
        for (size_t i = 0; i < NQ; i++) q[i][j] = value(N + i, j, nonnegative);
    }
}

static const char *spec_of(const char *navigator, const ki_codec *c, const char *params)
{
    static char spec[64];

    snprintf(spec, sizeof spec, "%s,%s%s", navigator, c->name, params);
    return spec;
}

/* The i-th codec that learns; NULL after the last. */
static const ki_codec *learner(size_t i)
{
    const ki_codec *c;

    for (size_t at = 0; (c = ki_codec_at(at)) != NULL; at++)
        if (c->learn && i-- == 0) return c;
    return NULL;
}

/* How far a stored component may lie from what was given: half a step of its range. */
static float half_step(const ki_codec *c, size_t j)
{
    const float levels = (float)((1 << c->row_bytes(8)) - 1);

    return (float)(j + 1) * 3.0f / levels * 0.501f;
}

static void stored_near(const kith_index *ix, const ki_codec *c, size_t n)
{
    float out[D];

    for (size_t i = 0; i < n; i++) {
        must(kith_get(ix, (int64_t)i, out));
        for (size_t j = 0; j < D; j++) assert_true(fabsf(out[j] - x[i][j]) <= half_step(c, j));
    }
}

/* ix answers as an index of what kith_get gives of it. */
static void answers_are_of_stored_rows(const kith_index *ix)
{
    const kith_metric m = kith_metric_of(ix);
    kith_query how = KITH_QUERY_INIT;
    int64_t got[NQ * K], want[NQ * K], ids[N];
    float dist[NQ * K], distance[NQ * K], row[D];
    kith_index *plain;
    size_t n;

    must(kith_create(m == KITH_LP ? "Flat(scan=off,p=3),F32" : "Flat(scan=off),F32", D, m, NULL,
                     &plain));
    must(kith_ids(ix, 0, N, ids, &n));
    for (size_t i = 0; i < n; i++) {
        must(kith_get(ix, ids[i], row));
        must(kith_add(plain, KITH_ROWS(row, 1, KITH_F32), &ids[i], NULL, NULL));
    }
    how.k = K;
    for (size_t nq = 1; nq <= NQ; nq += NQ - 1) {
        must(kith_search(ix, KITH_ROWS(q, nq, KITH_F32), &how, got, dist));
        must(kith_search(plain, KITH_ROWS(q, nq, KITH_F32), &how, want, distance));
        assert_memory_equal(got, want, nq * K * sizeof *got);
        assert_memory_equal(dist, distance, nq * K * sizeof *dist);
    }
    kith_free(plain);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void rows_wait_until_there_are_enough(void **state)
{
    const ki_codec *c;
    float out[D];

    (void)state;
    draw(KITH_L2);
    for (size_t i = 0; (c = learner(i)) != NULL; i++) {
        kith_index *ix;

        must(kith_create(spec_of("Flat", c, ""), D, KITH_L2, NULL, &ix));
        must(kith_add(ix, KITH_ROWS(x, 1000, KITH_F32), NULL, NULL, NULL));
        must(kith_get(ix, 999, out));
        assert_memory_equal(out, x[999], sizeof out);
        answers_are_of_stored_rows(ix);
        must(kith_compact(ix, NULL));
        must(kith_add(ix, KITH_ROWS(x[1000], KI_LEARN_ROWS - 1001, KITH_F32), NULL, NULL, NULL));
        must(kith_get(ix, 999, out));
        assert_memory_equal(out, x[999], sizeof out);
        must(kith_add(ix, KITH_ROWS(x[KI_LEARN_ROWS - 1], N + 1 - KI_LEARN_ROWS, KITH_F32), NULL,
                      NULL, NULL));
        must(kith_get(ix, 999, out));
        assert_memory_not_equal(out, x[999], sizeof out);
        stored_near(ix, c, N);
        answers_are_of_stored_rows(ix);
        must(kith_verify(ix, NULL));
        kith_free(ix);
    }
}

static void training_comes_first(void **state)
{
    const float nan_row[D] = {NAN}, far[D] = {1e30f, -1e30f};
    const ki_codec *c;
    float out[D];

    (void)state;
    draw(KITH_L2);
    for (size_t i = 0; (c = learner(i)) != NULL; i++) {
        kith_index *ix;

        must(kith_create(spec_of("Flat", c, ""), D, KITH_L2, NULL, &ix));
        refused(kith_train(ix, KITH_ROWS(x, 0, KITH_F32), NULL), KITH_BAD_ARG, "learns from rows");
        refused(kith_train(ix, KITH_ROWS(nan_row, 1, KITH_F32), NULL), KITH_BAD_ARG, "is NaN");
        must(kith_train(ix, KITH_ROWS(x, 300, KITH_F32), NULL));
        must(kith_train(ix, KITH_ROWS(x, N, KITH_F32), NULL));
        must(kith_add(ix, KITH_ROWS(x, 10, KITH_F32), NULL, NULL, NULL));
        stored_near(ix, c, 10);
        refused(kith_train(ix, KITH_ROWS(x, N, KITH_F32), NULL), KITH_BAD_ARG, "has learned");
        must(kith_add(ix, KITH_ROWS(far, 1, KITH_F32), NULL, NULL, NULL)); // clamped
        must(kith_get(ix, 10, out));
        assert_true(out[0] > 1.0f && out[0] < 3.0f && out[1] < -1.0f && out[1] > -3.0f);
        kith_free(ix);
        // Rows that waited are stored by what is learned.
        must(kith_create(spec_of("Flat", c, ""), D, KITH_L2, NULL, &ix));
        must(kith_add(ix, KITH_ROWS(x, 10, KITH_F32), NULL, NULL, NULL));
        must(kith_train(ix, KITH_ROWS(x, N, KITH_F32), NULL));
        must(kith_get(ix, 9, out));
        assert_memory_not_equal(out, x[9], sizeof out);
        stored_near(ix, c, 10);
        kith_free(ix);
    }
}

static void every_metric_is_exact(void **state)
{
    static const char *const params[] = {"", "(uniform=on)", "(margin=0.1)", "(quantile=0.02)"};
    const ki_metric *m;
    const ki_codec *c;

    (void)state;
    for (size_t i = 0; (c = learner(i)) != NULL; i++)
        for (size_t j = 0; (m = ki_metric_at(j)) != NULL; j++) {
            kith_index *ix;

            if (ki_codec_suits(c, m->id) != KITH_OK) continue;
            draw(m->id);
            must(kith_create(
                spec_of(m->id == KITH_LP ? "Flat(p=3)" : "Flat", c, params[(i + j) % 4]), D, m->id,
                NULL, &ix));
            must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
            answers_are_of_stored_rows(ix);
            must(kith_verify(ix, NULL));
            kith_free(ix);
        }
}

static void same_rows(const kith_index *a, const kith_index *b)
{
    int64_t ids[N];
    float of_a[D], of_b[D];
    size_t n;

    assert_int_equal(kith_count(a), kith_count(b));
    must(kith_ids(a, 0, N, ids, &n));
    for (size_t i = 0; i < n; i++) {
        must(kith_get(a, ids[i], of_a));
        must(kith_get(b, ids[i], of_b));
        assert_memory_equal(of_a, of_b, sizeof of_a);
    }
}

/* Through files, changes, compaction, another index, and back. */
static void what_is_stored_stays(void **state)
{
    const ki_codec *c;
    char path[64];

    (void)state;
    draw(KITH_COSINE);
    snprintf(path, sizeof path, "/tmp/kith-learned.%ld.kith", (long)getpid());
    for (size_t i = 0; (c = learner(i)) != NULL; i++) {
        kith_index *ix, *back, *other;
        float before[D], after[D];
        size_t removed;
        int64_t gone[100];

        must(kith_create(spec_of("Flat", c, "(margin=0.05)"), D, KITH_COSINE, NULL, &ix));
        must(kith_add(ix, KITH_ROWS(x, N - 50, KITH_F32), NULL, NULL, NULL));
        must(kith_save(ix, path, NULL));
        must(kith_open(path, KITH_OPEN_VERIFY, NULL, &back));
        assert_string_equal(kith_spec(back), spec_of("Flat", c, "(margin=0.05)"));
        same_rows(ix, back);
        must(kith_add(back, KITH_ROWS(x[N - 50], 50, KITH_F32), NULL, NULL, NULL));
        must(kith_add(ix, KITH_ROWS(x[N - 50], 50, KITH_F32), NULL, NULL, NULL));
        same_rows(ix, back);
        for (size_t j = 0; j < 100; j++) gone[j] = (int64_t)j * 13;
        must(kith_remove(back, gone, 100, &removed));
        assert_int_equal(removed, 100);
        must(kith_update(back, KITH_ROWS(x[1], 1, KITH_F32), (const int64_t[]){1}, NULL, NULL));
        must(kith_get(back, 1, before));
        must(kith_compact(back, NULL));
        must(kith_get(back, 1, after));
        assert_memory_equal(before, after, sizeof before);
        answers_are_of_stored_rows(back);
        must(kith_create(spec_of("Flat", c, ""), D, KITH_COSINE, NULL, &other));
        must(kith_train(other, KITH_ROWS(x, 200, KITH_F32), NULL));
        must(kith_merge(other, back, NULL));
        assert_int_equal(kith_count(other), kith_count(back));
        answers_are_of_stored_rows(other);
        kith_free(other);
        must(kith_save(back, path, NULL));
        must(kith_open(path, KITH_OPEN_COPY | KITH_OPEN_VERIFY, NULL, &other));
        must(kith_verify(other, NULL));
        same_rows(back, other);
        kith_free(other);
        kith_free(back);
        kith_free(ix);
    }
    unlink(path);
}

/* Trained and empty, or waiting: both are files. */
static void few_rows_and_none_are_saved(void **state)
{
    const ki_codec *c;
    char path[64];

    (void)state;
    draw(KITH_L2);
    snprintf(path, sizeof path, "/tmp/kith-learned.%ld.kith", (long)getpid());
    for (size_t i = 0; (c = learner(i)) != NULL; i++) {
        kith_index *ix, *back;

        must(kith_create(spec_of("Flat", c, ""), D, KITH_L2, NULL, &ix));
        must(kith_train(ix, KITH_ROWS(x, N, KITH_F32), NULL));
        must(kith_save(ix, path, NULL));
        must(kith_open(path, 0, NULL, &back));
        must(kith_add(back, KITH_ROWS(x, 20, KITH_F32), NULL, NULL, NULL));
        stored_near(back, c, 20);
        kith_free(back);
        kith_free(ix);
        must(kith_create(spec_of("Flat", c, ""), D, KITH_L2, NULL, &ix));
        must(kith_add(ix, KITH_ROWS(x, 20, KITH_F32), NULL, NULL, NULL));
        must(kith_save(ix, path, NULL));
        must(kith_open(path, 0, NULL, &back));
        same_rows(ix, back);
        must(kith_add(back, KITH_ROWS(x[20], N - 20, KITH_F32), NULL, NULL, NULL));
        stored_near(back, c, N);
        must(kith_verify(back, NULL));
        kith_free(back);
        kith_free(ix);
    }
    unlink(path);
}

static void threads_change_no_byte(void **state)
{
    const ki_codec *c;

    (void)state;
    draw(KITH_IP);
    for (size_t i = 0; (c = learner(i)) != NULL; i++) {
        bytes of[2] = {{0}};

        for (uint32_t t = 0; t < 2; t++) {
            kith_host host = KITH_HOST_INIT;
            kith_index *ix;

            host.threads = 1 + 2 * t;
            must(kith_create(spec_of("Flat", c, "(quantile=0.01)"), D, KITH_IP, &host, &ix));
            must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
            must(kith_write(ix, append, &of[t]));
            kith_free(ix);
        }
        assert_int_equal(of[0].len, of[1].len);
        assert_memory_equal(of[0].p, of[1].p, of[0].len);
        free(of[0].p);
        free(of[1].p);
    }
}

static void no_allocation_is_missed(void **state)
{
    const ki_codec *c = learner(0);
    failing_host f;
    float out[D];
    size_t n = 1;

    (void)state;
    draw(KITH_L2);
    for (bool more = true; more; n++) {
        kith_index *ix;

        failing_init(&f);
        f.host.threads = 1;
        must(kith_create(spec_of("Flat", c, "(quantile=0.01)"), D, KITH_L2, &f.host, &ix));
        must(kith_add(ix, KITH_ROWS(x, 10, KITH_F32), NULL, NULL, NULL));
        failing_alloc_at(&f, n, false);
        if (kith_add(ix, KITH_ROWS(x[10], N - 10, KITH_F32), NULL, NULL, NULL) != KITH_OK) {
            assert_int_equal(kith_count(ix), 10);
            must(kith_get(ix, 9, out));
            assert_memory_equal(out, x[9], sizeof out);
        }
        more = failing_happened(&f);
        failing_alloc_at(&f, 0, false);
        must(kith_verify(ix, NULL));
        kith_free(ix);
        assert_null(failing_complaint(&f));
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_wait_until_there_are_enough),
        cmocka_unit_test(training_comes_first),
        cmocka_unit_test(every_metric_is_exact),
        cmocka_unit_test(what_is_stored_stays),
        cmocka_unit_test(few_rows_and_none_are_saved),
        cmocka_unit_test(threads_change_no_byte),
        cmocka_unit_test(no_allocation_is_missed),
    };

    return cmocka_run_group_tests_name("learned", tests, NULL, NULL);
}
