/* Recall, success, percentiles. */
#include "measure.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "csv_rows.h"

/* ---- recall ---------------------------------------------------------------------------------- */

void truth_free(truth *t)
{
    free(t->ids);
    free(t->dist);
    t->ids = NULL;
    t->dist = NULL;
}

static int holds(const int64_t *ids, size_t n, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id) return 1;
    return 0;
}

static size_t count_true(const truth *t, size_t i)
{
    size_t wanted = 0;

    while (wanted < t->k && t->ids[i * t->k + wanted] != KITH_NO_ID) wanted++;
    return wanted;
}

double truth_recall(const truth *t, size_t i, const int64_t *ids, const float *dist)
{
    const size_t wanted = count_true(t, i);
    size_t right = 0;

    if (wanted == 0) return 1;
    for (size_t j = 0; j < t->k && ids[j] != KITH_NO_ID; j++) {
        if (t->dist == NULL) {
            right += (size_t)holds(t->ids + i * t->k, wanted, ids[j]);
        } else { // NAN, a distance that is not known, is never right
            const float edge = t->dist[i * t->k + wanted - 1];
            const float rounding = 4 * FLT_EPSILON * fabsf(edge);
            right += t->similar ? dist[j] >= edge - rounding : dist[j] <= edge + rounding;
        }
    }
    return right < wanted ? (double)right / (double)wanted : 1;
}

/* Where more answers are nearer than the j-th of the truth than the j before it, at least so many
 * of the nearest are not in the truth. */
size_t truth_strays(const truth *t, size_t i, const int64_t *ids, const float *dist)
{
    const size_t wanted = count_true(t, i);
    size_t strays = 0, nearer = 0;

    for (size_t j = 0; t->dist != NULL && j <= wanted && j < t->k; j++) {
        const float is = j < wanted ? t->dist[i * t->k + j] : t->similar ? -INFINITY : INFINITY;
        const float margin = j < wanted ? 1e-4f * fabsf(is) + FLT_MIN : 0;
        while (nearer < t->k && ids[nearer] != KITH_NO_ID &&
               (t->similar ? dist[nearer] > is + margin : dist[nearer] < is - margin))
            nearer++;
        if (nearer > j + strays) strays = nearer - j;
    }
    return strays;
}

/* ---- marks of relevance ---------------------------------------------------------------------- */

static int by_query(const void *a, const void *b)
{
    const mark *x = a, *y = b;

    if (x->query != y->query) return (x->query > y->query) - (x->query < y->query);
    return (x->id > y->id) - (x->id < y->id);
}

static kith_status take_mark(marks *m, const csv_rows *rows, size_t fields, int first)
{
    mark one;
    float grade = 1;

    if (fields < 2) return csv_rows_fail(rows, SIZE_MAX, "query, id and grade are expected");
    if (!parse_int(csv_rows_field(rows, 0, NULL), &one.query))
        return first ? KITH_OK // the names of the columns
                     : csv_rows_fail(rows, 0, "the number or the id of a query is expected");
    if (!parse_int(csv_rows_field(rows, 1, NULL), &one.id))
        return csv_rows_fail(rows, 1, "the id of a row is expected");
    if (fields > 2 && !parse_float(csv_rows_field(rows, 2, NULL), &grade))
        return csv_rows_fail(rows, 2, "a grade is expected, a number");
    if (grade <= 0) return KITH_OK;
    if (!array_grow(&m->mark, &m->cap, m->n + 1, sizeof *m->mark)) return KITH_NO_MEMORY;
    m->mark[m->n++] = one;
    return KITH_OK;
}

kith_status marks_read(const char *path, const arguments *a, marks *out)
{
    const csv_options how = {given_text(a, "delimiter"), NULL, 1, 0};
    kith_status st = KITH_OK;
    csv_rows *rows = NULL;
    size_t fields;

    TRY(csv_rows_open(path, &how, &rows));
    for (int first = 1;; first = 0) {
        TRY(csv_rows_next(rows, &fields));
        if (fields == 0) break;
        TRY(take_mark(out, rows, fields, first));
    }
    if (out->n == 0) FAIL(KITH_BAD_ARG, "%s marks no row as relevant", path);
    qsort(out->mark, out->n, sizeof *out->mark, by_query);
out:
    csv_rows_free(rows);
    return st;
}

void marks_free(marks *m)
{
    free(m->mark);
    m->mark = NULL;
}

double marks_reciprocal(const marks *m, int64_t query, const int64_t *ids, size_t k)
{
    size_t lo = 0, hi = m->n; // the query's first mark

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (m->mark[mid].query < query)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == m->n || m->mark[lo].query != query) return (double)NAN;
    for (size_t j = 0; j < k && ids[j] != KITH_NO_ID; j++) {
        const mark key = {query, ids[j]};
        if (bsearch(&key, m->mark, m->n, sizeof key, by_query) != NULL) return 1 / (double)(j + 1);
    }
    return 0;
}

/* ---- times ----------------------------------------------------------------------------------- */

static int ascending_order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void sort_numbers(double *x, size_t n)
{
    qsort(x, n, sizeof *x, ascending_order);
}

double percentile(const double *ascending, size_t n, double p)
{
    const double rank = ceil(p * (double)n);
    const size_t i = rank < 1 ? 0 : (size_t)rank - 1;

    return ascending[i < n ? i : n - 1];
}
