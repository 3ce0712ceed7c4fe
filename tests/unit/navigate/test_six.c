/* Six bits of walk codes: which they are, and whether they tell the rows of a sample apart. */
#include "navigate/graph/six.h"
#include "support/everycpu.h"
#include "support/failing.h"
#include "support/harness.h"

#include <string.h>

#include "base/rng.h"

enum { N = 1100, TWICE = 2048, D = 40, STRIDE = 2 };

/* A graph that is nothing but codes: those of rows 0, 2, 4… are looked at, and those between are
 * all the same, so that one that is looked at by mistake is near others. */
typedef struct fixture {
    ki_env env;
    ki_lens lens;
    ki_graph graph;
    const uint8_t *chunk[1];
    uint32_t pos[TWICE];
    uint8_t codes[STRIDE * TWICE][D];
} fixture;

static fixture f;

static void open_fixture(ki_type type)
{
    _Static_assert(STRIDE * TWICE <= KI_CHUNK, "one chunk");
    memset(&f, 0, sizeof f);
    must(ki_env_init(&f.env, NULL));
    f.lens.bytes = f.lens.wide = D;
    f.lens.type = type;
    f.chunk[0] = &f.codes[0][0];
    f.graph.lens = &f.lens;
    f.graph.code_at = f.chunk;
    for (size_t i = 0; i < TWICE; i++) f.pos[i] = (uint32_t)(STRIDE * i);
}

/* Components of row i: 0…255, or a few of them in the middle, which six bits hardly tell apart. */
static void draw_row(size_t i, bool alike)
{
    uint8_t *row = f.codes[STRIDE * i];

    for (size_t j = 0; j < D; j++) {
        const uint64_t at = i * D + j;
        const uint32_t x = alike ? 120 + ki_random_below(7, KI_RNG_TEST, at, 16)
                                 : ki_random_below(7, KI_RNG_TEST, at, 256);

        row[j] = (uint8_t)(f.lens.type == KI_I8 ? x ^ 0x80 : x);
    }
}

static bool fits(size_t n, uint64_t seed)
{
    bool out = false;

    must(ki_six_fits(&f.env, &f.graph, f.pos, n, seed, &out));
    assert_int_equal(atomic_load(&f.env.bytes), 0);
    return out;
}

static void the_high_six(void **state)
{
    static const uint8_t u8[] = {0, 3, 4, 127, 128, 255}, is[] = {0, 0, 1, 31, 32, 63};
    uint8_t code[D], out[64];

    (void)state;
    for (size_t d = 1; d <= D; d++) {
        for (int type = 0; type < 2; type++) {
            open_fixture(type ? KI_I8 : KI_U8);
            f.lens.bytes = d;
            assert_int_equal(ki_six_bytes(&f.lens), d <= 32 ? 32 : 64);
            for (size_t i = 0; i < d; i++) code[i] = (uint8_t)(u8[i % 6] ^ (type ? 0x80 : 0));
            memset(out, 0xff, sizeof out);
            ki_six_row(&f.lens, code, out);
            for (size_t i = 0; i < ki_six_bytes(&f.lens); i++)
                assert_int_equal(out[i], i < d ? is[i % 6] : 0);
        }
    }
}

/* A few more rows than are drawn: each is of its own stretch, none comes twice. The nearest of one
 * that did would be itself. */
static void hardly_more_than_are_drawn(void **state)
{
    static const size_t ns[] = {5, 128, 1023, 1024, 1025, N};

    (void)state;
    for (int type = 0; type < 2; type++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            open_fixture(type ? KI_I8 : KI_U8);
            for (size_t i = 0; i < N; i++) draw_row(i, false);
            for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) assert_true(fits(ns[i], seed));
            for (size_t i = 0; i < N; i++) draw_row(i, true);
            for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) assert_false(fits(ns[i], seed));
        }
}

/* Twice as many as are drawn, each row beside its copy: one of both is drawn, never both. */
static void one_of_each_stretch(void **state)
{
    (void)state;
    open_fixture(KI_U8);
    for (size_t i = 0; i < TWICE; i++) {
        draw_row(i, false);
        if (i % 2) memcpy(f.codes[STRIDE * i], f.codes[STRIDE * (i - 1)], D);
    }
    for (uint64_t seed = 0; seed < 20; seed++) assert_true(fits(TWICE, seed));
    // the copies elsewhere: both are drawn often
    for (size_t i = 0; i < TWICE; i++) draw_row(i % (TWICE / 2), false);
    for (size_t i = 0; i < TWICE / 2; i++)
        memcpy(f.codes[STRIDE * (TWICE / 2 + i)], f.codes[STRIDE * i], D);
    for (uint64_t seed = 0; seed < 20; seed++) assert_false(fits(TWICE, seed));
}

/* A quarter of the rows may be near others. */
static void up_to_a_quarter(void **state)
{
    (void)state;
    for (size_t every = 2; every <= 8; every++) {
        open_fixture(KI_U8);
        for (size_t i = 0; i < N; i++) draw_row(i, i % every == 0);
        if (every != 4 && fits(N, 1) != (every > 4)) // 4: by a hair, either way
            fail_msg("every %zu-th of %d rows is near others", every, N);
    }
}

static void no_memory(void **state)
{
    failing_host host;
    kith_status st;
    bool out;
    size_t n = 1;

    (void)state;
    open_fixture(KI_U8);
    for (size_t i = 0; i < N; i++) draw_row(i, false);
    for (;; n++) {
        failing_init(&host);
        failing_alloc_at(&host, n, false);
        must(ki_env_init(&f.env, &host.host));
        st = ki_six_fits(&f.env, &f.graph, f.pos, N, 0, &out);
        assert_int_equal(atomic_load(&f.env.bytes), 0);
        assert_null(failing_complaint(&host));
        if (!failing_happened(&host)) break;
        assert_int_equal(st, KITH_NO_MEMORY);
    }
    assert_int_equal(st, KITH_OK);
    assert_true(out && n > 3);
}

static int all_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_high_six),        cmocka_unit_test(hardly_more_than_are_drawn),
        cmocka_unit_test(one_of_each_stretch), cmocka_unit_test(up_to_a_quarter),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("six", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    return every_cpu(argv, all_tests);
}
