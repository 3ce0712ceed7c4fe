/* What the files of exact search share: exact.c divides the work and collects the answers,
 * exact_scan.c takes queries one by one, exact_batch.c panels of them. Nobody else includes this.
 *
 * Words: a part is what one thread works with; a group is the queries a part looks at in one pass
 * over rows; a unit is a run of rows within one chunk that is handed to a part; a block is
 * rows that are looked at together.
 */
#ifndef KI_EXACT_INSIDE_H
#define KI_EXACT_INSIDE_H

#include "rows/scancode.h"
#include "rows/top.h"

/* One call. */
typedef struct ki_search {
    const ki_view *v;
    ki_env *env;
    const ki_ask *ask;
    const unsigned char *q; /* [nq] of q_bytes */
    size_t nq, q_bytes;
    size_t group;     /* queries a group has at most */
    size_t unit_rows; /* a power of two, at most KI_CHUNK */
    size_t units, unit_step;
    bool filtered;    /* there is a mask or a removed row */
} ki_search;

/* Buffers of a part, by use. */
enum {
    KI_USE_PREPARED, KI_USE_SCRATCH, KI_USE_WORK, KI_USE_BLOCK, KI_USE_CODED, KI_USE_BATCH,
    KI_USE_FOUND, KI_USE_AGAIN, KI_USE_SPACE, KI_USES
};

/* Rows of a block that are looked at closer. */
typedef struct ki_block_list {
    uint32_t pos[KI_SCORE_ROWS];
    ki_scored scored[KI_SCORE_ROWS];
    int32_t dots[2 * KI_SCORE_ROWS];
} ki_block_list;

/* The queries of a group: query[0…n-1], or first…first+n-1. */
typedef struct ki_group {
    const uint32_t *query; /* NULL: consecutive */
    const double *tau;     /* [n] what is known of the k-th keys already; NULL: nothing */
    size_t first, n;
    bool betting;          /* ki_top_bet may be used */
} ki_group;

/* Which rows of a run are looked at: all; or first a sample, 64 of each stretch, then the rest. */
typedef enum ki_phase { KI_ALL_ROWS, KI_SAMPLE, KI_REST } ki_phase;

/* owns: top and its items, use. */
typedef struct ki_part {
    ki_env *env;
    const ki_search *s;
    ki_group group; /* in hand */
    size_t n;       /* of its queries */
    ki_top *top;           /* [tops], n in use */
    size_t tops;
    ki_prepared *prepared; /* [n] */
    void *work;            /* of ki_score_bytes */
    ki_block_list *list;
    uint64_t seen;         /* rows that the group met in scans */
    ki_scan_query *coded;  /* [n], ready for the scan code of chunk coded_chunk; lazily */
    size_t coded_chunk;    /* SIZE_MAX: of none */
    struct ki_batch *batch; /* NULL: queries go one by one */
    ki_buffer use[KI_USES];
} ki_part;

/* A run of rows within one chunk. */
typedef struct ki_run {
    const unsigned char *rows; /* of the first */
    uint32_t first, n;         /* positions first…first+n-1 */
} ki_run;

/* Bits of 64 positions from 64*word on: those that may answer. */
uint64_t ki_eligible(const ki_search *s, uint32_t word);
/* Positions of a run that may answer, relative to the run, to pos [run->n]; returns their
 * number. */
size_t ki_eligible_list(const ki_search *s, const ki_run *run, uint32_t *pos);

/* Offer what a run of rows has for each query of the part's group. */
kith_status ki_scan_run(ki_part *p, const ki_run *run);

/* Whether panels exist for what a view holds; make the part's group into panels; offer what a run
 * of rows has for all of them. */
bool ki_batch_serves(const ki_view *v);
kith_status ki_batch_begin(ki_part *p);
kith_status ki_batch_run(ki_part *p, const ki_run *run, ki_phase phase);
bool ki_batch_bets(const ki_part *p);

#endif
