/* Printing hits. The order of columns never changes and the label comes last, because it may hold
 * blanks; so `awk '{print $3}'` of many queries, or $2 of one, is the id. */
#include "hits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "output.h"

static const char *unit(const kith_index *ix)
{
    return kith_metric_is_similarity(kith_metric_of(ix)) ? "similarity" : "distance";
}

void hits_begin(hits_printer *p, const kith_index *ix, int as_json, int alone)
{
    *p = (hits_printer){ix, as_json, alone, index_stat(ix, "label_bytes") > 0, 0, NULL, 0};
}

void hits_head(hits_printer *p)
{
    if (!p->as_json && !p->alone && !p->headed)
        printf("query\trank\tid\t%s%s\n", unit(p->index), p->labels ? "\tlabel" : "");
    p->headed = 1;
}

void hits_end(hits_printer *p)
{
    free(p->label);
    p->label = NULL;
}

const char *hits_label(hits_printer *p, int64_t id)
{
    size_t len = 0;

    if (!array_grow(&p->label, &p->label_cap, 256, 1)) return NULL;
    if (kith_get_label(p->index, id, p->label, p->label_cap, &len) != KITH_OK) return "";
    if (len < p->label_cap) return p->label;
    if (!array_grow(&p->label, &p->label_cap, len + 1, 1)) return NULL;
    return kith_get_label(p->index, id, p->label, p->label_cap, NULL) == KITH_OK ? p->label : "";
}

static kith_status put_json(hits_printer *p, int64_t query, const int64_t *ids, const float *dist,
                            size_t n)
{
    json j = {stdout, 0};

    json_open(&j, NULL, '{');
    json_int(&j, "query", query);
    json_open(&j, "ids", '[');
    for (size_t i = 0; i < n; i++) json_int(&j, NULL, ids[i]);
    json_close(&j, ']');
    json_open(&j, "scores", '[');
    for (size_t i = 0; i < n; i++) json_float(&j, NULL, dist[i]);
    json_close(&j, ']');
    if (p->labels) {
        json_open(&j, "labels", '[');
        for (size_t i = 0; i < n; i++) {
            const char *label = hits_label(p, ids[i]);
            if (label == NULL) return KITH_NO_MEMORY;
            json_text(&j, NULL, *label != '\0' ? label : NULL);
        }
        json_close(&j, ']');
    }
    json_close(&j, '}');
    json_line(&j);
    return KITH_OK;
}

/* A table: numbers to the right, as wide as the widest id. */
static kith_status put_table(hits_printer *p, const int64_t *ids, const float *dist, size_t n)
{
    const int pad = p->labels ? 12 : 0; // of the distances, before a label
    int width = 2;
    char text[24];

    for (size_t i = 0; i < n; i++) {
        const int len = snprintf(text, sizeof text, "%" PRId64, ids[i]);
        if (len > width) width = len;
    }
    printf("%4s  %*s  %-*s%s\n", "rank", width, "id", pad, unit(p->index),
           p->labels ? "  label" : "");
    for (size_t i = 0; i < n; i++) {
        const char *label = p->labels ? hits_label(p, ids[i]) : "";
        if (label == NULL) return KITH_NO_MEMORY;
        float_text(dist[i], text);
        printf("%4zu  %*" PRId64 "  %-*s", i + 1, width, ids[i], pad, text);
        if (p->labels) fputs("  ", stdout);
        put_text(stdout, label);
        putchar('\n');
    }
    return KITH_OK;
}

static kith_status put_columns(hits_printer *p, int64_t query, const int64_t *ids,
                               const float *dist, size_t n)
{
    char text[16];

    for (size_t i = 0; i < n; i++) {
        const char *label = p->labels ? hits_label(p, ids[i]) : "";
        if (label == NULL) return KITH_NO_MEMORY;
        float_text(dist[i], text);
        printf("%" PRId64 "\t%zu\t%" PRId64 "\t%s", query, i + 1, ids[i], text);
        if (p->labels) putchar('\t');
        put_text(stdout, label);
        putchar('\n');
    }
    return KITH_OK;
}

kith_status hits_put(hits_printer *p, int64_t query, const int64_t *ids, const float *dist,
                     size_t n)
{
    size_t found = 0;

    hits_head(p);
    while (found < n && ids[found] != KITH_NO_ID) found++;
    if (p->as_json) return put_json(p, query, ids, dist, found);
    if (p->alone) return put_table(p, ids, dist, found);
    return put_columns(p, query, ids, dist, found);
}
