/* Damage in the file behind an index is found when it is saved, and when its rows go into another,
 * however it was opened: it never gets a fresh checksum, and what was to be changed stays. */
#define _DEFAULT_SOURCE 1 /* POSIX beside C17 */

#include "support/folder.h"
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 20000, D = 16 };

static float rows[N][D];

static int discard(void *ctx, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)ctx += len;
    return 0;
}

static void save_whole(const char *path)
{
    kith_index *ix;

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++) rows[i][j] = (float)((i * 31 + j * 7) % 1009) / 8;
    must(kith_create("Flat", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(rows, N, KITH_F32), NULL, NULL, NULL));
    must(kith_save(ix, path, NULL));
    kith_free(ix);
}

static void flip_in_the_middle(const char *path)
{
    size_t len;
    uint8_t *bytes = read_file(path, &len);

    assert_true(len > N * D * 4);
    bytes[len / 2] ^= 16;
    write_file(path, bytes, len);
    free(bytes);
}

static void not_taken_over(const kith_index *damaged, const char *path)
{
    kith_index *into;
    kith_source rows_of;

    must(kith_create("Flat", D, KITH_L2, NULL, &into));
    refused(kith_merge(into, damaged, NULL), KITH_CORRUPT, "is damaged");
    refused(kith_source_index(damaged, &rows_of), KITH_CORRUPT, "is damaged");
    refused(kith_source_open(path, NULL, &rows_of), KITH_CORRUPT, "is damaged");
    assert_int_equal(kith_count(into), 0);
    kith_free(into);
}

static void is_never_copied(void **state)
{
    const char *path = in_folder("a.kith"), *other = in_folder("b.kith");
    static const uint32_t ways[] = {KITH_OPEN_MAP, KITH_OPEN_COPY};

    (void)state;
    save_whole(other);
    save_whole(path);
    flip_in_the_middle(path);
    for (size_t way = 0; way < 2; way++)
        for (int changed = 0; changed < 2; changed++) {
            size_t written = 0;
            kith_index *ix;

            must(kith_open(path, ways[way], NULL, &ix));
            if (changed) must(kith_add(ix, KITH_ROWS(rows, 10, KITH_F32), NULL, NULL, NULL));
            refused(kith_save(ix, other, NULL), KITH_CORRUPT, "is damaged");
            refused(kith_save(ix, path, NULL), KITH_CORRUPT, "section ");
            refused(kith_write(ix, discard, &written), KITH_CORRUPT, "block ");
            refused(kith_verify(ix, NULL), KITH_CORRUPT, "is damaged");
            not_taken_over(ix, path);
            kith_free(ix);
            must(kith_open(other, KITH_OPEN_VERIFY, NULL, &ix));
            kith_free(ix);
        }
    assert_int_equal(files_in_folder(), 2);
    unlink(path);
    unlink(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_never_copied)};

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
