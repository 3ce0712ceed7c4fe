/* id → position: the hash table with rows removed and put back, the sorted part of a file,
 * insertions taken back. */
#include "support/harness.h"

#include <string.h>

#include "rows/idmap.h"
#include "support/failing.h"

typedef struct stage {
    failing_host host;
    ki_env env;
    ki_idmap map;
    ki_column *ids, *removed;
    uint32_t n;
} stage;

static void start(stage *s)
{
    failing_init(&s->host);
    must(ki_env_init(&s->env, &s->host.host));
    s->map = (ki_idmap){0};
    s->n = 0;
    must(ki_column_create(&s->env, sizeof(int64_t), false, &s->ids));
    must(ki_column_create(&s->env, sizeof(uint64_t), true, &s->removed));
}

static void stop(stage *s)
{
    ki_idmap_release(&s->map);
    ki_column_release(s->ids);
    ki_column_release(s->removed);
    assert_null(failing_complaint(&s->host));
}

static void add(stage *s, int64_t id)
{
    void *ids;

    must(ki_column_extend(&s->ids, s->n, 1, 0));
    must(ki_idmap_reserve(&s->map, &s->env, s->ids, s->removed, s->n, 1));
    ids = s->ids->chunk[s->n >> KI_CHUNK_BITS]->own;
    ((int64_t *)ids)[s->n % KI_CHUNK] = id;
    ki_idmap_insert(&s->map, id, s->n++);
}

static void take_out(stage *s, uint32_t pos)
{
    void *words;

    must(ki_column_edit(&s->removed, pos >> KI_CHUNK_BITS, KI_CHUNK / 8, &words));
    ki_bit_set(words, pos % KI_CHUNK);
}

static bool find(stage *s, int64_t id, uint32_t *pos)
{
    return ki_idmap_find(&s->map, s->ids, s->removed, s->n, id, pos, &s->map.passed);
}

static void ids_are_found(void **state)
{
    uint32_t pos;
    stage s;

    (void)state;
    start(&s);
    assert_false(find(&s, 0, &pos));
    for (int64_t i = 0; i < 70000; i++) add(&s, i * 1000003 - 7);
    add(&s, INT64_MIN);
    add(&s, INT64_MAX);
    for (int64_t i = 0; i < 70000; i++) {
        assert_true(find(&s, i * 1000003 - 7, &pos) && pos == i);
        assert_false(find(&s, i * 1000003 - 8, &pos));
    }
    assert_true(find(&s, INT64_MIN, &pos) && pos == 70000);
    assert_true(find(&s, INT64_MAX, &pos) && pos == 70001);
    // A view of fewer rows does not see the later ones.
    assert_false(ki_idmap_find(&s.map, s.ids, s.removed, 70001, INT64_MAX, &pos, NULL));
    assert_true(ki_idmap_bytes(&s.map) < 70002 * 4 * 4);
    stop(&s);
}

/* One id replaced n times: the rows it left do not make its searches slow, nor the table as
 * large as they are. */
static void a_busy_id(void **state)
{
    uint32_t pos;
    stage s;

    (void)state;
    start(&s);
    for (int64_t i = 0; i < 1000; i++) add(&s, i);
    for (uint32_t i = 0; i < 200000; i++) {
        assert_true(find(&s, 77, &pos));
        take_out(&s, pos);
        add(&s, 77);
    }
    assert_true(find(&s, 77, &pos) && pos == s.n - 1);
    assert_true(ki_idmap_bytes(&s.map) < 400000);
    stop(&s);
}

static void insertions_are_taken_back(void **state)
{
    ki_idmap base;
    uint32_t pos;
    stage s;

    (void)state;
    start(&s);
    for (int64_t i = 0; i < 100; i++) add(&s, i * 5);
    ki_idmap_share(&s.map, &base);
    for (int round = 0; round < 50; round++) {
        const uint32_t n = s.n;

        for (int64_t i = 0; i < 3 + 4 * round; i++) add(&s, 1000 + i * round);
        ki_idmap_undo(&base, s.ids, n, s.n);
        ki_idmap_release(&s.map);
        ki_idmap_share(&base, &s.map);
        s.n = n;
        for (int64_t i = 0; i < 100; i++) assert_true(find(&s, i * 5, &pos) && pos == i);
        assert_false(find(&s, 1000, &pos));
    }
    ki_idmap_release(&base);
    stop(&s);
}

/* Positions by id as a file has them, at an odd address, and rows that came later. */
static void a_sorted_part(void **state)
{
    static uint8_t sorted[1 + 4 * 500];
    uint32_t pos;
    stage s;

    (void)state;
    start(&s);
    for (uint32_t i = 0; i < 500; i++) {
        add(&s, 3 * (int64_t)(i * 7 % 500) - 600);
        ki_put_le32(sorted + 1 + 4 * (i * 7 % 500), i);
    }
    ki_idmap_release(&s.map);
    s.map = (ki_idmap){.sorted = sorted + 1, .sorted_n = 500, .base = 500};
    for (int64_t i = -700; i < 1000; i++) {
        const bool there = i >= -600 && i < 900 && i % 3 == 0;

        assert_int_equal(find(&s, i, &pos), there);
        if (there) assert_true(ki_column_id(s.ids, pos) == i);
    }
    assert_true(find(&s, 300, &pos));
    take_out(&s, pos);
    assert_false(find(&s, 300, &pos));
    add(&s, 300);
    assert_true(find(&s, 300, &pos) && pos == 500);
    for (int64_t i = 0; i < 100; i++) add(&s, 10000 + i);
    assert_true(find(&s, 10099, &pos) && pos == 600);
    memset(sorted, 0xff, sizeof sorted); // positions that are none: nothing is found
    assert_false(find(&s, 303, &pos));
    assert_true(find(&s, 10099, &pos) && pos == 600);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_found),
        cmocka_unit_test(a_busy_id),
        cmocka_unit_test(insertions_are_taken_back),
        cmocka_unit_test(a_sorted_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
