/* What a long build tells of itself: work that only grows, up to what was said, evenly enough that
 * the time left can be told; and a build that is cancelled anywhere leaves the index as it was. */
#include "support/twoindexes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLOATS = FEWER(30000, 6000) * 48, FIRST = 2000, POLLS = 4096, PHASES = 16, FEW_POLLS = 10 };

typedef struct look {
    uint64_t done, total;
    double at; /* seconds of CPU time: neighbours on the machine do not count */
} look;

typedef struct stretch {
    char phase[32];
    look look[POLLS];
    size_t n;
} stretch;

typedef struct seen {
    stretch *of; /* [PHASES] */
    size_t n, polls;
    size_t stop; /* cancel at this poll; 0: never */
} seen;

static int note(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    seen *s = ctx;
    stretch *p = s->n ? &s->of[s->n - 1] : NULL;

    if (!p || strcmp(p->phase, phase) != 0) {
        assert_true(s->n < PHASES && strlen(phase) < sizeof p->phase);
        p = &s->of[s->n++];
        memcpy(p->phase, phase, strlen(phase) + 1);
    }
    if (p->n < POLLS) p->look[p->n++] = (look){done, total, (double)clock() / CLOCKS_PER_SEC};
    return ++s->polls == s->stop;
}

/* The time that the whole phase takes, as someone thinks who saw it from its first poll to this
 * one. */
static double guess(const stretch *p, size_t i)
{
    const look *from = &p->look[0], *to = &p->look[i];
    const double rate = (double)(to->done - from->done) / (to->at - from->at);

    return (double)(to->total - from->done) / rate;
}

static void told_evenly(const stretch *p, const char *spec)
{
    const look *first = &p->look[0], *last = &p->look[p->n - 1];
    const double took = last->at - first->at;

    for (size_t i = 0; i < p->n; i++) {
        const look *at = &p->look[i];

        assert_int_equal(at->total, first->total);
        assert_true(at->total == 0 || at->done <= at->total);
        assert_true(i == 0 || at->done >= at[-1].done);
    }
    print_message("%s, %-10s %4zu polls, %5.2f s, %3.0f %% of what was said\n", spec, p->phase,
                  p->n, took, last->total ? 100 * (double)last->done / (double)last->total : 0);
    if (p->n < FEW_POLLS || last->total == 0) return;
    assert_true((double)last->done > 0.8 * (double)last->total);
    for (size_t i = 1; i + 1 < p->n; i++) {
        const double is = p->look[i].at - first->at;

        if (is > took / 3 && (guess(p, i) > 2.5 * took || guess(p, i) < took / 2.5))
            fail_msg("%s, %s: %.2f s for all after %.2f of %.2f s", spec, p->phase, guess(p, i), is,
                     took);
    }
}

static void one_build(const char *spec, const float *x, size_t d)
{
    const size_t n = FLOATS / d;
    kith_host host = KITH_HOST_INIT;
    seen s = {calloc(PHASES, sizeof *s.of), 0, 0, 0};
    const kith_watch w = {note, &s};
    size_t polls, len, after;
    uint8_t *before, *then;
    kith_index *ix;

    assert_non_null(s.of);
    host.threads = 1; // CPU time is that of all threads
    must(kith_create(spec, d, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, n, KITH_F32), NULL, NULL, &w));
    for (size_t i = 0; i < s.n; i++) told_evenly(&s.of[i], spec);
    kith_free(ix);
    must(kith_create(spec, d, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(x, FIRST, KITH_F32), NULL, NULL, NULL));
    before = bytes_of(ix, &len);
    polls = s.polls;
    for (size_t i = 1; i < 4; i++) { // all rows are linked anew, or all but the first
        s.polls = s.n = 0;
        s.stop = polls * i / 4 + 1;
        memset(s.of, 0, PHASES * sizeof *s.of);
        assert_int_equal(
            kith_add(ix, KITH_ROWS(x + FIRST * d, n - FIRST, KITH_F32), NULL, NULL, &w),
            KITH_CANCELLED);
        then = bytes_of(ix, &after);
        assert_int_equal(after, len);
        assert_memory_equal(then, before, len);
        free(then);
    }
    must(kith_verify(ix, NULL));
    kith_free(ix);
    free(before);
    free(s.of);
}

static void builds(void **state)
{
    static const struct {
        const char *spec;
        size_t d; /* long rows are linked in more steps */
    } kinds[] = {
        {"Graph48", 48}, {"Graph32", 240}, {"HNSW16", 48}, {"NSW16", 48}, {"Graph32,U8", 48}};
    float *x = need_floats(FLOATS);

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        clustered_rows(5, FLOATS / kinds[i].d, kinds[i].d, 200, 1.0f, true, x);
        for (size_t j = 0; j < FLOATS && strstr(kinds[i].spec, "U8"); j++)
            x[j] = (float)(int)(20 * x[j] < 255 ? 20 * x[j] : 255);
        one_build(kinds[i].spec, x, kinds[i].d);
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(builds)};

    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
