/* The tuned curve as such: what a recall looks up, and its section, whatever its bytes say. */
#include "api/curve.h"
#include "support/harness.h"
#include "support/memory_blob.h"

#include <math.h>
#include <string.h>

enum { D = 2, HEAD = 32, POINT = 24, POINTS = 3 };

static const kith_point points[POINTS] = {{0.8f, 0.02f, 10, 0, 50.0f, 3.0f},
                                          {0.9f, 0.04f, 25, 0, 90.0f, 4.0f},
                                          {0.99f, 100.0f, 80, 40, 200.0f, 9.5f}};

static void no_release(ki_structure *s)
{
    (void)s;
}

/* Rows with a curve for k = 10 and something that stands for a graph. */
typedef struct fixture {
    ki_env env;
    ki_rows *rows;
    ki_structure graph;
    memory_blob blob;
} fixture;

static void open_fixture(fixture *f, bool tuned)
{
    ki_curve *c;

    memset(f, 0, sizeof *f);
    must(ki_env_init(&f->env, NULL));
    must(ki_rows_create(&f->env, NULL, D, KITH_L2, 2, false, &f->rows));
    atomic_init(&f->graph.refs, 1);
    f->graph.release = no_release;
    ki_rows_attach(f->rows, &f->graph);
    memory_blob_init(&f->blob);
    if (!tuned) return;
    must(ki_curve_create(&f->env, &c));
    c->k = 10;
    c->rows = 1000;
    c->queries = 100;
    c->n = POINTS;
    memcpy(c->point, points, sizeof points);
    ki_rows_tell(f->rows, &c->structure);
}

static void close_fixture(fixture *f)
{
    memory_blob_deinit(&f->blob);
    ki_rows_free(f->rows);
    assert_int_equal(atomic_load(&f->env.bytes), 0);
}

static void what_a_recall_takes(void **state)
{
    static const struct {
        float recall;
        size_t k;
        uint32_t effort, rerank;
        float slack;
        bool exhaustive;
    } asked[] = {
        {0, 10, 0, 0, 0, false},
        {0.1f, 10, 10, 0, 0.02f, false},
        {0.8f, 10, 10, 0, 0.02f, false},
        {0.8001f, 10, 25, 0, 0.04f, false},
        {0.9f, 1, 25, 0, 0.04f, false},
        {0.9f, 11, 28, 0, 0.04f, false}, // 27.5, rounded up
        {0.95f, 10, 80, 40, 100, false},
        {0.99f, 100, 800, 400, 100, false},
        {0.99f, KITH_MAX_ROWS, UINT32_MAX, UINT32_MAX, 100, false},
        {0.9901f, 10, 0, 0, 0, true},
        {1, 10, 0, 0, 0, true},
    };
    fixture f;
    const ki_view *v;

    (void)state;
    open_fixture(&f, true);
    v = ki_view_acquire(f.rows);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        ki_ask ask = {0};

        must(ki_curve_ask(v, asked[i].recall, asked[i].k, &ask));
        if (ask.effort != asked[i].effort || ask.rerank != asked[i].rerank ||
            ask.slack != asked[i].slack || ask.exhaustive != asked[i].exhaustive)
            fail_msg("recall %g, k %zu: effort %u, slack %g, rerank %u, %s",
                     (double)asked[i].recall, asked[i].k, ask.effort, (double)ask.slack, ask.rerank,
                     ask.exhaustive ? "exhaustive" : "a walk");
    }
    assert_int_equal(ki_curve_k(v, 3), 10);
    assert_int_equal(ki_curve_k(v, 30), 30);
    ki_view_release(f.rows, v);
    close_fixture(&f);
}

static void without_a_curve(void **state)
{
    ki_ask ask = {0};
    fixture f;
    const ki_view *v;

    (void)state;
    open_fixture(&f, false);
    v = ki_view_acquire(f.rows);
    refused(ki_curve_ask(v, 0.9f, 10, &ask), KITH_UNTRAINED, "kith tune");
    assert_false(ask.exhaustive);
    must(ki_curve_ask(v, 0, 10, &ask));
    must(ki_curve_ask(v, 1, 10, &ask));
    assert_true(ask.exhaustive);
    assert_int_equal(ki_curve_k(v, 3), 3);
    must(ki_curve_write(v, &f.blob.writer, false));
    assert_int_equal(f.blob.count, 0);
    must(ki_curve_open(f.rows, &f.env, &f.blob.reader));
    ki_view_release(f.rows, v);
    ki_rows_attach(f.rows, NULL); // no structure: every search looks at all rows anyway
    v = ki_view_acquire(f.rows);
    ask = (ki_ask){0};
    must(ki_curve_ask(v, 0.9f, 10, &ask));
    assert_false(ask.exhaustive);
    ki_view_release(f.rows, v);
    close_fixture(&f);
}

static memory_section *written(fixture *f)
{
    const ki_view *v = ki_view_acquire(f->rows);

    must(ki_curve_write(v, &f->blob.writer, false));
    ki_view_release(f->rows, v);
    return memory_blob_find(&f->blob, KI_SECTION_CURVE);
}

static void read_as_written(void **state)
{
    memory_section *s;
    const ki_curve *c;
    const ki_view *v;
    fixture f, g;

    (void)state;
    open_fixture(&f, true);
    open_fixture(&g, false);
    s = written(&f);
    assert_int_equal(s->len, HEAD + POINTS * POINT);
    assert_false(s->rows);
    must(ki_curve_open(g.rows, &g.env, &f.blob.reader));
    v = ki_view_acquire(g.rows);
    c = ki_curve_of(v);
    assert_non_null(c);
    assert_true(c->k == 10 && c->rows == 1000 && c->queries == 100 && !c->drawn);
    assert_int_equal(c->n, POINTS);
    assert_memory_equal(c->point, points, sizeof points);
    ki_view_release(g.rows, v);
    close_fixture(&g);
    close_fixture(&f);
}

/* Tuned, and nothing but looking at every row does. */
static void no_points(void **state)
{
    ki_ask ask = {0};
    memory_section *s;
    const ki_view *v;
    fixture f;

    (void)state;
    open_fixture(&f, true);
    s = written(&f);
    ki_put_le32(s->bytes + 4, 0);
    s->len = HEAD;
    must(ki_curve_open(f.rows, &f.env, &f.blob.reader));
    v = ki_view_acquire(f.rows);
    assert_int_equal(ki_curve_of(v)->n, 0);
    must(ki_curve_ask(v, 0.5f, 10, &ask));
    assert_true(ask.exhaustive);
    ki_view_release(f.rows, v);
    close_fixture(&f);
}

static void put_float(uint8_t *to, float x)
{
    memcpy(to, &x, sizeof x);
}

static void hostile_sections(void **state)
{
    static const struct {
        size_t at;
        uint32_t word;
        kith_status st;
    } bad[] = {
        {0, 2, KITH_VERSION},           {20, 2, KITH_VERSION},
        {24, 1, KITH_VERSION},          {28, 1, KITH_VERSION},
        {4, 0, KITH_CORRUPT},           {4, 4, KITH_CORRUPT},
        {4, 2, KITH_CORRUPT},           {4, 65, KITH_CORRUPT},
        {4, 0xffffffff, KITH_CORRUPT},  {8, 0, KITH_CORRUPT},
        {8, 0x7fffffff, KITH_CORRUPT},  {12, 0, KITH_CORRUPT},
        {12, 0xffffffff, KITH_CORRUPT}, {16, 0, KITH_CORRUPT},
        {HEAD + 8, 0, KITH_CORRUPT},    {HEAD + POINT + 8, 0, KITH_CORRUPT},
    };
    static const struct {
        size_t at;
        float value;
    } bad_floats[] = {
        {0, NAN},      {0, 0},       {0, -0.5f},     {0, 0.95f},     {0, INFINITY}, {POINT, 0.8f},
        {POINT, 0.7f}, {POINT, NAN}, {2 * POINT, 1}, {2 * POINT, 2}, {4, 0},        {4, -1},
        {4, NAN},      {4, 100.5f},  {4, INFINITY},  {16, -1},       {16, NAN},     {16, INFINITY},
        {20, -1},      {20, NAN},    {20, INFINITY},
    };
    memory_section *s;
    fixture f;

    (void)state;
    open_fixture(&f, true);
    s = written(&f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const uint32_t was = ki_le32(s->bytes + bad[i].at);

        ki_put_le32(s->bytes + bad[i].at, bad[i].word);
        refused(ki_curve_open(f.rows, &f.env, &f.blob.reader), bad[i].st, "section TUNE");
        ki_put_le32(s->bytes + bad[i].at, was);
    }
    for (size_t i = 0; i < sizeof bad_floats / sizeof *bad_floats; i++) {
        uint8_t *at = s->bytes + HEAD + bad_floats[i].at;
        const uint32_t was = ki_le32(at);

        put_float(at, bad_floats[i].value);
        refused(ki_curve_open(f.rows, &f.env, &f.blob.reader), KITH_CORRUPT, "section TUNE: point");
        ki_put_le32(at, was);
    }
    must(ki_curve_open(f.rows, &f.env, &f.blob.reader));
    for (size_t len = 0; len < HEAD + POINTS * POINT; len++) {
        s->len = len;
        refused(ki_curve_open(f.rows, &f.env, &f.blob.reader), KITH_CORRUPT, "section TUNE");
    }
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_recall_takes), cmocka_unit_test(without_a_curve),
        cmocka_unit_test(read_as_written), cmocka_unit_test(no_points),
        cmocka_unit_test(hostile_sections)};

    return cmocka_run_group_tests_name("curve", tests, NULL, NULL);
}
