/* What most verbs do around their own work: open, save, watch, and read the options that several of
 * them have. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"
#include "files.h"
#include "pipes.h"

const option common_options[] = {
    {"threads", "N", "threads to use (default 0: as many as the process may run on)", 't'},
    {"quiet", NULL, "no messages and no progress on stderr, only errors", 'q'},
    {"help", NULL, "this help", 'h'},
    {NULL, NULL, NULL, 0},
};

kith_status job_begin(const arguments *a, job *j)
{
    static const kith_host preset = KITH_HOST_INIT;
    uint64_t threads;
    kith_status st;

    memset(j, 0, sizeof *j);
    j->host = preset;
    progress_init(&j->progress);
    j->watch = progress_watch(&j->progress);
    j->begun = seconds();
    st = given_count(a, "threads", 0, 4096, 0, &threads);
    j->host.threads = (uint32_t)threads;
    return st;
}

const option verify_options[] = {
    {"verify", NULL, "compare every checksum of the index before its first use", 0},
    {NULL, NULL, NULL, 0},
};

uint32_t given_verify(const arguments *a)
{
    return given_flag(a, "verify") ? KITH_OPEN_VERIFY : 0;
}

kith_status job_open(job *j, const char *path, uint32_t flags)
{
    j->path = path;
    return kith_open(path, flags, &j->host, &j->index);
}

kith_status job_lock(job *j, const char *path)
{
    return file_lock(path, &j->lock);
}

kith_status job_save(job *j, const char *path)
{
    return kith_save(j->index, path, &j->watch);
}

int is_index_name(const char *path)
{
    const size_t len = strlen(path);

    return len > 5 && strcasecmp(path + len - 5, ".kith") == 0;
}

kith_status given_output(const arguments *a, const char **out)
{
    *out = given_text(a, "output");
    return *out != NULL ? KITH_OK : wrong_usage("where to? -o is missing");
}

kith_status job_settle(job *j)
{
    return kith_dtype_of(j->index) == KITH_F32 ? kith_compact(j->index, &j->watch) : KITH_OK;
}

void job_end(job *j)
{
    progress_end(&j->progress);
    kith_free(j->index);
    j->index = NULL;
    file_unlock(&j->lock);
}

/* ---- asking ---------------------------------------------------------------------------------- */

typedef struct wanted {
    const char *name;
    double value;
} wanted;

static void take_stat(void *ctx, const char *name, const char *text, double value)
{
    wanted *w = ctx;

    (void)text;
    if (strcmp(name, w->name) == 0) w->value = value;
}

double index_stat(const kith_index *ix, const char *name)
{
    wanted w = {name, 0};

    kith_stats(ix, take_stat, &w);
    return w.value;
}

/* ---- metric and parameters ------------------------------------------------------------------- */

kith_status given_metric(const arguments *a, const char *path, kith_metric *out)
{
    const char *name = given_text(a, "metric");
    kith_status st = KITH_OK;

    if (name == NULL) TRY(input_metric(path, &name));
    if (kith_metric_find(name, out) != KITH_OK) TRY(wrong_usage("--metric: %s", kith_last_error()));
out:
    return st;
}

/* name=value into two texts; the name is cut to fit. */
static kith_status split_param(const char *text, char name[64], const char **value)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || equals[1] == '\0')
        return wrong_usage("--param %s: it is written name=value", text);
    snprintf(name, 64, "%.*s", (int)(equals - text), text);
    *value = equals + 1;
    return KITH_OK;
}

static int is_named(const kith_param *p, const char *name)
{
    const size_t len = strlen(name);

    if (strcasecmp(p->name, name) == 0) return 1;
    for (const char *at = p->aliases; *at != '\0';) {
        const size_t n = strcspn(at, ",");
        if (n == len && strncasecmp(at, name, n) == 0) return 1;
        at += n + (at[n] == ',');
    }
    return 0;
}

/* The row of the library's table with this name or alias; owner NULL: of any. */
static int find_param(const char *name, const char *owner, kith_param *out)
{
    for (size_t i = 0; kith_param_at(i, out) == KITH_OK; i++)
        if ((owner == NULL || strcmp(out->owner, owner) == 0) && is_named(out, name)) return 1;
    return 0;
}

/* "p=3" of Flat(p=3): to the bracket's or the list's end. */
const char *spec_exponent(const char *spec, char out[32])
{
    for (const char *at = spec; at != NULL && (at = strstr(at, "p=")) != NULL; at++) {
        if (at == spec || (at[-1] != '(' && at[-1] != ',')) continue;
        snprintf(out, 32, "%.*s", (int)strcspn(at + 2, ",)"), at + 2);
        return out;
    }
    return NULL;
}

kith_status job_set_params(job *j, const arguments *a)
{
    kith_status st = KITH_OK;
    const char *text, *value = "", *seed = given_text(a, "seed");
    const int is_lp = kith_metric_of(j->index) == KITH_LP;
    char name[64], p[32];
    kith_param row;
    uint64_t number;

    for (size_t i = 0; (text = given_nth(a, "param", i)) != NULL; i++) {
        TRY(split_param(text, name, &value));
        if (!is_lp && find_param(name, NULL, &row) && strcmp(row.name, "p") == 0)
            TRY(wrong_usage("--param %s: p is the exponent of --metric lp", text));
        TRY(kith_set_param(j->index, name, value));
    }
    if (!is_lp && spec_exponent(given_text(a, "spec"), p) != NULL)
        TRY(wrong_usage("--spec %s: p is the exponent of --metric lp", given_text(a, "spec")));
    TRY(given_count(a, "seed", 0, INT64_MAX, 0, &number));
    if (seed != NULL) st = kith_set_param(j->index, "seed", seed);
    if (st == KITH_NOT_FOUND) st = KITH_OK; // nothing is drawn: every seed gives the same index
out:
    return st;
}

/* A parameter of a search to its field. written: the option's name and the text after it, as the
 * user gave them. */
static kith_status set_query(kith_query *q, const char *name, const char *value,
                             const char *const written[2])
{
    kith_param row;
    int64_t whole = 0;
    float number = 0;
    int ok;

    if (!find_param(name, "search", &row))
        return wrong_usage("--%s %s: a search has no parameter '%s' (kith docs parameters)",
                           written[0], written[1], name);
    if (strcmp(row.type, "int") == 0) {
        ok = parse_int(value, &whole) && (double)whole >= row.lo && (double)whole <= row.hi;
    } else {
        ok = parse_float(value, &number) && (double)number >= row.lo && (double)number <= row.hi;
    }
    if (!ok)
        return wrong_usage("--%s %s: %s is a number from %.10g to %.10g", written[0], written[1],
                           row.name, row.lo, row.hi);
    if (strcmp(row.name, "k") == 0) q->k = (uint32_t)whole;
    if (strcmp(row.name, "effort") == 0) q->effort = (uint32_t)whole;
    if (strcmp(row.name, "rerank") == 0) q->rerank = (uint32_t)whole;
    if (strcmp(row.name, "threads") == 0) q->threads = (uint32_t)whole;
    if (strcmp(row.name, "recall") == 0) q->recall = number;
    if (strcmp(row.name, "slack") == 0) q->slack = number;
    return KITH_OK;
}

static kith_status set_params(kith_query *q, const arguments *a)
{
    kith_status st = KITH_OK;
    const char *text, *value = "";
    char name[64];

    for (size_t i = 0; (text = given_nth(a, "param", i)) != NULL; i++) {
        TRY(split_param(text, name, &value));
        TRY(set_query(q, name, value, (const char *const[]){"param", text}));
    }
out:
    return st;
}

/* --recall or --slack: what the library's table of parameters says of them holds. */
static kith_status given_setting(const arguments *a, const char *name, kith_query *out)
{
    const char *value = given_text(a, name);

    if (value == NULL) return KITH_OK;
    return set_query(out, name, value, (const char *const[]){name, value});
}

kith_status given_query(const arguments *a, kith_query *out)
{
    static const kith_query preset = KITH_QUERY_INIT;
    kith_status st = KITH_OK;
    uint64_t k, effort;

    *out = preset;
    TRY(set_params(out, a));
    TRY(given_count(a, "k", 1, KITH_MAX_ROWS, out->k, &k));
    out->k = (uint32_t)k;
    // eval has lists of efforts and recalls there and sets them itself
    if (given_text(a, "effort") != NULL && strchr(given_text(a, "effort"), ',') == NULL) {
        TRY(given_count(a, "effort", 0, UINT32_MAX, 0, &effort));
        out->effort = (uint32_t)effort;
    }
    if (given_text(a, "recall") != NULL && strchr(given_text(a, "recall"), ',') == NULL)
        TRY(given_setting(a, "recall", out));
    TRY(given_setting(a, "slack", out));
out:
    return st;
}

/* ---- exact search over vectors --------------------------------------------------------------- */

/* A Flat index of the vectors in a file, in memory; p: the exponent of lp, or NULL. */
kith_status job_build_exact(job *j, const char *path, kith_metric metric, const char *p,
                            const arguments *a)
{
    kith_status st = KITH_OK;
    kith_source src = {0};

    TRY(input_open(path, INPUT_FRESH, a, &j->host, &src));
    TRY(kith_create("Flat", src.d, metric, &j->host, &j->index));
    if (p != NULL) TRY(kith_set_param(j->index, "p", p));
    TRY(input_failed(kith_add_source(j->index, &src, &j->watch), path, a));
    TRY(job_settle(j));
out:
    if (src.close != NULL) src.close(src.ctx);
    return st;
}

kith_status job_open_exact(job *j, const char *path, const arguments *a)
{
    kith_status st = KITH_OK;
    const char *text, *value = "", *p = NULL;
    kith_metric metric;
    char name[64];

    if (is_index_name(path)) {
        if (given_text(a, "metric") != NULL)
            TRY(wrong_usage("%s is an index and has its metric: no --metric", path));
        TRY(job_open(j, path, KITH_OPEN_MAP));
        goto out;
    }
    TRY(given_metric(a, path, &metric));
    for (size_t i = 0; (text = given_nth(a, "param", i)) != NULL; i++) {
        TRY(split_param(text, name, &value));
        if (strcmp(name, "p") != 0 || metric != KITH_LP)
            TRY(wrong_usage("--param %s: only p of --metric lp is one here", text));
        p = value;
    }
    TRY(job_build_exact(j, path, metric, p, a));
out:
    return st;
}

/* ---- ids ------------------------------------------------------------------------------------- */

static kith_status ids_of_label(const job *j, const char *label, int64_t **out, size_t *n)
{
    kith_status st = KITH_OK;
    int64_t *ids = NULL;
    size_t got = 0;

    TRY(kith_find_label(j->index, label, NULL, 0, n));
    if (*n == 0) FAIL(KITH_NOT_FOUND, "%s: no row has the label '%.100s'", j->path, label);
    ids = array_new(*n, sizeof *ids);
    NEED(ids);
    TRY(kith_find_label(j->index, label, ids, *n, &got));
    *out = ids;
    ids = NULL;
out:
    free(ids);
    return st;
}

kith_status job_ids(job *j, const char *list, const char *label, const char *file, int64_t **ids,
                    size_t *n)
{
    if ((list != NULL) + (label != NULL) + (file != NULL) != 1)
        return wrong_usage("which rows? Ids as 1,2,5, or --by-label, or --ids FILE: one of them");
    if (list != NULL) return parse_ids(list, ids, n);
    if (label != NULL) return ids_of_label(j, label, ids, n);
    return ids_read(file, &j->host, ids, n);
}
