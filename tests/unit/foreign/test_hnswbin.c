/* hnswlib's index files: two that hnswlib 0.8.0 wrote (and what its own
 * functions said of them) and an empty one. hnswlib-f32.bin: L2Space(8), M 4,
 * ef 40, room for 250, 200 elements, every 19th deleted, one of these replaced;
 * hnswlib-u8.bin: L2SpaceI(16), M 16, 30 elements, no list ever full. What is
 * cut, changed or hostile is refused with a sentence, or in bounds. */
#include "foreign/hnswbin.h"
#include "fuzz/one_file.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/harness.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char f32_path[] = "tests/golden/hnswlib-f32.bin";
static const char u8_path[] = "tests/golden/hnswlib-u8.bin";
static const char empty_path[] = "tests/golden/hnswlib-empty.bin";

static kith_status read_bytes(const uint8_t *bytes, size_t len, ki_hnsw_file **out)
{
    static one_file file;
    static kith_files files; // what was read keeps the host's
    kith_host host;

    file = (one_file){bytes, len};
    host = one_file_host(&file, &files);
    return ki_hnsw_read("x.bin", &host, out);
}

static void links_are(const ki_hnsw_file *f, size_t i, int level, const uint32_t *expected,
                      size_t expected_n)
{
    size_t n;
    const uint8_t *links = ki_hnsw_links(f, i, level, &n);

    assert_int_equal(n, expected_n);
    for (size_t j = 0; j < n; j++) assert_int_equal(ki_le32(links + 4 * j), expected[j]);
}

#define LINKS_ARE(f, i, level, ...)                         \
    links_are(f, i, level, (const uint32_t[]){__VA_ARGS__}, \
              sizeof(const uint32_t[]){__VA_ARGS__} / 4)

/* All that a reader may rely on; the sums are of all lists, of those above
 * level 0, of their links, and of id * (level + 1). */
typedef struct sums {
    size_t links, upper, lists, weighted;
} sums;

static sums walk(const ki_hnsw_file *f)
{
    sums s = {0};

    assert_int_equal(f->len >= KI_HNSW_HEAD + f->count * (f->stride + 4), 1);
    assert_true(f->count ? f->entry < f->count && ki_hnsw_level(f, f->entry) == f->max_level
                         : f->entry == UINT32_MAX && f->max_level == -1);
    for (size_t i = 0; i < f->count; i++) {
        const uint8_t *row = ki_hnsw_row(f, i);

        assert_true(ki_hnsw_label(f, i) >= 0 && ki_hnsw_level(f, i) <= f->max_level);
        assert_true(row >= f->bytes && row + f->d_bytes + 8 <= f->bytes + f->len);
        for (int level = 0; level <= ki_hnsw_level(f, i); level++) {
            size_t n;
            const uint8_t *links = ki_hnsw_links(f, i, level, &n);

            assert_true(links >= f->bytes && n <= (level ? f->max_m : f->max_m0));
            assert_true(links + 4 * n <= f->bytes + f->len);
            for (size_t j = 0; j < n; j++) {
                const uint32_t to = ki_le32(links + 4 * j);

                assert_true(to < f->count && ki_hnsw_level(f, to) >= level);
                s.weighted += to * (size_t)(level + 1);
            }
            s.links += n;
            s.upper += level ? n : 0;
            s.lists += level > 0;
        }
    }
    return s;
}

/* ---- what hnswlib wrote
 * ------------------------------------------------------------------- */

static void floats_that_hnswlib_wrote(void **state)
{
    static const float row0[] = {10.75f, -4.875f, 9.5f, 12.75f, -4.75f, 14.375f, 3.25f, 14.75f};
    static const float row195[] = {-8.25f, -6.875f, -3.5f, 15.25f, -11.125f, 8, 3.5f, 7.5f};
    ki_hnsw_file *f;
    sums s;

    (void)state;
    must(ki_hnsw_read(f32_path, NULL, &f));
    assert_int_equal(f->count, 200);
    assert_int_equal(f->max_elements, 250);
    assert_int_equal(f->d_bytes, 32);
    assert_int_equal(f->m, 4);
    assert_int_equal(f->max_m, 4);
    assert_int_equal(f->max_m0, 8);
    assert_int_equal(f->ef_construction, 40);
    assert_int_equal(f->max_level, 4);
    assert_int_equal(f->entry, 115);
    assert_int_equal(f->removed, 10);
    for (size_t i = 0; i < f->count; i++) {
        assert_int_equal(ki_hnsw_deleted(f, i), i % 19 == 5 && i != 195);
        assert_int_equal(ki_hnsw_label(f, i), i == 77    ? (1ll << 40) + 5
                                              : i == 195 ? 9000
                                                         : (long long)i * 7 + 3);
    }
    assert_memory_equal(ki_hnsw_row(f, 0), row0, sizeof row0);
    assert_memory_equal(ki_hnsw_row(f, 195), row195, sizeof row195);
    assert_int_equal(ki_hnsw_level(f, 0), 1);
    LINKS_ARE(f, 0, 0, 125, 80, 123, 146, 162, 181);
    LINKS_ARE(f, 0, 1, 186, 65, 97);
    assert_int_equal(ki_hnsw_level(f, 77), 0);
    LINKS_ARE(f, 77, 0, 117, 32, 100, 30, 104, 10, 43, 149);
    assert_int_equal(ki_hnsw_level(f, 115), 4);
    LINKS_ARE(f, 115, 0, 24, 29, 81, 46, 122, 137, 170, 175);
    LINKS_ARE(f, 115, 1, 75, 29, 175);
    LINKS_ARE(f, 115, 2, 174, 183, 159, 29);
    LINKS_ARE(f, 115, 3, 38, 183);
    links_are(f, 115, 4, NULL, 0);
    LINKS_ARE(f, 5, 0, 4, 7, 8, 9, 51, 60, 98);
    LINKS_ARE(f, 195, 0, 124, 76, 144, 174);
    s = walk(f);
    assert_int_equal(s.links, 1372);
    assert_int_equal(s.upper, 216);
    assert_int_equal(s.lists, 64);
    assert_int_equal(s.weighted, 152224);
    ki_hnsw_free(f);
}

static void bytes_that_hnswlib_wrote(void **state)
{
    static const uint8_t row3[] = {10, 190, 203, 209, 62, 252, 168, 25,
                                   82, 91,  171, 2,   2,  14,  162, 21};
    ki_hnsw_file *f;
    sums s;

    (void)state;
    must(ki_hnsw_read(u8_path, NULL, &f));
    assert_int_equal(f->count, 30);
    assert_int_equal(f->max_elements, 30);
    assert_int_equal(f->d_bytes, 16);
    assert_int_equal(f->m, 16);
    assert_int_equal(f->max_m, 16);
    assert_int_equal(f->max_m0, 32);
    assert_int_equal(f->ef_construction, 20);
    assert_int_equal(f->max_level, 1);
    assert_int_equal(f->entry, 8);
    assert_int_equal(f->removed, 0);
    for (size_t i = 0; i < f->count; i++) {
        assert_false(ki_hnsw_deleted(f, i));
        assert_int_equal(ki_hnsw_label(f, i), 1000 - i);
    }
    assert_memory_equal(ki_hnsw_row(f, 3), row3, sizeof row3);
    LINKS_ARE(f, 3, 0, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 20, 21, 24);
    LINKS_ARE(f, 8, 1, 24);
    s = walk(f);
    assert_int_equal(s.links, 350);
    assert_int_equal(s.upper, 2);
    assert_int_equal(s.lists, 2);
    assert_int_equal(s.weighted, 3694);
    ki_hnsw_free(f);
}

static void nothing_that_hnswlib_wrote(void **state)
{
    ki_hnsw_file *f;

    (void)state;
    must(ki_hnsw_read(empty_path, NULL, &f));
    assert_int_equal(f->count, 0);
    assert_int_equal(f->max_elements, 10);
    assert_int_equal(f->d_bytes, 12);
    assert_int_equal(f->m, 5);
    walk(f);
    ki_hnsw_free(f);
    ki_hnsw_free(NULL);
}

/* ---- writing
 * ------------------------------------------------------------------------------
 */

static void file_element(void *ctx, uint32_t i, uint8_t *row, uint64_t *label, bool *deleted,
                         uint32_t *links0, uint32_t *n0)
{
    const ki_hnsw_file *f = ctx;
    size_t n;
    const uint8_t *links = ki_hnsw_links(f, i, 0, &n);

    memcpy(row, ki_hnsw_row(f, i), f->d_bytes);
    *label = (uint64_t)ki_hnsw_label(f, i);
    *deleted = ki_hnsw_deleted(f, i);
    for (size_t j = 0; j < n; j++) links0[j] = ki_le32(links + 4 * j);
    *n0 = (uint32_t)n;
}

static int file_level(void *ctx, uint32_t i)
{
    return ki_hnsw_level(ctx, i);
}

static void file_upper(void *ctx, uint32_t i, int level, uint32_t *out, uint32_t *n_out)
{
    size_t n;
    const uint8_t *links = ki_hnsw_links(ctx, i, level, &n);

    for (size_t j = 0; j < n; j++) out[j] = ki_le32(links + 4 * j);
    *n_out = (uint32_t)n;
}

static ki_hnsw_image image_of(ki_hnsw_file *f) // good for files whose maxM is M
{
    return (ki_hnsw_image){.count = f->count,
                           .max_elements = (size_t)f->max_elements,
                           .d_bytes = f->d_bytes,
                           .m = f->m,
                           .max_m0 = f->max_m0,
                           .ef_construction = (size_t)f->ef_construction,
                           .max_level = f->max_level,
                           .entry = f->entry,
                           .ctx = f,
                           .element = file_element,
                           .level = file_level,
                           .upper = file_upper};
}

/* The file with unused slots as the writer leaves them; how many bytes that
 * changed. */
static size_t clear_unused(uint8_t *bytes, const ki_hnsw_file *f)
{
    size_t changed = 0;

    for (size_t i = 0; i < f->count; i++)
        for (int level = 0; level <= ki_hnsw_level(f, i); level++) {
            size_t n;
            const uint8_t *links = ki_hnsw_links(f, i, level, &n);
            uint8_t *mine = bytes + (links - f->bytes);

            for (size_t j = 4 * n; j < 4 * (level ? f->max_m : f->max_m0); j++) {
                changed += mine[j] != 0;
                mine[j] = 0;
            }
        }
    return changed;
}

static void what_is_read_is_written_again(void **state)
{
    static const struct {
        const char *path;
        bool stale; // hnswlib left ids in unused slots
    } files[] = {{f32_path, true}, {u8_path, false}, {empty_path, false}};
    const char *path = in_folder("again.bin");

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        ki_hnsw_image image;
        ki_hnsw_file *f;
        size_t len, len_again;
        uint8_t *bytes = read_file(files[i].path, &len), *again;
        double mult, mult_again;

        must(ki_hnsw_read(files[i].path, NULL, &f));
        assert_int_equal(clear_unused(bytes, f) > 0, files[i].stale);
        image = image_of(f);
        must(ki_hnsw_write(&image, path, NULL, NULL));
        again = read_file(path, &len_again);
        assert_int_equal(len_again, len);
        memcpy(&mult, bytes + 80,
               8); // 1 / ln(M): another libm may differ in the last bit
        memcpy(&mult_again, again + 80, 8);
        assert_true(fabs(mult - mult_again) <= 0x1p-52 * mult);
        memcpy(again + 80, bytes + 80, 8);
        assert_memory_equal(again, bytes, len);
        ki_hnsw_free(f);
        free(bytes);
        free(again);
        unlink(path);
    }
}

/* An image that no file fits into one batch of the writer, all lists and rows
 * by arithmetic. */
enum { MANY = 30011, MANY_D = 77, MANY_M = 3, MANY_M0 = 7, MANY_LEVELS = 5 };

static int many_level(void *ctx, uint32_t i)
{
    int level = 0;

    (void)ctx;
    for (; level < MANY_LEVELS && i % 4 == 0; level++) i /= 4; // 0 is on the highest
    return level;
}

static void many_element(void *ctx, uint32_t i, uint8_t *row, uint64_t *label, bool *deleted,
                         uint32_t *links0, uint32_t *n0)
{
    (void)ctx;
    for (size_t j = 0; j < MANY_D; j++) row[j] = (uint8_t)(i + j * j);
    *label = i == 3 ? INT64_MAX : i / 2;
    *deleted = i % 1000 == 7;
    *n0 = i % (MANY_M0 + 1);
    for (uint32_t j = 0; j < *n0; j++) links0[j] = (i + j * j * 100) % MANY;
}

static void many_upper(void *ctx, uint32_t i, int level, uint32_t *links, uint32_t *n)
{
    const uint32_t step = 1u << 2 * level, there = (MANY + step - 1) / step;

    (void)ctx;
    *n = (i / step + (uint32_t)level) % (MANY_M + 1);
    for (uint32_t j = 0; j < *n; j++) links[j] = (i / step + j * 3) % there * step;
}

static const ki_hnsw_image many = {.count = MANY,
                                   .d_bytes = MANY_D,
                                   .m = MANY_M,
                                   .max_m0 = MANY_M0,
                                   .max_level = MANY_LEVELS,
                                   .element = many_element,
                                   .level = many_level,
                                   .upper = many_upper};

static void many_batches(void **state)
{
    const char *path = in_folder("many.bin");
    ki_hnsw_file *f;

    (void)state;
    must(ki_hnsw_write(&many, path, NULL, NULL));
    must(ki_hnsw_read(path, NULL, &f));
    assert_int_equal(f->count, MANY);
    assert_int_equal(f->max_elements, MANY); // raised from 0
    assert_int_equal(f->ef_construction, MANY_M);
    assert_int_equal(f->removed, (MANY + 992) / 1000);
    walk(f);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t links[MANY_M0], n;
        uint8_t row[MANY_D];
        uint64_t label;
        bool deleted;

        many_element(NULL, i, row, &label, &deleted, links, &n);
        assert_memory_equal(ki_hnsw_row(f, i), row, MANY_D);
        assert_int_equal(ki_hnsw_label(f, i), label);
        assert_int_equal(ki_hnsw_deleted(f, i), deleted);
        links_are(f, i, 0, links, n);
        assert_int_equal(ki_hnsw_level(f, i), many_level(NULL, i));
        for (int level = 1; level <= ki_hnsw_level(f, i); level++) {
            many_upper(NULL, i, level, links, &n);
            links_are(f, i, level, links, n);
        }
    }
    ki_hnsw_free(f);
    unlink(path);
}

static int no(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    size_t *calls = ctx;

    assert_string_equal(phase, "write");
    assert_true(done <= total && total == 2 * (uint64_t)MANY);
    return ++*calls == 1;
}

static void a_cancelled_write_leaves_the_old_file(void **state)
{
    const char *path = in_folder("old.bin");
    size_t calls = 0, len;
    const kith_watch watch = {.poll = no, .ctx = &calls};
    uint8_t *old;

    (void)state;
    write_file(path, "old", 3);
    refused(ki_hnsw_write(&many, path, NULL, &watch), KITH_CANCELLED, "");
    assert_int_equal(files_in_folder(), 1);
    old = read_file(path, &len);
    assert_int_equal(len, 3);
    free(old);
    unlink(path);
}

/* ---- images that are not written
 * ---------------------------------------------------------- */

/* Three elements, 0 and 1 on level 1, in numbers of which each case changes
 * one. LABEL is that of element 2, ABOVE the level of element 1; the lists of
 * all elements are the same. */
enum { COUNT, D_BYTES, M, M0, TOP, ENTRY, N0, TO0, N1, TO1, LABEL, ABOVE, NUMBERS };

static const uint64_t good_numbers[NUMBERS] = {3, 1, 2, 4, 1, 0, 1, 2, 1, 1, 9, 1};

static void small_element(void *ctx, uint32_t i, uint8_t *row, uint64_t *label, bool *deleted,
                          uint32_t *links0, uint32_t *n0)
{
    const uint64_t *numbers = ctx;

    (void)deleted;
    row[0] = (uint8_t)i;
    *label = i == 2 ? numbers[LABEL] : i;
    *n0 = (uint32_t)numbers[N0];
    links0[0] = (uint32_t)numbers[TO0];
}

static int small_level(void *ctx, uint32_t i)
{
    const uint64_t *numbers = ctx;

    return i == 0 ? 1 : i == 1 ? (int)numbers[ABOVE] : 0;
}

static void small_upper(void *ctx, uint32_t i, int level, uint32_t *links, uint32_t *n)
{
    const uint64_t *numbers = ctx;

    (void)i;
    (void)level;
    *n = (uint32_t)numbers[N1];
    links[0] = (uint32_t)numbers[TO1];
}

static ki_hnsw_image small_image(uint64_t *numbers)
{
    return (ki_hnsw_image){.count = (size_t)numbers[COUNT],
                           .d_bytes = (size_t)numbers[D_BYTES],
                           .m = (size_t)numbers[M],
                           .max_m0 = (size_t)numbers[M0],
                           .max_level = (int32_t)numbers[TOP],
                           .entry = (uint32_t)numbers[ENTRY],
                           .ctx = numbers,
                           .element = small_element,
                           .level = small_level,
                           .upper = small_upper};
}

static const struct {
    int number;
    uint64_t value;
    kith_status st;
    const char *says;
} bad_images[] = {
    {COUNT, UINT32_MAX, KITH_LIMIT, "4294967295 elements; such an index holds up to 4294967294"},
    {D_BYTES, 0, KITH_LIMIT, "rows of 0 bytes; 1…262144"},
    {D_BYTES, 262145, KITH_LIMIT, "rows of 262145 bytes"},
    {M, 0, KITH_LIMIT, "lists of 0 links, of 4 on level 0"},
    {M, 65536, KITH_LIMIT, "lists of 65536 links"},
    {M0, 0, KITH_LIMIT, "of 0 on level 0"},
    {M0, 65536, KITH_LIMIT, "of 65536 on level 0"},
    {TOP, UINT64_MAX, KITH_LIMIT, "the highest level is -1; 0…255"},
    {TOP, 256, KITH_LIMIT, "the highest level is 256"},
    {TOP, 0, KITH_CORRUPT, "the entry point, element 0, is on level 1; the highest is 0"},
    {ENTRY, 3, KITH_CORRUPT, "the entry point is element 3 of 3"},
    {ENTRY, 2, KITH_CORRUPT, "the entry point, element 2, is on level 0; the highest is 1"},
    {N0, 5, KITH_CORRUPT, "element 0: 5 links on level 0, room for 4"},
    {TO0, 3, KITH_CORRUPT, "element 0: link 0 of level 0 goes to 3; there are 3 elements"},
    {N1, 3, KITH_CORRUPT, "element 0: 3 links on level 1, room for 2"},
    {TO1, 3, KITH_CORRUPT, "element 0: link 0 of level 1 goes to 3; there are 3 elements"},
    {TO1, 2, KITH_CORRUPT, "element 0: link 0 of level 1 goes to 2, which ends on level 0"},
    {LABEL, 1ull << 63, KITH_LIMIT, "element 2: label 9223372036854775808; ids end at 2^63 - 1"},
    {LABEL, UINT64_MAX, KITH_LIMIT, "element 2: label 18446744073709551615"},
    {ABOVE, 2, KITH_CORRUPT, "element 1: on level 2; the highest is 1"},
    {ABOVE, 0, KITH_CORRUPT, "element 0: link 0 of level 1 goes to 1, which ends on level 0"},
};

static void images_that_are_refused(void **state)
{
    const char *path = in_folder("small.bin");

    (void)state;
    for (size_t i = 0; i < sizeof bad_images / sizeof *bad_images; i++) {
        uint64_t numbers[NUMBERS];
        ki_hnsw_image image;

        memcpy(numbers, good_numbers, sizeof numbers);
        numbers[bad_images[i].number] = bad_images[i].value;
        image = small_image(numbers);
        refused(ki_hnsw_write(&image, path, NULL, NULL), bad_images[i].st, bad_images[i].says);
        assert_int_equal(files_in_folder(), 0);
    }
}

static void images_of_any_size(void **state)
{
    static const uint64_t sizes[][3] = {
        {1, 2, 4}, {262144, 65535, 65535}, {1, 1, 1}, {262144, 1, 65535}, {7, 65535, 1}};
    const char *path = in_folder("small.bin");

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t numbers[NUMBERS];
        ki_hnsw_image image;
        ki_hnsw_file *f;

        memcpy(numbers, good_numbers, sizeof numbers);
        memcpy(numbers + D_BYTES, sizes[i], sizeof sizes[i]);
        image = small_image(numbers);
        must(ki_hnsw_write(&image, path, NULL, NULL));
        must(ki_hnsw_read(path, NULL, &f));
        assert_int_equal(walk(f).links, 5);
        assert_int_equal(f->d_bytes, sizes[i][0]);
        assert_int_equal(f->max_m, sizes[i][1]);
        assert_int_equal(f->max_m0, sizes[i][2]);
        assert_int_equal(ki_hnsw_label(f, 2), 9);
        ki_hnsw_free(f);
        unlink(path);
    }
}

/* ---- files that are not read
 * -------------------------------------------------------------- */

static void a_cut_file_is_refused(void **state)
{
    static const char *const paths[] = {f32_path, u8_path, empty_path};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t len, body;
        uint8_t *bytes = read_file(paths[i], &len);

        body = KI_HNSW_HEAD + ki_le64(bytes + 16) * (ki_le64(bytes + 24) + 4);
        for (size_t cut = 0; cut < len; cut++) {
            ki_hnsw_file *f;

            refused(read_bytes(bytes, cut, &f), KITH_CORRUPT,
                    cut < KI_HNSW_HEAD ? "bytes are no hnswlib index: its head has 96"
                    : cut < body       ? "do not fit: it ends at byte"
                                       : "upper levels are cut off at byte");
        }
        bytes = realloc(bytes, len + 1);
        assert_non_null(bytes);
        bytes[len] = 0;
        if (len > KI_HNSW_HEAD) {
            ki_hnsw_file *f;

            refused(read_bytes(bytes, len + 1, &f), KITH_CORRUPT,
                    "1 bytes behind the last element");
        }
        free(bytes);
    }
}

/* Up to four numbers of hnswlib-f32.bin changed. S 76, rows at 36, labels at 68
 * of an element; the lists above level 0 begin at byte 15296. Element 0 is on
 * level 1, 1 on level 0. */
enum { S = 76, UPPER = 96 + 200 * S };

typedef struct patch {
    size_t at, bytes;
    uint64_t value;
} patch;

static const struct {
    patch patches[4];
    kith_status st;
    const char *says;
} hostile[] = {
    // count and S
    {{{16, 8, 1ull << 61}}, KITH_CORRUPT, "2305843009213693952 elements of 76 bytes do not fit"},
    {{{16, 8, UINT64_MAX}}, KITH_CORRUPT, "elements of 76 bytes do not fit: it ends at byte 17376"},
    {{{16, 8, 217}, {8, 8, 250}}, KITH_CORRUPT, "217 elements of 76 bytes do not fit"},
    {{{16, 8, 201}}, KITH_CORRUPT, "element "},
    {{{16, 8, 199}}, KITH_CORRUPT, "element "},
    {{{8, 8, 199}}, KITH_CORRUPT, "200 elements where 199 have room"},
    {{{16, 8, 0}}, KITH_CORRUPT, "no elements, but an entry point 115 on level 4"},
    {{{16, 8, 0}, {48, 4, UINT32_MAX}}, KITH_CORRUPT, "no elements, but an entry point 115"},
    {{{16, 8, 0}, {48, 8, UINT64_MAX}}, KITH_CORRUPT, "17280 bytes behind the last element"},
    {{{24, 8, UINT64_MAX}, {32, 8, UINT64_MAX - 8}}, KITH_LIMIT, "bytes; up to 262144 can be read"},
    {{{24, 8, 36 + 262144 + 9}, {32, 8, 36 + 262144 + 1}}, KITH_LIMIT, "rows of 262145 bytes"},
    {{{24, 8, 75}}, KITH_CORRUPT, "an element has 75 bytes, and its label lies at byte 68"},
    {{{24, 8, 7}, {32, 8, UINT64_MAX}}, KITH_CORRUPT, "an element has 7 bytes, and its label"},
    {{{24, 8, 0}}, KITH_CORRUPT, "an element has 0 bytes"},
    {{{32, 8, 36}, {24, 8, 44}}, KITH_CORRUPT, "an element's label lies at byte 36, its row at 36"},
    {{{32, 8, 0}, {24, 8, 8}}, KITH_CORRUPT, "an element's label lies at byte 0, its row at 36"},
    {{{40, 8, 32}}, KITH_CORRUPT, "an element's row lies at byte 32, not behind 36 of links"},
    {{{40, 8, UINT64_MAX}}, KITH_CORRUPT, "an element's row lies at byte 18446744073709551615"},
    {{{0, 8, 1}}, KITH_CORRUPT, "no hnswlib index: it begins with 1, not with 0"},
    // M
    {{{72, 8, 0}}, KITH_CORRUPT, "no hnswlib index: M is 0, not 1…65535"},
    {{{72, 8, 65536}}, KITH_CORRUPT, "M is 65536, not 1…65535"},
    {{{56, 8, 0}}, KITH_CORRUPT, "maxM is 0, not 1…65535"},
    {{{56, 8, 1ull << 62}}, KITH_CORRUPT, "maxM is 4611686018427387904"},
    {{{64, 8, 0}}, KITH_CORRUPT, "maxM0 is 0, not 1…65535"},
    {{{64, 8, (1ull << 62) + 8}}, KITH_CORRUPT, "maxM0 is 4611686018427387912"}, // list wraps to 36
    {{{56, 8, 3}}, KITH_CORRUPT, "element 0: 20 bytes of upper levels are no lists of 16"},
    // entry and levels
    {{{52, 4, 200}}, KITH_CORRUPT, "the entry point is element 200 of 200"},
    {{{52, 4, UINT32_MAX}}, KITH_CORRUPT, "the entry point is element 4294967295 of 200"},
    {{{52, 4, 0}}, KITH_CORRUPT, "the entry point, element 0, is on level 1; the highest is 4"},
    {{{48, 4, UINT32_MAX}}, KITH_CORRUPT, "the highest level is -1, not 0…255"},
    {{{48, 4, 1u << 31}}, KITH_CORRUPT, "the highest level is -2147483648"},
    {{{48, 4, 256}}, KITH_CORRUPT, "the highest level is 256, not 0…255"},
    {{{48, 4, 5}}, KITH_CORRUPT, "the entry point, element 115, is on level 4; the highest is 5"},
    {{{48, 4, 3}}, KITH_CORRUPT, "element 115: on level 4; the highest is 3"},
    // links on level 0
    {{{96 + 7 * S, 2, 9}}, KITH_CORRUPT, "element 7: 9 links on level 0, room for 8"},
    {{{96 + 7 * S, 2, 65535}}, KITH_CORRUPT, "element 7: 65535 links on level 0"},
    {{{96 + 7 * S + 2, 1, 2}}, KITH_CORRUPT, "before the links of level 0 is no count"},
    {{{96 + 7 * S + 3, 1, 1}}, KITH_CORRUPT, "element 7: 0x10"},
    {{{96 + 77 * S + 4 + 28, 4, 200}},
     KITH_CORRUPT,
     "element 77: link 7 of level 0 goes to 200; there are 200 elements"},
    {{{96 + 4, 4, UINT32_MAX}}, KITH_CORRUPT, "element 0: link 0 of level 0 goes to 4294967295"},
    // upper levels
    {{{UPPER, 4, 21}}, KITH_CORRUPT, "element 0: 21 bytes of upper levels are no lists of 20"},
    {{{UPPER, 4, 100}}, KITH_CORRUPT, "element 0: on level 5; the highest is 4"},
    {{{UPPER, 4, 5120}}, KITH_CORRUPT, "element 0: 5120 bytes of upper levels are cut off"},
    {{{UPPER, 4, 4294967280}}, KITH_CORRUPT, "4294967280 bytes of upper levels are cut off"},
    {{{UPPER, 4, 0}}, KITH_CORRUPT, "element "},
    {{{UPPER + 4, 2, 5}}, KITH_CORRUPT, "element 0: 5 links on level 1, room for 4"},
    {{{UPPER + 6, 2, 1}}, KITH_CORRUPT, "element 0: 0x10003 before the links of level 1 is no"},
    {{{UPPER + 8, 4, 200}},
     KITH_CORRUPT,
     "element 0: link 0 of level 1 goes to 200; there are 200 elements"},
    {{{UPPER + 12, 4, 77}}, KITH_CORRUPT, "link 1 of level 1 goes to 77, which ends on level 0"},
    // labels
    {{{96 + 9 * S + 68, 8, 1ull << 63}},
     KITH_LIMIT,
     "element 9: label 9223372036854775808; ids end at 2^63 - 1"},
    {{{96 + 9 * S + 68, 8, UINT64_MAX}}, KITH_LIMIT, "element 9: label 18446744073709551615"},
};

static const patch legal[][3] = {
    {{96 + 4, 4, 0}},                       // a link to oneself
    {{96 + 4, 4, 80}},                      // the same id twice
    {{UPPER + 8, 4, 0}},                    // to oneself, above
    {{96 + 115 * S + 2, 1, 1}},             // the entry point is deleted
    {{96, 2, 0}},                           // an element that has no links
    {{96 + 3 * S + 68, 8, 3}},              // the label of element 0
    {{96 + 3 * S + 68, 8, INT64_MAX}},      // the largest
    {{96 + 36, 4, 0x7fc00000}},             // a NaN in a row
    {{80, 8, 0}},                           // mult: not used
    {{80, 8, UINT64_MAX}},                  // a NaN there
    {{88, 8, UINT64_MAX}},                  // ef_construction
    {{8, 8, UINT64_MAX}},                   // max_elements
    {{72, 8, 65535}},                       // M without maxM
    {{96 + 5 * S + 4 + 28, 4, UINT32_MAX}}, // in an unused slot: element 5 has 7 links
};

static void apply(const patch *p, size_t n, uint8_t *bytes)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < p[i].bytes; j++) bytes[p[i].at + j] = (uint8_t)(p[i].value >> 8 * j);
}

static void hostile_files_are_refused(void **state)
{
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"
                              "0123456789012345678901234567890123456789012345678901234567890\n";
    size_t len;
    uint8_t *good = read_file(f32_path, &len), *bytes = malloc(len);
    ki_hnsw_file *f;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        memcpy(bytes, good, len);
        apply(hostile[i].patches, 4, bytes);
        refused(read_bytes(bytes, len, &f), hostile[i].st, hostile[i].says);
        assert_int_equal(strncmp(kith_last_error(), "x.bin: ", 7), 0);
    }
    for (size_t i = 0; i < sizeof legal / sizeof *legal; i++) {
        memcpy(bytes, good, len);
        apply(legal[i], 3, bytes);
        must(read_bytes(bytes, len, &f));
        walk(f);
        ki_hnsw_free(f);
    }
    refused(read_bytes((const uint8_t *)lfs, sizeof lfs - 1, &f), KITH_CORRUPT,
            "a Git LFS pointer: the file itself was not fetched");
    refused(read_bytes((const uint8_t *)lfs, 60, &f), KITH_CORRUPT, "a Git LFS pointer");
    refused(ki_hnsw_read(in_folder("none.bin"), NULL, &f), KITH_IO, "cannot open");
    free(good);
    free(bytes);
}

/* Nothing is allocated for what the file only claims. */
static void claims_cost_nothing(void **state)
{
    static const patch claims[] = {{16, 8, 0xfffffffe}, {8, 8, UINT64_MAX}};
    size_t len;
    uint8_t *bytes = read_file(f32_path, &len);
    const char *path = in_folder("claims.bin");
    failing_host host;
    ki_hnsw_file *f;

    (void)state;
    apply(claims, 2, bytes);
    write_file(path, bytes, len);
    failing_init(&host);
    refused(ki_hnsw_read(path, &host.host, &f), KITH_CORRUPT, "4294967294 elements");
    assert_int_equal(host.allocs, 1);
    assert_null(failing_complaint(&host));
    must(ki_hnsw_read(f32_path, &host.host, &f));
    assert_int_equal(host.allocs,
                     1 + 3); // itself, the file, where upper levels begin
    assert_int_equal(f->env.bytes, len + 200 * sizeof(uint64_t));
    ki_hnsw_free(f);
    assert_null(failing_complaint(&host));
    free(bytes);
    unlink(path);
}

/* ---- mutations
 * ----------------------------------------------------------------------------
 */

static uint64_t state_of;

static uint64_t draw(uint64_t below)
{
    state_of = state_of * 6364136223846793005u + 1442695040888963407u;
    return (state_of >> 33) % below;
}

/* One to three changes; the length that is left. */
static size_t mutate(uint8_t *bytes, size_t len)
{
    static const uint64_t odd[] = {0, 1, 0x7f, 0xff, 0xffff, 0x10000, INT32_MAX, UINT32_MAX};

    for (uint64_t n = 1 + draw(3); n > 0; n--) {
        const uint64_t bits = draw(8), number = draw(2) ? odd[draw(8)] : draw(300);
        const size_t at = draw(3) ? draw(len - 8) : 8 * draw(12); // of the rest, or of the head

        switch (draw(4)) {
        case 0: bytes[at] ^= (uint8_t)(1u << bits); break;
        case 1: ki_put_le32(bytes + (at & ~(size_t)3), (uint32_t)number); break;
        case 2:
            ki_put_le64(bytes + (at & ~(size_t)7), number << (draw(2) ? 56 - 8 * bits : 0));
            break;
        default: ki_put_le16(bytes + at, (uint16_t)draw(65536));
        }
    }
    return draw(10) ? len : draw(len);
}

static void mutations(void **state)
{
    static const char *const paths[] = {f32_path, u8_path};
    const char *asked = getenv("KITH_MUTATIONS"), *path = in_folder("mutation.bin");
    const size_t wanted = asked ? strtoull(asked, NULL, 10) : 2000;
    size_t read = 0;

    (void)state;
    for (size_t i = 0; i < wanted; i++) {
        size_t len;
        uint8_t *bytes = read_file(paths[i % 2], &len);
        ki_hnsw_file *f;
        kith_status st;

        state_of = i;
        len = mutate(bytes, len);
        st = read_bytes(bytes, len, &f);
        if (st == KITH_OK) {
            const sums s = walk(f);

            if (++read % 50 == 0 && f->max_m == f->m) {
                const ki_hnsw_image image = image_of(f);
                ki_hnsw_file *again;

                must(ki_hnsw_write(&image, path, NULL, NULL));
                must(ki_hnsw_read(path, NULL, &again));
                assert_int_equal(walk(again).weighted, s.weighted);
                ki_hnsw_free(again);
                unlink(path);
            }
            ki_hnsw_free(f);
        } else if (st != KITH_CORRUPT && st != KITH_LIMIT) {
            fail_msg("mutation %zu: %s: %s", i, kith_status_name(st), kith_last_error());
        }
        free(bytes);
    }
    assert_true(read > wanted / 10 && read < wanted * 9 / 10);
}

/* ---- failures
 * -----------------------------------------------------------------------------
 */

static kith_status do_read(failing_host *host)
{
    ki_hnsw_file *f;
    const kith_status st = ki_hnsw_read(f32_path, &host->host, &f);

    if (st == KITH_OK) {
        walk(f);
        ki_hnsw_free(f);
    }
    return st;
}

static kith_status do_write(failing_host *host)
{
    return ki_hnsw_write(&many, in_folder("failing.bin"), &host->host, NULL);
}

static void failures_leave_nothing(void **state)
{
    static kith_status (*const calls[])(failing_host *) = {do_read, do_write};

    (void)state;
    for (size_t c = 0; c < 2; c++)
        for (int files = 0; files < 2; files++)
            for (size_t n = 1;; n++) {
                failing_host host;
                kith_status st;

                failing_init(&host);
                if (files)
                    failing_files_at(&host, FAILING_ANY, n, false, EIO);
                else
                    failing_alloc_at(&host, n, false);
                st = calls[c](&host);
                if (failing_complaint(&host)) fail_msg("%s", failing_complaint(&host));
                unlink(in_folder("failing.bin"));
                if (!failing_happened(&host)) {
                    must(st);
                    assert_true(n > 3);
                    break;
                }
                if (st != KITH_OK) // closing what was read may fail unseen
                    assert_int_equal(st, files ? KITH_IO : KITH_NO_MEMORY);
                else
                    assert_true(files);
            }
    assert_int_equal(files_in_folder(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_that_hnswlib_wrote),
        cmocka_unit_test(bytes_that_hnswlib_wrote),
        cmocka_unit_test(nothing_that_hnswlib_wrote),
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(many_batches),
        cmocka_unit_test(a_cancelled_write_leaves_the_old_file),
        cmocka_unit_test(images_that_are_refused),
        cmocka_unit_test(images_of_any_size),
        cmocka_unit_test(a_cut_file_is_refused),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(claims_cost_nothing),
        cmocka_unit_test(mutations),
        cmocka_unit_test(failures_leave_nothing),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
