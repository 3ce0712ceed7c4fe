/* Files whose graphs are damaged behind right sums: see graphimage.h. */
#include "support/graphimage.h"
#include "support/harness.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/container_layout.h"

/* ---- sums and sections ----------------------------------------------------------------------- */

static void mend_section(uint8_t *p, size_t len, uint8_t *entry)
{
    const uint64_t at = ki_le64(entry + 8), n = ki_le64(entry + 16), sums = ki_le64(entry + 40);
    const uint64_t blocks = n / KI_FILE_BLOCK + (n % KI_FILE_BLOCK != 0);

    if (at > len || n > len - at) return;
    if (ki_le32(entry + 24) == 0) {
        ki_put_le64(entry + 32, ki_hash(p + at, n));
        return;
    }
    if (sums > len || blocks > (len - sums) / 8) return;
    for (uint64_t b = 0; b < blocks; b++) {
        const uint64_t from = b * KI_FILE_BLOCK, left = n - from;

        ki_put_le64(p + sums + 8 * b,
                    ki_hash(p + at + from, left < KI_FILE_BLOCK ? left : KI_FILE_BLOCK));
    }
    ki_put_le64(entry + 32, ki_hash(p + sums, 8 * blocks));
}

static uint8_t *table_of(uint8_t *p, size_t len, uint64_t *count)
{
    const uint64_t table = len < KI_FILE_HEAD ? len : ki_le64(p + 40);

    *count = len < KI_FILE_HEAD ? 0 : ki_le32(p + 16);
    if (*count > KI_FILE_SECTIONS || table > len ||
        len - table < *count * KI_FILE_ENTRY + KI_FILE_TAIL)
        return NULL;
    return p + table;
}

void mend_sums(uint8_t *p, size_t len)
{
    uint64_t count;
    uint8_t *table = table_of(p, len, &count);

    if (len >= KI_FILE_HEAD) ki_put_le64(p + 56, ki_hash(p, 56));
    if (!table) return;
    for (uint64_t i = 0; i < count; i++) mend_section(p, len, table + i * KI_FILE_ENTRY);
    ki_put_le64(table + count * KI_FILE_ENTRY, ki_hash(table, count * KI_FILE_ENTRY));
}

bool find_section(const uint8_t *p, size_t len, const char *type, size_t *at, size_t *n)
{
    uint64_t count;
    const uint8_t *table = table_of((uint8_t *)(uintptr_t)p, len, &count);

    for (uint64_t i = 0; table && i < count; i++) {
        const uint8_t *entry = table + i * KI_FILE_ENTRY;

        if (memcmp(entry, type, 4) != 0) continue;
        *at = (size_t)ki_le64(entry + 8);
        *n = (size_t)ki_le64(entry + 16);
        return true;
    }
    return false;
}

/* ---- mutations ------------------------------------------------------------------------------- */

enum {
    N = 1100,
    MORE = 24,
    K = 8,
    WALKS = 40 /* an effort at which searches walk */
};

typedef struct original {
    const char *spec;
    kith_metric metric;
    size_t d;
    float scale, shift; /* of components, which are rounded where it is not 1 */
    float *x;           /* [N + MORE][d] */
    uint8_t *bytes;
    size_t len;
    uint64_t at; /* of the random numbers */
} original;

static const original short_codes = {
    .spec = "Graph16(code_dims=64),U8", .metric = KITH_L2, .d = 100, .scale = 30, .shift = 128};

/* Every lens; copies, so that there are chains; removed rows. */
static void make(original *o)
{
    kith_host host = KITH_HOST_INIT;
    const size_t all = (N + MORE) * o->d;
    kith_index *ix;
    int64_t gone[20];

    host.threads = 1;
    o->x = need_floats(all);
    clustered_rows(9, N + MORE, o->d, 12, 0.6f, false, o->x);
    for (size_t i = 0; o->scale > 1 && i < all; i++) o->x[i] = roundf(o->x[i] * o->scale) + 0.0f;
    for (size_t i = 0; i < all; i++)
        o->x[i] = (o->x[i] < -128 ? -128 : o->x[i] > 127 ? 127 : o->x[i]) + o->shift;
    for (size_t i = 50; i < N + MORE; i += 7)
        memcpy(o->x + i * o->d, o->x + i % 5 * o->d, o->d * sizeof *o->x);
    for (size_t i = 0; i < 20; i++) gone[i] = (int64_t)(i * 31);
    must(kith_create(o->spec, o->d, o->metric, &host, &ix));
    must(kith_add(ix, KITH_ROWS(o->x, N, KITH_F32), NULL, NULL, NULL));
    must(kith_remove(ix, gone, 20, NULL));
    o->bytes = bytes_of(ix, &o->len);
    kith_free(ix);
}

static void forget(original *o)
{
    free(o->x);
    free(o->bytes);
}

static uint32_t a_word(original *o)
{
    switch (draw_below(&o->at, 9)) {
    case 0: return N;
    case 1: return N - 1;
    case 2: return UINT32_MAX;
    case 3: return 0;
    case 4: return 0x80000000u | draw_below(&o->at, N + 2);
    case 5: return 0x7fffffffu;
    case 6: return 0x7f800000u; // an infinite float
    case 7: return draw_below(&o->at, UINT32_MAX);
    default: return draw_below(&o->at, N);
    }
}

/* Change a byte, a word, or a run of words of a section, its head more often than the rest. */
static void change(original *o, uint8_t *p)
{
    static const char *const types[] = {"GRPH", "GLEN", "GLNK", "GCOD", "GCOL"};
    const char *type = types[draw_below(&o->at, 5)];
    size_t at, n, where;

    if (!find_section(p, o->len, type, &at, &n)) return;
    where = draw_below(&o->at, (uint32_t)(draw_below(&o->at, 2) && n > 128 ? 128 : n));
    switch (draw_below(&o->at, 4)) {
    case 0: p[at + where] ^= (uint8_t)(1u << draw_below(&o->at, 8)); return;
    case 1: p[at + where] = (uint8_t)draw_below(&o->at, 256); return;
    case 2: ki_put_le32(p + at + where / 4 * 4, a_word(o)); return;
    default:
        for (size_t i = where / 64 * 64; i < where / 64 * 64 + 64 && i + 4 <= n; i += 4)
            ki_put_le32(p + at + i, a_word(o));
    }
}

static double key_of(const original *o, const float *a, const float *b)
{
    double s = 0.0;

    for (size_t i = 0; i < o->d; i++) {
        const double t = (double)a[i] - (double)b[i];
        s += o->metric == KITH_L2 ? t * t : fabs(t);
    }
    return s;
}

/* K different rows at their true distances, best first. */
static const char *wrong_answers(const original *o, const kith_index *ix, size_t query,
                                 uint32_t effort)
{
    kith_query how = KITH_QUERY_K(K);
    const float *q = o->x + query * o->d;
    int64_t ids[K];
    float dist[K];

    how.effort = effort;
    if (kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist) != KITH_OK)
        return kith_last_error();
    for (size_t i = 0; i < K; i++) {
        if (ids[i] < 0 || ids[i] >= N + MORE || !kith_contains(ix, ids[i])) return "the ids";
        if (dist[i] != (float)key_of(o, q, o->x + (size_t)ids[i] * o->d)) return "the distances";
        if (i && !(dist[i - 1] < dist[i] || (dist[i - 1] == dist[i] && ids[i - 1] < ids[i])))
            return "the order";
    }
    return NULL;
}

static const char *wrong_cursor(const original *o, const kith_index *ix)
{
    const kith_query how = KITH_QUERY_K(1);
    int64_t ids[N + MORE + 1];
    kith_cursor *c;
    size_t n = 0, got = 1;
    kith_status st = kith_cursor_open(ix, KITH_ROWS(o->x, 1, KITH_F32), &how, &c);

    while (st == KITH_OK && got && n <= N + MORE) {
        st = kith_cursor_next(c, N + MORE + 1 - n, ids + n, NULL, &got);
        n += got;
    }
    kith_cursor_free(c);
    return st == KITH_OK && n == kith_count(ix) ? NULL : "the cursor";
}

/* What may be wrong with it is told, what it answers is right, it can be changed; once mended, it
 * is whole again. */
static const char *use(const original *o, kith_index *ix, bool mend, bool *whole)
{
    const int64_t gone[3] = {1, 600, 1093};
    const char *wrong = NULL;
    kith_status st;

    for (size_t i = 0; !wrong && i < 3; i++)
        wrong = wrong_answers(o, ix, i * 367, i == 1 ? 9 : WALKS);
    if (!wrong) wrong = wrong_cursor(o, ix);
    if (wrong) return wrong;
    st = kith_verify(ix, NULL);
    *whole = st == KITH_OK;
    if (st != KITH_OK && st != KITH_CORRUPT) return "the verdict";
    if (kith_add(ix, KITH_ROWS(o->x + N * o->d, MORE, KITH_F32), NULL, NULL, NULL) != KITH_OK)
        return kith_last_error();
    for (size_t i = 0; !wrong && i < 3; i++) wrong = wrong_answers(o, ix, N + i, WALKS);
    st = kith_verify(ix, NULL);
    if (st != KITH_OK && (*whole || st != KITH_CORRUPT)) return "the verdict after an addition";
    if (kith_remove(ix, gone, 3, NULL) != KITH_OK) return kith_last_error();
    if (!wrong) wrong = wrong_answers(o, ix, 12, WALKS);
    if (!mend || wrong) return wrong;
    if (kith_repair(ix, NULL, NULL, NULL) != KITH_OK || kith_verify(ix, NULL) != KITH_OK)
        return kith_last_error();
    if (kith_compact(ix, NULL) != KITH_OK || kith_verify(ix, NULL) != KITH_OK)
        return kith_last_error();
    return wrong_answers(o, ix, 13, WALKS);
}

static void mutate(original *o, size_t number, size_t *refused, size_t *whole)
{
    uint8_t *p = malloc(o->len); // its own block, so that a sanitizer sees every step outside
    kith_host host = KITH_HOST_INIT;
    const char *wrong;
    kith_index *ix;
    kith_status st;
    bool is_whole = false;

    assert_non_null(p);
    host.threads = 1;
    memcpy(p, o->bytes, o->len);
    o->at = (uint64_t)number << 20;
    for (size_t i = draw_below(&o->at, 4) + 1; i > 0; i--) change(o, p);
    mend_sums(p, o->len);
    st = kith_open_view(p, o->len, number % 2 ? KITH_OPEN_VERIFY : 0, &host, &ix);
    if (st == KITH_OK) {
        wrong = use(o, ix, number % 4 == 0, &is_whole);
        if (wrong) fail_msg("%s, mutation %zu: wrong: %s", o->spec, number, wrong);
        kith_free(ix);
    } else if ((st != KITH_CORRUPT && st != KITH_VERSION) ||
               !strstr(kith_last_error(), "section G"))
        fail_msg("%s, mutation %zu: %s: %s", o->spec, number, kith_status_name(st),
                 kith_last_error());
    *refused += st != KITH_OK;
    *whole += is_whole;
    free(p);
}

void mutate_graphs(size_t wanted)
{
    original all[] = {{.spec = "Graph16", .metric = KITH_L2, .d = 8, .scale = 1},
                      {.spec = "Graph16(code_bits=4)", .metric = KITH_L2, .d = 8, .scale = 1},
                      {.spec = "Graph16,I8", .metric = KITH_L2, .d = 8, .scale = 30},
                      short_codes,
                      {.spec = "Graph16", .metric = KITH_L1, .d = 8, .scale = 1}};
    const size_t kinds = sizeof all / sizeof *all;
    size_t refused = 0, whole = 0;

    for (size_t i = 0; i < kinds; i++) make(&all[i]);
    for (size_t i = 0; i < wanted; i++) // L1 takes long
        mutate(&all[i % 16 == 5 ? 4 : i / 4 % 4], i, &refused, &whole);
    assert_true(refused > wanted / 4 && whole > 0); // some damage is seen at once, some is none
    print_message("%zu files: %zu refused at open, %zu verify\n", wanted, refused, whole);
    for (size_t i = 0; i < kinds; i++) forget(&all[i]);
}

/* The first entry's code becomes that of another: who asks for that one begins at the wrong row,
 * which must not be taken for it. */
void lie_of_entries(void)
{
    original o = {.spec = "Graph16,I8", .metric = KITH_L2, .d = 8, .scale = 30};
    kith_host host = KITH_HOST_INIT;
    const char *wrong;
    kith_index *ix;
    size_t at, n, entries;
    uint8_t *code;

    host.threads = 1;
    make(&o);
    assert_true(find_section(o.bytes, o.len, "GRPH", &at, &n));
    entries = ki_le32(o.bytes + at + 20);
    code = o.bytes + at + 64 + 4 * entries;
    for (size_t i = 1; i < entries; i++) {
        memcpy(code, code + i * o.d, o.d);
        mend_sums(o.bytes, o.len);
        must(kith_open_view(o.bytes, o.len, 0, &host, &ix));
        wrong = wrong_answers(&o, ix, ki_le32(o.bytes + at + 64 + 4 * i), WALKS);
        if (wrong) fail_msg("entry %zu: wrong: %s", i, wrong);
        kith_free(ix);
    }
    forget(&o);
}

/* ---- lenses ---------------------------------------------------------------------------------- */

/* With other bytes in its lens the file is refused, and read without a graph for repair. */
static void lens_is_refused(const original *o, const char *what, size_t at, const void *bytes,
                            size_t len)
{
    uint8_t *p = malloc(o->len);
    kith_host host = KITH_HOST_INIT;
    size_t section, n;
    kith_index *ix;

    assert_non_null(p);
    host.threads = 1;
    memcpy(p, o->bytes, o->len);
    assert_true(find_section(p, o->len, "GLEN", &section, &n));
    assert_true(at + len <= n);
    memcpy(p + section + at, bytes, len);
    mend_sums(p, o->len);
    if (kith_open_view(p, o->len, 0, &host, &ix) != KITH_CORRUPT)
        fail_msg("%s: %s: not refused", o->spec, what);
    if (!strstr(kith_last_error(), "section GLEN"))
        fail_msg("%s: %s: %s", o->spec, what, kith_last_error());
    must(kith_open_view(p, o->len, KITH_OPEN_REPAIR, &host, &ix));
    if (o->metric == KITH_L2) assert_null(wrong_answers(o, ix, 3, WALKS));
    kith_free(ix);
    free(p);
}

static void word_is_refused(const original *o, const char *what, size_t at, uint64_t word,
                            size_t len)
{
    uint8_t bytes[8];

    ki_put_le64(bytes, word);
    lens_is_refused(o, what, at, bytes, len);
}

void lie_of_lenses(void)
{
    enum { KIND = 0, HALVED = 4, WIDE = 8, LONGEST = 24, SCALE = 28, CENTRE = 64, SHORT = 4 };
    static const uint64_t widths[] = {0,
                                      8,
                                      48,
                                      63,
                                      80,
                                      96,
                                      100,
                                      112,
                                      128,
                                      1u << 20,
                                      UINT32_MAX,
                                      UINT64_C(1) << 40,
                                      ~UINT64_C(15)};
    static const uint32_t floats[] = {0, 0x80000000u, 0xbf800000u, 0x7f800000u, 0x7fc00000u};
    original o = short_codes;
    original others[] = {
        {.spec = "Graph16", .metric = KITH_L2, .d = 100, .scale = 1},
        {.spec = "Graph16,U8", .metric = KITH_COSINE, .d = 100, .scale = 30, .shift = 128},
        {.spec = "Graph16,U8", .metric = KITH_L2, .d = 100, .scale = 30, .shift = 128}};
    char what[48];

    make(&o);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        (void)snprintf(what, sizeof what, "codes of %llu bytes", (unsigned long long)widths[i]);
        word_is_refused(&o, what, WIDE, widths[i], 8);
    }
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        word_is_refused(&o, "scale", SCALE, floats[i], 4);
        word_is_refused(&o, "longest", LONGEST, floats[i], 4);
        if (i > 2) word_is_refused(&o, "centre", CENTRE + 4 * 63, floats[i], 4);
    }
    word_is_refused(&o, "halves", HALVED, 1, 4);
    for (uint32_t kind = 0; kind <= 5; kind++)
        if (kind != SHORT) word_is_refused(&o, "another kind", KIND, kind, 4);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        make(&others[i]);
        word_is_refused(&others[i], "short codes", KIND, SHORT, 4);
        forget(&others[i]);
    }
    forget(&o);
}
