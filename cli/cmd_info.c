/* kith info: what an index is, and what this processor may run. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"

enum { KERNEL_LINE = 32 };

static const option own[] = {
    {"json", NULL, "one JSON object", 0},
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

static void show_json(const kith_index *ix, const char *path)
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
    json_close(&j, '}');
    json_line(&j);
}

static void show_text(const kith_index *ix)
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
    const int as_json = given_flag(a, "json");
    kith_status st = KITH_OK;
    job j;

    TRY(job_begin(a, &j));
    if (given_flag(a, "cpu") == (a->operands == 1))
        TRY(wrong_usage("info needs an INDEX, or --cpu"));
    if (given_flag(a, "cpu")) {
        TRY(show_cpu(as_json));
        goto out;
    }
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY));
    if (as_json)
        show_json(j.index, a->operand[0]);
    else
        show_text(j.index);
out:
    job_end(&j);
    return st;
}

const command cmd_info = {
    "info",
    "INDEX [--json]  |  --cpu",
    "what an index is, or what this processor runs",
    "Prints what is known of an index without reading its rows: type, spec, metric, type of the "
    "stored components, dimension, rows, bytes by part.",
    "kith info base.kith\n"
    "kith info --cpu\n",
    options,
    0,
    1,
    0,
    MAKES_FILE,
    run,
};
