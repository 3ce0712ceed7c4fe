/* Graphs that lie in mapped files and are changed there, saved over their own file, and merged. */
#include "support/folder.h"
#include "support/twoindexes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1100, MORE = 300, D = 16, NQ = 20 };

static const char *const specs[] = {"Graph16", "HNSW8(ef_construction=40)",
                                    "NSW8(ef_construction=40)"};
enum { SPECS = sizeof specs / sizeof *specs };

static float *x; /* [2 * N + NQ][D] */

static int make(void **state)
{
    x = need_floats((2 * N + NQ) * D);
    clustered_rows(61, 2 * N + NQ, D, 25, 0.8f, false, x);
    return folder_make(state);
}

static int forget(void **state)
{
    free(x);
    return folder_remove(state);
}

/* Some come, copies among them, some are replaced, some go: few, then so many that they are swept
 * out. */
static void change(kith_index *ix)
{
    int64_t ids[N / 4];

    must(kith_add(ix, KITH_ROWS(x + N * D, MORE, KITH_F32), NULL, NULL, NULL));
    must(kith_add(ix, KITH_ROWS(x, 9, KITH_F32), NULL, NULL, NULL));
    for (size_t i = 0; i < N / 4; i++) ids[i] = (int64_t)(4 * i + 1);
    must(kith_upsert(ix, KITH_ROWS(x + (N + MORE) * D, 30, KITH_F32), ids, NULL, NULL));
    must(kith_remove(ix, ids + 30, 50, NULL));
    must(kith_verify(ix, NULL));
    must(kith_remove(ix, ids, N / 4, NULL));
}

static void mapped_changed_and_saved(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPECS; s++) {
        const char *path = in_folder("a.kith");
        kith_index *ix, *mapped, *again;

        must(kith_create(specs[s], D, KITH_L2, NULL, &ix));
        must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), NULL, NULL, NULL));
        must(kith_save(ix, path, NULL));
        must(kith_open(path, KITH_OPEN_MAP, NULL, &mapped));
        change(ix);
        change(mapped);
        must(kith_verify(mapped, NULL));
        same_bytes(ix, mapped, specs[s]);
        must(kith_open(path, KITH_OPEN_MAP | KITH_OPEN_VERIFY, NULL, &again)); // as it was
        assert_int_equal(kith_count(again), N);
        must(kith_save(mapped, path, NULL)); // over what it lies in
        must(kith_verify(again, NULL));      // that file has no name any more
        kith_free(again);
        must(kith_verify(mapped, NULL));
        must(kith_open(path, KITH_OPEN_VERIFY, NULL, &again));
        must(kith_verify(again, NULL));
        same_bytes(ix, again, specs[s]);
        kith_free(again);
        kith_free(mapped);
        kith_free(ix);
        assert_int_equal(files_in_folder(), 1);
        assert_int_equal(remove(path), 0);
    }
}

/* Rows of one come to those of another, once: it is sound, and finds them. */
static void merged(const char *into, const char *from, size_t rows)
{
    int64_t ids[N];
    two_indexes t;
    uint8_t *before, *after;
    size_t len, n;
    kith_index *other;

    two_open_as(&t, into, "", D, KITH_L2, 2);
    t.what = into;
    two_add(&t, KITH_ROWS(x, N, KITH_F32), NULL);
    for (size_t i = 0; i < rows; i++) ids[i] = (int64_t)(10000 + 3 * i);
    must(kith_create(from, D, KITH_L2, NULL, &other));
    must(kith_add(other, KITH_ROWS(x + N * D, rows, KITH_F32), ids, NULL, NULL));
    must(kith_remove(other, ids, 20, NULL));
    before = bytes_of(other, &len);
    must(kith_merge(t.graph, other, NULL));
    must(kith_add(t.flat, KITH_ROWS(x + (N + 20) * D, rows - 20, KITH_F32), ids + 20, NULL, NULL));
    two_sound(&t, KITH_ROWS(x + 2 * N * D, NQ, KITH_F32), 0.95);
    refused(kith_merge(t.graph, other, NULL), KITH_EXISTS, "100");
    two_sound(&t, KITH_ROWS(x + 2 * N * D, NQ, KITH_F32), 0.95);
    after = bytes_of(other, &n);
    assert_int_equal(n, len);
    assert_memory_equal(before, after, len);
    free(before);
    free(after);
    kith_free(other);
    two_close(&t);
}

static void merges(void **state)
{
    (void)state;
    for (size_t i = 0; i < SPECS; i++) {
        merged(specs[i], specs[i], N);
        merged(specs[i], specs[(i + 1) % SPECS], MORE); // few: linked one by one
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapped_changed_and_saved),
        cmocka_unit_test(merges),
    };

    return cmocka_run_group_tests_name("graphfile", tests, make, forget);
}
