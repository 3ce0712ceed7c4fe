/* kith info: what an index is, what its graph looks like, and what this processor may run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "measure.h"
#include "output.h"
#include "points.h"

enum { KERNEL_LINE = 32, BARS = 14, CURVE_BARS = 20 };

static const option own[] = {
    {"json", NULL, "one JSON object", 0},
    {"graph", NULL,
     "the graph instead: degrees, twins, the share that is reached, paths and clustering of a "
     "sample beside those of a random graph",
     0},
    {"plot", NULL,
     "with --graph: draw how many nodes have how many links, and the curve of kith tune", 0},
    {"cpu", NULL,
     "instead: the instruction sets kith has kernels for, whether they run here, and which of them "
     "does what (type:set)",
     0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own, common_options, NULL};

/* ---- an index -------------------------------------------------------------------------------- */

/* The navigator: what the spec begins with. */
static void type_of(const kith_index *ix, char out[64])
{
    const char *spec = kith_spec(ix);

    snprintf(out, 64, "%.*s", (int)strcspn(spec, ",("), spec);
}

static void put_stat_json(void *ctx, const char *name, const char *text, double value)
{
    if (isnan(value))
        json_text(ctx, name, text);
    else
        json_double(ctx, name, value);
}

static void put_stat_text(void *ctx, const char *name, const char *text, double value)
{
    FILE *to = ctx;

    if (isnan(value))
        fprintf(to, "%-14s %s\n", name, text);
    else
        fprintf(to, "%-14s %.10g %s\n", name, value, text);
}

static void show_json(const kith_index *ix, const char *path, const curve *c)
{
    json j = {stdout, 0};
    char type[64];

    type_of(ix, type);
    json_open(&j, NULL, '{');
    json_text(&j, "index", path);
    json_text(&j, "type", type);
    json_text(&j, "spec", kith_spec(ix));
    json_text(&j, "metric", kith_metric_name(kith_metric_of(ix)));
    json_text(&j, "dtype", kith_dtype_name(kith_dtype_of(ix)));
    json_double(&j, "bytes", index_stat(ix, "file_bytes"));
    kith_stats(ix, put_stat_json, &j); // count, dim, bytes by part
    if (c->n > 0) curve_put_json(c, &j);
    json_close(&j, '}');
    json_line(&j);
}

static void show_text(const kith_index *ix, const curve *c)
{
    const kith_metric m = kith_metric_of(ix);
    char type[64];

    type_of(ix, type);
    printf("%-14s %s\n", "type", type);
    printf("%-14s %s\n", "spec", kith_spec(ix));
    printf("%-14s %s (%s)\n", "metric", kith_metric_name(m),
           kith_metric_is_similarity(m) ? "a similarity: larger is nearer"
                                        : "a distance: smaller is nearer");
    printf("%-14s %s\n", "dtype", kith_dtype_name(kith_dtype_of(ix)));
    kith_stats(ix, put_stat_text, stdout);
    if (c->n == 0) return;
    putchar('\n');
    curve_put(c, 0);
}

/* ---- its graph ------------------------------------------------------------------------------- */

/* What kith_inspect tells, kept until all of it is known: half an answer is not printed. */
typedef struct figure {
    char name[24], text[64];
    double value;
} figure;
typedef struct figures {
    figure *at; /* owned [n] */
    size_t n, cap;
    int full; /* memory is out */
} figures;

static void keep_figure(void *ctx, const char *name, const char *text, double value)
{
    figures *f = ctx;

    if (!f->full) f->full = !array_grow(&f->at, &f->cap, f->n + 1, sizeof *f->at);
    if (f->full) return;
    snprintf(f->at[f->n].name, sizeof f->at->name, "%s", name);
    snprintf(f->at[f->n].text, sizeof f->at->text, "%s", text);
    f->at[f->n++].value = value;
}

static kith_status inspect(const job *j, const char *part, figures *out)
{
    const kith_status st = kith_inspect(j->index, part, keep_figure, out, &j->watch);

    if (st != KITH_OK) return fail_in(st, j->path);
    return out->full ? KITH_NO_MEMORY : KITH_OK; // array_grow wrote the sentence
}

static void name_bar(bar *b, double from, double to, int open)
{
    if (open)
        snprintf(b->name, sizeof b->name, "%.0f and more", from);
    else if (from == to)
        snprintf(b->name, sizeof b->name, "%.0f", from);
    else
        snprintf(b->name, sizeof b->name, "%.0f…%.0f", from, to);
}

/* How many nodes have each number of links, ascending, as bars of equal width; but that the last
 * one takes the hundredth part of the nodes that has the most. */
static void plot_degrees(const char *title, const figures *f)
{
    const double least = atof(f->at[0].name);
    double all = 0, sum = 0, nearly_all = least, wide;
    bar b[BARS] = {0};
    size_t bars = 0;

    for (size_t i = 0; i < f->n; i++) all += f->at[i].value;
    for (size_t i = 0; i < f->n && sum < 0.99 * all; i++) {
        sum += f->at[i].value;
        nearly_all = atof(f->at[i].name);
    }
    wide = ceil((nearly_all - least + 1) / (BARS - 1));
    for (size_t i = 0; i < f->n; i++) {
        const double at = floor((atof(f->at[i].name) - least) / wide);
        const size_t x = at < BARS - 1 ? (size_t)at : BARS - 1;

        for (; bars <= x; bars++)
            name_bar(&b[bars], least + wide * (double)bars, least + wide * (double)(bars + 1) - 1,
                     bars == BARS - 1);
        b[x].value += f->at[i].value;
    }
    plot_bars(stdout, title, b, bars);
}

/* What each recall cost when the index was tuned. */
static void plot_curve(const curve *c)
{
    bar b[CURVE_BARS] = {0};
    const size_t n = c->n < CURVE_BARS ? c->n : CURVE_BARS;
    char title[64];

    for (size_t i = 0; i < n; i++) {
        const kith_point *p = &c->point[i * c->n / n];

        snprintf(b[i].name, sizeof b[i].name, "%.4f", (double)p->recall);
        b[i].value = round(10 * (double)p->us) / 10;
    }
    snprintf(title, sizeof title, "microseconds a query by recall@%u, when it was tuned", c->k);
    plot_bars(stdout, title, b, n);
}

static void graph_json(const job *j, const figures *graph, const figures degrees[2], const curve *c)
{
    static const char *const parts[] = {"out_degrees", "in_degrees"};
    json out = {stdout, 0};

    json_open(&out, NULL, '{');
    json_text(&out, "index", j->path);
    json_text(&out, "spec", kith_spec(j->index));
    for (size_t i = 0; i < graph->n; i++)
        put_stat_json(&out, graph->at[i].name, graph->at[i].text, graph->at[i].value);
    for (size_t p = 0; c != NULL && p < 2; p++) {
        json_open(&out, parts[p], '{');
        for (size_t i = 0; i < degrees[p].n; i++)
            json_double(&out, degrees[p].at[i].name, degrees[p].at[i].value);
        json_close(&out, '}');
    }
    if (c != NULL && c->n > 0) curve_put_json(c, &out);
    json_close(&out, '}');
    json_line(&out);
}

static void graph_text(const job *j, const figures *graph, const figures degrees[2], const curve *c)
{
    static const char *const titles[] = {"nodes by links away from them", "nodes by links to them"};

    printf("%-17s %s\n", "spec", kith_spec(j->index));
    for (size_t i = 0; i < graph->n; i++) {
        const figure *f = &graph->at[i];

        if (isnan(f->value))
            printf("%-17s %s\n", f->name, f->text);
        else
            printf("%-17s %.*g %s\n", f->name, f->value == floor(f->value) ? 10 : 4, f->value,
                   f->text);
    }
    for (size_t p = 0; p < 2; p++) {
        if (degrees[p].n == 0) continue;
        putchar('\n');
        plot_degrees(titles[p], &degrees[p]);
    }
    if (c == NULL || c->n == 0) return;
    putchar('\n');
    plot_curve(c);
}

/* c: NULL, or the curve, to be drawn with the degrees. */
static kith_status show_graph(job *j, int as_json, const curve *c)
{
    kith_status st = KITH_OK;
    figures graph = {0}, degrees[2] = {{0}};

    TRY(inspect(j, "graph", &graph));
    if (c != NULL) TRY(inspect(j, "out_degrees", &degrees[0]));
    if (c != NULL) TRY(inspect(j, "in_degrees", &degrees[1]));
    progress_end(&j->progress);
    if (as_json)
        graph_json(j, &graph, degrees, c);
    else
        graph_text(j, &graph, degrees, c);
out:
    free(graph.at);
    free(degrees[0].at);
    free(degrees[1].at);
    return st;
}

/* ---- the processor --------------------------------------------------------------------------- */

static void put_isa(void *ctx, const char *name, const char *text, double runs)
{
    (void)ctx;
    (void)text;
    printf("%-12s %s\n", name, runs > 0 ? "yes" : "no");
}

/* One line for all types of "scan l2": the last word of a slot is its type. */
static void put_kernel(void *ctx, const char *name, const char *isa, double value)
{
    char *line = ctx; // [KERNEL_LINE]: what the line is of
    const char *type = strrchr(name, ' ');
    const size_t len = (size_t)(type - name);

    (void)value;
    if (strlen(line) != len || memcmp(line, name, len) != 0) {
        snprintf(line, KERNEL_LINE, "%.*s", (int)len, name);
        printf("\n%-15s", line);
    }
    printf(" %s:%s", type + 1, isa);
}

static void put_isa_json(void *ctx, const char *name, const char *text, double runs)
{
    (void)text;
    json_int(ctx, name, runs > 0);
}

static kith_status show_cpu(int as_json)
{
    char line[KERNEL_LINE] = "";
    json j = {stdout, 0};
    kith_status st;

    if (!as_json) {
        st = kith_list("isas", put_isa, NULL);
        if (st == KITH_OK) st = kith_list("kernels", put_kernel, line);
        putchar('\n');
        return st;
    }
    json_open(&j, NULL, '{');
    st = kith_list("isas", put_isa_json, &j);
    json_open(&j, "kernels", '{');
    if (st == KITH_OK) st = kith_list("kernels", put_stat_json, &j);
    json_close(&j, '}');
    json_close(&j, '}');
    json_line(&j);
    return st;
}

static kith_status run(const arguments *a)
{
    const int as_json = given_flag(a, "json"), plot = given_flag(a, "plot");
    kith_status st = KITH_OK;
    curve c = {0};
    job j;

    TRY(job_begin(a, &j));
    if (given_flag(a, "cpu") == (a->operands == 1))
        TRY(wrong_usage("info needs an INDEX, or --cpu"));
    if (given_flag(a, "graph") && given_flag(a, "cpu"))
        TRY(wrong_usage("--graph is of an index, --cpu of this machine: one of them"));
    if (plot && !given_flag(a, "graph"))
        TRY(wrong_usage("--plot draws what --graph shows: it goes with it"));
    if (given_flag(a, "cpu")) {
        TRY(show_cpu(as_json));
        goto out;
    }
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY));
    TRY(curve_read(j.index, &c));
    if (given_flag(a, "graph"))
        TRY(show_graph(&j, as_json, plot ? &c : NULL));
    else if (as_json)
        show_json(j.index, a->operand[0], &c);
    else
        show_text(j.index, &c);
out:
    curve_free(&c);
    job_end(&j);
    return st;
}

const command cmd_info = {
    "info",
    "INDEX [--json] [--graph [--plot]]  |  --cpu",
    "what an index is, or what this processor runs",
    "Prints what is known of an index without reading its rows: type, spec, metric, type of the "
    "stored components, dimension, rows, bytes by part; of a tuned index the curve that "
    "kith tune stored.\n\n"
    "With --graph it follows the links: degrees, twins (rows with the same bytes as a node), the "
    "share of nodes that is reached from the first entry, of HNSW the rows, links and reach of "
    "each "
    "level, and of a sample the mean length of shortest paths and the clustering, beside those of "
    "a random graph with as many nodes and "
    "links.",
    "kith info base.kith\n"
    "kith info base.kith --graph --plot\n"
    "kith info --cpu\n",
    options,
    0,
    1,
    0,
    MAKES_FILE,
    run,
};
