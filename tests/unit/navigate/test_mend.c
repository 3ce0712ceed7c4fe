/* Graphs of which something is wrong: kith_verify says what and where, kith_repair mends it, and
 * recall is back. Wrong with right checksums, so that only the check of the graph can see it; and
 * with wrong ones, which only an open for repair passes over. */
#include "support/failing.h"
#include "support/twoindexes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/container.h"
#include "navigate/graph/graph.h"
#include "support/sink.h"

enum { N = 1200, D = 20, NQ = 20, COPIES = 12, HEAD = 64 };

#define GRPH KI_FOUR('G', 'R', 'P', 'H')
#define GLEN KI_FOUR('G', 'L', 'E', 'N')
#define GLNK KI_FOUR('G', 'L', 'N', 'K')
#define GCOD KI_FOUR('G', 'C', 'O', 'D')
#define GCOL KI_FOUR('G', 'C', 'O', 'L')
#define GLEV KI_FOUR('G', 'L', 'E', 'V')
#define SPEC KI_FOUR('S', 'P', 'E', 'C')
#define TUNE KI_FOUR('T', 'U', 'N', 'E')
#define CODE KI_FOUR('C', 'O', 'D', 'E')

static float rows[N + NQ][D];
static size_t degree; /* links of a row */

/* ---- an index, and the bytes of its sections ------------------------------------------------- */

/* Rows 100 … 100 + COPIES are equal: a node and its twins. */
static void make_as(two_indexes *t, const char *navigator, const char *codec, bytes *out)
{
    const bool u8 = strcmp(codec, ",U8") == 0;

    clustered_rows(11, N + NQ, D, 20, 0.7f, false, rows[0]);
    for (size_t i = 0; u8 && i < (N + NQ) * D; i++) {
        const float x = roundf(128 + 25 * rows[i / D][i % D]);
        rows[i / D][i % D] = x < 0 ? 0 : x > 255 ? 255 : x;
    }
    for (size_t i = 1; i <= COPIES; i++) memcpy(rows[100 + i], rows[100], sizeof *rows);
    two_open_as(t, navigator, codec, D, KITH_L2, 1);
    two_add(t, KITH_ROWS(rows, N, KITH_F32), NULL);
    degree = strncmp(navigator, "Graph", 5) == 0 ? 48 : 32;
    out->len = 0;
    must(kith_write(t->graph, append, out));
}

static void make(two_indexes *t, const char *codec, bytes *out)
{
    make_as(t, "Graph48", codec, out);
}

/* Change the bytes of a section. */
typedef void change(uint8_t *p, size_t len);

typedef struct copying {
    const ki_container *from;
    uint32_t type;
    change *how;
} copying;

static kith_status copy_sections(void *arg, ki_blob_writer *w, bool planning)
{
    const copying *c = arg;
    kith_status st = KITH_OK;
    uint32_t type, part;
    ki_span s;
    bool in_blocks;

    for (size_t i = 0; ki_container_section(c->from, i, &type, &part, &s, &in_blocks); i++) {
        uint8_t *p = malloc(s.len);

        assert_non_null(p);
        memcpy(p, s.ptr, s.len);
        if (!planning && type == c->type) c->how(p, s.len);
        st = ki_blob_put_whole(w, type, part, p, s.len, in_blocks);
        free(p);
        if (st != KITH_OK) break;
    }
    return st;
}

/* The same file with other bytes in a section, and the checksums that belong to them. */
static void with_change(const bytes *from, uint32_t type, change *how, bytes *to)
{
    copying c = {NULL, type, how};
    ki_container *container;
    ki_env env;

    must(ki_env_init(&env, NULL));
    must(ki_container_view(&env, from->p, from->len, 0, &container));
    c.from = container;
    to->len = 0;
    must(ki_container_write(&env, append, to, copy_sections, &c, NULL));
    ki_container_release(container);
}

static uint8_t *section_of(const bytes *b, uint32_t type, size_t *len)
{
    ki_container *container;
    uint32_t is, part;
    uint8_t *at = NULL;
    bool in_blocks;
    ki_env env;
    ki_span s;

    must(ki_env_init(&env, NULL));
    must(ki_container_view(&env, b->p, b->len, 0, &container));
    for (size_t i = 0; ki_container_section(container, i, &is, &part, &s, &in_blocks); i++)
        if (is == type) {
            at = b->p + (s.ptr - b->p);
            *len = s.len;
        }
    ki_container_release(container);
    return at;
}

/* ---- what can be wrong ----------------------------------------------------------------------- */

static void put(uint8_t *links, uint32_t pos, size_t i, uint32_t to)
{
    ki_put_le32(links + 4 * ((size_t)pos * degree + i), to);
}

static uint32_t link_of(const uint8_t *links, uint32_t pos, size_t i)
{
    return ki_le32(links + 4 * ((size_t)pos * degree + i));
}

static void link_outside(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 17, 1, N);
    put(p, 18, 0, 0x7fffffff);
}

static void link_to_twin(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 20, 0, 105);
}

static void twin_of_another(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 30, degree - 1, 40 | KI_TWIN);
}

static void twin_of_two(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 102, degree - 1, 106 | KI_TWIN);
}

static void twin_before(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 104, degree - 1, 101 | KI_TWIN);
}

static void chain_cut(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 104, degree - 1, 104);
}

static void chain_end_wrong(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 101, 0, 103);
}

static void twin_with_links(uint8_t *p, size_t len)
{
    (void)len;
    put(p, 103, 5, 7);
}

/* Nobody leads to some rows any more. */
static void rows_forgotten(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len / 4; i++) {
        const uint32_t pos = (uint32_t)(i / degree), to = link_of(p, pos, i % degree);

        if (to >= 700 && to < 730) put(p, pos, i % degree, pos);
    }
}

static void too_many_links(uint8_t *p, size_t len)
{
    (void)len;
    for (size_t i = 0; i < degree; i++) put(p, 50, i, 200 + (uint32_t)i);
}

/* Rows 40 and 41 of level 1; the level's number of rows stands before them. */
static void level_twin(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 36 + 4 * 40, 103);
}

static void level_twice(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 36 + 4 * 40, ki_le32(p + 36 + 4 * 41));
}

static void level_width(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 8, 0);
}

static void all_links_outside(uint8_t *p, size_t len)
{
    memset(p, 0x7f, len);
}

static void all_links_own(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len / 4; i++)
        put(p, (uint32_t)(i / degree), i % degree, (uint32_t)(i / degree));
}

static void counts_small(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 12, 3);
}

static void twins_many(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 16, 99);
}

static void entry_another(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + HEAD, (ki_le32(p + HEAD) + 1) % 99);
}

static void entry_twin(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + HEAD + 4, 107);
}

static void entry_code(uint8_t *p, size_t len)
{
    p[len - 1] ^= 3;
}

static void walk_code(uint8_t *p, size_t len)
{
    p[len / 2] ^= 0x40;
}

static void degree_five(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 4, 5);
}

static void lens_scale(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 28, 0x7fc00000);
}

/* said: what is verified or opened in vain says; mended: what repair tells of. */
typedef struct wrong {
    uint32_t type;
    change *how;
    const char *said, *mended;
    bool opens;
} wrong;

static const wrong wrongs[] = {
    {GLNK, link_outside, "row 17 of the graph: link 1 leads to row 1200", "links", true},
    {GLNK, link_to_twin, "row 20 of the graph: link 0 leads to row 105", "links", true},
    {GLNK, twin_of_another, "row 40 of the graph hangs on row 30", "twins", true},
    {GLNK, twin_of_two, "row 105 of the graph: row 106, its twin", "twins", true},
    {GLNK, twin_before, "leads to row 101", "twins", true},
    {GLNK, chain_cut, "row 100 of the graph: its chain of twins ends", "twins", true},
    {GLNK, chain_end_wrong, "row 100 of the graph: its chain of twins ends", "twins", true},
    {GLNK, twin_with_links, "row 103 of the graph is a twin of row 100", "twins", true},
    {GLNK, rows_forgotten, "30 rows of the graph cannot be reached, the first is row 700",
     "unreached", true},
    {GLNK, all_links_outside, "row 0 of the graph: link 0 leads to row", "rebuilt", true},
    {GLNK, all_links_own, "cannot be reached", "rebuilt", true},
    {GRPH, counts_small, "the graph says 3 nodes", "counts", true},
    {GRPH, twins_many, "the graph says 99 twins", "counts", true},
    {GRPH, entry_another, "entry 0 of the graph is not row", "entries", true},
    {GRPH, entry_twin, "entry 1 of the graph, row 107, is a twin", "entries", true},
    {GRPH, entry_code, "of the graph is not row", "entries", true},
    {GCOD, walk_code, "its walk code is not what the row says", "rebuilt", true},
    {GRPH, degree_five, "section GRPH: 5 links a row", "rebuilt", false},
    {GLEN, lens_scale, "section GLEN", "rebuilt", false},
};

/* Of HNSW12 alone. */
static const wrong wrong_levels[] = {
    {GLNK, too_many_links, "row 50 of the graph has 32 links, 24 at most", "links", true},
    {GLEV, level_twin, "row 103 of the graph is on level 1, but hangs on another", "levels", true},
    {GLEV, level_twice, "is twice on level 1", "levels", true},
    {GLEV, level_width, "levels of 0 links a row", "rebuilt", false},
};

/* ---- mended ---------------------------------------------------------------------------------- */

typedef struct told {
    char damage[256], mended[256];
} told;

static void take(void *ctx, const char *name, const char *text, double value)
{
    told *t = ctx;

    if (isnan(value)) {
        assert_string_equal(name, "damage");
        snprintf(t->damage, sizeof t->damage, "%s", text);
        return;
    }
    assert_true(value > 0);
    strncat(t->mended, name, sizeof t->mended - strlen(t->mended) - 1);
    strncat(t->mended, " ", sizeof t->mended - strlen(t->mended) - 1);
}

static uint8_t *in_memory(const bytes *b) // of its own, so that a sanitizer sees every step outside
{
    uint8_t *exact = malloc(b->len);

    assert_non_null(exact);
    memcpy(exact, b->p, b->len);
    return exact;
}

/* The index in these bytes is repaired: it says so, verifies, is written and opened again, and
 * finds as much as before. */
static void repaired(two_indexes *t, const bytes *hurt, const char *said, const char *mended)
{
    uint8_t *exact = in_memory(hurt);
    kith_index *ix, *again, *was = t->graph;
    told first = {{0}, {0}}, second = {{0}, {0}};
    bytes out = {0};

    must(kith_open_view(exact, hurt->len, KITH_OPEN_REPAIR, NULL, &ix));
    refused(kith_verify(ix, NULL), KITH_CORRUPT, said);
    must(kith_repair(ix, take, &first, NULL));
    if (!strstr(first.damage, said)) fail_msg("found: %s, not %s", first.damage, said);
    if (!strstr(first.mended, mended)) fail_msg("mended: %s, not %s", first.mended, mended);
    must(kith_verify(ix, NULL));
    must(kith_repair(ix, take, &second, NULL));
    assert_string_equal(second.damage, "");
    assert_string_equal(second.mended, "");
    must(kith_write(ix, append, &out));
    must(kith_open_view(out.p, out.len, KITH_OPEN_VERIFY, NULL, &again));
    t->graph = again;
    t->what = said;
    two_sound(t, KITH_ROWS(rows[N], NQ, KITH_F32), 0.95);
    two_sound(t, KITH_ROWS(rows[95], NQ, KITH_F32), 0.95); // the twins among them
    t->graph = was;
    kith_free(again);
    kith_free(ix);
    free(out.p);
    free(exact);
}

static void found_and_mended(two_indexes *t, const bytes *whole, const wrong *w)
{
    bytes hurt = {0};
    kith_index *ix;
    uint8_t *exact;

    with_change(whole, w->type, w->how, &hurt);
    exact = in_memory(&hurt);
    if (w->opens) {
        must(kith_open_view(exact, hurt.len, KITH_OPEN_VERIFY, NULL, &ix));
        refused(kith_verify(ix, NULL), KITH_CORRUPT, w->said);
        must(kith_repair(ix, NULL, NULL, NULL)); // no flag is needed
        must(kith_verify(ix, NULL));
        kith_free(ix);
    } else {
        refused(kith_open_view(exact, hurt.len, 0, NULL, &ix), KITH_CORRUPT, w->said);
    }
    free(exact);
    repaired(t, &hurt, w->said, w->mended);
    free(hurt.p);
}

static void wrong_with_right_checksums(void **state)
{
    bytes whole = {0};
    two_indexes t;

    (void)state;
    make(&t, "", &whole);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
        found_and_mended(&t, &whole, &wrongs[i]);
    two_close(&t);
    free(whole.p);
}

/* The same where rows are linked one by one: in place, and rows of levels are put there anew. Of
 * HNSW, which has one entry, not what it says of a second. */
static void wrong_where_linked_one_by_one(void **state)
{
    bytes whole = {0};
    two_indexes t;

    (void)state;
    make_as(&t, "HNSW12(ef_construction=40)", "", &whole);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
        if (wrongs[i].how != entry_twin && wrongs[i].how != entry_another)
            found_and_mended(&t, &whole, &wrongs[i]);
    for (size_t i = 0; i < sizeof wrong_levels / sizeof *wrong_levels; i++)
        found_and_mended(&t, &whole, &wrong_levels[i]);
    two_close(&t);
    make_as(&t, "NSW16(ef_construction=40)", "", &whole);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i += i % 4 ? 1 : 3)
        found_and_mended(&t, &whole, &wrongs[i]);
    two_close(&t);
    free(whole.p);
}

static void rows_of_level_1(void *count, const char *name, const char *text, double value)
{
    (void)text;
    if (strcmp(name, "level_1_rows") == 0) *(double *)count = value;
}

/* Rows that were removed before there was a graph have no links and rise to no level, whatever is
 * mended. */
static void removed_before_the_graph(void **state)
{
    enum { BEFORE = 900, GONE = 60 };
    int64_t gone[GONE];
    bytes whole = {0}, hurt = {0};
    double was = 0, is = -1;
    kith_index *ix;

    (void)state;
    clustered_rows(11, N, D, 20, 0.7f, false, rows[0]);
    for (size_t i = 0; i < GONE; i++) gone[i] = (int64_t)i * 7;
    must(kith_create("HNSW12(ef_construction=40,sweep=0)", D, KITH_L2, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(rows[0], BEFORE, KITH_F32), NULL, NULL, NULL));
    must(kith_remove(ix, gone, GONE, NULL));
    must(kith_add(ix, KITH_ROWS(rows[BEFORE], N - BEFORE, KITH_F32), NULL, NULL, NULL));
    must(kith_inspect(ix, "graph", rows_of_level_1, &was, NULL));
    assert_true(was > 0);
    must(kith_write(ix, append, &whole));
    kith_free(ix);
    with_change(&whole, GLEV, level_twice, &hurt);
    must(kith_open_view(hurt.p, hurt.len, 0, NULL, &ix));
    must(kith_repair(ix, NULL, NULL, NULL));
    must(kith_verify(ix, NULL));
    must(kith_inspect(ix, "graph", rows_of_level_1, &is, NULL));
    assert_int_equal(is, was);
    kith_free(ix);
    free(whole.p);
    free(hurt.p);
}

static void since_one(uint8_t *p, size_t len)
{
    (void)len;
    ki_put_le32(p + 36, 1);
}

/* What additions cut off is no damage before reach is looked at; kith_repair looks. */
static void what_waits_for_repair(void **state)
{
    bytes whole = {0}, hurt = {0}, both = {0};
    told first = {{0}, {0}}, second = {{0}, {0}};
    two_indexes t;
    kith_index *ix;

    (void)state;
    make(&t, "", &whole);
    with_change(&whole, GLNK, rows_forgotten, &hurt);
    with_change(&hurt, GRPH, since_one, &both);
    must(kith_open_view(both.p, both.len, 0, NULL, &ix));
    must(kith_verify(ix, NULL));
    must(kith_repair(ix, take, &first, NULL));
    assert_string_equal(first.damage, "");
    if (!strstr(first.mended, "unreached")) fail_msg("mended: %s", first.mended);
    must(kith_repair(ix, take, &second, NULL));
    assert_string_equal(second.mended, "");
    kith_free(t.graph);
    t.graph = ix;
    two_sound(&t, KITH_ROWS(rows[700], 30, KITH_F32), 1.0); // themselves
    two_close(&t);
    free(whole.p);
    free(hurt.p);
    free(both.p);
}

/* The same of bytes, whose walk codes are the rows themselves. */
static void links_of_bytes(void **state)
{
    bytes whole = {0}, hurt = {0};
    two_indexes t;

    (void)state;
    make(&t, ",U8", &whole);
    for (size_t i = 0; i < 9; i++) {
        with_change(&whole, wrongs[i].type, wrongs[i].how, &hurt);
        repaired(&t, &hurt, wrongs[i].said, wrongs[i].mended);
    }
    two_close(&t);
    free(whole.p);
    free(hurt.p);
}

/* Walk codes in two halves, of which walks read the high ones: damage to either is found. */
static void halves(void **state)
{
    static const uint32_t types[] = {GCOD, GCOL};
    static const char said[] = "its walk code is not what the row says";
    bytes whole = {0}, hurt = {0};
    two_indexes t;

    (void)state;
    make_as(&t, "Graph48(code_bits=4)", "", &whole);
    for (size_t i = 0; i < 2; i++) {
        with_change(&whole, types[i], walk_code, &hurt);
        repaired(&t, &hurt, said, "rebuilt");
    }
    for (size_t i = 0; i < 9; i++) {
        with_change(&whole, wrongs[i].type, wrongs[i].how, &hurt);
        repaired(&t, &hurt, wrongs[i].said, wrongs[i].mended);
    }
    two_close(&t);
    free(whole.p);
    free(hurt.p);
}

/* Where a section of the graph has a wrong checksum, the graph is made anew: as it was when it was
 * built at once, to the byte. */
static void wrong_checksums(void **state)
{
    static const uint32_t types[] = {GRPH, GLEN, GLNK, GCOD};
    bytes whole = {0};
    two_indexes t;

    (void)state;
    make(&t, "", &whole);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        bytes hurt = {0}, out = {0};
        char name[5], said[24];
        kith_index *ix;
        size_t len = 0;
        uint8_t *at;

        append(&hurt, whole.p, whole.len);
        at = section_of(&hurt, types[i], &len);
        at[len / 3] ^= 0x10;
        snprintf(said, sizeof said, "section %s", ki_blob_name(types[i], name));
        refused(kith_open_view(hurt.p, hurt.len, KITH_OPEN_VERIFY, NULL, &ix), KITH_CORRUPT, said);
        repaired(&t, &hurt, said, "rebuilt");
        must(kith_open_view(hurt.p, hurt.len, KITH_OPEN_REPAIR, NULL, &ix));
        must(kith_write(ix, append, &out)); // without a graph, which is sound
        must(kith_repair(ix, NULL, NULL, NULL));
        out.len = 0;
        must(kith_write(ix, append, &out));
        assert_int_equal(out.len, whole.len);
        assert_memory_equal(out.p, whole.p, out.len);
        kith_free(ix);
        free(out.p);
        free(hurt.p);
    }
    two_close(&t);
    free(whole.p);
}

/* Damaged rows are not mended, whatever else is; nor is a head. What belongs to nothing is. */
static void what_repair_leaves(void **state)
{
    bytes whole = {0}, out = {0};
    told of = {{0}, {0}};
    two_indexes t;
    kith_index *ix;
    size_t len = 0;
    uint8_t *at;

    (void)state;
    make(&t, "", &whole);
    at = section_of(&whole, CODE, &len);
    at[len / 2] ^= 1;
    refused(kith_open_view(whole.p, whole.len, KITH_OPEN_REPAIR, NULL, &ix), KITH_CORRUPT,
            "section CODE: block");
    must(kith_open_view(whole.p, whole.len, 0, NULL, &ix)); // seen when it is asked for
    refused(kith_repair(ix, NULL, NULL, NULL), KITH_CORRUPT, "section CODE: block");
    kith_free(ix);
    at[len / 2] ^= 1;
    must(kith_open_view(whole.p, whole.len, KITH_OPEN_READ_ONLY, NULL, &ix));
    refused(kith_repair(ix, NULL, NULL, NULL), KITH_READ_ONLY, "read-only");
    kith_free(ix);
    whole.p[20] ^= 1;
    refused(kith_open_view(whole.p, whole.len, KITH_OPEN_REPAIR, NULL, &ix), KITH_CORRUPT, "head");
    whole.p[20] ^= 1;
    at = section_of(&whole, SPEC, &len);
    at[len] ^= 1;
    refused(kith_open_view(whole.p, whole.len, 0, NULL, &ix), KITH_CORRUPT, "between sections");
    must(kith_open_view(whole.p, whole.len, KITH_OPEN_REPAIR, NULL, &ix));
    refused(kith_verify(ix, NULL), KITH_CORRUPT, "between sections");
    must(kith_repair(ix, take, &of, NULL));
    assert_non_null(strstr(of.damage, "between sections"));
    assert_string_equal(of.mended, "");
    must(kith_write(ix, append, &out));
    at[len] ^= 1;
    assert_int_equal(out.len, whole.len);
    assert_memory_equal(out.p, whole.p, out.len);
    kith_free(ix);
    two_close(&t);
    free(whole.p);
    free(out.p);
}

/* A tuned curve that is damaged is left out as well. */
static void a_damaged_curve(void **state)
{
    kith_tuning how = KITH_TUNING_INIT;
    bytes whole = {0};
    told of = {{0}, {0}};
    two_indexes t;
    kith_index *ix;
    size_t len = 0, n;

    (void)state;
    how.sample = 20;
    make(&t, "", &whole);
    must(kith_tune(t.graph, NULL, &how, NULL));
    whole.len = 0;
    must(kith_write(t.graph, append, &whole));
    section_of(&whole, TUNE, &len)[9] ^= 1;
    refused(kith_open_view(whole.p, whole.len, 0, NULL, &ix), KITH_CORRUPT, "section TUNE");
    must(kith_open_view(whole.p, whole.len, KITH_OPEN_REPAIR, NULL, &ix));
    must(kith_repair(ix, take, &of, NULL));
    assert_non_null(strstr(of.damage, "section TUNE"));
    assert_string_equal(of.mended, "");
    must(kith_curve(ix, NULL, 0, &n));
    assert_int_equal(n, 0);
    must(kith_verify(ix, NULL));
    kith_free(ix);
    two_close(&t);
    free(whole.p);
}

static void told_nothing(void *ctx, const char *name, const char *text, double value)
{
    (void)ctx;
    (void)value;
    fail_msg("told of %s: %s", name, text);
}

static void nothing_to_mend(void **state)
{
    bytes whole = {0}, after = {0};
    two_indexes t;
    kith_index *ix;

    (void)state;
    make(&t, "", &whole);
    must(kith_repair(t.graph, told_nothing, NULL, NULL));
    must(kith_repair(t.flat, told_nothing, NULL, NULL));
    must(kith_write(t.graph, append, &after));
    assert_int_equal(after.len, whole.len);
    assert_memory_equal(after.p, whole.p, whole.len);
    must(kith_create("Graph", D, KITH_L2, NULL, &ix));
    must(kith_repair(ix, told_nothing, NULL, NULL));
    must(kith_add(ix, KITH_ROWS(rows, 10, KITH_F32), NULL, NULL, NULL));
    must(kith_repair(ix, told_nothing, NULL, NULL));
    kith_free(ix);
    two_close(&t);
    free(whole.p);
    free(after.p);
}

/* The n-th allocation fails, or the watch says no: all is as it was, the damage, too. */
static int now_or_later(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    size_t *left = ctx;

    (void)phase;
    (void)done;
    (void)total;
    return (*left)-- == 0;
}

static void fails_at_each(const bytes *whole, const wrong *w)
{
    bytes hurt = {0};
    size_t said_no = 0;
    kith_index *ix;

    with_change(whole, w->type, w->how, &hurt);
    for (size_t n = 1;; n += n < FEWER(16, 4) ? 1 : n / FEWER(4, 1)) {
        failing_host f;
        kith_status st;

        failing_init(&f);
        f.host.threads = 1;
        must(kith_open_view(hurt.p, hurt.len, 0, &f.host, &ix));
        failing_alloc_at(&f, n, n % 2 == 0);
        st = kith_repair(ix, NULL, NULL, NULL);
        failing_alloc_at(&f, 0, false);
        assert_true(st == KITH_OK || st == KITH_NO_MEMORY);
        if (st != KITH_OK) refused(kith_verify(ix, NULL), KITH_CORRUPT, w->said);
        must(kith_repair(ix, NULL, NULL, NULL));
        must(kith_verify(ix, NULL));
        kith_free(ix);
        assert_null(failing_complaint(&f));
        if (st == KITH_OK) break;
    }
    must(kith_open_view(hurt.p, hurt.len, 0, NULL, &ix));
    refused(kith_repair(ix, NULL, NULL, &(kith_watch){now_or_later, &said_no}), KITH_CANCELLED, "");
    refused(kith_verify(ix, NULL), KITH_CORRUPT, w->said);
    kith_free(ix);
    free(hurt.p);
}

static void failures(void **state)
{
    static const size_t cases[] = {0, 8, 16}; // mended in place, reached again, made anew
    bytes whole = {0};
    two_indexes t;

    (void)state;
    make(&t, "", &whole);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        fails_at_each(&whole, &wrongs[cases[i]]);
    two_close(&t);
    make_as(&t, "HNSW12(ef_construction=20)", "", &whole);
    fails_at_each(&whole, &wrong_levels[1]);
    two_close(&t);
    free(whole.p);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void keep_out_of_reach(void *kept, const char *name, const char *text, double value)
{
    (void)text;
    if (strcmp(name, "out_of_reach") == 0) *(double *)kept = value;
}

static void figures_of(const bytes *whole, const wrong *w)
{
    double out_of_reach = -1;
    bytes hurt = {0};
    kith_index *ix;

    if (!w->opens) return;
    with_change(whole, w->type, w->how, &hurt);
    must(kith_open_view(hurt.p, hurt.len, 0, NULL, &ix));
    must(kith_inspect(ix, "graph", keep_out_of_reach, &out_of_reach, NULL));
    assert_true(strcmp(w->mended, "unreached") == 0 ? out_of_reach == 30 : out_of_reach >= 0);
    kith_free(ix);
    free(hurt.p);
}

/* Links that lead anywhere, in a file that nobody verified. */
static void figures_of_a_wrong_graph(void **state)
{
    bytes whole = {0};
    two_indexes t;

    (void)state;
    make(&t, "", &whole);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) figures_of(&whole, &wrongs[i]);
    two_close(&t);
    make_as(&t, "HNSW12(ef_construction=20)", "", &whole);
    for (size_t i = 0; i < sizeof wrong_levels / sizeof *wrong_levels; i++)
        figures_of(&whole, &wrong_levels[i]);
    two_close(&t);
    free(whole.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_with_right_checksums),
        cmocka_unit_test(wrong_where_linked_one_by_one),
        cmocka_unit_test(removed_before_the_graph),
        cmocka_unit_test(what_waits_for_repair),
        cmocka_unit_test(links_of_bytes),
        cmocka_unit_test(halves),
        cmocka_unit_test(wrong_checksums),
        cmocka_unit_test(what_repair_leaves),
        cmocka_unit_test(a_damaged_curve),
        cmocka_unit_test(nothing_to_mend),
        cmocka_unit_test(failures),
        cmocka_unit_test(figures_of_a_wrong_graph),
    };

    return cmocka_run_group_tests_name("mend", tests, NULL, NULL);
}
