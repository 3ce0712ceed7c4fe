/* The tuned curve: read from an index, as a table, as JSON, as a picture. */
#include "points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "measure.h"

kith_status curve_read(const kith_index *ix, curve *out)
{
    kith_status st = KITH_OK;
    size_t n = 0;

    TRY(kith_curve(ix, NULL, 0, &n));
    out->point = array_new(n, sizeof *out->point);
    NEED(out->point);
    TRY(kith_curve(ix, out->point, n, &n));
    out->n = n;
    out->k = (uint32_t)index_stat(ix, "tuned_k");
    out->queries = index_stat(ix, "tuned_queries");
    out->rows = index_stat(ix, "tuned_rows");
out:
    return st;
}

void curve_free(curve *c)
{
    free(c->point);
    c->point = NULL;
}

static double per_second(const kith_point *p)
{
    return p->us > 0 ? 1e6 / (double)p->us : 0;
}

static void put_point(json *j, const curve *c, const kith_point *p)
{
    json_open(j, NULL, '{');
    json_float(j, "recall", p->recall);
    json_int(j, "k", c->k);
    json_int(j, "effort", p->effort);
    json_float(j, "slack", p->slack);
    json_int(j, "rerank", p->rerank);
    json_float(j, "visits", p->visits);
    json_float(j, "us", p->us);
    json_close(j, '}');
}

void curve_put_json(const curve *c, json *j)
{
    json_open(j, "curve", '[');
    for (size_t i = 0; i < c->n; i++) put_point(j, c, &c->point[i]);
    json_close(j, ']');
}

void curve_put(const curve *c, int as_json)
{
    char slack[16];

    if (!as_json)
        printf("%6s@%-4u  %7s  %6s  %6s  %9s  %9s  %10s\n", "recall", c->k, "effort", "slack",
               "rerank", "visits", "us", "qps");
    for (size_t i = 0; i < c->n; i++) {
        const kith_point *p = &c->point[i];
        json j = {stdout, 0};

        if (as_json) {
            put_point(&j, c, p);
            json_line(&j);
            continue;
        }
        float_text(p->slack, slack);
        printf("%11.5f  %7u  %6s  %6u  %9.1f  %9.1f  %10.1f\n", (double)p->recall, p->effort, slack,
               p->rerank, (double)p->visits, (double)p->us, per_second(p));
    }
}

kith_status curve_plot(const curve *c, const char *path, const char *title)
{
    measured *m = array_new(c->n, sizeof *m);
    kith_status st = KITH_OK;

    NEED(m);
    for (size_t i = 0; i < c->n; i++) {
        m[i].effort = c->point[i].effort;
        m[i].k = c->k;
        m[i].recall = (double)c->point[i].recall;
        m[i].recall_by = "distance";
        m[i].qps = per_second(&c->point[i]);
    }
    st = plot_save(path, title, m, c->n);
out:
    free(m);
    return st;
}
