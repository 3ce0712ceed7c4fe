/* What kith_inspect tells of graphs: degrees, reach, paths, levels. */
#include "support/twoindexes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1200, D = 20, COPIES = 12 };

typedef struct figures {
    struct {
        char name[24];
        double value;
    } at[256];
    size_t n;
} figures;

static void keep(void *ctx, const char *name, const char *text, double value)
{
    figures *f = ctx;

    assert_true(strlen(text) > 0);
    assert_true(f->n < 256);
    snprintf(f->at[f->n].name, sizeof f->at->name, "%s", name);
    f->at[f->n++].value = value;
}

static int stop(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)phase;
    (void)done;
    (void)total;
    return 1;
}

static double figure(const figures *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->at[i].name, name) == 0) return f->at[i].value;
    fail_msg("no figure %s", name);
    return 0;
}

/* Rows 100 … 100 + COPIES are equal: a node and its twins. */
static void make(two_indexes *t, const char *navigator)
{
    static float rows[N][D];

    clustered_rows(11, N, D, 20, 0.7f, false, rows[0]);
    for (size_t i = 1; i <= COPIES; i++) memcpy(rows[100 + i], rows[100], sizeof *rows);
    two_open_as(t, navigator, "", D, KITH_L2, 1);
    two_add(t, KITH_ROWS(rows, N, KITH_F32), NULL);
}

static void degrees(const kith_index *ix, const char *part, const figures *graph, const char *mean)
{
    figures f = {.n = 0};
    double nodes = 0, links = 0;

    must(kith_inspect(ix, part, keep, &f, NULL));
    for (size_t i = 0; i < f.n; i++) {
        assert_true(i == 0 || atof(f.at[i].name) > atof(f.at[i - 1].name));
        nodes += f.at[i].value;
        links += atof(f.at[i].name) * f.at[i].value;
    }
    assert_true(nodes == figure(graph, "nodes"));
    assert_true(fabs(links / nodes - figure(graph, mean)) < 1e-9);
}

static void figures_of_a_graph(void **state)
{
    const int64_t gone[] = {3, 100, 104, 900};
    figures f = {.n = 0}, small = {.n = 0};
    two_indexes t;
    kith_index *ix;

    (void)state;
    make(&t, "Graph48");
    must(kith_remove(t.graph, gone, 4, NULL));
    must(kith_inspect(t.graph, "graph", keep, &f, NULL));
    assert_true(figure(&f, "nodes") == N - COPIES);
    assert_true(figure(&f, "twins") == COPIES);
    assert_true(figure(&f, "nodes_removed") == 3);
    assert_true(figure(&f, "twins_removed") == 1);
    assert_true(figure(&f, "twin_chains") == 1);
    assert_true(figure(&f, "longest_chain") == COPIES + 1);
    assert_true(figure(&f, "unlinked") == 0);
    assert_true(figure(&f, "reached") == 1);
    assert_true(figure(&f, "out_of_reach") == 0);
    assert_true(figure(&f, "out_mean") == figure(&f, "in_mean"));
    assert_true(figure(&f, "out_most") <= 48);
    assert_true(figure(&f, "path") > 1 && figure(&f, "path") < 12);
    assert_true(figure(&f, "random_path") > 1 && figure(&f, "random_path") < figure(&f, "path"));
    assert_true(figure(&f, "clustering") > 5 * figure(&f, "random_clustering"));
    assert_true(figure(&f, "clustering") < 1 && figure(&f, "small_world") > 1);
    degrees(t.graph, "out_degrees", &f, "out_mean");
    degrees(t.graph, "in_degrees", &f, "in_mean");
    refused(kith_inspect(t.graph, "lists", keep, &small, NULL), KITH_NOT_FOUND, "out_degrees");
    refused(kith_inspect(t.flat, "graph", keep, &small, NULL), KITH_UNSUPPORTED, "Flat");
    refused(kith_inspect(t.graph, "graph", keep, &small, &(kith_watch){stop, NULL}), KITH_CANCELLED,
            "");
    must(kith_create("Graph", D, KITH_L2, NULL, &ix));
    must(kith_inspect(ix, "in_degrees", keep, &small, NULL));
    assert_int_equal(small.n, 0);
    must(kith_inspect(ix, "graph", keep, &small, NULL));
    assert_int_equal(small.n, 1);
    kith_free(ix);
    two_close(&t);
}

/* Each level has an M-th of the rows below, about, and its entry leads to all of it, about. */
static void figures_of_levels(void **state)
{
    figures f = {.n = 0};
    double below = N - COPIES;
    two_indexes t;
    char name[32];

    (void)state;
    make(&t, "HNSW4(ef_construction=40)");
    must(kith_inspect(t.graph, "graph", keep, &f, NULL));
    assert_true(figure(&f, "levels") >= 3);
    for (int l = 1; l <= (int)figure(&f, "levels"); l++) {
        double here;

        snprintf(name, sizeof name, "level_%d_rows", l);
        here = figure(&f, name);
        assert_true(here >= 1 && here < below && (l > 2 || fabs(here - below / 4) < below / 10));
        snprintf(name, sizeof name, "level_%d_links", l);
        assert_true(figure(&f, name) <= 4 && (figure(&f, name) > 1 || here < 3));
        snprintf(name, sizeof name, "level_%d_reached", l);
        assert_true(figure(&f, name) > 0.9 && figure(&f, name) <= 1);
        below = here;
    }
    two_close(&t);
    make(&t, "NSW4(ef_construction=40)");
    f.n = 0;
    must(kith_inspect(t.graph, "graph", keep, &f, NULL));
    for (size_t i = 0; i < f.n; i++) assert_null(strstr(f.at[i].name, "level"));
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_a_graph),
        cmocka_unit_test(figures_of_levels),
    };

    return cmocka_run_group_tests_name("graphlook", tests, NULL, NULL);
}
