/* 2,000 damaged files, truncated, with flipped bits, with random heads: opened with
 * KITH_OPEN_VERIFY each is an error that names what is wrong; without it never a crash, and what is
 * answered stays in bounds. KITH_MUTATIONS sets their number; a failure prints the number of the
 * mutation. */
#include "support/harness.h"
#include "support/sink.h"

#include <kith.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { D = 9, N = 1200, K = 4 };

static uint64_t state_of;

static uint64_t draw(uint64_t below)
{
    state_of = state_of * 6364136223846793005u + 1442695040888963407u;
    return (state_of >> 33) % below;
}

/* An index with everything in it: own ids, labels, removed rows, scan code (or bits). */
static void original(size_t kind, bytes *out)
{
    static const struct {
        const char *spec;
        kith_metric metric;
    } kinds[] = {{"Flat", KITH_L2}, {"Flat,U8", KITH_IP}, {"Flat,Bits", KITH_HAMMING},
                 {"Flat,F16", KITH_COSINE}};
    static float x[N][D];
    static const char *labels[N];
    static int64_t ids[N];
    kith_index *ix;

    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < D; j++) x[i][j] = kind == 0 ? (float)draw(1000) / 7 : (float)draw(2);
        labels[i] = i % 5 ? "a label" : NULL;
        ids[i] = (int64_t)(i * 13);
    }
    must(kith_create(kinds[kind].spec, D, kinds[kind].metric, NULL, &ix));
    must(kith_add(ix, KITH_ROWS(x, N, KITH_F32), ids, labels, NULL));
    must(kith_remove(ix, ids + 100, 30, NULL));
    must(kith_write(ix, append, out));
    kith_free(ix);
}

static const char *mutate(const bytes *from, bytes *to, size_t *at)
{
    to->len = 0;
    append(to, from->p, from->len);
    switch (draw(6)) {
    case 0:
        *at = to->len = draw(from->len);
        return "cut at";
    case 1:
        *at = draw(from->len);
        to->p[*at] ^= (uint8_t)(1u << draw(8));
        return "bit flipped in byte";
    case 2: // the head and whatever lies near the ends
        *at = draw(2) ? draw(4096 < from->len ? 4096 : from->len) : from->len - 1 - draw(512);
        to->p[*at] ^= (uint8_t)(1 + draw(255));
        return "byte changed at";
    case 3:
        *at = draw(from->len - 8);
        for (size_t i = 0; i < 8; i++) to->p[*at + i] = draw(3) ? (uint8_t)draw(256) : 0xff;
        return "eight bytes at random from";
    case 4: // a head of 64 random bytes, at times behind the right magic
        *at = draw(2) ? 8 : 0;
        for (size_t i = *at; i < 64; i++) to->p[i] = (uint8_t)draw(256);
        return "random head from byte";
    default:
        *at = draw(64) + 1;
        for (size_t i = 0; i < *at; i++) {
            const uint8_t junk = (uint8_t)draw(256);
            append(to, &junk, 1);
        }
        return "bytes appended:";
    }
}

/* Use everything; nothing may crash, ids may be wrong only when the file was not verified. */
static void use(kith_index *ix)
{
    const size_t d = kith_dim(ix);
    float *q = calloc(d, sizeof *q), dist[K];
    int64_t ids[K];
    size_t n;
    char label[64];

    if (kith_search(ix, KITH_ROWS(q, 1, KITH_F32), &(kith_query)KITH_QUERY_K(K), ids, dist) ==
        KITH_OK)
        for (size_t i = 0; i < K && ids[i] != KITH_NO_ID; i++) {
            kith_get(ix, ids[i], q);
            kith_get_label(ix, ids[i], label, sizeof label, &n);
        }
    kith_find_label(ix, "a label", ids, K, &n);
    kith_contains(ix, 13);
    kith_verify(ix, NULL);
    kith_compact(ix, NULL);
    free(q);
}

/* The sentence names the part of the file that is damaged (a section, the table of sections, what
 * lies between them, the head, its magic, the tail), or says that the length is wrong. */
static bool names_the_damage(const char *how, const char *sentence)
{
    static const char *const parts[] = {"section", "head", "begins like", "last bytes"};

    if (strstr(how, "cut")) return strstr(sentence, "cut off") || strstr(sentence, "empty");
    if (strstr(how, "appended")) return strstr(sentence, "appended");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(sentence, parts[i])) return true;
    return false;
}

static void damaged_files(void **state)
{
    const char *asked = getenv("KITH_MUTATIONS");
    const size_t wanted = asked ? strtoull(asked, NULL, 10) : 2000;
    bytes from = {0}, to = {0};
    char path[64];
    size_t at;

    (void)state;
    snprintf(path, sizeof path, "/tmp/kith-mutation.%ld.kith", (long)getpid());
    for (size_t i = 0; i < wanted; i++) {
        const char *how;
        kith_index *ix;
        kith_status st;
        uint8_t *exact;

        if (i % 100 == 0) {
            state_of = i;
            from.len = 0;
            original(i / 100 % 4, &from);
        }
        how = mutate(&from, &to, &at);
        if (to.len == from.len && memcmp(to.p, from.p, to.len) == 0) continue;
        exact = malloc(to.len ? to.len
                              : 1); // its own block, so that a sanitizer sees every step outside
        assert_non_null(exact);
        memcpy(exact, to.p, to.len);
        st = kith_open_view(exact, to.len, KITH_OPEN_VERIFY, NULL, &ix);
        if (st != KITH_CORRUPT && st != KITH_VERSION && st != KITH_BAD_ARG)
            fail_msg("mutation %zu (%s %zu) opens: %s", i, how, at, kith_status_name(st));
        if (!names_the_damage(how, kith_last_error()))
            fail_msg("mutation %zu (%s %zu): where? \"%s\"", i, how, at, kith_last_error());
        st = kith_open_view(exact, to.len, 0, NULL, &ix);
        if (st == KITH_OK) {
            use(ix);
            kith_free(ix);
        }
        if (i % 10 == 0) { // by file, mapped and copied
            FILE *f = fopen(path, "wb");

            assert_non_null(f);
            assert_int_equal(fwrite(exact, 1, to.len, f), to.len);
            fclose(f);
            assert_int_not_equal(kith_open(path, KITH_OPEN_COPY | KITH_OPEN_VERIFY, NULL, &ix),
                                 KITH_OK);
            if (kith_open(path, KITH_OPEN_MAP, NULL, &ix) == KITH_OK) {
                use(ix);
                kith_free(ix);
            }
        }
        free(exact);
    }
    unlink(path);
    free(from.p);
    free(to.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files)};

    return cmocka_run_group_tests_name("mutations", tests, NULL, NULL);
}
