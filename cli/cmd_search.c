/* kith search: the nearest rows of an index. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "hits.h"
#include "output.h"
#include "pipes.h"

enum { BLOCK_BYTES = 64 << 20, BLOCK_ROWS = 4096 };

static const option own[] = {
    {"k", "K", "neighbours of each query (default 10)", 'k'},
    {"by-id", "I,J,…", "the queries are these stored rows", 0},
    {"by-label", "LABEL", "the queries are the rows with this label", 0},
    {"exclude-self", NULL, "a stored row does not answer its own query", 'x'},
    {"max-dist", "D", "only rows at most this distant; without -k all of them", 0},
    {"min-sim", "S", "only rows at least this similar; without -k all of them", 0},
    {"filter-ids", "FILE", "only rows whose id is in this file (one a line, or .npy)", 'f'},
    {"recall", "R", "the recall wanted, by the curve that kith tune stored; 1: exact", 'r'},
    {"effort", "E", "recall against time; 0: the index's default", 'e'},
    {"slack", "S", "with or without an effort: see kith docs parameters", 0},
    {"param", "NAME=VALUE", "a parameter of searches; may be repeated", 'p'},
    {"output", "OUT.npy",
     "write ids [queries][k] there, and distances to OUT_dist.npy; print nothing", 'o'},
    {"json", NULL, "one object a query: query, ids, scores, and labels where stored", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {
    own, query_options, column_options, bit_options, verify_options, common_options, NULL};

typedef struct search {
    job j;
    kith_query how;
    const char *asked; /* the file of the queries */
    matrix queries;    /* vectors, or none and: */
    int64_t *of;       /* stored rows */
    size_t n;          /* queries */
    int range;         /* all rows within the limit */
    int64_t *ids;      /* [n or a block][k] */
    float *dist;
    const char *out; /* -o */
    kith_filter *filter;
    hits_printer printer;
} search;

/* --max-dist or --min-sim, whichever the metric speaks of. */
static kith_status read_limit(search *s, const arguments *a)
{
    const int similar = kith_metric_is_similarity(kith_metric_of(s->j.index));
    const char *fits = similar ? "min-sim" : "max-dist", *other = similar ? "max-dist" : "min-sim";

    if (given_text(a, other) != NULL)
        return wrong_usage("--%s: %s is a %s, use --%s", other,
                           kith_metric_name(kith_metric_of(s->j.index)),
                           similar ? "similarity" : "distance", fits);
    s->range = given_text(a, fits) != NULL && given_text(a, "k") == NULL;
    return given_number(a, fits, &s->how.limit);
}

static kith_status read_filter(search *s, const arguments *a)
{
    const char *file = given_text(a, "filter-ids");
    kith_filter *listed = NULL;
    kith_status st = KITH_OK;
    int64_t *ids = NULL;
    size_t n = 0;

    if (file == NULL) return KITH_OK;
    TRY(ids_read(file, &s->j.host, &ids, &n));
    TRY(kith_filter_ids(ids, n, NULL, &listed));
    TRY(kith_filter_bind(s->j.index, listed, &s->filter));
    s->how.filter = s->filter;
out:
    kith_filter_free(listed);
    free(ids);
    return st;
}

static kith_status read_queries(search *s, const arguments *a)
{
    const char *list = given_text(a, "by-id"), *label = given_text(a, "by-label");
    kith_status st = KITH_OK;
    kith_source src = {0};

    if ((a->operands == 2) + (list != NULL) + (label != NULL) != 1)
        TRY(wrong_usage("what is asked? QUERIES, --by-id or --by-label: one of them"));
    if (a->operands == 1) {
        TRY(job_ids(&s->j, list, label, NULL, &s->of, &s->n));
        if (given_flag(a, "exclude-self")) s->how.options |= KITH_EXCLUDE_SELF;
        goto out;
    }
    if (given_flag(a, "exclude-self"))
        TRY(wrong_usage("--exclude-self goes with --by-id or --by-label"));
    s->asked = a->operand[1];
    TRY(input_open(a->operand[1], INPUT_QUERIES, a, &s->j.host, &src));
    if (src.d != kith_dim(s->j.index) && src.d != 1)
        FAIL(KITH_BAD_ARG, "%s has %zu components a query, the index %zu", a->operand[1], src.d,
             kith_dim(s->j.index));
    TRY(matrix_read(&src, &s->j.progress, &s->queries));
    matrix_fit(&s->queries, kith_dim(s->j.index));
    s->n = s->queries.n;
    if (s->n > 0 && s->queries.d != kith_dim(s->j.index))
        FAIL(KITH_BAD_ARG, "%s has 1 component a query, the index %zu", a->operand[1],
             kith_dim(s->j.index));
    if (s->n == 0) FAIL(KITH_BAD_ARG, "%s has no queries", a->operand[1]);
out:
    if (src.close != NULL) src.close(src.ctx);
    return st;
}

/* What the i-th query is called: its id, where it has one, else its number. */
static int64_t query_name(const search *s, size_t i)
{
    if (s->of != NULL) return s->of[i];
    return s->queries.ids != NULL ? s->queries.ids[i] : (int64_t)i;
}

/* k neighbours each of queries first…first+n. */
static kith_status find_block(search *s, size_t first, size_t n, int64_t *ids, float *dist)
{
    const kith_rows rows = matrix_rows(&s->queries, first, n);

    if (s->of != NULL)
        return fail_in(kith_search_ids(s->j.index, s->of + first, n, &s->how, ids, dist),
                       s->j.path);
    return fail_in(kith_search(s->j.index, rows, &s->how, ids, dist), s->asked);
}

/* All of them are kept for -o, else a block at a time. */
static kith_status find_nearest(search *s)
{
    kith_status st = KITH_OK;
    const uint64_t rows = kith_count(s->j.index);
    size_t block = BLOCK_ROWS, k;

    // A row of results is never longer than there are rows; -o has the shape that was asked for.
    if (s->out == NULL && s->how.k > rows) s->how.k = rows > 0 ? (uint32_t)rows : 1;
    k = s->how.k;
    if (block > BLOCK_BYTES / 12 / k) block = BLOCK_BYTES / 12 / k > 0 ? BLOCK_BYTES / 12 / k : 1;
    if (block > s->n) block = s->n;
    s->ids = array_new(s->out != NULL ? s->n : block, k * sizeof *s->ids);
    NEED(s->ids);
    s->dist = array_new(s->out != NULL ? s->n : block, k * sizeof *s->dist);
    NEED(s->dist);
    for (size_t first = 0; first < s->n; first += block) {
        const size_t n = s->n - first < block ? s->n - first : block;
        const size_t at = s->out != NULL ? first * k : 0;
        TRY(progress_step(&s->j.progress, "searching", first, s->n));
        TRY(find_block(s, first, n, s->ids + at, s->dist + at));
        if (s->out != NULL) continue;
        progress_end(&s->j.progress);
        for (size_t i = 0; i < n; i++)
            TRY(hits_put(&s->printer, query_name(s, first + i), s->ids + i * k, s->dist + i * k,
                         k));
        TRY(check_stdout());
    }
out:
    return st;
}

/* Everything within the limit. For stored rows a k-NN of all rows does it: it knows how to leave
 * out the row itself. */
static kith_status find_range(search *s)
{
    kith_status st = KITH_OK;
    kith_hits *hits = NULL;

    if (s->of != NULL) {
        s->how.k = kith_count(s->j.index) > 0 ? (uint32_t)kith_count(s->j.index) : 1;
        return find_nearest(s);
    }
    for (size_t first = 0; first < s->n; first += BLOCK_ROWS) {
        const size_t n = s->n - first < BLOCK_ROWS ? s->n - first : BLOCK_ROWS;
        TRY(progress_step(&s->j.progress, "searching", first, s->n));
        TRY(fail_in(kith_range(s->j.index, matrix_rows(&s->queries, first, n), &s->how, &hits),
                    s->asked));
        progress_end(&s->j.progress);
        for (size_t i = 0; i < n; i++) {
            const int64_t *ids;
            const float *dist;
            const size_t found = kith_hits_row(hits, i, &ids, &dist);
            TRY(hits_put(&s->printer, query_name(s, first + i), ids, dist, found));
        }
        kith_hits_free(hits);
        hits = NULL;
        TRY(check_stdout());
    }
out:
    kith_hits_free(hits);
    return st;
}

static kith_status save_results(const search *s)
{
    kith_status st = KITH_OK;
    char *path = distances_path(s->out);

    NEED(path);
    TRY(matrix_save(s->ids, s->n, s->how.k, KITH_I64, s->out));
    TRY(matrix_save(s->dist, s->n, s->how.k, KITH_F32, path));
    note("%s, %s: %zu quer%s, %u id%s each", s->out, path, s->n, s->n == 1 ? "y" : "ies", s->how.k,
         plural(s->how.k));
out:
    free(path);
    return st;
}

static kith_status run(const arguments *a)
{
    kith_status st = KITH_OK;
    search s;

    memset(&s, 0, sizeof s);
    TRY(job_begin(a, &s.j));
    TRY(given_query(a, &s.how));
    s.how.watch = &s.j.watch;
    if (given_text(a, "output") != NULL) TRY(given_output(a, &s.out));
    TRY(job_open(&s.j, a->operand[0], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY | given_verify(a)));
    TRY(read_limit(&s, a));
    if (s.range && s.out != NULL)
        TRY(wrong_usage("-o needs -k: the rows of an array are of one length"));
    TRY(read_filter(&s, a));
    TRY(read_queries(&s, a));
    if (s.out == NULL) hits_begin(&s.printer, s.j.index, given_flag(a, "json"), s.n == 1);
    TRY(s.range ? find_range(&s) : find_nearest(&s));
    if (s.out != NULL)
        TRY(save_results(&s));
    else
        hits_head(&s.printer);
out:
    hits_end(&s.printer);
    kith_filter_free(s.filter);
    matrix_free(&s.queries);
    free(s.of);
    free(s.ids);
    free(s.dist);
    job_end(&s.j);
    return st;
}

const command cmd_search = {
    "search",
    "INDEX QUERIES|--by-id I,J,…|--by-label LABEL [-k K] [option]…",
    "the nearest rows of an index",
    "Prints the nearest rows to each query, best first: a table for one query, columns with tabs "
    "between for several (query, rank, id, distance or similarity, label). Distances are in the "
    "metric's unit: l2 is the squared distance; cosine, ip and jaccard are similarities, larger "
    "is nearer.\n\n"
    "QUERIES is a file of vectors as for kith build, or - for CSV on standard input; queries are "
    "called by their number from 0, or by the id they have in a CSV file.",
    "kith search base.kith query.npy -k 10\n"
    "kith search faces.kith face.npy --min-sim 0.35 --json\n"
    "kith search movies.kith --by-label 'Heat (1995)' -k 5 --exclude-self\n",
    options,
    1,
    2,
    0,
    MAKES_DISTANCES,
    run,
};
