/* The container: what is written comes back, by every way in; what is damaged, cut, forged or not
 * ours is refused by a sentence that says where; what fails leaves the old file. */
#include "file/container.h"
#include "file/container_layout.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CODE KI_FOUR('C', 'O', 'D', 'E')
#define IDS  KI_FOUR('I', 'D', 'S', ' ')

static char path[192];

/* ---- recipes: sections with known bytes --------------------------------------------------- */

typedef struct part {
    uint32_t type, part;
    size_t len;
    bool rows;
} part;

typedef struct recipe {
    const part *parts;
    size_t n, step; /* bytes a put; 0 = all */
    uint64_t seed;
    size_t short_by, over_by; /* of the last section, in the writing pass */
    kith_status fail_plan, fail_write;
    const ki_container *from; /* its bytes are put */
} recipe;

static uint8_t byte_of(uint64_t seed, const part *p, size_t i)
{
    const uint64_t x = (seed + p->type + p->part + i) * 0x9e3779b97f4a7c15u;

    return (uint8_t)(x >> 37);
}

static kith_status put_part(const recipe *r, const part *p, ki_blob_writer *w, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    const uint8_t *from = bytes;
    kith_status st = KITH_OK;
    ki_span old;

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) bytes[i] = byte_of(r->seed, p, i);
    if (r->from) {
        const ki_blob_reader *reader = ki_container_reader(r->from);

        must(reader->find(reader, p->type, p->part, &old));
        assert_int_equal(old.len, len);
        from = old.ptr;
    }
    for (size_t at = 0; st == KITH_OK && at < len;) {
        const size_t n = r->step && r->step < len - at ? r->step : len - at;

        st = w->put(w, from + at, n);
        at += n;
    }
    free(bytes);
    return st;
}

static kith_status fill(void *arg, ki_blob_writer *w, bool planning)
{
    const recipe *r = arg;
    kith_status st = KITH_OK;

    for (size_t i = 0; i < r->n; i++) {
        const part *p = &r->parts[i];
        const bool last = i + 1 == r->n;

        KI_TRY(w->begin(w, p->type, p->part, p->len, p->rows));
        if (!planning)
            KI_TRY(put_part(r, p, w, p->len - (last ? r->short_by : 0) + (last ? r->over_by : 0)));
        KI_TRY(w->end(w));
    }
    if (planning && r->fail_plan) st = kith_fail(r->fail_plan, "the plan failed");
    if (!planning && r->fail_write) st = kith_fail(r->fail_write, "the write failed");
out:
    return st;
}

static const part few[] = {{KI_FOUR('S', 'P', 'E', 'C'), 0, 4, false},
                           {IDS, 0, 80, false},
                           {KI_FOUR('N', 'O', 'N', 'E'), 0, 0, false},
                           {CODE, 0, 400, true},
                           {CODE, 1, 0, true},
                           {KI_FOUR('L', 'A', 'B', 'L'), 7, 129, false}};
static const recipe small = {.parts = few, .n = sizeof few / sizeof few[0]};

/* Every length around the block, the page and the alignments. */
static const part many[] = {
    {1, 0, 1, true},        {2, 0, 63, false},      {3, 0, 64, true},       {4, 0, 65, false},
    {5, 0, 4095, true},     {6, 0, 4097, false},    {7, 0, 65535, true},    {8, 0, 65536, true},
    {9, 0, 65537, true},    {10, 0, 65536, false},  {11, 0, 1048575, true}, {12, 0, 1048576, false},
    {13, 0, 3145729, true}, {14, 0, 1048577, true}, {15, 0, 5242880, true}, {16, 0, 3, false}};
static const recipe large = {.parts = many, .n = sizeof many / sizeof many[0]};

/* ---- bytes in memory ---------------------------------------------------------------------- */

typedef struct bytes {
    uint8_t *p;
    size_t len, stop_at;
} bytes;

static int collect(void *ctx, const void *p, size_t len)
{
    bytes *b = ctx;

    if (b->stop_at && b->len + len >= b->stop_at) return 5;
    b->p = realloc(b->p, b->len + len);
    assert_non_null(b->p);
    memcpy(b->p + b->len, p, len);
    b->len += len;
    return 0;
}

static ki_env *own_env(void)
{
    static ki_env env;

    must(ki_env_init(&env, NULL));
    return &env;
}

static bytes written(const recipe *r)
{
    bytes b = {0};
    recipe copy = *r;

    must(ki_container_write(own_env(), collect, &b, fill, &copy, NULL));
    return b;
}

static kith_status view(const void *p, size_t len, uint32_t flags)
{
    ki_container *c = NULL;
    const kith_status st = ki_container_view(own_env(), p, len, flags, &c);

    assert_true((st == KITH_OK) == (c != NULL));
    ki_container_release(c);
    return st;
}

static void holds(const ki_container *c, const recipe *r)
{
    const ki_blob_reader *reader = ki_container_reader(c);
    uint32_t type, nr;
    ki_span s, t;
    bool rows;

    for (size_t i = 0; i < r->n; i++) {
        const part *p = &r->parts[i];

        must(reader->find(reader, p->type, p->part, &s));
        assert_non_null(s.ptr);
        assert_int_equal(s.len, p->len);
        for (size_t j = 0; j < s.len; j++)
            if (s.ptr[j] != byte_of(r->seed, p, j)) fail_msg("section %zu, byte %zu", i, j);
        assert_true(ki_container_section(c, i, &type, &nr, &t, &rows));
        assert_int_equal(type, p->type);
        assert_int_equal(nr, p->part);
        assert_ptr_equal(t.ptr, s.ptr);
        assert_int_equal(rows, p->rows);
    }
    assert_false(ki_container_section(c, r->n, &type, &nr, &t, &rows));
    must(reader->find(reader, CODE, 99, &s));
    assert_null(s.ptr);
    assert_int_equal(s.len, 0);
    must(ki_container_verify(c, 2, NULL));
}

/* ---- round trips -------------------------------------------------------------------------- */

static void what_is_saved_comes_back(void **state)
{
    static const recipe none = {0};
    const recipe *recipes[] = {&small, &large, &none};
    ki_container *c;

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        recipe r = *recipes[k];
        bytes file, sunk;

        must(ki_container_save(own_env(), path, fill, &r, NULL));
        file.p = read_file(path, &file.len);
        sunk = written(&r);
        assert_int_equal(file.len, sunk.len);
        assert_memory_equal(file.p, sunk.p, file.len);
        for (uint32_t flags = 0; flags < 4; flags++) {
            must(ki_container_open(own_env(), path, flags, &c));
            assert_int_equal(ki_container_bytes(c), file.len);
            holds(c, &r);
            ki_container_release(c);
            must(ki_container_view(own_env(), file.p, file.len, flags, &c));
            holds(c, &r);
            ki_container_release(c);
        }
        r.step = 7001;
        free(sunk.p);
        sunk = written(&r);
        assert_int_equal(file.len, sunk.len);
        assert_memory_equal(file.p, sunk.p, file.len);
        free(sunk.p);
        free(file.p);
    }
}

static void a_view_needs_no_alignment(void **state)
{
    const bytes b = written(&small);
    uint8_t *moved = malloc(b.len + 8);
    ki_container *c;

    (void)state;
    assert_non_null(moved);
    for (size_t by = 0; by < 8; by++) {
        memcpy(moved + by, b.p, b.len);
        must(ki_container_view(own_env(), moved + by, b.len, KITH_OPEN_VERIFY, &c));
        holds(c, &small);
        ki_container_release(c);
    }
    free(moved);
    free(b.p);
}

static void sections_lie_as_promised(void **state)
{
    const bytes b = written(&large);
    ki_container *c;
    uint32_t type, nr;
    ki_span s;
    bool rows;

    (void)state;
    must(ki_container_view(own_env(), b.p, b.len, 0, &c));
    for (size_t i = 0; ki_container_section(c, i, &type, &nr, &s, &rows); i++) {
        const size_t at = (size_t)(s.ptr - b.p);

        assert_int_equal(at % 64, 0);
        if (s.len >= 65536) assert_int_equal(at % 4096, 0);
        if (s.len >= 1 << 20) assert_int_equal(at % 65536, 0);
    }
    ki_container_release(c);
    free(b.p);
}

static void small_stays_small(void **state)
{
    const bytes b = written(&small);

    (void)state;
    assert_true(b.len < 2048);
    free(b.p);
}

static void the_last_release_frees(void **state)
{
    failing_host f;
    ki_container *c;
    ki_env env;
    recipe r = small;

    (void)state;
    failing_init(&f);
    must(ki_env_init(&env, &f.host));
    must(ki_container_save(&env, path, fill, &r, NULL));
    for (uint32_t flags = 0; flags < 2; flags++) {
        must(ki_container_open(&env, path, flags, &c));
        ki_container_share(c);
        ki_container_release(c);
        holds(c, &small);
        ki_container_release(c);
        assert_null(failing_complaint(&f));
        assert_int_equal(env.bytes, 0);
    }
    ki_container_release(NULL);
}

/* ---- damage ------------------------------------------------------------------------------- */

static void every_cut_is_seen(void **state)
{
    const bytes b = written(&small);
    char words[64];

    (void)state;
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len + 1); // no byte more, so that a read behind it is seen

        assert_non_null(cut);
        memcpy(cut, b.p, len);
        snprintf(words, sizeof words,
                 len == 0   ? "it is empty"
                 : len < 64 ? "cut off: %zu bytes, its head alone has 64"
                            : "cut off: %zu bytes long, should be %zu",
                 len, b.len);
        for (uint32_t flags = 0; flags < 4; flags += 2)
            refused(view(cut, len, flags), KITH_CORRUPT, words);
        free(cut);
        if (len % 97 == 0) {
            write_file(path, b.p, len);
            for (uint32_t flags = 0; flags < 4; flags++) {
                ki_container *c;

                refused(ki_container_open(own_env(), path, flags, &c), KITH_CORRUPT, path);
            }
        }
    }
    free(b.p);
}

static void what_is_appended_is_seen(void **state)
{
    bytes b = written(&small);

    (void)state;
    assert_int_equal(collect(&b, "x", 1), 0);
    refused(view(b.p, b.len, 0), KITH_CORRUPT, "something was appended");
    free(b.p);
}

static void every_flipped_bit_is_seen(void **state)
{
    const bytes b = written(&small);
    ki_container *c;
    size_t opened = 0;

    (void)state;
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (view(b.p, b.len, KITH_OPEN_VERIFY) == KITH_OK) fail_msg("bit %zu is not seen", bit);
        if (ki_container_view(own_env(), b.p, b.len, 0, &c) == KITH_OK) {
            opened++; // only rows may be damaged
            refused(ki_container_verify(c, 1, NULL), KITH_CORRUPT,
                    "section CODE: block 0 (bytes 0");
            ki_container_release(c);
        }
        b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(opened, 8 * 400);
    must(view(b.p, b.len, KITH_OPEN_VERIFY));
    free(b.p);
}

static void damage_is_named_to_the_block(void **state)
{
    static const part rows = {CODE, 0, 5 * 65536 + 10, true};
    const recipe r = {.parts = &rows, .n = 1};
    const bytes b = written(&r);
    ki_container *c;
    ki_span s;
    uint32_t type, nr;
    uint8_t *code;
    bool is_rows;

    (void)state;
    must(ki_container_view(own_env(), b.p, b.len, 0, &c));
    assert_true(ki_container_section(c, 0, &type, &nr, &s, &is_rows));
    code = b.p + (s.ptr - b.p);
    must(ki_container_verify(c, 0, NULL));
    code[262143]++;
    refused(ki_container_verify(c, 0, NULL), KITH_CORRUPT,
            "section CODE: block 3 (bytes 196608…262143) is damaged");
    code[262143]--;
    code[5 * 65536 + 9]++;
    refused(view(b.p, b.len, KITH_OPEN_VERIFY), KITH_CORRUPT,
            "section CODE: block 5 (bytes 327680…327689) is damaged");
    write_file(path, b.p, b.len);
    for (uint32_t copy = 0; copy < 2; copy++) {
        ki_container *d;

        refused(ki_container_open(own_env(), path, KITH_OPEN_VERIFY | copy, &d), KITH_CORRUPT,
                path);
        must(ki_container_open(own_env(), path, copy, &d));
        ki_container_release(d);
    }
    ki_container_release(c);
    free(b.p);
}

/* ---- forgeries: every checksum right, the numbers wrong ----------------------------------- */

typedef struct forgery {
    const char *says;
    kith_status st;
    int at; /* >= 0: byte of the head; < 0: of the table, from its entry -(at) / 100 - 1 */
    int width;
    uint64_t value;
} forgery;

#define HEAD_(x)     (x)
#define ENTRY_(i, x) (-100 * ((i) + 1) - (x))

static void forge(uint8_t *p, const forgery *f)
{
    const uint64_t table_at = ki_le64(p + 40);
    const uint32_t count = ki_le32(p + 16);
    uint8_t *table = p + table_at;
    uint8_t *to = f->at >= 0 ? p + f->at : table + 64 * (-f->at / 100 - 1) + -f->at % 100;

    if (f->width == 4) ki_put_le32(to, (uint32_t)f->value);
    if (f->width == 8) ki_put_le64(to, f->value);
    ki_put_le64(p + 56, ki_hash(p, 56));
    ki_put_le64(table + 64 * (size_t)count, ki_hash(table, 64 * (size_t)count));
}

static void forgeries_are_refused(void **state)
{
    const bytes b = written(&small);
    const uint64_t table_at = ki_le64(b.p + 40), sums_at = ki_le64(b.p + 32);
    const forgery forgeries[] = {
        {"format version 2", KITH_VERSION, HEAD_(8), 4, 2},
        {"its head makes no sense", KITH_CORRUPT, HEAD_(8), 4, 0},
        {"flags 80000000", KITH_VERSION, HEAD_(12), 4, 0x80000000u},
        {"its head makes no sense", KITH_CORRUPT, HEAD_(20), 4, 1},
        {"its head makes no sense", KITH_CORRUPT, HEAD_(48), 8, 1},
        {"something was appended", KITH_CORRUPT, HEAD_(24), 8, b.len - 1},
        {"cut off", KITH_CORRUPT, HEAD_(24), 8, UINT64_MAX},
        {"its head makes no sense", KITH_CORRUPT, HEAD_(32), 8, 0},
        {"its head makes no sense", KITH_CORRUPT, HEAD_(32), 8, table_at + 64},
        {"its head makes no sense", KITH_CORRUPT, HEAD_(32), 8, sums_at - 1},
        {"not where they belong", KITH_CORRUPT, HEAD_(32), 8, sums_at - 64},
        {"not where they belong", KITH_CORRUPT, HEAD_(32), 8, sums_at + 64},
        {"its section SPEC starts", KITH_CORRUPT, ENTRY_(0, 8), 8, 0},
        {"section SPEC starts at 1", KITH_CORRUPT, ENTRY_(0, 8), 8, 1},
        {"section IDS starts", KITH_CORRUPT, ENTRY_(1, 8), 8, 64},
        {"section IDS starts", KITH_CORRUPT, ENTRY_(1, 8), 8, UINT64_MAX - 63},
        {"section IDS starts", KITH_CORRUPT, ENTRY_(1, 8), 8, 1 << 20},
        {"pass the end", KITH_CORRUPT, ENTRY_(3, 16), 8, UINT64_MAX},
        {"pass the end", KITH_CORRUPT, ENTRY_(3, 16), 8, b.len},
        {"section CODE starts", KITH_CORRUPT, ENTRY_(2, 16), 8, 500},
        {"is there twice", KITH_CORRUPT, ENTRY_(4, 4), 4, 0},
        {"newer format", KITH_VERSION, ENTRY_(0, 24), 4, 2},
        {"newer format", KITH_VERSION, ENTRY_(0, 28), 4, 1},
        {"newer format", KITH_VERSION, ENTRY_(0, 48), 8, 1},
        {"newer format", KITH_VERSION, ENTRY_(0, 40), 8, 1},
        {"not where they belong", KITH_CORRUPT, ENTRY_(3, 40), 8, sums_at + 8},
        {"not where they belong", KITH_CORRUPT, ENTRY_(3, 40), 8, UINT64_MAX},
        {"not as the head says", KITH_CORRUPT, ENTRY_(5, 16), 8, 0},
        {"section SPEC: its bytes (4", KITH_CORRUPT, ENTRY_(0, 32), 8, 1},
        {"section CODE: the bytes of its sums", KITH_CORRUPT, ENTRY_(3, 32), 8, 1},
    };
    uint8_t *copy = malloc(b.len);

    (void)state;
    assert_non_null(copy);
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        const forgery *f = &forgeries[i];

        memcpy(copy, b.p, b.len);
        forge(copy, f);
        if (strncmp(f->says, "its section", 11) == 0)
            refused(view(copy, b.len, 0), f->st, f->says + 4);
        else
            refused(view(copy, b.len, 0), f->st, f->says);
    }
    free(copy);
    free(b.p);
}

/* count, and with it the place of the table's end, in one forgery */
static void forged_counts_are_refused(void **state)
{
    const bytes b = written(&small);
    static const uint32_t counts[] = {0, 5, 7, 4096, 4097, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        ki_put_le32(b.p + 16, counts[i]);
        ki_put_le64(b.p + 56, ki_hash(b.p, 56));
        refused(view(b.p, b.len, 0), KITH_CORRUPT, "its head makes no sense");
    }
    free(b.p);
}

static void bytes_between_sections_are_zero(void **state)
{
    const bytes b = written(&small);

    (void)state;
    b.p[64 + 4] = 1; // behind the four bytes of SPEC
    refused(view(b.p, b.len, 0), KITH_CORRUPT, "byte 68 lies between sections and is 1, not 0");
    free(b.p);
}

static void what_is_not_ours_is_recognised(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } others[] = {
        {"\x93NUMPY\x01\x00v\x00", 10, "no kith index: it begins like a numpy array"},
        {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file"},
        {"IxF2\x04\x00\x00\x00", 8, "a Faiss index (IxF2)"},
        {"version https://git-lfs.github.com/spec/v1\noid", 46, "a Git LFS pointer"},
        {"id,vector\n", 10, "text \"id,vector"},
        {"\x7f"
         "ELF\x02\x01\x01\x00",
         8, "bytes 7f 45 4c 46 02 01 01 00"},
        {"k", 1, "cut off: 1 bytes"},
        {"kith\r\n", 6, "cut off: 6 bytes"},
        {"kith\n\x1a\n\x00", 8, "no kith index"}, // as text mode leaves it
        {"", 0, "no kith index: it is empty"},
    };
    ki_container *c;

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        write_file(path, others[i].bytes, others[i].len);
        for (uint32_t flags = 0; flags < 4; flags++) {
            refused(ki_container_open(own_env(), path, flags, &c), KITH_CORRUPT, others[i].says);
            refused(ki_container_open(own_env(), path, flags, &c), KITH_CORRUPT, path);
        }
    }
    unlink(path);
    refused(ki_container_open(own_env(), path, 0, &c), KITH_IO, "No such file");
    refused(ki_container_open(own_env(), folder_path(), 0, &c), KITH_IO, "Is a directory");
}

/* ---- saving ------------------------------------------------------------------------------- */

static void a_mapped_file_is_saved_over(void **state)
{
    recipe r = large;
    ki_container *c;

    (void)state;
    must(ki_container_save(own_env(), path, fill, &r, NULL));
    must(ki_container_open(own_env(), path, 0, &c));
    for (int i = 0; i < 2; i++) { // the second time the map is of a file that has no name any more
        recipe again = {.parts = large.parts, .n = large.n, .from = c, .step = 50001};

        must(ki_container_save(own_env(), path, fill, &again, NULL));
        holds(c, &large);
    }
    ki_container_release(c);
    must(ki_container_open(own_env(), path, KITH_OPEN_VERIFY, &c));
    holds(c, &large);
    ki_container_release(c);
}

static void expect_old(const recipe *r)
{
    ki_container *c;

    must(ki_container_open(own_env(), path, KITH_OPEN_VERIFY, &c));
    holds(c, r);
    ki_container_release(c);
}

static void a_fill_that_errs_leaves_the_file(void **state)
{
    recipe old = small;
    recipe bad[] = {small, small, small, small};

    (void)state;
    must(ki_container_save(own_env(), path, fill, &old, NULL));
    bad[0].fail_plan = KITH_NO_MEMORY;
    bad[1].fail_write = KITH_CANCELLED;
    bad[2].short_by = 1;
    bad[3].over_by = 1;
    refused(ki_container_save(own_env(), path, fill, &bad[0], NULL), KITH_NO_MEMORY, "plan failed");
    refused(ki_container_save(own_env(), path, fill, &bad[1], NULL), KITH_CANCELLED,
            "write failed");
    refused(ki_container_save(own_env(), path, fill, &bad[2], NULL), KITH_BAD_ARG,
            "1 planned bytes");
    refused(ki_container_save(own_env(), path, fill, &bad[3], NULL), KITH_BAD_ARG,
            "129 were planned");
    expect_old(&small);
}

/* Announces in the writing pass what it did not plan. */
static kith_status fickle(void *arg, ki_blob_writer *w, bool planning)
{
    const int how = *(int *)arg;
    kith_status st = KITH_OK;

    if (how == 0 && !planning) return KITH_OK;
    KI_TRY(ki_blob_put_whole(w, planning || how != 1 ? CODE : IDS, 0, "abcd", 4, false));
    if (how == 2 && !planning) KI_TRY(ki_blob_put_whole(w, CODE, 1, "abcd", 4, false));
    if (how == 3 && !planning) st = w->put(w, "abcd", 4);
    if (how == 4 && !planning) st = w->end(w);
out:
    return st;
}

static void the_plan_is_kept(void **state)
{
    bytes b = {0};

    (void)state;
    for (int how = 0; how < 5; how++)
        refused(ki_container_write(own_env(), collect, &b, fickle, &how, NULL), KITH_BAD_ARG,
                "plan");
    free(b.p);
}

static kith_status endless(void *arg, ki_blob_writer *w, bool planning)
{
    uint64_t len = *(uint64_t *)arg;
    kith_status st = KITH_OK;

    (void)planning;
    for (uint32_t i = 0; st == KITH_OK && i < 5000; i++) {
        st = w->begin(w, CODE, i, len, true);
        if (st == KITH_OK) st = w->end(w);
    }
    return st;
}

static void too_much_is_refused_before_it_is_written(void **state)
{
    bytes b = {0};
    uint64_t lens[] = {0, UINT64_MAX, (uint64_t)1 << 61};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        refused(ki_container_write(own_env(), collect, &b, endless, &lens[i], NULL), KITH_LIMIT,
                "4096 sections");
    assert_null(b.p);
}

static void a_sink_may_stop(void **state)
{
    const bytes b = written(&large);
    recipe r = large;

    (void)state;
    for (size_t at = 1; at < b.len; at += b.len / 5) {
        bytes got = {.stop_at = at};

        refused(ki_container_write(own_env(), collect, &got, fill, &r, NULL), KITH_IO,
                "the sink stopped with 5 after");
        assert_true(got.len < at);
        if (got.len > 0) assert_memory_equal(got.p, b.p, got.len);
        free(got.p);
    }
    free(b.p);
}

static int stop_soon(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    (void)phase;
    (void)total;
    return done > *(uint64_t *)ctx;
}

static void cancelling_leaves_the_old_file(void **state)
{
    uint64_t after = 0;
    const kith_watch watch = {stop_soon, &after};
    recipe r = large, old = small;
    ki_container *c;
    ki_progress p;

    (void)state;
    must(ki_container_save(own_env(), path, fill, &old, NULL));
    ki_progress_init(&p, &watch, "save", 0);
    refused(ki_container_save(own_env(), path, fill, &r, &p), KITH_CANCELLED, "");
    assert_true(p.total > 10u << 20);
    expect_old(&small);
    must(ki_container_open(own_env(), path, 0, &c));
    ki_progress_init(&p, &watch, "verify", 0);
    after = UINT64_MAX;
    must(ki_container_verify(c, 0, &p));
    ki_container_release(c);
}

/* ---- the n-th failure --------------------------------------------------------------------- */

static void save_with_failures(bool files)
{
    recipe r = large, old = small;
    failing_host f;
    ki_env env;

    failing_init(&f);
    for (size_t n = 1;; n++) {
        kith_status st;

        must(ki_container_save(own_env(), path, fill, &old, NULL));
        must(ki_env_init(&env, &f.host));
        if (files)
            failing_files_at(&f, FAILING_ANY, n, false, EIO);
        else
            failing_alloc_at(&f, n, false);
        st = ki_container_save(&env, path, fill, &r, NULL);
        assert_null(failing_complaint(&f));
        assert_int_equal(files_in_folder(), 1);
        if (!failing_happened(&f)) {
            must(st);
            assert_true(n > 3);
            expect_old(&large);
            return;
        }
        assert_int_equal(st, files ? KITH_IO : KITH_NO_MEMORY);
        if (strstr(kith_last_error(), "written, but"))
            expect_old(&large); // the folder's sync alone failed
        else
            expect_old(&small);
    }
}

static void no_failed_save_loses_anything(void **state)
{
    (void)state;
    save_with_failures(false);
    save_with_failures(true);
}

static void a_full_disk_is_said(void **state)
{
    recipe r = large, old = small;
    failing_host f;
    ki_env env;

    (void)state;
    must(ki_container_save(own_env(), path, fill, &old, NULL));
    failing_init(&f);
    must(ki_env_init(&env, &f.host));
    failing_disk(&f, 100000);
    refused(ki_container_save(&env, path, fill, &r, NULL), KITH_IO, "No space left");
    assert_null(failing_complaint(&f));
    assert_int_equal(files_in_folder(), 1);
    expect_old(&small);
}

static void no_failed_open_leaks(void **state)
{
    recipe r = large;
    failing_host f;
    ki_env env;

    (void)state;
    must(ki_container_save(own_env(), path, fill, &r, NULL));
    for (uint32_t flags = 0; flags < 4; flags++)
        for (int files = 0; files < 2; files++)
            for (size_t n = 1;; n++) {
                ki_container *c = NULL;
                kith_status st;

                failing_init(&f);
                must(ki_env_init(&env, &f.host));
                if (files)
                    failing_files_at(&f, FAILING_ANY, n, false, EIO);
                else
                    failing_alloc_at(&f, n, false);
                st = ki_container_open(&env, path, flags, &c);
                if (st == KITH_OK) ki_container_release(c);
                assert_null(failing_complaint(&f));
                if (!failing_happened(&f)) {
                    must(st);
                    break;
                }
                // What fails when everything is read already (close, unmap) is no error.
                if (st != KITH_OK) assert_int_equal(st, files ? KITH_IO : KITH_NO_MEMORY);
            }
}

/* ---- main --------------------------------------------------------------------------------- */

static int make_folder(void **state)
{
    const int made = folder_make(state);

    snprintf(path, sizeof path, "%s", in_folder("a.kith"));
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
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(a_view_needs_no_alignment),
        cmocka_unit_test(sections_lie_as_promised),
        cmocka_unit_test(small_stays_small),
        cmocka_unit_test(the_last_release_frees),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(what_is_appended_is_seen),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(damage_is_named_to_the_block),
        cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(forged_counts_are_refused),
        cmocka_unit_test(bytes_between_sections_are_zero),
        cmocka_unit_test(what_is_not_ours_is_recognised),
        cmocka_unit_test(a_mapped_file_is_saved_over),
        cmocka_unit_test(a_fill_that_errs_leaves_the_file),
        cmocka_unit_test(the_plan_is_kept),
        cmocka_unit_test(too_much_is_refused_before_it_is_written),
        cmocka_unit_test(a_sink_may_stop),
        cmocka_unit_test(cancelling_leaves_the_old_file),
        cmocka_unit_test(no_failed_save_loses_anything),
        cmocka_unit_test(a_full_disk_is_said),
        cmocka_unit_test(no_failed_open_leaks),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
