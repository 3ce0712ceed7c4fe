/* Tuning: what effort, slack and depth of re-ranking each recall takes, measured on an index as it
 * is and stored beside it. Distances are counted, not timed, so that the same rows give the same
 * curve on every machine; the one number that is timed is told and decides nothing.
 *
 * 1. Queries: the caller's, or rows of the index. A row that is its own query is hidden from the
 *    walk, whose links would lead it straight to its neighbours; a new query has no such help.
 * 2. Truth: the k-th key of each by the exact search. A row as near as that is right, whichever of
 *    equally near rows it is.
 * 3. A table of settings, by some of the queries: for each of a few slacks, efforts from k on by
 *    factors of 2, until slack alone stops the walks or more effort finds no more. Work grows along
 *    both, and recall with it.
 * 4. For each recall on the ladder the slack that seems to reach it with the fewest distances
 *    (between two efforts of the table by interpolation), then, by all queries, the least effort
 *    that does, to a quarter of an octave.
 * 5. What is still not reached is tried with more rows ranked by their own distance.
 *
 * A recall counts less its standard error: five in six other sets of such queries do as well. */
#include "api/curve.h"
#include "api/index.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

enum {
    EFFORTS = 24,    /* by factors of 2 */
    STEPS = 12,      /* quarters of an octave between the table's guess and the truth, at most */
    SOME_LEAST = 64, /* queries of the table: these, or … */
    SOME_SHARE = 4,  /* … one in so many */
    EXACT_SHARE = 4, /* a walk that looks at so large a share of the rows had better be exact */
    EFFORT_MOST = 1 << 20
};
static const double quarter = 1.189207115002721; // of an octave

static const float slacks[] = {0.01f, 0.02f, 0.04f, 0.07f,
                               0.11f, 0.16f, 0.24f, 100.0f}; // the last: effort alone
enum { SLACKS = sizeof slacks / sizeof *slacks };

static const float ladder[] = {0.80f, 0.85f,  0.90f,  0.93f,  0.95f,   0.97f,  0.98f,
                               0.99f, 0.995f, 0.998f, 0.999f, 0.9995f, 0.9999f};
enum { RUNGS = sizeof ladder / sizeof *ladder };

/* Rows ranked by their own distance, in multiples of k; 0: what the index would. */
static const uint32_t depths[] = {0, 4, 16};
enum { DEPTHS = sizeof depths / sizeof *depths };

/* What a setting gave. */
typedef struct trial {
    uint32_t effort;
    double recall, low; /* the mean, and less its standard error */
    double visits;
    bool exact; /* no query walked */
} trial;

/* owns: truth, wanted, right, of. */
typedef struct tuning {
    const kith_index *ix;
    const ki_view *v;
    kith_tuning how;
    kith_context *context;
    const void *q;            /* [nq], checked */
    int64_t *of;              /* [nq] ids of rows that are queries, or NULL */
    size_t nq, cap;           /* cap: memory below */
    size_t some;              /* the first of them, which the table is made by */
    double *truth;            /* [nq] the k-th key */
    uint32_t *wanted, *right; /* [nq] rows that can be found, and were */
    atomic_size_t exact;      /* queries that looked at all rows */
    ki_progress progress;
    trial table[SLACKS][EFFORTS];
    size_t trials[SLACKS];
    size_t walked; /* settings that were answered by walks alone */
    double best;   /* of their recalls, less the standard error */
    ki_curve *curve;
} tuning;

static ki_env *env_of(const tuning *t)
{
    return ki_unconst(&t->ix->env); // lent functions and an atomic count
}

/* ---- queries --------------------------------------------------------------------------------- */

/* One live row of each stretch, in an order that says nothing. */
static void draw_rows(const tuning *t, int64_t *of)
{
    const ki_view *v = t->v;
    uint64_t rank = 0, next = 0;
    size_t i = 0;

    for (uint32_t pos = 0; pos < v->n && i < t->nq; pos++) {
        const uint64_t from = (uint64_t)i * v->live / t->nq;
        const uint64_t to = (uint64_t)(i + 1) * v->live / t->nq;

        if (!ki_view_live(v, pos)) continue;
        if (rank == from)
            next = from + ki_random_below(t->how.seed, KI_RNG_SAMPLE, i, (uint32_t)(to - from));
        if (rank == next) of[i] = ki_view_id(v, pos);
        i += ++rank == to;
    }
    for (i = t->nq; i > 1; i--) { // Fisher and Yates
        const size_t j = ki_random_below(t->how.seed, KI_RNG_SAMPLE, t->nq + i, (uint32_t)i);
        const int64_t id = of[i - 1];

        of[i - 1] = of[j];
        of[j] = id;
    }
}

static kith_status take_queries(tuning *t, const kith_rows *queries)
{
    kith_status st = KITH_OK;
    kith_rows some;

    if (!queries) {
        t->nq = t->how.sample < t->v->live ? t->how.sample : t->v->live;
        t->of = ki_array(env_of(t), t->nq, sizeof *t->of);
        KI_NEED(t->of);
        draw_rows(t, t->of);
        return ki_queries_stored(t->ix, t->v, t->of, t->nq, t->context, &t->q);
    }
    some = *queries;
    if (some.n > t->how.sample) { // every so-manieth
        const size_t row = some.stride ? some.stride : kith_row_bytes(some.dtype, t->ix->d);

        KI_TRY(ki_rows_check(some, t->ix->d, t->ix->metric, "query"));
        some.stride = row * (some.n / t->how.sample);
        some.n = t->how.sample;
    }
    t->nq = some.n;
    KI_TRY(ki_queries(t->ix, t->v, some, t->context, &t->q));
out:
    return st;
}

/* ---- searches -------------------------------------------------------------------------------- */

static kith_status receive_truth(void *ctx, size_t i, const ki_found *hit, size_t n, uint32_t flags)
{
    const tuning *t = ctx;

    (void)flags;
    t->wanted[i] = (uint32_t)n;
    t->truth[i] = n ? hit[n - 1].key : 0.0;
    return KITH_OK;
}

static kith_status receive_answer(void *ctx, size_t i, const ki_found *hit, size_t n,
                                  uint32_t flags)
{
    tuning *t = ctx;
    uint32_t right = 0;

    if (flags & KITH_EXACT) atomic_fetch_add(&t->exact, 1);
    for (size_t j = 0; j < n; j++) right += hit[j].key <= t->truth[i];
    t->right[i] = right < t->wanted[i] ? right : t->wanted[i];
    return KITH_OK;
}

static ki_ask ask_for(tuning *t)
{
    return (ki_ask){.k = t->how.k,
                    .limit = (double)INFINITY,
                    .exclude = t->of,
                    .held_out = true,
                    .threads = t->how.threads,
                    .progress = &t->progress};
}

static kith_status find_truth(tuning *t)
{
    const ki_ask ask = ask_for(t);

    return ki_exact_search(t->v, env_of(t), t->q, t->nq, &ask, t->context->scratch, receive_truth,
                           t);
}

static void grade(const tuning *t, size_t queries, trial *out)
{
    const double nq = (double)queries, least = 1.0 / (nq * (double)t->how.k);
    double sum = 0.0, squares = 0.0, error;

    for (size_t i = 0; i < queries; i++) {
        const double share = t->wanted[i] ? (double)t->right[i] / t->wanted[i] : 1.0;

        sum += share;
        squares += share * share;
    }
    out->recall = sum / nq;
    error = sqrt(fmax(squares / nq - out->recall * out->recall, 0.0) / nq);
    out->low = out->recall - fmax(error, least); // that all were found proves no more
}

/* By the first nq queries. */
static kith_status try_setting(tuning *t, size_t nq, uint32_t effort, float slack, uint32_t rerank,
                               trial *out)
{
    kith_status st = KITH_OK;
    ki_ask ask = ask_for(t);
    _Atomic uint64_t visits;
    size_t exact;

    atomic_init(&visits, 0);
    atomic_store(&t->exact, 0);
    ask.effort = effort;
    ask.slack = slack;
    ask.rerank = rerank;
    ask.visits = &visits;
    KI_TRY(t->ix->plan.nav->search(t->v, env_of(t), t->q, nq, &ask, t->context->scratch,
                                   receive_answer, t));
    grade(t, nq, out);
    out->effort = effort;
    exact = atomic_load(&t->exact); // a walk that was cut off is answered so, too
    out->visits = ((double)atomic_load(&visits) + (double)exact * (double)t->v->live) / (double)nq;
    out->exact = exact == nq;
    t->walked += !out->exact;
    if (!out->exact && out->low > t->best) t->best = out->low;
out:
    return st;
}

/* ---- the table ------------------------------------------------------------------------------- */

static double most_visits(const tuning *t)
{
    return (double)t->v->live / EXACT_SHARE;
}

/* Efforts of one slack, from `effort` on. */
static kith_status try_slack(tuning *t, size_t s, uint32_t effort, uint32_t rerank)
{
    kith_status st = KITH_OK;
    trial *row = t->table[s];
    size_t n = 0;

    t->trials[s] = 0;
    for (; n < EFFORTS && effort <= EFFORT_MOST; effort *= 2) {
        KI_TRY(try_setting(t, t->some, effort, slacks[s], rerank, &row[n]));
        if (row[n].exact) break;
        t->trials[s] = ++n;
        if (row[n - 1].recall >= 1.0 || row[n - 1].visits > most_visits(t)) break;
        if (n > 1 && row[n - 1].visits < 1.01 * row[n - 2].visits) break; // slack alone decides
        if (n > 2 && row[n - 1].recall <= row[n - 3].recall) break; // four times as much, in vain
    }
out:
    return st;
}

static kith_status fill_table(tuning *t, uint32_t effort, uint32_t rerank)
{
    kith_status st = KITH_OK;

    for (size_t s = 0; s < SLACKS; s++) KI_TRY(try_slack(t, s, effort, rerank));
out:
    return st;
}

/* The first trial of a slack that reaches the rung; its number of trials when none does. */
static size_t reaches(const tuning *t, size_t s, double rung)
{
    size_t i = 0;

    while (i < t->trials[s] && t->table[s][i].low < rung) i++;
    return i;
}

/* How far between trials i - 1 and i a slack is likely to reach the rung, 0…1: misses fall about as
 * a power of the distances. */
static double place_of(const trial *row, size_t i, double rung)
{
    double above, below;

    if (i == 0) return 1.0;
    above = log(1.0 - row[i - 1].low);
    below = log(1.0 - row[i].low);
    return above > below ? (above - log(1.0 - rung)) / (above - below) : 1.0;
}

/* Between the numbers that two trials have. */
static double between(double a, double b, double place)
{
    return exp(log(a) + place * (log(b) - log(a)));
}

static double likely_visits(const trial *row, size_t i, double rung)
{
    return i ? between(row[i - 1].visits, row[i].visits, place_of(row, i, rung)) : row[0].visits;
}

static double likely_effort(const trial *row, size_t i, double rung)
{
    return i ? between(row[i - 1].effort, row[i].effort, place_of(row, i, rung)) : row[0].effort;
}

static bool choose_slack(const tuning *t, double rung, size_t *out)
{
    double least = (double)INFINITY;

    for (size_t s = 0; s < SLACKS; s++) {
        const size_t i = reaches(t, s, rung);
        const double visits = i < t->trials[s] ? likely_visits(t->table[s], i, rung) : least;

        if (visits < least) {
            least = visits;
            *out = s;
        }
    }
    return least < (double)INFINITY;
}

/* The least effort with this slack that reaches the rung; out->effort 0: none does. */
static kith_status narrow(tuning *t, size_t s, double rung, uint32_t rerank, trial *out)
{
    double effort = likely_effort(t->table[s], reaches(t, s, rung), rung);
    kith_status st = KITH_OK;
    bool missed = false;
    trial x;

    out->effort = 0;
    for (size_t i = 0; i < STEPS && effort >= t->table[s][0].effort; i++) {
        KI_TRY(try_setting(t, t->nq, (uint32_t)effort, slacks[s], rerank, &x));
        if (x.low >= rung && !x.exact) {
            *out = x;
            if (missed) break;
            effort /= quarter;
        } else {
            missed = true;
            if (out->effort || x.exact || x.visits > most_visits(t)) break;
            effort *= quarter;
        }
    }
out:
    return st;
}

/* A point that needs less than those before it takes their place. */
static void append(ki_curve *c, const trial *x, float slack, uint32_t rerank)
{
    const kith_point p = {(float)x->low, slack, x->effort, rerank, (float)x->visits, 0.0f};

    while (c->n > 0 && c->point[c->n - 1].visits >= p.visits) c->n--;
    if (c->n > 0 && c->point[c->n - 1].recall >= p.recall) return;
    c->point[c->n++] = p;
}

/* From *rung on, as far as this depth of re-ranking leads. */
static kith_status climb(tuning *t, uint32_t rerank, size_t *rung)
{
    kith_status st = KITH_OK;
    trial x;
    size_t s;

    while (*rung < RUNGS && choose_slack(t, (double)ladder[*rung], &s)) {
        const ki_curve *c = t->curve;

        if (c->n && c->point[c->n - 1].recall >= ladder[*rung]) { // by the one before
            ++*rung;
            continue;
        }
        KI_TRY(narrow(t, s, (double)ladder[*rung], rerank, &x));
        if (x.effort)
            append(t->curve, &x, slacks[s], rerank);
        else
            t->trials[s] = 0; // the table's queries were easier: this slack leads no further
    }
out:
    return st;
}

/* The hardest setting of the table. */
static const trial *hardest(const tuning *t, size_t *slack)
{
    const trial *best = NULL;

    for (size_t s = 0; s < SLACKS; s++) {
        const trial *last = t->trials[s] ? &t->table[s][t->trials[s] - 1] : NULL;

        if (!last || (best && best->recall >= last->recall)) continue;
        best = last;
        *slack = s;
    }
    return best;
}

static kith_status deepen(tuning *t, size_t *rung)
{
    kith_status st = KITH_OK;

    for (size_t d = 1; d < DEPTHS && *rung < RUNGS; d++) {
        const uint64_t rerank = (uint64_t)depths[d] * t->how.k;
        const ki_curve *c = t->curve;
        const trial *most;
        size_t s = 0;
        trial x;

        most = hardest(t, &s);
        if (!most || rerank > UINT32_MAX) break;
        KI_TRY(try_setting(t, t->some, most->effort, slacks[s], (uint32_t)rerank, &x));
        if (!(x.recall > most->recall)) continue; // it was not for want of ranking
        KI_TRY(fill_table(t, c->n ? c->point[c->n - 1].effort : t->how.k, (uint32_t)rerank));
        KI_TRY(climb(t, (uint32_t)rerank, rung));
    }
out:
    return st;
}

/* ---- the one number that is timed ------------------------------------------------------------ */

static kith_status time_points(tuning *t)
{
    kith_status st = KITH_OK;
    ki_ask ask = ask_for(t);

    ask.threads = 1;
    for (size_t i = 0; i < t->curve->n; i++) {
        kith_point *p = &t->curve->point[i];
        const uint64_t begun = ki_now_us();

        ask.effort = p->effort;
        ask.slack = p->slack;
        ask.rerank = p->rerank;
        KI_TRY(t->ix->plan.nav->search(t->v, env_of(t), t->q, t->nq, &ask, t->context->scratch,
                                       receive_answer, t));
        p->us = (float)((double)(ki_now_us() - begun) / (double)t->nq);
    }
out:
    return st;
}

/* ---- the call -------------------------------------------------------------------------------- */

static kith_status need_memory(tuning *t)
{
    kith_status st = KITH_OK;

    t->cap = t->nq;
    t->some = t->nq / SOME_SHARE > SOME_LEAST ? t->nq / SOME_SHARE
              : t->nq < SOME_LEAST            ? t->nq
                                              : SOME_LEAST;
    t->truth = ki_zeros(env_of(t), t->cap, sizeof *t->truth);
    KI_NEED(t->truth);
    t->wanted = ki_zeros(env_of(t), t->cap, sizeof *t->wanted);
    KI_NEED(t->wanted);
    t->right = ki_zeros(env_of(t), t->cap, sizeof *t->right);
    KI_NEED(t->right);
    KI_TRY(ki_curve_create(env_of(t), &t->curve));
    t->curve->k = t->how.k;
    t->curve->rows = t->v->live;
    t->curve->queries = (uint32_t)t->nq;
    t->curve->drawn = t->of != NULL;
out:
    return st;
}

static kith_status measure(tuning *t)
{
    kith_status st = KITH_OK;
    size_t rung = 0;

    KI_TRY(need_memory(t));
    KI_TRY(find_truth(t));
    KI_TRY(fill_table(t, t->how.k, 0));
    KI_TRY(climb(t, 0, &rung));
    KI_TRY(deepen(t, &rung));
    KI_TRY(time_points(t));
    KI_TRY(ki_progress_end(&t->progress));
out:
    return st;
}

/* A curve without points would take the place of one that has some, and say nothing. */
static kith_status check_found(const tuning *t)
{
    if (t->curve->n) return KITH_OK;
    if (!t->walked)
        return ki_fail(KITH_UNTRAINED,
                       "k = %u of %u rows: such searches look at every row, no walk is worth it; "
                       "there is no curve to store",
                       t->how.k, t->v->live);
    return ki_fail(KITH_UNTRAINED,
                   "k = %u: by %zu %s no walk is sure to reach a recall of %g, the best %.4g; "
                   "there is no curve to store",
                   t->how.k, t->nq, t->nq == 1 ? "query" : "queries", (double)ladder[0], t->best);
}

/* The curve becomes the index's. */
static kith_status publish(kith_index *ix, ki_curve **curve)
{
    kith_status st = KITH_OK;
    ki_change *c = NULL;

    KI_TRY(ki_change_begin(ix->rows, &c));
    ki_change_tell(c, &(*curve)->structure);
    *curve = NULL;
    ki_change_commit(c);
out:
    return st;
}

static kith_status check_how(const kith_tuning *how, kith_tuning *out)
{
    static const ki_sized sized = {"kith_tuning", "KITH_TUNING_INIT", sizeof(kith_tuning),
                                   sizeof(kith_tuning)};
    static const kith_tuning preset = KITH_TUNING_INIT;
    kith_status st;

    *out = preset;
    st = how ? ki_sized_copy(&sized, how, out) : KITH_OK;
    if (st != KITH_OK) return st;
    if (out->k == 0 || out->k > KITH_MAX_ROWS)
        return ki_fail(KITH_BAD_ARG, "k = %u: 1…%u is possible", out->k, KITH_MAX_ROWS);
    if (out->sample == 0) return ki_fail(KITH_BAD_ARG, "sample 0: tuning needs queries");
    return KITH_OK;
}

kith_status kith_tune(kith_index *ix, const kith_rows *queries, const kith_tuning *how,
                      const kith_watch *w)
{
    static const kith_query preset = KITH_QUERY_INIT;
    kith_status st = KITH_OK;
    tuning *t = NULL;

    KI_TRY(ki_index_writable(ix));
    t = ki_zeros(&ix->env, 1, sizeof *t);
    KI_NEED(t);
    t->ix = ix;
    KI_TRY(check_how(how, &t->how));
    if (queries && queries->n == 0) KI_FAIL(KITH_BAD_ARG, "there are no queries to tune with");
    KI_TRY(ki_index_look(ix, &t->v));
    if (queries) KI_TRY(ki_rows_check(*queries, ix->d, ix->metric, "query"));
    if (!t->v->structure || t->v->live == 0) goto out; // every search is exact
    KI_TRY(ki_context_take(ix, &preset, &t->context));
    ki_progress_init(&t->progress, w, "tune", 0);
    KI_TRY(take_queries(t, queries));
    KI_TRY(measure(t));
    KI_TRY(check_found(t));
    KI_TRY(publish(ix, &t->curve));
out:
    if (!t) return st;
    ki_release(&ix->env, t->of, t->nq, sizeof *t->of);
    ki_release(&ix->env, t->truth, t->cap, sizeof *t->truth);
    ki_release(&ix->env, t->wanted, t->cap, sizeof *t->wanted);
    ki_release(&ix->env, t->right, t->cap, sizeof *t->right);
    if (t->curve) ki_structure_release(&t->curve->structure);
    if (t->context) ki_context_give(ix, &preset, t->context);
    ki_index_leave(ix, t->v);
    ki_release(&ix->env, t, 1, sizeof *t);
    return st;
}

kith_status kith_curve(const kith_index *ix, kith_point *points, size_t cap, size_t *n)
{
    kith_status st = KITH_OK;
    const ki_view *v = NULL;
    const ki_curve *c;

    KI_TRY(ki_index_look(ix, &v));
    if (!n || (cap && !points)) KI_FAIL(KITH_BAD_ARG, "points and n may not be NULL");
    c = ki_curve_of(v);
    *n = c ? c->n : 0;
    for (size_t i = 0; i < *n && i < cap; i++) points[i] = c->point[i];
out:
    ki_index_leave(ix, v);
    return st;
}
