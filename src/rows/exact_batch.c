/* Exact search, panels of queries against rows, many x many. A stretch of rows that fits into the
 * cache is made ready once; then panel after panel of the group passes over it, each call of a
 * block kernel fused with the test of a threshold below which a row is out by proof. What passes is
 * offered to the collectors of its queries, whose tau makes the next thresholds. At first
 * everything passes: stretches begin with few rows and double.
 *
 * Floor: rows * queries * d operations of the matrix unit (bench/README.md); the memory is read
 * once a group.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rows/sieve.h"

_Static_assert(KI_STRETCH_STEP == 64, "STRETCH_MOST and _LEAST are multiples");
enum {
    STRETCH_BYTES = 512 << 10, /* a quarter of a level 2 cache */
    STRETCH_MOST = 4096,
    STRETCH_LEAST = 64,
    FIRST_ROWS = 64,
    SAMPLE_ROWS = 64,  /* of a stretch */
    BET_FIRST = 256,   /* rows before the first bet */
    BET_AGAIN = 2,     /* times as many before the next */
    BET_K = 16,        /* with fewer neighbours there is too little to win */
    BET_SHARE = 64,    /* nor when every 64th row is one */
    LINE = 64
};

/* ---- room ------------------------------------------------------------------------------------ */

/* Rows in another form may be as long as 4 bytes a component. */
static size_t bytes_of(const ki_sieve *s, const ki_view *v, size_t n)
{
    return n * s->row_bytes(v);
}

static size_t stretch_rows(const ki_sieve *s, const ki_view *v)
{
    const size_t n = STRETCH_BYTES / s->row_bytes(v) / STRETCH_LEAST * STRETCH_LEAST;

    return n < STRETCH_LEAST ? STRETCH_LEAST : n > STRETCH_MOST ? STRETCH_MOST : n;
}

bool ki_batch_serves(const ki_view *v)
{
    const kith_metric m = v->metric;

    return v->codec->type == KI_BITS || m == KITH_L2 || m == KITH_IP || m == KITH_COSINE ||
           m == KITH_L1;
}

/* Bytes have no block for L1: they are widened, which is exact too. */
static bool integer_sieve(const ki_view *v, const ki_prepared *p)
{
    return v->codec->type == KI_BITS || (v->metric != KITH_L1 && ki_prepared_integer(p));
}

/* Carves pieces off one buffer; with base NULL it only counts. */
typedef struct carver {
    unsigned char *base;
    size_t at;
} carver;

static void *carve(carver *c, size_t len)
{
    void *p = c->base ? c->base + c->at : NULL;

    c->at += (len + LINE - 1) / LINE * LINE;
    return p;
}

static void lay_out(carver *c, ki_batch *b, const ki_view *v, size_t panels, size_t packed)
{
    static const ki_sieve *const all[] = {&ki_sieve_int, &ki_sieve_bits, &ki_sieve_code,
                                          &ki_sieve_float};
    const size_t rows = STRETCH_MOST;
    size_t most = 0, query = 0;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const size_t n = bytes_of(all[i], v, stretch_rows(all[i], v));
        if (n > most) most = n;
        if (all[i]->query_bytes(v) > query) query = all[i]->query_bytes(v);
    }
    b->panel = carve(c, panels * sizeof *b->panel);
    for (size_t i = 0; i < panels; i++) {
        void *const at = carve(c, packed);
        if (b->panel) b->panel[i].packed = at;
    }
    b->hits = carve(c, KI_HITS * sizeof *b->hits);
    b->list = carve(c, KI_HITS * sizeof *b->list);
    b->pos = carve(c, rows * sizeof *b->pos);
    b->a = carve(c, rows * sizeof *b->a);
    b->b = carve(c, rows * sizeof *b->b);
    for (size_t i = 0; i < 3; i++) b->number[i] = carve(c, rows * sizeof *b->number[i]);
    b->sums = carve(c, 2 * rows * sizeof *b->sums);
    b->queries = carve(c, KI_PANEL * query + LINE + v->d * sizeof(int16_t));
    b->rows = carve(c, most);
}

/* Integer queries to panels of their own, in front; the others sorted by length, so that those of a
 * panel, which share a unit, are alike. */
static void fill_panels(ki_batch *b)
{
    const ki_part *p = b->part;
    const ki_view *v = p->s->v;
    uint32_t *order = b->list; // KI_HITS are enough for any group
    size_t ints = 0, n = 0;

    ki_assert(p->n <= KI_HITS);
    for (size_t i = 0; i < p->n; i++)
        if (integer_sieve(v, &p->prepared[i])) order[n++] = (uint32_t)i;
    ints = n;
    for (size_t i = 0; i < p->n; i++)
        if (!integer_sieve(v, &p->prepared[i])) order[n++] = (uint32_t)i;
    for (size_t gap = (n - ints) / 2; gap > 0; gap /= 2) // Shell's sort
        for (size_t i = ints + gap; i < n; i++) {
            const uint32_t x = order[i];
            size_t j = i;
            for (; j >= ints + gap && p->prepared[order[j - gap]].norm > p->prepared[x].norm;
                 j -= gap)
                order[j] = order[j - gap];
            order[j] = x;
        }
    b->panels = 0;
    for (size_t i = 0; i < n;) {
        ki_panel *panel = &b->panel[b->panels++];
        const size_t end = i < ints ? ints : n;
        panel->direct = false;
        for (panel->nq = 0; panel->nq < KI_PANEL && i < end; i++)
            panel->query[panel->nq++] = order[i];
        if (i <= ints) b->integer_panels = b->panels;
    }
    if (ints == 0) b->integer_panels = 0;
}

/* The share of rows that were met has to be known, and to say something. */
static bool may_bet(const ki_part *p)
{
    const ki_ask *ask = p->s->ask;

    return p->group.betting && !p->s->filtered && !ask->has_after &&
           !(ask->limit < (double)INFINITY) && ask->k >= BET_K && ask->k <= p->s->v->n / BET_SHARE;
}

bool ki_batch_bets(const ki_part *p)
{
    return p->batch && p->batch->betting;
}

kith_status ki_batch_begin(ki_part *p)
{
    const ki_view *v = p->s->v;
    const size_t panels = p->n / KI_PANEL + 2;
    const size_t wide = v->codec->type == KI_BITS ? v->row_bytes : v->d * sizeof(float);
    const size_t packed = ki_panel_bytes(wide);
    carver c = {NULL, 0};
    ki_batch room = {0};

    lay_out(&c, &room, v, panels, packed);
    p->batch = ki_buffer_need(p->env, &p->use[KI_USE_BATCH], c.at + (sizeof *p->batch + LINE));
    if (!p->batch) return KITH_NO_MEMORY;
    c = (carver){(unsigned char *)p->batch, 0};
    carve(&c, sizeof *p->batch);
    memset(p->batch, 0, sizeof *p->batch);
    p->batch->part = p;
    p->batch->betting = may_bet(p);
    p->batch->halves = ki_kernels_get()->float_op == KI_BLOCK_DOT_BF16 && v->metric != KITH_L1;
    lay_out(&c, p->batch, v, panels, packed);
    fill_panels(p->batch);
    return KITH_OK;
}

/* ---- what sieves share ----------------------------------------------------------------------- */

const void *ki_batch_rows(ki_batch *b, const ki_stretch *s, const unsigned char *rows,
                          size_t row_bytes)
{
    if (!s->pos) return rows;
    for (size_t i = 0; i < s->n; i++)
        memcpy(b->rows + i * row_bytes, rows + s->pos[i] * row_bytes, row_bytes);
    return b->rows;
}

float ki_batch_floor(double thr, double size)
{
    const double low = thr - fabs(thr) * 0x1p-23 - size;

    if (thr > (double)FLT_MAX) return FLT_MAX;
    return low < -(double)FLT_MAX ? -INFINITY : (float)low;
}

/* By powers of two: how many lie above each. */
static float edge_by_exponent(const float *x, size_t n)
{
    uint32_t count[256] = {0}, above = 0;
    int e = 255;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        count[bits >> 23 & 255]++;
    }
    while (e > 0 && above + count[e] <= n / 64) above += count[e--];
    return ldexpf(1.0f, e - 126); // above all of exponent e
}

/* Four chains, since each comparison waits for the one before it. */
static float largest(const float *x, size_t n)
{
    float m[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++) m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (; i < n; i++) m[0] = x[i] > m[0] ? x[i] : m[0];
    return fmaxf(fmaxf(m[0], m[1]), fmaxf(m[2], m[3]));
}

/* The largest is no outlier beside the mean of some. */
float ki_batch_edge(const float *x, size_t n, bool *outliers)
{
    enum { SOME = 16 };
    const float most = largest(x, n);
    double sum = 0.0;

    for (size_t i = 0; i < SOME; i++) sum += (double)x[i * n / SOME];
    if ((double)most <= 4.0 * sum / SOME && sum <= (double)FLT_MAX) return most;
    *outliers = true;
    return edge_by_exponent(x, n);
}

kith_status ki_batch_score(ki_batch *b, ki_panel *panel, size_t n)
{
    kith_status st = KITH_OK;
    ki_part *p = b->part;
    const ki_view *v = p->s->v;
    const ki_run *run = &b->stretch->run;
    uint32_t begin[KI_PANEL + 1] = {0};

    for (size_t i = 0; i < n; i++) begin[b->hits[i].query + 1]++;
    for (size_t i = 0; i < KI_PANEL; i++) begin[i + 1] += begin[i];
    for (size_t i = n; i-- > 0;) { // from the back: begin[lane + 1] ends where the lane begins
        const uint32_t row = ki_stretch_row(b->stretch, b->hits[i].row);
        b->list[--begin[b->hits[i].query + 1]] = row;
        ki_prefetch_row(run->rows + row * v->row_bytes, v->row_bytes);
    }
    for (size_t lane = 0; lane < panel->nq; lane++) {
        const uint32_t q = panel->query[lane];
        ki_top *t = &p->top[q];
        const size_t end = lane + 2 <= KI_PANEL ? begin[lane + 2] : n;
        for (size_t at = begin[lane + 1]; at < end; at += KI_SCORE_ROWS) {
            const size_t m = end - at < KI_SCORE_ROWS ? end - at : KI_SCORE_ROWS;
            const size_t kept = ki_score(&p->prepared[q], p->work, run->rows, v->row_bytes,
                                         b->list + at, run->first, m, t->tau, p->list->scored);
            b->kept += kept;
            KI_TRY(ki_top_offer_all(t, p->list->scored, kept));
            if (kept && ki_top_ripe(t)) ki_top_settle(t);
        }
    }
out:
    return st;
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* One panel over rows first…end-1 of the stretch. */
static kith_status pass(ki_batch *b, const ki_sieve *sieve, ki_panel *panel, size_t first,
                        size_t end)
{
    kith_status st = KITH_OK;
    ki_block_fn *const *block = ki_kernels_get()->block;
    ki_block *job = &b->job;

    job->panel = panel->packed;
    job->nq = panel->nq;
    job->thr = panel->thr;
    job->hits = b->hits;
    job->cap = KI_HITS;
    job->row = first;
    job->n = end;
    while (job->row < end) {
        size_t n;
        sieve->thresholds(b, panel);
        n = block[sieve->op(b, panel)](job);
        if (n) KI_TRY(sieve->take(b, panel, n));
    }
out:
    return st;
}

/* All queries of n panels bet anew whenever many more rows were met. */
static void bet(ki_batch *b, const ki_panel *panel, size_t n, size_t kind)
{
    const uint64_t seen = b->seen[kind];

    if (!b->betting || seen < BET_FIRST || seen < BET_AGAIN * b->bet_at[kind]) return;
    b->bet_at[kind] = seen;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < panel[i].nq; j++)
            ki_top_bet(&b->part->top[panel[i].query[j]], (double)seen / (double)b->part->s->v->n);
}

/* n panels over a stretch. */
static kith_status pass_all(ki_batch *b, const ki_sieve *sieve, ki_panel *panel, size_t n,
                            size_t kind, const ki_stretch *s)
{
    kith_status st = KITH_OK;
    uint64_t *seen = &b->seen[kind];
    size_t queries = 0;

    b->stretch = s;
    sieve->rows(b, s);
    for (size_t i = 0; i < n; i++) queries += panel[i].nq;
    for (size_t first = 0, end; first < s->n; first = end) {
        const uint64_t step = *seen < FIRST_ROWS ? FIRST_ROWS : *seen;
        end = s->n - first < step ? s->n : first + (size_t)step;
        for (size_t i = 0; i < n; i++) KI_TRY(pass(b, sieve, &panel[i], first, end));
        *seen += end - first;
        bet(b, panel, n, kind);
        if (!sieve->turn || !sieve->turn(b, (uint64_t)(end - first) * queries)) continue;
        for (size_t i = 0; i < n; i++) sieve->pack(b, &panel[i], s->codes);
        sieve->rows(b, s);
    }
out:
    return st;
}

/* Rows of a run with or without codes, for panels of one kind (0: integers). */
static kith_status walk(ki_batch *b, const ki_sieve *sieve, size_t kind, const ki_run *run,
                        const ki_scan_chunk *codes, ki_phase phase)
{
    kith_status st = KITH_OK;
    const ki_search *s = b->part->s;
    const size_t most = stretch_rows(sieve, s->v);
    ki_panel *panel = kind ? b->panel + b->integer_panels : b->panel;
    const size_t n = kind ? b->panels - b->integer_panels : b->integer_panels;

    if (n == 0 || run->n == 0) return KITH_OK;
    if (b->packed_by[kind] != sieve || b->packed_for != codes) {
        for (size_t i = 0; i < n; i++) sieve->pack(b, &panel[i], codes);
        b->packed_by[kind] = sieve;
        b->packed_for = codes;
    }
    for (size_t at = 0; at < run->n; at += most) {
        const size_t rows = run->n - at < most ? run->n - at : most;
        const size_t sample = rows < SAMPLE_ROWS ? rows : SAMPLE_ROWS;
        const size_t skip = phase == KI_REST ? sample : 0;
        const size_t m = phase == KI_SAMPLE ? sample : rows - skip;
        ki_stretch stretch = {.codes = codes, .n = m};
        stretch.run = (ki_run){run->rows + (at + skip) * s->v->row_bytes,
                               run->first + (uint32_t)(at + skip), (uint32_t)m};
        if (s->filtered) {
            stretch.n = ki_eligible_list(s, &stretch.run, b->pos);
            if (stretch.n < m / 2)
                stretch.pos = b->pos; // more are cheaper to test than to copy
            else
                stretch.n = m;
        }
        if (stretch.n) KI_TRY(pass_all(b, sieve, panel, n, kind, &stretch));
    }
out:
    return st;
}

kith_status ki_batch_run(ki_part *p, const ki_run *run, ki_phase phase)
{
    kith_status st = KITH_OK;
    ki_batch *b = p->batch;
    const ki_view *v = p->s->v;
    const size_t chunk = run->first / KI_CHUNK, at = run->first % KI_CHUNK;
    const ki_scan_chunk *c = chunk < v->scan_chunks ? &v->scan[chunk] : NULL;
    const size_t left = c && c->n > at ? c->n - at : 0, coded = left < run->n ? left : run->n;
    const ki_sieve *exact = v->codec->type == KI_BITS ? &ki_sieve_bits : &ki_sieve_int;
    const ki_run head = {run->rows, run->first, (uint32_t)coded};
    const ki_run tail = {run->rows + coded * v->row_bytes, run->first + (uint32_t)coded,
                         run->n - (uint32_t)coded};

    KI_TRY(walk(b, exact, 0, run, NULL, phase));
    KI_TRY(walk(b, &ki_sieve_code, 1, &head, c, phase));
    KI_TRY(walk(b, &ki_sieve_float, 1, &tail, NULL, phase));
out:
    return st;
}
