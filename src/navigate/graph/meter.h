/* How far rows lie from what is looked for: the one place that knows how each lens measures.
 * Distances are floats >= 0, smaller is nearer; integers and canonical keys rounded once, so that
 * they are the same on every machine. */
#ifndef KI_METER_H
#define KI_METER_H

#include "kernel/kernel.h"
#include "navigate/graph/graph.h"

enum { KI_METER_BATCH = 16 };

/* owns: room, work, codes. */
typedef struct ki_meter {
    ki_env *env;
    const ki_graph *g;
    const ki_view *v;
    ki_visit *visit;   /* OWN, CODE */
    const void *query; /* a walk code; ROWS: float[d], or packed bits */
    float *room;       /* ROWS: a row as a query, [d] */
    void *work;        /* ROWS: of ki_score_bytes */
    size_t room_len, work_len;
    /* Halved: the whole code that is looked for, what walks take of it, and scratch. SHORT: the
     * bytes that are looked for, where that is a query. */
    ki_visit *closer;
    const uint8_t *code;
    ki_grid4 grid;
    uint8_t *codes; /* [2 + KI_METER_BATCH][wide] */
    size_t codes_len;
} ki_meter;

/* Ready to measure rows of v by g's lens. A zeroed one is valid and empty; it may be made ready
 * again. NO_MEMORY. */
kith_status ki_meter_init(ki_meter *m, ki_env *env, const ki_view *v, const ki_graph *g);
void ki_meter_deinit(ki_meter *m);
/* What is looked for: what ki_lens_query made or a canonical query, borrowed; a stored row. */
void ki_meter_query(ki_meter *m, const void *query);
void ki_meter_row(ki_meter *m, uint32_t pos);
/* Distances to n rows given by address; meanwhile those at next [n] are asked for, unless NULL. */
void ki_meter_take(const ki_meter *m, const void *const *rows, const void *const *next, size_t n,
                   float *dist);
/* The least distance to n <= KI_METER_BATCH rows, n > 0. */
float ki_meter_least(const ki_meter *m, const void *const *rows, size_t n);
/* Where walk codes are halves or short: distances [n] of rows to a query by whole codes, by the
 * rows' bytes. */
void ki_meter_closer(const ki_meter *m, const uint32_t *pos, size_t n, float *dist);
/* Whether the lens measures squares, so that factors of distances are to be squared. */
static inline bool ki_meter_squares(const ki_graph *g)
{
    return g->lens->kind != KI_LENS_ROWS || g->lens->metric == KITH_L2;
}

#endif
