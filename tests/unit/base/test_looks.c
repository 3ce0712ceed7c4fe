/* Files told by their first bytes; any bytes give a text that fits and ends. */
#include "base/looks.h"
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

static void the_usual_suspects(void **state)
{
    static const struct {
        const char *start;
        size_t len;
        const char *is;
    } files[] = {
        {"", 0, "nothing"},
        {"kith\r\n\x1a\n....", 12, "a kith index"},
        {"\x93NUMPY\x02", 7, "a numpy array"},
        {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file"},
        {"version https://git-lfs.github.com/spec/v1\n", 43,
         "a Git LFS pointer (the file itself was not fetched)"},
        {"PAR1\x15\x00", 6, "a Parquet file"},
        {"ARROW1\x00\x00", 8, "an Arrow file"},
        {"PK\x03\x04", 4, "a zip archive (.npz?)"},
        {"\x1f\x8b\x08", 3, "a gzip file"},
        {"\x28\xb5\x2f\xfd", 4, "a zstd file"},
        {"SQLite format 3\x00", 16, "an SQLite database"},
        {"IxF2\x80\x00\x00\x00", 8, "a Faiss index (IxF2)"},
        {"IwFl\x80\x00\x00\x00", 8, "a Faiss index (IwFl)"},
        {"IHNf", 4, "a Faiss index (IHNf)"},
        {"\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x64\0\0\0\0\0\0\0"
         "\x5c\0\0\0\0\0\0\0\x3c\0\0\0\0\0\0\0",
         48, "an hnswlib index, which kith convert (kith_import) reads"},
        {"\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x64\0\0\0\0\0\0\0"
         "\x5c\0\0\0\0\0\0\0\x3c\0\0\0\0\0\0\0", // more elements than room
         48, "bytes 00 00 00 00 00 00 00 00"},
        {"IxWe are words", 14, "text \"IxWe are words…\""},
        {"nineteen letters - \xe2\x82\xac", 22, "text \"nineteen letters - \xe2\x82\xac…\""},
        {"I", 1, "text \"I…\""},
        {"0.5,0.25\n1,2\n", 13, "text \"0.5,0.25…\""},
        {"\xff\xfe"
         "a\0",
         4, "bytes ff fe 61 00"},
        {"\0\0\0\0\0\0\0\0\0\0", 10, "bytes 00 00 00 00 00 00 00 00"},
    };
    char out[KI_LOOKS_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_string_equal(ki_looks_like(files[i].start, files[i].len, out), files[i].is);
    assert_true(ki_looks_lfs("version https://git-lfs", 23));
    assert_false(ki_looks_lfs("version https://git-lfs", 22));
    assert_false(ki_looks_lfs("Version https://git-lfs", 23));
}

static void any_bytes_fit(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        const size_t len = (size_t)round % 80;
        uint8_t *bytes = malloc(len + 1); // as long as it is, for the sanitizer
        char out[KI_LOOKS_TEXT];

        assert_non_null(bytes);
        bytes = realloc(bytes, len ? len : 1);
        for (size_t i = 0; i < len; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            bytes[i] = round % 3 ? (uint8_t)x : (uint8_t)(0x80 | x); // text of high bytes, too
        }
        if (round % 5 == 0 && len > 1) memcpy(bytes, "Ix", 2);
        memset(out, 'x', sizeof out);
        assert_ptr_equal(ki_looks_like(bytes, len, out), out);
        assert_non_null(memchr(out, '\0', sizeof out));
        assert_true(strlen(out) > 3);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_suspects),
        cmocka_unit_test(any_bytes_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
