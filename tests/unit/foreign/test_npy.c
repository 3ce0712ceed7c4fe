/* numpy arrays: every type, order and version; what is damaged, cut or hostile; and back. */
#define _DEFAULT_SOURCE 1 /* POSIX beside C17 */

#include "foreign/npy.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/harness.h"
#include "support/memory_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAME KITH_AS_STORED

static const char *path; /* of the file under test */

/* ---- making arrays ------------------------------------------------------------------------ */

typedef struct bytes {
    uint8_t p[1024];
    size_t len;
} bytes;

static void append(bytes *b, const void *p, size_t len)
{
    assert_true(b->len + len <= sizeof b->p);
    memcpy(b->p + b->len, p, len);
    b->len += len;
}

static void append_array(bytes *b, int version, const char *literal, const void *values, size_t len)
{
    const uint32_t header = (uint32_t)strlen(literal);
    const uint8_t prefix[] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0, (uint8_t)header, (uint8_t)(header >> 8),
        0,    0};

    append(b, prefix, version == 1 ? 10 : 12);
    append(b, literal, header);
    if (len) append(b, values, len);
}

static void one_array(int version, const char *literal, const void *values, size_t len)
{
    bytes b = {.len = 0};

    append_array(&b, version, literal, values, len);
    write_file(path, b.p, b.len);
}

static void literal_of(char out[256], const char *descr, int fortran, const char *shape)
{
    snprintf(out, 256, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr,
             fortran ? "True" : "False", shape);
}

static kith_status open_path(const char *name, const kith_host *host, kith_source *src)
{
    return ki_format_npy.open(name, host, src);
}

/* The file's rows must be these, whatever batches they come in. */
static void expect_rows(const char *name, kith_dtype dtype, size_t n, size_t d, const void *rows)
{
    static const size_t batches[] = {1, 2, 1000};

    for (size_t i = 0; i < 3; i++) {
        kith_source src;
        kith_status st;
        size_t got;
        void *all;

        must(open_path(name, NULL, &src));
        assert_int_equal(src.size, sizeof src);
        assert_int_equal(src.dtype, dtype);
        assert_int_equal(src.n, n);
        assert_int_equal(src.d, d);
        all = source_drain(&src, batches[i], &got, &st);
        must(st);
        assert_int_equal(got, n);
        if (n > 0) assert_memory_equal(all, rows, n * kith_row_bytes(dtype, d));
        free(all);
        src.close(src.ctx);
    }
}

/* ---- reading ------------------------------------------------------------------------------ */

/* Values of 3 rows of 2, as the file has them in either order of bytes and of axes. */
static void every_type_and_order(void **state)
{
    static const float f32[] = {1.5f, -2, 3e20f, 0, 5, 6};
    static const double f64[] = {1.5, -2, 3e200, 0, 5, 6};
    static const uint16_t f16[] = {0x3c00, 0xc000, 0x7bff, 0, 0x8001, 6};
    static const int8_t i8[] = {1, -2, 127, -128, 5, 6};
    static const uint8_t u8[] = {1, 2, 255, 128, 0, 6}, truth[] = {0, 1, 0, 255, 2, 1};
    static const uint8_t truth_out[] = {0, 1, 0, 1, 1, 1};
    static const int16_t i16[] = {1, -2, 32767, -32768, 5, 6};
    static const uint16_t u16[] = {1, 2, 65535, 32768, 5, 6};
    static const int32_t i32[] = {1, -2, INT32_MAX, INT32_MIN, 5, 6};
    static const int32_t i16_out[] = {1, -2, 32767, -32768, 5, 6};
    static const int32_t u16_out[] = {1, 2, 65535, 32768, 5, 6};
    static const uint32_t u32[] = {1, 2, UINT32_MAX, 0x80000000u, 5, 6};
    static const int64_t i64[] = {1, -2, INT64_MAX, INT64_MIN, 5, 6};
    static const int64_t u32_out[] = {1, 2, UINT32_MAX, 0x80000000u, 5, 6};
    static const uint64_t u64[] = {1, 2, INT64_MAX, 0, 5, 6};
    static const struct {
        const char *type;
        size_t item;
        const void *values, *out; /* NULL: the same */
        kith_dtype dtype;
    } types[] = {{"f4", 4, f32, NULL, KITH_F32},    {"f8", 8, f64, NULL, KITH_F64},
                 {"f2", 2, f16, NULL, KITH_F16},    {"i1", 1, i8, NULL, KITH_I8},
                 {"u1", 1, u8, NULL, KITH_U8},      {"b1", 1, truth, truth_out, KITH_U8},
                 {"i2", 2, i16, i16_out, KITH_I32}, {"u2", 2, u16, u16_out, KITH_I32},
                 {"i4", 4, i32, NULL, KITH_I32},    {"u4", 4, u32, u32_out, KITH_I64},
                 {"i8", 8, i64, NULL, KITH_I64},    {"u8", 8, u64, NULL, KITH_I64}};

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (unsigned how = 0; how < 12; how++) {
            const size_t item = types[t].item;
            const int version = 1 + (int)(how / 4), fortran = how & 1, big = (how & 2) != 0;
            uint8_t values[48];
            char literal[256], descr[8];

            for (size_t i = 0; i < 6; i++) {
                const size_t to = fortran ? i % 2 * 3 + i / 2 : i;

                for (size_t b = 0; b < item; b++)
                    values[to * item + (big ? item - 1 - b : b)] =
                        ((const uint8_t *)types[t].values)[i * item + b];
            }
            snprintf(descr, sizeof descr, "%c%s", item == 1 ? '|' : big ? '>' : '<', types[t].type);
            literal_of(literal, descr, fortran, "(3, 2)");
            one_array(version, literal, values, 6 * item);
            expect_rows(path, types[t].dtype, 3, 2, types[t].out ? types[t].out : types[t].values);
        }
}

static void shapes(void **state)
{
    static const float x[] = {1, 2, 3, 4};
    char literal[256];

    (void)state;
    for (int fortran = 0; fortran < 2; fortran++) { // a single axis has either order
        literal_of(literal, "<f4", fortran, "(4,)");
        one_array(1, literal, x, 16);
        expect_rows(path, KITH_F32, 4, 1, x);
        literal_of(literal, "<f4", fortran, "(1, 4)");
        one_array(1, literal, x, 16);
        expect_rows(path, KITH_F32, 1, 4, x);
        literal_of(literal, "<f4", fortran, "(0, 4)");
        one_array(1, literal, x, 0);
        expect_rows(path, KITH_F32, 0, 4, x);
        literal_of(literal, "<f4", fortran, "(0,)");
        one_array(1, literal, x, 0);
        expect_rows(path, KITH_F32, 0, 1, x);
    }
}

static void literals_as_people_write_them(void **state)
{
    static const float x[] = {1, 2, 3, 4};
    static const char *const literals[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }          \n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",
        "{\"shape\":(2,2),\"fortran_order\":False,\"descr\":\"<f4\"}",
        "  {  'shape' :\t( 2 , 2 , ) , 'descr' : '=f4' , 'fortran_order' : False , }  \n\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 2L), }\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++)
        for (int version = 1; version <= 3; version++) {
            one_array(version, literals[i], x, 16);
            expect_rows(path, KITH_F32, 2, 2, x);
        }
}

static void arrays_one_after_the_other(void **state)
{
    static const float x[] = {1, 2, 3, 4};
    static const int64_t ids[] = {7, -1, 9};
    char name[256], second[256], third[256];
    bytes b = {.len = 0};
    kith_source src;

    (void)state;
    append_array(&b, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n", x, 16);
    append_array(&b, 2, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }\n", ids, 24);
    append_array(&b, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 5), }\n", ids, 0);
    write_file(path, b.p, b.len);
    snprintf(name, sizeof name, "%s#0", path);
    snprintf(second, sizeof second, "%s#1", path);
    snprintf(third, sizeof third, "%s#2", path);
    expect_rows(path, KITH_F32, 2, 2, x);
    expect_rows(name, KITH_F32, 2, 2, x);
    expect_rows(second, KITH_I64, 3, 1, ids);
    expect_rows(third, KITH_U8, 0, 5, x);
    snprintf(name, sizeof name, "%s#3", path);
    refused(open_path(name, NULL, &src), KITH_BAD_ARG, "holds 3 arrays: there is no #3");
    // A file that is called so is itself, and nothing is written into a part of one.
    one_array(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }\n", ids, 24);
    assert_int_equal(rename(path, third), 0);
    write_file(path, b.p, b.len);
    expect_rows(third, KITH_I64, 3, 1, ids);
    unlink(third);
    must(open_path(path, NULL, &src));
    refused(kith_source_save(&src, SAME, second, NULL, NULL), KITH_BAD_ARG,
            "names an array inside a file");
    src.close(src.ctx);
    append(&b, "x", 1);
    write_file(path, b.p, b.len);
    refused(open_path(third, NULL, &src), KITH_CORRUPT, "1 bytes follow the array");
}

/* More rows than a batch holds, in both orders. */
static void more_than_a_batch(void **state)
{
    enum { N = 150000, D = 70 };
    static uint16_t x[N][D], columns[D][N];
    static uint8_t file[128 + sizeof x];
    char literal[256];
    kith_source src;
    kith_status st;
    size_t n;

    (void)state;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++) columns[j][i] = x[i][j] = (uint16_t)(i * 31 + j * 7);
    for (int fortran = 0; fortran < 2; fortran++) {
        bytes b = {.len = 0};
        uint16_t *all;

        literal_of(literal, "<f2", fortran, "(150000, 70)");
        append_array(&b, 1, literal, NULL, 0);
        memcpy(file, b.p, b.len);
        memcpy(file + b.len, fortran ? (void *)columns : (void *)x, sizeof x);
        write_file(path, file, b.len + sizeof x);
        must(open_path(path, NULL, &src));
        all = source_drain(&src, SIZE_MAX, &n, &st);
        must(st);
        assert_int_equal(n, N);
        assert_memory_equal(all, x, sizeof x);
        free(all);
        src.close(src.ctx);
    }
}

/* ---- what is refused ---------------------------------------------------------------------- */

static void headers_that_are_refused(void **state)
{
    static const struct {
        const char *literal;
        kith_status st;
        const char *says;
    } bad[] = {
        {"", KITH_CORRUPT, "character 1: '{' is expected"},
        {"[]", KITH_CORRUPT, "character 1: '{'"},
        {"{}", KITH_CORRUPT, "lacks 'descr'"},
        {"{'descr': '<f4', 'fortran_order': False}", KITH_CORRUPT, "lacks 'shape'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)", KITH_CORRUPT, "',' or '}'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1", KITH_CORRUPT, "',' or ')'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)} x", KITH_CORRUPT,
         "nothing more"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1, 1)}", KITH_CORRUPT, "'descr' twice"},
        {"{'descr': '<f4', 'colour': 'red'}", KITH_CORRUPT, "'colour' which no array has"},
        {"{'descr: '<f4', 'fortran_order': False}", KITH_CORRUPT, "no array has"},
        {"{'descr", KITH_CORRUPT, "the end of a string"},
        {"{'descr' '<f4'}", KITH_CORRUPT, "':' is expected"},
        {"{descr: '<f4'}", KITH_CORRUPT, "a string is expected"},
        {"{'fortran_order': 1}", KITH_CORRUPT, "True or False"},
        {"{'fortran_order': Falsehood, }", KITH_CORRUPT, "',' or '}'"},
        {"{'shape': [1, 1]}", KITH_CORRUPT, "'('"},
        {"{'shape': (-1, 1)}", KITH_CORRUPT, "a number"},
        {"{'shape': (1 1)}", KITH_CORRUPT, "',' or ')'"},
        {"{'shape': (99999999999999999999, 1)}", KITH_CORRUPT, "below 2^58"},
        {"{'shape': ()}", KITH_UNSUPPORTED, "0 dimensions; rows need 1 or 2"},
        {"{'shape': (1, 2, 3)}", KITH_UNSUPPORTED, "3 dimensions"},
        {"{'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
         KITH_UNSUPPORTED, "too many dimensions"},
        {"{'descr': '|O'}", KITH_UNSUPPORTED, "type |O (Python objects)"},
        {"{'descr': '<c8'}", KITH_UNSUPPORTED, "type <c8 (complex numbers)"},
        {"{'descr': '|V2'}", KITH_UNSUPPORTED, "type |V2 (raw bytes)"},
        {"{'descr': '<M8[ns]'}", KITH_UNSUPPORTED, "type <M8[ns] (dates)"},
        {"{'descr': [('x', '<f4')]}", KITH_UNSUPPORTED, "a structured array"},
        {"{'descr': 'f4'}", KITH_UNSUPPORTED, "type f4"},
        {"{'descr': '<f'}", KITH_UNSUPPORTED, "type <f"},
        {"{'descr': '<'}", KITH_UNSUPPORTED, "type <"},
        {"{'descr': ''}", KITH_UNSUPPORTED, "type  cannot"},
        {"{'descr': '<f4444444444'}", KITH_UNSUPPORTED, "type <f4444444444"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (288230376151711743, "
         "288230376151711743)}",
         KITH_CORRUPT, "more than any file has"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387, 1)}", KITH_CORRUPT,
         "row 0 of 4611686018427387 is cut off: the file ends at byte"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999999)}", KITH_LIMIT,
         "rows of 99999999999999 components; 1…32768"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999, 0)}", KITH_LIMIT,
         "rows of 0 components"},
        {"{'descr': '<f3', 'fortran_order': False, 'shape': (0, 1)}", KITH_UNSUPPORTED,
         "numbers of 3 bytes"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (0, 1)}", KITH_UNSUPPORTED,
         "numbers of 16 bytes"},
        {"{'descr': '<U9', 'fortran_order': False, 'shape': (0, 1)}", KITH_UNSUPPORTED,
         "strings of 36 bytes are no vectors"},
    };
    kith_source src;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (int version = 1; version <= 2; version++) {
            one_array(version, bad[i].literal, NULL, 0);
            refused(open_path(path, NULL, &src), bad[i].st, bad[i].says);
            refused(open_path(path, NULL, &src), bad[i].st, path);
        }
}

static void prefixes_that_are_refused(void **state)
{
    static const struct {
        const char *start;
        size_t len;
        kith_status st;
        const char *says;
    } bad[] = {
        {"", 0, KITH_CORRUPT, "is no numpy array: byte 0 begins nothing"},
        {"\x93NUMP", 5, KITH_CORRUPT, "is no numpy array"},
        {"\x93NUMPY\x01\x00", 8, KITH_CORRUPT, "is cut off: the file ends at byte 8"},
        {"\x93NUMPY\x04\x00\x00\x00\x00\x00", 12, KITH_VERSION, "version 4"},
        {"\x93NUMPY\x00\x00\x00\x00\x00\x00", 12, KITH_VERSION, "version 0"},
        {"\x93NUMPY\x01\x00\x80\x00{}", 12, KITH_CORRUPT, "said to have 128 bytes"},
        {"\x93NUMPY\x02\x00\xff\xff\xff\xff", 12, KITH_CORRUPT, "said to have 4294967295 bytes"},
        {"\x89HDF\r\n\x1a\n    ", 12, KITH_CORRUPT, "an HDF5 file"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0", 55, KITH_CORRUPT,
         "is a Git LFS pointer"},
    };
    kith_source src;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(path, bad[i].start, bad[i].len);
        refused(open_path(path, NULL, &src), bad[i].st, bad[i].says);
    }
    refused(open_path(in_folder("none.npy"), NULL, &src), KITH_IO, "No such file");
}

static void every_cut_is_seen(void **state)
{
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    char literal[256], says[128];
    kith_source src;
    bytes b;

    (void)state;
    for (int fortran = 0; fortran < 2; fortran++) {
        b.len = 0;
        literal_of(literal, "<f4", fortran, "(3, 2)");
        append_array(&b, 1, literal, x, sizeof x);
        for (size_t len = 0; len < b.len; len++) {
            const size_t head = b.len - sizeof x, row = fortran ? 12 : 8;

            write_file(path, b.p, len);
            if (len < head)
                refused(open_path(path, NULL, &src), KITH_CORRUPT, path);
            else {
                snprintf(says, sizeof says, "%s %zu of %d is cut off: the file ends at byte %zu",
                         fortran ? "column" : "row", (len - head) / row, fortran ? 2 : 3, len);
                refused(open_path(path, NULL, &src), KITH_CORRUPT, says);
            }
        }
    }
    append(&b, "1234567", 7);
    write_file(path, b.p, b.len);
    refused(open_path(path, NULL, &src), KITH_CORRUPT, "7 bytes follow the array and are none");
}

static void values_that_do_not_fit(void **state)
{
    static const uint64_t u64[] = {1, 2, 3, (uint64_t)INT64_MAX + 1};
    kith_source src;
    kith_batch b;

    (void)state;
    one_array(1, "{'descr': '<u8', 'fortran_order': False, 'shape': (2, 2), }\n", u64, sizeof u64);
    must(open_path(path, NULL, &src));
    refused(src.next(src.ctx, 0, &b), KITH_BAD_ARG, "a batch of 0 rows");
    refused(src.next(src.ctx, 5, &b), KITH_LIMIT, "row 1, column 1 is 9223372036854775808");
    src.close(src.ctx);
}

/* The file is cut while it is read. */
static void a_file_that_shrinks(void **state)
{
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    kith_source src;
    kith_batch b;

    (void)state;
    one_array(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", x, sizeof x);
    must(open_path(path, NULL, &src));
    must(src.next(src.ctx, 1, &b));
    assert_int_equal(truncate(path, 80), 0);
    refused(src.next(src.ctx, 1, &b), KITH_IO, "cannot read");
    src.close(src.ctx);
}

static void no_failure_leaks(void **state)
{
    static const uint16_t x[6] = {1, 2, 3, 4, 5, 6};
    failing_host f;

    (void)state;
    one_array(1, "{'descr': '<u2', 'fortran_order': True, 'shape': (3, 2), }\n", x, sizeof x);
    for (int files = 0; files < 2; files++)
        for (size_t n = 1;; n++) {
            kith_source src;
            kith_status st;
            void *all = NULL;
            size_t got;

            failing_init(&f);
            if (files)
                failing_files_at(&f, FAILING_ANY, n, false, EIO);
            else
                failing_alloc_at(&f, n, false);
            st = open_path(path, &f.host, &src);
            if (st == KITH_OK) {
                all = source_drain(&src, 2, &got, &st);
                src.close(src.ctx);
            }
            free(all);
            assert_null(failing_complaint(&f));
            if (!failing_happened(&f)) {
                must(st);
                break;
            }
            if (st != KITH_OK) assert_int_equal(st, files ? KITH_IO : KITH_NO_MEMORY);
        }
}

/* ---- writing ------------------------------------------------------------------------------ */

static kith_status save(kith_rows rows, size_t d, int known, kith_dtype dtype)
{
    memory_source m;

    memory_source_init(&m, rows, d, known);
    m.batch = 2;
    return ki_format_npy.save(&m.source, dtype, path, NULL, NULL);
}

static void what_is_saved_comes_back(void **state)
{
    static const float f32[] = {1.5f, -2, 3e20f, 0, 5, 6};
    static const double f64[] = {1.5, -2, 3e200, 0, 5, 6};
    static const uint16_t f16[] = {0x3c00, 0xc000, 0x7bff, 0, 0x8001, 6};
    static const int8_t i8[] = {1, -2, 127, -128, 5, 6};
    static const uint8_t u8[] = {1, 2, 255, 128, 0, 6};
    static const int32_t i32[] = {1, -2, INT32_MAX, INT32_MIN, 5, 6};
    static const int64_t i64[] = {1, -2, INT64_MAX, INT64_MIN, 5, 6};
    static const struct {
        kith_dtype dtype;
        const void *rows;
    } types[] = {{KITH_F32, f32}, {KITH_F64, f64}, {KITH_F16, f16}, {KITH_I8, i8},
                 {KITH_U8, u8},   {KITH_I32, i32}, {KITH_I64, i64}};

    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (int known = 0; known < 2; known++) {
            must(save(KITH_ROWS(types[t].rows, 3, types[t].dtype), 2, known, SAME));
            expect_rows(path, types[t].dtype, 3, 2, types[t].rows);
            must(save(KITH_ROWS(types[t].rows, 3, types[t].dtype), 2, known, types[t].dtype));
            expect_rows(path, types[t].dtype, 3, 2, types[t].rows);
        }
    must(save(KITH_ROWS(f32, 0, KITH_F32), 2, 0, SAME));
    expect_rows(path, KITH_F32, 0, 2, f32);
}

/* Byte for byte: numpy 1.24 wrote this for np.save(f, np.array([[1, 2], [3, 4]], 'f4')). */
static void the_bytes_are_numpys(void **state)
{
    static const float x[] = {1, 2, 3, 4};
    static const char head[] = "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, "
                               "'shape': (2, 2), }                                               "
                               "           \n";
    uint8_t *got;
    size_t len;

    (void)state;
    must(save(KITH_ROWS(x, 2, KITH_F32), 2, 0, SAME));
    got = read_file(path, &len);
    assert_int_equal(sizeof head - 1, 128);
    assert_int_equal(len, 128 + 16);
    assert_memory_equal(got, head, 128);
    assert_memory_equal(got + 128, x, 16);
    free(got);
}

static void types_are_converted_when_nothing_is_lost(void **state)
{
    static const float whole[] = {1, -2, 127, 0, 5, -128}, f16able[] = {1.5f, -2, 65504, 0, 5, 6};
    static const double whole64[] = {1, -2, 127, 0, 5, -128};
    static const uint16_t halves[] = {0x3e00, 0xc000, 0x7bff, 0, 0x4500, 0x4600};
    static const uint16_t bf16[] = {0x3fc0, 0xc000, 0x477f, 0, 0x40a0, 0x40c0};
    static const float of_bf16[] = {1.5f, -2, 65280, 0, 5, 6};
    static const int8_t i8[] = {1, -2, 127, 0, 5, -128};
    static const int32_t i32[] = {1, -2, 127, 0, 5, -128};
    static const int64_t i64[] = {1, -2, 127, 0, 5, -128};
    static const uint8_t bits[] = {0xa0, 0x40, 0xe0}, unpacked[] = {1, 0, 1, 0, 1, 0, 1, 1, 1};
    static const kith_dtype from[] = {KITH_F32, KITH_F64, KITH_I8, KITH_I32, KITH_I64};
    static const void *const rows[] = {whole, whole64, i8, i32, i64};

    (void)state;
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++) {
            must(save(KITH_ROWS(rows[a], 3, from[a]), 2, 1, from[b]));
            expect_rows(path, from[b], 3, 2, rows[b]);
        }
    must(save(KITH_ROWS(f16able, 3, KITH_F32), 2, 1, KITH_F16));
    expect_rows(path, KITH_F16, 3, 2, halves);
    must(save(KITH_ROWS(halves, 3, KITH_F16), 2, 1, KITH_F32));
    expect_rows(path, KITH_F32, 3, 2, f16able);
    must(save(KITH_ROWS(bf16, 3, KITH_BF16), 2, 1, SAME));
    expect_rows(path, KITH_F32, 3, 2, of_bf16);
    must(save(KITH_ROWS(bits, 3, KITH_BIT), 3, 1, SAME));
    expect_rows(path, KITH_U8, 3, 3, unpacked);
}

static void losses_are_refused(void **state)
{
    static const float x[] = {1, 2, 3, 1.5f, 300, -1, NAN, INFINITY};
    static const int64_t big[] = {0, (int64_t)1 << 40};
    static const double edge[] = {0x1p63};
    memory_source m;

    (void)state;
    write_file(path, "old", 3);
    refused(save(KITH_ROWS(x, 2, KITH_F32), 2, 1, KITH_U8), KITH_BAD_ARG,
            "row 1, column 1 is 1.5: u8 cannot hold it");
    refused(save(KITH_ROWS(x + 4, 1, KITH_F32), 2, 1, KITH_U8), KITH_BAD_ARG, "column 0 is 300");
    refused(save(KITH_ROWS(x + 5, 1, KITH_F32), 1, 1, KITH_U8), KITH_BAD_ARG, "is -1: u8");
    refused(save(KITH_ROWS(x + 6, 1, KITH_F32), 1, 1, KITH_I32), KITH_BAD_ARG, "is nan: i32");
    refused(save(KITH_ROWS(x + 7, 1, KITH_F32), 1, 1, KITH_I64), KITH_BAD_ARG, "is inf: i64");
    refused(save(KITH_ROWS(edge, 1, KITH_F64), 1, 1, KITH_I64), KITH_BAD_ARG,
            "9.22337204e+18: i64");
    refused(save(KITH_ROWS(big, 1, KITH_I64), 2, 1, KITH_I32), KITH_BAD_ARG, "i32 cannot hold it");
    refused(save(KITH_ROWS(big, 1, KITH_I64), 2, 1, KITH_F16), KITH_BAD_ARG, "f16 cannot hold it");
    refused(save(KITH_ROWS(x, 1, KITH_F32), 1, 1, KITH_BIT), KITH_UNSUPPORTED, ".npy holds f32");
    refused(save(KITH_ROWS(x, 1, KITH_F32), 0, 1, SAME), KITH_LIMIT, "rows of 0 components");
    memory_source_init(&m, KITH_ROWS(x, 8, KITH_F32), 1, 0);
    m.batch = 1;
    m.fail_at = 4;
    refused(ki_format_npy.save(&m.source, SAME, path, NULL, NULL), KITH_CANCELLED,
            "the source failed");
    assert_int_equal(files_in_folder(), 1);
    must(save(KITH_ROWS(x, 8, KITH_F32), 1, 1, KITH_F16)); // NaN and infinity have halves
}

static void no_failed_save_loses_anything(void **state)
{
    static const float x[] = {1, 2, 3, 4};
    failing_host f;

    (void)state;
    for (int files = 0; files < 2; files++)
        for (size_t n = 1;; n++) {
            memory_source m;
            kith_status st;
            uint8_t *old;
            size_t len;

            write_file(path, "old", 3);
            memory_source_init(&m, KITH_ROWS(x, 2, KITH_F32), 2, 0);
            failing_init(&f);
            if (files)
                failing_files_at(&f, FAILING_ANY, n, false, ENOSPC);
            else
                failing_alloc_at(&f, n, false);
            st = ki_format_npy.save(&m.source, SAME, path, &f.host, NULL);
            assert_null(failing_complaint(&f));
            assert_int_equal(files_in_folder(), 1);
            if (!failing_happened(&f)) {
                must(st);
                break;
            }
            assert_int_equal(st, files ? KITH_IO : KITH_NO_MEMORY);
            old = read_file(path, &len);
            assert_int_equal(len, strstr(kith_last_error(), "written, but") ? 144 : 3);
            free(old);
        }
}

static int make_folder(void **state)
{
    static char name[192];
    const int made = folder_make(state);

    snprintf(name, sizeof name, "%s", in_folder("x.npy"));
    path = name;
    return made;
}

static int remove_folder(void **state)
{
    unlink(path);
    return folder_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_order),
        cmocka_unit_test(shapes),
        cmocka_unit_test(literals_as_people_write_them),
        cmocka_unit_test(arrays_one_after_the_other),
        cmocka_unit_test(more_than_a_batch),
        cmocka_unit_test(headers_that_are_refused),
        cmocka_unit_test(prefixes_that_are_refused),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(values_that_do_not_fit),
        cmocka_unit_test(a_file_that_shrinks),
        cmocka_unit_test(no_failure_leaks),
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(the_bytes_are_numpys),
        cmocka_unit_test(types_are_converted_when_nothing_is_lost),
        cmocka_unit_test(losses_are_refused),
        cmocka_unit_test(no_failed_save_loses_anything),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
