/* An index as a source of rows: into another index, with ids and labels, without removed rows. */
#include "support/harness.h"

#include <string.h>

enum { D = 3, N = 9000 };

static void copies(void **state)
{
    static float rows[N][D];
    static const char *labels[N];
    int64_t gone[3] = {0, 77, N - 1}, ids[4];
    kith_index *from, *to, *narrow;
    kith_source src;
    float out[D];
    size_t n;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        rows[i][0] = (float)i + 0.5f;
        labels[i] = i % 2 ? "odd" : NULL;
    }
    must(kith_create("Flat", D, KITH_L2, NULL, &from));
    must(kith_add(from, KITH_ROWS(rows, N, KITH_F32), NULL, labels, NULL));
    must(kith_remove(from, gone, 3, NULL));
    must(kith_source_index(from, &src));
    assert_int_equal(src.n, N - 3);
    assert_int_equal(src.dtype, KITH_F32);
    must(kith_create("Flat", D, KITH_IP, NULL, &to));
    must(kith_add_source(to, &src, NULL));
    src.close(src.ctx);
    assert_int_equal(kith_count(to), N - 3);
    assert_false(kith_contains(to, 77));
    must(kith_get(to, 78, out));
    assert_true(out[0] == 78.5f);
    must(kith_find_label(to, "odd", ids, 4, &n));
    assert_int_equal(n, N / 2 - 2);
    assert_int_equal(ids[0], 1);
    must(kith_source_index(from, &src));
    refused(kith_add_source(to, &src, NULL), KITH_EXISTS, "1");
    assert_int_equal(kith_count(to), N - 3);
    src.close(src.ctx);
    must(kith_source_index(from, &src));
    must(kith_create("Flat", D + 1, KITH_IP, NULL, &narrow));
    refused(kith_add_source(narrow, &src, NULL), KITH_BAD_ARG, "3 components");
    src.size = 1;
    refused(kith_add_source(to, &src, NULL), KITH_BAD_ARG, "source");
    src.close(src.ctx);
    kith_free(narrow);
    kith_free(from);
    kith_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies)};

    return cmocka_run_group_tests_name("indexsource", tests, NULL, NULL);
}
