/* How a query finds promising rows: one folder a navigator, joined by table.def. A navigator works
 * on a view of the rows and hands its hits up with canonical keys; ids, labels, filters, snapshots,
 * files of the rows are not its affair. What it needs beside the rows is its structure, which a
 * view carries (ki_structure): Flat has none. */
#ifndef KI_NAVIGATOR_H
#define KI_NAVIGATOR_H

#include "base/param.h"
#include "rows/exact.h"

/* The file behind an index that is being opened, as ki_rows_open has it. */
typedef struct ki_opening {
    const ki_blob_reader *reader;
    void *keep; /* shared by whoever borrows bytes of the file */
    void (*share)(void *keep);
    void (*release)(void *keep);
} ki_opening;

enum { KI_FINDINGS = 8 };

/* What a repair found and mended: the first sentence about it ("": none), and how much of what. */
typedef struct ki_findings {
    char damage[KI_SENTENCE];
    struct {
        const char *name, *unit;
        uint32_t count;
    } mended[KI_FINDINGS];
    size_t n;
} ki_findings;

/* Links between rows in levels, as other programs keep them in their files: level 0 is that of all
 * rows, each higher one of some of the rows of the one below. */
typedef struct ki_layers ki_layers;
struct ki_layers {
    uint32_t entry;       /* a row on the highest level */
    uint32_t width, most; /* links of a row at most: on levels above 0, on level 0 */
    uint32_t levels;      /* above 0 */
    const void *ctx;
    uint32_t (*level)(const ki_layers *l, uint32_t pos); /* the highest that a row is on */
    /* Links of a row on a level that it is on, to out [width or most]; returns how many. */
    size_t (*links)(const ki_layers *l, uint32_t pos, uint32_t level, uint32_t *out);
    void (*end)(ki_layers *l); /* frees it; NULL where it need not be freed */
};

typedef struct ki_navigator {
    const char *name;    /* in specs: "Flat" */
    const char *aliases; /* comma-separated */
    const char *about;
    ki_param_table params; /* build parameters, set by the spec */
    int number;     /* the parameter that a number behind the name sets ("Graph48"); -1: none */
    int scan;       /* the parameter that asks for a scan code beside the rows; -1: none is kept */
    uint32_t flags; /* KITH_EXACT: every answer is proven, and nothing stops early */
    /* The hits of nq queries to receive (see ki_exact_search, whose contract this shares). */
    kith_status (*search)(const ki_view *v, ki_env *env, const void *q, size_t nq,
                          const ki_ask *ask, ki_scratch *scratch, ki_receive *receive, void *ctx);

    /* The rest is about a structure and keeps it in step with the rows; all NULL where there is
     * none. */
    /* Whether a search looks at every row that may answer, however little effort it is given. */
    bool (*sees_all)(const ki_view *v, const ki_ask *ask);
    /* Whether so many rows of v are removed that a change compacts the rows before `update`. */
    bool (*crowded)(const ki_view *v, const double *params);
    /* Give the change's snapshot (ki_change_view) the structure that fits its rows, starting from
     * what it has: rows came, went, or were compacted (ki_change_before). On failure the change
     * is aborted. */
    kith_status (*update)(ki_change *c, ki_env *env, const double *params, uint32_t threads,
                          ki_progress *p);
    kith_status (*write)(const ki_view *v, ki_blob_writer *w, bool planning);
    /* Structure and counts are checked, and what is not is when it is used. */
    kith_status (*open)(ki_rows *rows, ki_env *env, const ki_opening *from, const double *params);
    /* All invariants. CORRUPT with the row. */
    kith_status (*check)(const ki_view *v, ki_env *env, ki_progress *p);
    void (*stats)(const ki_view *v, kith_each *each, void *ctx);
    /* kith_repair: let the change's snapshot have a structure that passes `check`, mended or made
     * anew from the rows, which are sound. */
    kith_status (*repair)(ki_change *c, ki_env *env, const double *params, uint32_t threads,
                          ki_findings *out, ki_progress *p);
    /* kith_inspect. Nobody changes the structure meanwhile. NOT_FOUND: no such part. */
    kith_status (*inspect)(const ki_view *v, ki_env *env, const char *part, kith_each *each,
                           void *ctx, ki_progress *p);
    /* NULL where links do not lie in levels: */
    /* As update, with the links of another program; n > 0 rows, which are those of `from`. LIMIT
     * when they are too many. */
    kith_status (*take)(ki_change *c, ki_env *env, const double *params, const ki_layers *from,
                        uint32_t threads, ki_progress *p);
    /* The links of a view that has live rows, made for the purpose where it has none. */
    kith_status (*show)(const ki_view *v, ki_env *env, const double *params, uint32_t threads,
                        ki_progress *p, ki_layers **out);
} ki_navigator;

const ki_navigator *ki_navigator_at(size_t i); /* NULL after the last */
/* By name or alias, letter case as given (spec names are exact); NULL if none. */
const ki_navigator *ki_navigator_find(const char *name);

#endif
