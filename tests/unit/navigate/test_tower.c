/* The graphs that are linked row by row, HNSW and NSW, as a whole: recall floors, changes, the same
 * bytes for any number of threads, levels drawn as they should be, and files with wrong ones. */
#include "support/twoindexes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "navigate/graph/tower.h"

enum { N = FEWER(2000, 1200), NQ = FEWER(50, 20), D = 20 };

static float *rows(uint64_t seed, size_t n, bool positive)
{
    float *x = need_floats(n * D);

    clustered_rows(seed, n, D, 30, 0.7f, positive, x);
    return x;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void recall_floor(const char *navigator, const char *codec, kith_metric m, double floor)
{
    float *x = rows((uint64_t)m + 70, N + NQ, m == KITH_JACCARD);
    two_indexes t;

    if (strcmp(codec, ",I8") == 0)
        for (size_t i = 0; i < (N + NQ) * D; i++) x[i] = roundf(10 * x[i]) + 0.0f; // no -0
    two_open_as(&t, navigator, codec, D, m, 2);
    t.what = navigator;
    two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
    two_sound(&t, KITH_ROWS(x + N * D, NQ, KITH_F32), floor);
    two_close(&t);
    free(x);
}

static void recall_floors(void **state)
{
    (void)state;
    recall_floor("HNSW16", "", KITH_L2, 0.98);
    recall_floor("HNSW8(efConstruction=100)", ",F16", KITH_COSINE, 0.95);
    recall_floor("HNSW(random_seed=3,ef=100)", "", KITH_IP, 0.93);
    recall_floor("HNSW12", ",I8", KITH_L2, 0.97);
    recall_floor("HNSW12(heuristic=off)", "", KITH_L2, 0.70);
    recall_floor("NSW16", "", KITH_L2, 0.90);
    recall_floor("NSW24", ",BF16", KITH_COSINE, 0.90);
    if (SANITIZED) return;
    recall_floor("HNSW16", "", KITH_L1, 0.95);
    recall_floor("NSW16", "", KITH_JACCARD, 0.80);
}

static void specs_that_faiss_users_write(void **state)
{
    kith_index *ix;

    (void)state;
    must(kith_create("HNSW32,Flat", D, KITH_L2, NULL, &ix));
    assert_string_equal(kith_spec(ix), "HNSW32,F32");
    kith_free(ix);
    must(kith_create("IDMap,HNSW32(ef_construction=200,efSearch=80)", D, KITH_L2, NULL, &ix));
    assert_string_equal(kith_spec(ix), "HNSW32(effort=80)");
    kith_free(ix);
    must(kith_create("NSW", D, KITH_L2, NULL, &ix));
    assert_string_equal(kith_spec(ix), "NSW16");
    kith_free(ix);
    refused(kith_create("HNSW65", D, KITH_L2, NULL, &ix), KITH_BAD_SPEC, "from 2 to 64");
    refused(kith_create("NSW16(heuristic=on)", D, KITH_L2, NULL, &ix), KITH_BAD_SPEC,
            "no parameter \"heuristic\"");
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Half at once, the rest in pieces, copies, removals; each step is sound and answers. */
static void rows_come_and_go(void **state)
{
    static const char *const navigators[] = {"HNSW8", "NSW8"};
    float *x = rows(80, N + NQ, false), *q = x + N * D;
    int64_t ids[100];

    (void)state;
    for (size_t i = 0; i < 100; i++) ids[i] = (int64_t)(3 * i);
    for (size_t j = 0; j < 2; j++) {
        two_indexes t;

        two_open_as(&t, navigators[j], "", D, KITH_L2, 2);
        t.what = navigators[j];
        two_add(&t, KITH_ROWS(x, 1100, KITH_F32), NULL);
        two_add(&t, KITH_ROWS(x + 1100 * D, 100, KITH_F32), NULL);
        for (size_t i = 0; i < 30; i++) two_add(&t, KITH_ROWS(x + i * D, 1, KITH_F32), NULL);
        two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.85);
        two_remove(&t, ids, 100);
        two_upsert(&t, KITH_ROWS(x + 50 * D, 100, KITH_F32), ids);
        two_add(&t, KITH_ROWS(x + 1200 * D, N - 1200, KITH_F32), NULL);
        two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.80);
        must(kith_compact(t.graph, NULL));
        two_sound(&t, KITH_ROWS(q, NQ, KITH_F32), 0.80);
        two_close(&t);
    }
    free(x);
}

/* Sorted by cluster, all equal, few values: what leaves rows out of reach elsewhere. */
static void degenerate_rows(void **state)
{
    enum { FEW = 1200 };
    float *x = need_floats(FEW * D);

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        two_indexes t;

        for (size_t i = 0; i < FEW; i++)
            for (size_t j = 0; j < D; j++)
                x[i * D + j] = kind == 0   ? 0.5f
                               : kind == 1 ? (float)(i / 40) + 0.01f * (float)((i * j) % 7)
                               : kind == 2 ? (float)((i * (j + 3)) % 3)
                                           : (float)i;
        for (int nsw = 0; nsw < 2; nsw++) {
            two_open_as(&t, nsw ? "NSW4" : "HNSW4", "", D, KITH_L2, 2);
            t.what = "degenerate rows";
            two_add(&t, KITH_ROWS(x, FEW, KITH_F32), NULL);
            two_sound(&t, KITH_ROWS(x, 10, KITH_F32), 0.2);
            two_add(&t, KITH_ROWS(x, 50, KITH_F32), NULL);
            two_sound(&t, KITH_ROWS(x, 10, KITH_F32), 0.2);
            two_close(&t);
        }
    }
    free(x);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static kith_index *grown(const float *x, const char *spec, uint32_t threads)
{
    kith_host host = KITH_HOST_INIT;
    kith_index *ix;

    host.threads = threads;
    must(kith_create(spec, D, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, 1200, KITH_F32), NULL, NULL, NULL));
    must(kith_add(ix, KITH_ROWS(x + 1200 * D, 300, KITH_F32), NULL, NULL, NULL));
    return ix;
}

static void the_same_bytes(void **state)
{
    static const char *const specs[] = {"HNSW8(seed=9)", "NSW8,U8"};
    float *x = rows(81, 1500, false);

    (void)state;
    for (size_t s = 0; s < 2; s++) {
        kith_index *one, *two, *five;

        for (size_t i = 0; s == 1 && i < 1500 * D; i++) x[i] = roundf(100 + fabsf(20 * x[i]));
        one = grown(x, specs[s], 1);
        two = grown(x, specs[s], 2);
        five = grown(x, specs[s], 5);
        same_bytes(one, two, specs[s]);
        same_bytes(one, five, specs[s]);
        kith_free(one);
        kith_free(two);
        kith_free(five);
    }
    free(x);
}

/* What is written is read: the same bytes again, and it can be added to. */
static void written_and_read(void **state)
{
    static const char *const specs[] = {"HNSW5", "NSW7"};
    float *x = rows(82, 1600, false);

    (void)state;
    for (size_t s = 0; s < 2; s++) {
        kith_index *ix = grown(x, specs[s], 2), *again;
        size_t len;
        uint8_t *bytes = bytes_of(ix, &len);

        must(kith_open_view(bytes, len, KITH_OPEN_VERIFY, NULL, &again));
        assert_string_equal(kith_spec(again), kith_spec(ix));
        same_bytes(ix, again, specs[s]);
        must(kith_add(ix, KITH_ROWS(x + 1500 * D, 100, KITH_F32), NULL, NULL, NULL));
        must(kith_add(again, KITH_ROWS(x + 1500 * D, 100, KITH_F32), NULL, NULL, NULL));
        must(kith_verify(again, NULL));
        same_bytes(ix, again, specs[s]);
        kith_free(ix);
        kith_free(again);
        free(bytes);
    }
    free(x);
}

/* ---- levels ---------------------------------------------------------------------------------- */

static void levels_are_drawn(void **state)
{
    enum { ROWS = 100000 };
    size_t at[8] = {0};

    (void)state;
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t level = ki_tower_draw(100, 8, i);

        for (uint32_t l = 0; l <= level && l < 8; l++) at[l]++;
    }
    assert_int_equal(at[0], ROWS);
    assert_in_range(at[1], 12500 - 400, 12500 + 400);
    assert_in_range(at[2], 1562 - 150, 1562 + 150);
    assert_in_range(at[3], 195 - 60, 195 + 60);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(ki_tower_draw(100, 8, i), ki_tower_draw(100, 8, i));
}

/* A tower of two levels as bytes, every word of it wrong in turn: refused, or read and whole. */
static void towers_that_are_wrong(void **state)
{
    ki_tower *t, *read;
    uint8_t bytes[256];
    uint32_t most;
    ki_env env;
    size_t len;

    (void)state;
    must(ki_env_init(&env, NULL));
    must(ki_tower_create(&env, 3, &t));
    for (uint32_t i = 0; i < 4; i++) must(ki_tower_append(t, 1, 5 * i + 1, 5 * i + 1));
    must(ki_tower_append(t, 2, 6, 1));
    t->levels = 2;
    t->level[0].links[0] = 2;
    t->level[0].links[5] = 0;
    len = ki_tower_put_bytes(t);
    assert_true(len <= sizeof bytes);
    ki_tower_put(t, 7, bytes);
    ki_tower_release(t);
    must(ki_tower_read(&env, (ki_span){bytes, len}, 20, 6, &most, &read));
    assert_int_equal(most, 7);
    assert_int_equal(read->level[1].pos[0], 6);
    ki_tower_release(read);
    refused(ki_tower_read(&env, (ki_span){bytes, len}, 20, 1, &most, &read), KITH_CORRUPT,
            "not the entry");
    refused(ki_tower_read(&env, (ki_span){bytes, len}, 16, 6, &most, &read), KITH_CORRUPT, "GLEV");
    for (size_t at = 0; at < len; at += 4)
        for (size_t cut = 0; cut < 2; cut++) {
            uint8_t hurt[256];

            memcpy(hurt, bytes, len);
            ki_put_le32(hurt + at, cut ? UINT32_MAX : ki_le32(hurt + at) + 20);
            if (ki_tower_read(&env, (ki_span){hurt, cut ? at : len}, 20, 6, &most, &read) ==
                KITH_OK)
                ki_tower_release(read);
        }
    assert_int_equal(atomic_load(&env.bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recall_floors),    cmocka_unit_test(specs_that_faiss_users_write),
        cmocka_unit_test(rows_come_and_go), cmocka_unit_test(degenerate_rows),
        cmocka_unit_test(the_same_bytes),   cmocka_unit_test(written_and_read),
        cmocka_unit_test(levels_are_drawn), cmocka_unit_test(towers_that_are_wrong),
    };

    return cmocka_run_group_tests_name("tower", tests, NULL, NULL);
}
