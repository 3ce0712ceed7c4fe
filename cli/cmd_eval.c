/* kith eval: how good and how fast an index answers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "measure.h"
#include "output.h"

enum { WARM = 100, SETTINGS = 256, STRAY_SHARE = 20 /* 5 % of the truth may be wrong */ };

static const option own[] = {
    {"gt", "GT.npy", "the exact neighbours of the queries, as kith gt writes them", 0},
    {"exact", "BASE", "find the exact neighbours among these vectors first", 0},
    {"ids", "FILE", "ids of the rows of --exact (default: 0, 1, 2…)", 0},
    {"relevant", "FILE.tsv", "marks of relevance: query, id, grade; gives success@k and MRR", 0},
    {"k", "K", "neighbours of each query (default 10)", 'k'},
    {"effort", "E1,E2,…", "the settings to measure, one line each (default: the index's own)", 'e'},
    {"recall", "R1,R2,…", "instead: the recalls to ask for, by the curve that kith tune stored",
     'r'},
    {"slack", "S", "with or without efforts: see kith docs parameters", 0},
    {"param", "NAME=VALUE", "a parameter of searches; may be repeated", 'p'},
    {"plot", "OUT.svg", "draw recall against queries per second", 0},
    {"json", NULL, "one object a setting", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {
    own, query_options, column_options, bit_options, verify_options, common_options, NULL};

typedef struct evaluation {
    job j, judge; /* judge.index: the rows of --exact, or the index as it lies in its file */
    kith_query how;
    const char *asked; /* the file of the queries */
    matrix queries;
    truth truth;       /* ids NULL: none asked for */
    const char *whose; /* it is: a word of measured.truth */
    marks marks;
    int64_t *ids;         /* [n][k] */
    float *dist, *judged; /* of the ids; judged: NULL, or of their rows in --exact */
    double *us;           /* [n]: microseconds of each query */
    size_t strays;        /* true neighbours that are not the nearest, as answers show */
    char wrong[200];      /* why recall cannot be told; "": it can */
    uint32_t effort[SETTINGS];
    float recall[SETTINGS]; /* 0: by the effort */
    size_t settings;
} evaluation;

/* ---- what is true ---------------------------------------------------------------------------- */

/* The distances from query i to the rows `ids` as ix computes them, nearest first, by a search that
 * only those rows may answer. *found: how many of them ix has. */
static kith_status distances_of(const kith_index *ix, const evaluation *e, size_t i,
                                const int64_t *ids, size_t n, int64_t *found_ids, float *dist,
                                size_t *found)
{
    kith_query how = KITH_QUERY_K((uint32_t)n);
    kith_filter *only = NULL;
    kith_status st = KITH_OK;

    TRY(kith_filter_ids(ids, n, NULL, &only));
    how.filter = only;
    how.threads = 1;
    TRY(fail_in(kith_search(ix, matrix_rows(&e->queries, i, 1), &how, found_ids, dist), e->asked));
    for (*found = 0; *found < n && found_ids[*found] != KITH_NO_ID;) ++*found;
out:
    kith_filter_free(only);
    return st;
}

/* Where the index holds the values themselves, its own distances decide ties. Rows of SQ8 and its
 * like are given as floats, but are shorter. */
static int holds_values(const kith_index *ix)
{
    const kith_dtype t = kith_dtype_of(ix);
    const int whole = t == KITH_F32 || t == KITH_U8 || t == KITH_I8 || t == KITH_BIT;

    return whole && index_stat(ix, "row_bytes") == (double)kith_row_bytes(t, kith_dim(ix));
}

/* True neighbours that the index does not have: all of them are other ids than the index's, and
 * some tell of other rows. */
static kith_status check_ids(const evaluation *e, const char *path, size_t *missing)
{
    const truth *t = &e->truth;
    size_t all = 0;

    *missing = 0;
    for (size_t i = 0; i < t->n * t->k; i++) {
        if (t->ids[i] == KITH_NO_ID) continue;
        all++;
        *missing += !kith_contains(e->j.index, t->ids[i]);
    }
    if (*missing == 0) return KITH_OK;
    if (*missing == all)
        return fail(KITH_BAD_ARG,
                    "none of the ids in %s is in the index: it was made with other ids (kith gt "
                    "has --ids, too) or of other rows",
                    path);
    note("%s: %zu of its %zu neighbours are not in the index", path, *missing, all);
    return KITH_OK;
}

/* How near the true neighbours are. When one of them is not in the index there is nothing to
 * compare distances with: then answers are compared by id. */
static kith_status find_distances(evaluation *e)
{
    truth *t = &e->truth;
    kith_status st = KITH_OK;
    int64_t *ids = array_new(t->k, sizeof *ids);
    float *dist = array_new(t->n, t->k * sizeof *dist);
    size_t found;

    NEED(ids);
    NEED(dist);
    for (size_t i = 0; i < t->n; i++) {
        size_t wanted = 0;
        while (wanted < t->k && t->ids[i * t->k + wanted] != KITH_NO_ID) wanted++;
        if (wanted == 0) continue;
        TRY(progress_step(&e->j.progress, "comparing", i, t->n));
        TRY(distances_of(e->j.index, e, i, t->ids + i * t->k, wanted, ids, dist + i * t->k,
                         &found));
        if (found < wanted) goto out; // it has one of them twice
    }
    t->dist = dist;
    dist = NULL;
out:
    free(ids);
    free(dist);
    return st;
}

/* Integers of any width as ids: the first k columns. */
static kith_status take_truth(evaluation *e, const matrix *m, const char *path)
{
    truth *t = &e->truth;

    if (m->dtype != KITH_I32 && m->dtype != KITH_I64)
        return fail(KITH_BAD_ARG, "%s holds %s, ids are i32 or i64", path,
                    kith_dtype_name(m->dtype));
    if (m->n != e->queries.n || m->d < e->how.k)
        return fail(KITH_BAD_ARG,
                    "%s is %zu x %zu: %zu queries and %u neighbours are to be compared", path, m->n,
                    m->d, e->queries.n, e->how.k);
    t->n = m->n;
    t->k = e->how.k;
    t->ids = array_new(t->n, t->k * sizeof *t->ids);
    if (t->ids == NULL) return KITH_NO_MEMORY;
    for (size_t i = 0; i < t->n * t->k; i++) {
        const size_t from = i / t->k * m->d + i % t->k;
        t->ids[i] = m->dtype == KITH_I32 ? ((const int32_t *)m->data)[from]
                                         : ((const int64_t *)m->data)[from];
    }
    return KITH_OK;
}

static kith_status read_truth(evaluation *e, const char *path, const arguments *a)
{
    kith_status st = KITH_OK;
    kith_source src = {0};
    matrix m = {0};
    size_t missing;

    TRY(input_open(path, INPUT_TRUTH, a, &e->j.host, &src));
    TRY(matrix_read(&src, &e->j.progress, &m));
    TRY(take_truth(e, &m, path));
    TRY(check_ids(e, path, &missing));
    if (missing == 0 && holds_values(e->j.index)) TRY(find_distances(e));
out:
    if (src.close != NULL) src.close(src.ctx);
    matrix_free(&m);
    return st;
}

/* The nearest of the rows of base; NULL: of those that the index stores. */
static kith_status compute_truth(evaluation *e, const char *base, const arguments *a)
{
    static const kith_host all_threads = KITH_HOST_INIT;
    kith_query how = KITH_QUERY_K(e->how.k);
    truth *t = &e->truth;
    kith_status st = KITH_OK;
    char p[32];

    e->judge.host = all_threads;
    if (base == NULL)
        TRY(job_open(&e->judge, e->j.path, KITH_OPEN_MAP | KITH_OPEN_READ_ONLY));
    else
        TRY(job_build_exact(&e->judge, base, kith_metric_of(e->j.index),
                            spec_exponent(kith_spec(e->j.index), p), a));
    if (kith_dim(e->judge.index) != e->queries.d)
        FAIL(KITH_BAD_ARG, "%s has %zu components a row, the queries %zu", base ? base : e->j.path,
             kith_dim(e->judge.index), e->queries.d);
    t->n = e->queries.n;
    t->k = e->how.k;
    t->ids = array_new(t->n, t->k * sizeof *t->ids);
    NEED(t->ids);
    t->dist = array_new(t->n, t->k * sizeof *t->dist);
    NEED(t->dist);
    how.watch = &e->j.watch;
    how.recall = 1; // by looking at every row
    TRY(fail_in(
        kith_search(e->judge.index, matrix_rows(&e->queries, 0, t->n), &how, t->ids, t->dist),
        e->asked));
out:
    return st;
}

/* Where the index rounds, what its answers are really worth: their distances in --exact's rows, in
 * e->judged, best first. */
static kith_status judge_answers(evaluation *e)
{
    const size_t k = e->how.k;
    kith_status st = KITH_OK;
    int64_t *ids = array_new(k, sizeof *ids);
    size_t found, n;

    NEED(ids);
    for (size_t i = 0; i < e->queries.n; i++) {
        float *worth = e->judged + i * k;
        for (n = 0; n < k && e->ids[i * k + n] != KITH_NO_ID;) worth[n++] = NAN;
        if (n == 0) continue;
        TRY(distances_of(e->judge.index, e, i, e->ids + i * k, n, ids, worth, &found));
    }
out:
    free(ids);
    return st;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static kith_status search_some(evaluation *e, size_t first, size_t n)
{
    const size_t k = e->how.k;

    return fail_in(kith_search(e->j.index, matrix_rows(&e->queries, first, n), &e->how,
                               e->ids + first * k, e->dist + first * k),
                   e->asked);
}

/* One query at a time on one thread; all of them as a batch on several. */
static kith_status time_searches(evaluation *e, measured *m)
{
    const size_t n = e->queries.n, warm = n < WARM ? n : WARM;
    kith_status st = KITH_OK;
    double begun, spent;

    for (size_t i = 0; i < warm; i++) TRY(search_some(e, i, 1));
    begun = seconds();
    if (e->j.host.threads != 1) {
        TRY(search_some(e, 0, n));
        spent = seconds() - begun;
        m->p50_us = m->p99_us = m->p999_us = (double)NAN;
    } else {
        for (size_t i = 0; i < n; i++) {
            const double before = seconds();
            TRY(search_some(e, i, 1));
            e->us[i] = 1e6 * (seconds() - before);
            if (i % 16 == 0) TRY(progress_step(&e->j.progress, "measuring", i, n));
        }
        spent = seconds() - begun;
        sort_numbers(e->us, n);
        m->p50_us = percentile(e->us, n, 0.5);
        m->p99_us = percentile(e->us, n, 0.99);
        m->p999_us = percentile(e->us, n, 0.999);
    }
    m->qps = spent > 0 ? (double)n / spent : (double)INFINITY;
out:
    return st;
}

static int64_t query_name(const evaluation *e, size_t i)
{
    return e->queries.ids != NULL ? e->queries.ids[i] : (int64_t)i;
}

static double recall_of(const evaluation *e, const float *dist)
{
    const size_t k = e->how.k;
    double sum = 0;

    for (size_t i = 0; i < e->queries.n; i++)
        sum += truth_recall(&e->truth, i, e->ids + i * k, dist + i * k);
    return sum / (double)e->queries.n;
}

/* Ground truth of other rows, other ids or another metric makes right answers look wrong, and any
 * answer right. Some neighbours that are not the nearest leave a recall that is worth telling. */
static void check_truth(evaluation *e, const char *path)
{
    const size_t k = e->how.k, n = e->queries.n;
    const float *dist = e->judged != NULL ? e->judged : e->dist;
    size_t strays = 0, unknown = 0;

    for (size_t i = 0; i < n; i++)
        strays += truth_strays(&e->truth, i, e->ids + i * k, dist + i * k);
    for (size_t i = 0; e->judged != NULL && i < n * k; i++)
        unknown += e->ids[i] != KITH_NO_ID && !kith_contains(e->judge.index, e->ids[i]);
    if (unknown > 0)
        snprintf(e->wrong, sizeof e->wrong,
                 "%zu of the answers have ids that no row of %s has: give its rows the index's ids "
                 "by --ids",
                 unknown, path);
    else if (e->judged != NULL && recall_of(e, dist) < 0.5 && recall_of(e, e->dist) > 0.75)
        snprintf(e->wrong, sizeof e->wrong,
                 "the rows of %s are the index's, but not their ids: give it those by --ids", path);
    else if (strays > n * k / STRAY_SHARE)
        snprintf(e->wrong, sizeof e->wrong,
                 "%zu of %zu true neighbours are not the nearest: is %s of the index's rows and "
                 "ids, and of %s?",
                 strays, n * k, path, kith_metric_name(kith_metric_of(e->j.index)));
    if (strays > e->strays) e->strays = strays;
}

static void grade_answers(const evaluation *e, measured *m)
{
    double success = 0, mrr = 0;
    size_t marked = 0;

    for (size_t i = 0; i < e->queries.n; i++) {
        const int64_t *ids = e->ids + i * e->how.k;
        double rank = (double)NAN;
        if (e->marks.n > 0) rank = marks_reciprocal(&e->marks, query_name(e, i), ids, e->how.k);
        if (isnan(rank)) continue;
        marked++;
        success += rank > 0;
        mrr += rank;
    }
    m->recall = (double)NAN;
    if (e->truth.ids != NULL && *e->wrong == '\0')
        m->recall = recall_of(e, e->judged != NULL ? e->judged : e->dist);
    m->recall_by = e->truth.ids == NULL ? NULL : e->truth.dist != NULL ? "distance" : "id";
    m->truth = e->whose;
    m->success = marked > 0 ? success / (double)marked : (double)NAN;
    m->mrr = marked > 0 ? mrr / (double)marked : (double)NAN;
}

static kith_status measure(evaluation *e, size_t i, const char *truth_path, measured *m)
{
    kith_status st = KITH_OK;

    m->effort = e->how.effort = e->effort[i];
    m->asked = e->how.recall = e->recall[i];
    m->k = e->how.k;
    TRY(time_searches(e, m));
    if (e->judged != NULL) TRY(judge_answers(e));
    if (truth_path != NULL) check_truth(e, truth_path);
    grade_answers(e, m);
out:
    return st;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void put_json(const measured *m, const char *wrong)
{
    json j = {stdout, 0};

    json_open(&j, NULL, '{');
    if (m->asked > 0)
        json_float(&j, "asked", m->asked);
    else
        json_int(&j, "effort", m->effort);
    json_int(&j, "k", m->k);
    if (m->recall_by != NULL) {
        json_double(&j, "recall", m->recall);
        json_text(&j, "recall_by", m->recall_by);
        json_text(&j, "truth", m->truth);
    }
    if (*wrong != '\0') json_text(&j, "error", wrong);
    if (!isnan(m->success)) {
        json_double(&j, "success", m->success);
        json_double(&j, "mrr", m->mrr);
    }
    json_double(&j, "qps", m->qps);
    json_double(&j, "p50_us", m->p50_us);
    json_double(&j, "p99_us", m->p99_us);
    json_double(&j, "p999_us", m->p999_us);
    json_close(&j, '}');
    json_line(&j);
}

/* A cell of the table: a number of so many decimals, or a dash. */
static void put_cell(double value, int decimals, int width)
{
    if (isnan(value))
        printf("  %*s", width, "-");
    else
        printf("  %*.*f", width, decimals, value);
}

static void put_head(const measured *m)
{
    printf("%6s", m->asked > 0 ? "asked" : "effort");
    if (m->recall_by != NULL) printf("  %6s@%-4u  %-8s  %-5s", "recall", m->k, "by", "truth");
    if (!isnan(m->success)) printf("  %7s@%-4u  %6s", "success", m->k, "mrr");
    printf("  %10s  %10s  %10s  %10s\n", "qps", "p50_us", "p99_us", "p999_us");
}

static void put_line(const measured *m)
{
    if (m->asked > 0)
        printf("%6.6g", (double)m->asked);
    else
        printf("%6u", m->effort);
    if (m->recall_by != NULL) put_cell(m->recall, 5, 11);
    if (m->recall_by != NULL) printf("  %-8s  %-5s", m->recall_by, m->truth);
    if (!isnan(m->success)) printf("  %12.5f  %6.4f", m->success, m->mrr);
    put_cell(m->qps, 1, 10);
    put_cell(m->p50_us, 1, 10);
    put_cell(m->p99_us, 1, 10);
    put_cell(m->p999_us, 1, 10);
    putchar('\n');
}

/* An exhaustive index misses nothing that it has: are there ids that it does not have? */
static int lacks_neighbours(const evaluation *e)
{
    const truth *t = &e->truth;
    int lacks = 0;

    if (t->dist == NULL || !holds_values(e->j.index)) return 0;
    if (strncmp(kith_spec(e->j.index), "Flat", 4) != 0) return 0;
    for (size_t i = 0; !lacks && i < t->n * t->k; i++)
        lacks = t->ids[i] != KITH_NO_ID && !kith_contains(e->j.index, t->ids[i]);
    return lacks;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static kith_status read_efforts(evaluation *e, const arguments *a)
{
    const char *text = given_text(a, "effort");
    kith_status st = KITH_OK;
    int64_t *list = NULL;
    size_t n = 0;

    if (parse_ids(text, &list, &n) != KITH_OK || n > SETTINGS)
        TRY(wrong_usage("--effort %s: up to %d whole numbers, written 10,20,50", text, SETTINGS));
    for (size_t i = 0; i < n; i++) {
        if (list[i] < 0 || list[i] > UINT32_MAX)
            TRY(wrong_usage("--effort %lld: it cannot be negative or so large",
                            (long long)list[i]));
        e->effort[i] = (uint32_t)list[i];
    }
    e->settings = n;
out:
    free(list);
    return st;
}

static kith_status read_recalls(evaluation *e, const char *text)
{
    const char *at = text;
    char one[32];
    float x;

    for (e->settings = 0;; at++) {
        const size_t len = strcspn(at, ",");

        snprintf(one, sizeof one, "%.*s", (int)(len < sizeof one ? len : sizeof one - 1), at);
        if (e->settings == SETTINGS || !parse_float(one, &x) || !(x > 0 && x <= 1))
            return wrong_usage("--recall %s: up to %d numbers above 0 and up to 1, written .9,.99",
                               text, SETTINGS);
        e->recall[e->settings++] = x;
        at += len;
        if (*at == '\0') return KITH_OK;
    }
}

static kith_status read_settings(evaluation *e, const arguments *a)
{
    const char *recalls = given_text(a, "recall");

    if (recalls != NULL && given_text(a, "effort") != NULL)
        return wrong_usage("--effort or --recall, not both");
    if (recalls != NULL) return read_recalls(e, recalls);
    if (given_text(a, "effort") != NULL) return read_efforts(e, a);
    e->settings = 1;
    e->effort[0] = e->how.effort; // of --param, as is the next
    e->recall[0] = e->how.recall;
    return KITH_OK;
}

static kith_status prepare(evaluation *e, const arguments *a)
{
    const char *gt = given_text(a, "gt"), *base = given_text(a, "exact");
    const char *relevant = given_text(a, "relevant"), *plot = given_text(a, "plot");
    kith_status st = KITH_OK;
    kith_source src = {0};

    TRY(check_plot(plot));
    if (gt != NULL && base != NULL) TRY(wrong_usage("--gt or --exact, not both"));
    if (base == NULL && given_text(a, "ids") != NULL) TRY(wrong_usage("--ids goes with --exact"));
    TRY(given_query(a, &e->how));
    TRY(read_settings(e, a));
    e->how.watch = &e->j.watch;
    TRY(job_open(&e->j, a->operand[0], KITH_OPEN_COPY | KITH_OPEN_READ_ONLY | given_verify(a)));
    e->truth.similar = kith_metric_is_similarity(kith_metric_of(e->j.index));
    e->asked = a->operand[1];
    TRY(input_open(a->operand[1], INPUT_QUERIES, a, &e->j.host, &src));
    TRY(matrix_read(&src, &e->j.progress, &e->queries));
    matrix_fit(&e->queries, kith_dim(e->j.index));
    if (e->queries.n == 0 || e->queries.d != kith_dim(e->j.index))
        FAIL(KITH_BAD_ARG, "%s is %zu x %zu, the index has %zu components a row", a->operand[1],
             e->queries.n, e->queries.d, kith_dim(e->j.index));
    if (gt == NULL && (base != NULL || relevant == NULL)) TRY(compute_truth(e, base, a));
    if (gt != NULL) TRY(read_truth(e, gt, a));
    e->whose = gt != NULL ? "gt" : base != NULL ? "exact" : "index";
    if (relevant != NULL) TRY(marks_read(relevant, a, &e->marks));
    e->ids = array_new(e->queries.n, e->how.k * sizeof *e->ids);
    NEED(e->ids);
    e->dist = array_new(e->queries.n, e->how.k * sizeof *e->dist);
    NEED(e->dist);
    if (base != NULL && !holds_values(e->j.index)) {
        e->judged = array_new(e->queries.n, e->how.k * sizeof *e->judged);
        NEED(e->judged);
    }
    e->us = array_new(e->queries.n, sizeof *e->us);
    NEED(e->us);
out:
    if (src.close != NULL) src.close(src.ctx);
    return st;
}

static kith_status run(const arguments *a)
{
    const char *plot = given_text(a, "plot"), *gt = given_text(a, "gt");
    const char *truth_path = gt != NULL ? gt : given_text(a, "exact");
    const int as_json = given_flag(a, "json");
    kith_status st = KITH_OK;
    measured *m = NULL;
    evaluation *e = array_new(1, sizeof *e);

    NEED(e);
    TRY(job_begin(a, &e->j));
    if (given_text(a, "threads") == NULL) e->j.host.threads = 1;
    TRY(prepare(e, a));
    m = array_new(e->settings, sizeof *m);
    NEED(m);
    for (size_t i = 0; i < e->settings; i++) {
        TRY(measure(e, i, truth_path, &m[i]));
        progress_end(&e->j.progress);
        if (!as_json && i == 0) put_head(m);
        if (as_json)
            put_json(&m[i], e->wrong);
        else
            put_line(&m[i]);
        TRY(check_stdout());
    }
    if (e->strays > 0 && *e->wrong == '\0')
        note("%s: %zu of %zu true neighbours are not the nearest", truth_path, e->strays,
             e->truth.n * e->truth.k);
    if (m[0].recall < 1 && lacks_neighbours(e))
        note("%s has neighbours that are not in the index", truth_path);
    if (truth_path == NULL && e->truth.ids != NULL && !holds_values(e->j.index))
        note("%s stores rounded values, and this is the recall of what it stores; --exact or --gt "
             "tells that of the values themselves",
             e->j.path);
    if (*e->wrong != '\0') FAIL(KITH_BAD_ARG, "%s", e->wrong);
    if (e->marks.n > 0 && isnan(m[0].success))
        FAIL(KITH_BAD_ARG, "%s marks none of these queries", given_text(a, "relevant"));
    if (plot != NULL) TRY(plot_save(plot, a->operand[0], m, e->settings));
out:
    free(m);
    if (e == NULL) return st;
    truth_free(&e->truth);
    marks_free(&e->marks);
    matrix_free(&e->queries);
    free(e->ids);
    free(e->dist);
    free(e->judged);
    free(e->us);
    job_end(&e->judge);
    job_end(&e->j);
    free(e);
    return st;
}

const command cmd_eval = {
    "eval",
    "INDEX QUERIES [--gt GT.npy|--exact BASE] [--relevant FILE.tsv]\n[-k K] [option]…",
    "how good and how fast an index answers",
    "Searches all queries once for each effort and prints a line: recall, queries per second, "
    "the time that half, 99 % and 99.9 % of the queries stay below. With --threads 1, which is "
    "the default, queries go one at a time; with more threads they go as one batch. With --recall "
    "a line tells what was reached of what was asked for.\n\n"
    "Recall is the share of the true K nearest rows that were found. What is true, a word of each "
    "line tells: gt and exact are what --gt and --exact give. Without them, and without "
    "--relevant, it is index: what an exact search of the index itself finds. That tells what its "
    "walks miss, but not what was lost before, when it stored rounded values (by F16, SQ8 and the "
    "like): --gt and --exact, which know the values themselves, tell both together.\n\n"
    "It is told by distance where that is possible: an answer is right when it is as near as the "
    "last true neighbour, "
    "whichever of equally near rows the ground truth has; an index that stores rounded values is "
    "compared by id with --gt. When answers show that some of what is "
    "called true is not nearest, a note says how much; when it is more than 5 %, no recall is "
    "told, and the exit code is 1.",
    "kith eval base.kith query.npy --effort 20,50,100\n"
    "kith eval base.kith query.npy --gt gt.npy -k 10\n"
    "kith eval base.kith query.npy --exact base.npy --effort 20,50 --plot curve.svg\n"
    "kith eval base.kith query.npy --gt gt.npy --recall .9,.95,.99\n",
    options,
    2,
    2,
    0,
    MAKES_FILE,
    run,
};
