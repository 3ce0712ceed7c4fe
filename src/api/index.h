/* The index as the public functions see it: rows, a navigator, what was lent, what was opened. */
#ifndef KI_INDEX_H
#define KI_INDEX_H

#include "base/spec.h"
#include "file/container.h"
#include "navigate/navigator.h"

enum { KI_INDEX_CONTEXTS = 64, KI_INDEX_PARAMS = 9 };

#define KI_SECTION_SPEC KI_FOUR('S', 'P', 'E', 'C') /* the canonical spec, UTF-8, no closing NUL */

/* What a spec says, resolved against the tables. */
typedef struct ki_plan {
    const ki_navigator *nav;
    const ki_codec *codec;                /* NULL: adaptive */
    double params[KI_INDEX_PARAMS];       /* by nav->params */
    double codec_params[KI_CODEC_PARAMS]; /* by codec->params */
    double p;                             /* of LP */
} ki_plan;

struct kith_context {
    ki_env own; /* of contexts that the caller made */
    ki_env *env;
    ki_scratch *scratch;
    void *queries; /* converted queries, [queries_len] bytes */
    size_t queries_len;
};

/* owns: rows, container, contexts. Shared by cursors: freed with the last reference. */
struct kith_index {
    ki_env env;
    atomic_uint refs;
    ki_plan plan;
    size_t d;
    kith_metric metric;
    bool read_only;
    char damage[KI_SENTENCE]; /* the first that an open for repair passed over; "": none */
    atomic_bool repaired;     /* what it was about is made anew */
    ki_rows *rows;
    ki_container *container; /* NULL unless opened */
    char spec[KI_SPEC_TEXT];
    _Atomic(kith_context *) idle[KI_INDEX_CONTEXTS]; /* contexts that no search uses now */
};

/* plan.c: spec text → plan, and back to the canonical text. */
kith_status ki_plan_parse(const char *text, kith_metric m, ki_plan *out);
void ki_plan_text(const ki_plan *plan, kith_metric m, char out[KI_SPEC_TEXT]);
/* Set one option by name; `where` is shown in the sentence. NOT_FOUND: no such parameter. */
kith_status ki_plan_set(ki_plan *plan, const char *name, const char *value);
/* The parameters of metrics ("p") and of searches ("effort"…), owners of no member. */
extern const ki_param_table ki_metric_params, ki_search_params;

/* An index without rows and container; env is made from host. */
kith_status ki_index_create(const kith_host *host, kith_index **out);
void ki_index_share(const kith_index *ix);
kith_status ki_index_writable(const kith_index *ix);
/* Damage in the file behind an index must not get a fresh checksum: compare it before rows are
 * copied. CORRUPT, CANCELLED. */
kith_status ki_index_undamaged(const kith_index *ix, const kith_watch *w);
/* What of ix is seen now; BAD_ARG when ix is NULL. leave gives it back; v may be NULL. */
kith_status ki_index_look(const kith_index *ix, const ki_view **v);
void ki_index_leave(const kith_index *ix, const ki_view *v);

/* What of ix is written or checked: its rows as they are now and, where a structure goes with them
 * that changes alter in place, nobody changing it until it is given back. ix is not NULL; v may
 * be. */
const ki_view *ki_index_look_whole(const kith_index *ix);
void ki_index_leave_whole(const kith_index *ix, const ki_view *v);

/* A context for one call: the caller's, an idle one, or a new one. give is for what take gave. */
kith_status ki_context_take(const kith_index *ix, const kith_query *how, kith_context **out);
void ki_context_give(const kith_index *ix, const kith_query *how, kith_context *c);
/* count * size bytes for queries, kept in the context: the same bytes at the next call. */
void *ki_context_room(kith_context *c, size_t count, size_t size); /* NULL: no memory */
/* q checked and as the exact search wants it: borrowed from q or converted into the context. */
kith_status ki_queries(const kith_index *ix, const ki_view *v, kith_rows q, kith_context *c,
                       const void **out);

/* The same for n stored rows as queries. NOT_FOUND names the first id that is not stored. */
kith_status ki_queries_stored(const kith_index *ix, const ki_view *v, const int64_t *of, size_t n,
                              kith_context *c, const void **out);

/* exchange.c: the indexes of other programs that are read and written, for kith_list. */
void ki_exchange_list(kith_each *each, void *ctx);

/* source.c: a caller's source, checked. */
kith_status ki_source_take(const kith_source *src, kith_source *out);

/* The part of kith_query that all searches share, checked; NULL = defaults. */
kith_status ki_query_check(const kith_index *ix, const kith_query *how, kith_query *out);
/* ask for it: limit as key, threads, mask (evaluated into *mask, which the caller frees); no recall
 * yet. */
kith_status ki_query_ask(const kith_index *ix, const ki_view *v, const kith_query *how,
                         ki_mask *mask, ki_ask *out);
/* What a recall among k neighbours takes, for an ask that is complete but for that. UNTRAINED: it
 * was not measured, and the search would not look at every row anyway. */
kith_status ki_query_reach(const kith_index *ix, const ki_view *v, float recall, size_t k,
                           ki_ask *ask);
/* The search that was asked for: the navigator's, or the exhaustive one. */
kith_status ki_query_run(const kith_index *ix, const ki_view *v, const void *q, size_t nq,
                         const ki_ask *ask, kith_context *c, ki_receive *receive, void *ctx);

#endif
