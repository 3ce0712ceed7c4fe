/* Exact search, one query at a time: kernel scans over blocks of rows or of their scan codes, each
 * row that may be among the best offered to the query's collector. Blocks of which few rows may
 * answer (filters, removed rows) are gathered instead, and those of which none may are not
 * touched. */
#include "rows/exact_inside.h"

/* Of a block's rows: with fewer than one in GATHER_BELOW of them to look at, each is fetched alone.
 * A row fetched alone costs about as much as eight in sequence. */
enum { GATHER_BELOW = 8 };

/* Bytes of a block: kernels read it in several streams at once, whose beginnings cost; and it has
 * to stay in the cache for the next query. The first blocks are small, since all their rows
 * pass. */
enum { BLOCK_BYTES = 512 << 10, BLOCK_LEAST = 64, BLOCK_FIRST = 256 };

uint64_t ki_eligible(const ki_search *s, uint32_t word)
{
    enum { WORDS = KI_CHUNK / 64 };
    const ki_mask *mask = s->ask->mask;
    const ki_view *v = s->v;
    const uint32_t at = word * 64;
    uint64_t bits = UINT64_MAX;

    if (v->n - at < 64) bits = ((uint64_t)1 << (v->n - at)) - 1;
    if (mask && mask->words) {
        if (at >= mask->n) return 0;
        if (mask->n - at < 64) bits &= ((uint64_t)1 << (mask->n - at)) - 1;
        bits &= mask->words[word];
    }
    if (v->removed) {
        const uint64_t *removed = ki_column_chunk(v->removed, word / WORDS);
        bits &= ~removed[word % WORDS];
    }
    return bits;
}

size_t ki_eligible_list(const ki_search *s, const ki_run *run, uint32_t *pos)
{
    const uint32_t end = run->first + run->n;
    size_t n = 0;

    for (uint32_t at = run->first / 64 * 64; at < end; at += 64) {
        uint64_t bits = ki_eligible(s, at / 64);
        if (at < run->first) bits &= UINT64_MAX << (run->first - at);
        if (end - at < 64) bits &= ((uint64_t)1 << (end - at)) - 1;
        for (; bits; bits &= bits - 1) pos[n++] = at + KI_CTZ64(bits) - run->first;
    }
    return n;
}

/* ---- rows themselves ------------------------------------------------------------------------- */

/* Rows of a run, all n or those at pos, for query i. */
static kith_status score_rows(ki_part *p, size_t i, const ki_run *run, const uint32_t *pos,
                              size_t n)
{
    kith_status st = KITH_OK;
    ki_top *t = &p->top[i];
    const size_t m = ki_score(&p->prepared[i], p->work, run->rows, p->s->v->row_bytes, pos,
                              run->first, n, t->tau, p->list->scored);

    KI_TRY(ki_top_offer_all(t, p->list->scored, m));
    if (m && ki_top_ripe(t)) ki_top_settle(t);
out:
    return st;
}

/* ---- scan codes ------------------------------------------------------------------------------ */

/* Make the group's queries ready for the codes of a chunk. */
static kith_status begin_chunk(ki_part *p, const ki_scan_chunk *c, size_t chunk)
{
    kith_status st = KITH_OK;
    const ki_view *v = p->s->v;
    const size_t head = (p->n * sizeof *p->coded + 63) / 64 * 64, each = ki_scan_query_bytes(v->d);
    unsigned char *scratch;

    if (p->coded_chunk == chunk) return KITH_OK;
    p->coded = ki_buffer_need(p->env, &p->use[KI_USE_CODED], head + p->n * each);
    KI_NEED(p->coded);
    scratch = (unsigned char *)p->coded + head;
    for (size_t i = 0; i < p->n; i++)
        ki_scan_query_begin(v->metric, p->prepared[i].q, v->d, c, scratch + i * each, &p->coded[i]);
    p->coded_chunk = chunk;
out:
    return st;
}

/* A block that has codes: an eighth of the bytes or a quarter tell which rows are worth reading. */
static kith_status scan_codes(ki_part *p, const ki_scan_chunk *c, const ki_run *block)
{
    kith_status st = KITH_OK;
    uint32_t *pos = p->list->pos;

    for (size_t i = 0; i < p->n; i++) {
        const size_t n = ki_scan_query_filter(&p->coded[i], c, block->first % KI_CHUNK, block->n,
                                              p->s->v->d, p->top[i].tau, p->list->dots, pos);
        if (n) KI_TRY(score_rows(p, i, block, pos, n));
    }
out:
    return st;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* One block for all queries of the group: it is in the cache after the first. c: NULL, or codes. */
static kith_status scan_block(ki_part *p, const ki_scan_chunk *c, const ki_run *block)
{
    kith_status st = KITH_OK;
    uint32_t *pos = p->list->pos;
    size_t eligible = block->n;

    if (p->s->filtered) {
        eligible = ki_eligible_list(p->s, block, pos);
        if (eligible == 0) return KITH_OK;
    }
    if (eligible < block->n / GATHER_BELOW) {
        for (size_t i = 0; i < p->n; i++) KI_TRY(score_rows(p, i, block, pos, eligible));
    } else if (c) {
        KI_TRY(scan_codes(p, c, block));
    } else {
        for (size_t i = 0; i < p->n; i++) KI_TRY(score_rows(p, i, block, NULL, block->n));
    }
out:
    return st;
}

static uint32_t block_rows(const ki_part *p, size_t row_bytes)
{
    const size_t fit = BLOCK_BYTES / row_bytes;
    const size_t n = fit < BLOCK_LEAST ? BLOCK_LEAST : fit > KI_SCORE_ROWS ? KI_SCORE_ROWS : fit;

    return (uint32_t)(p->seen < BLOCK_FIRST ? (n < BLOCK_FIRST ? n : BLOCK_FIRST)
                                            : (n < p->seen ? n : p->seen));
}

kith_status ki_scan_run(ki_part *p, const ki_run *run)
{
    kith_status st = KITH_OK;
    const ki_view *v = p->s->v;
    const size_t chunk = run->first / KI_CHUNK;
    const ki_scan_chunk *c = chunk < v->scan_chunks && v->scan[chunk].n ? &v->scan[chunk] : NULL;

    if (c) KI_TRY(begin_chunk(p, c, chunk));
    for (uint32_t at = 0, n; at < run->n; at += n) {
        const uint32_t local = run->first % KI_CHUNK + at;
        ki_run block = {run->rows + at * v->row_bytes, run->first + at, 0};
        const bool coded = c && local < c->n;
        n = block_rows(p, coded ? ki_plane(v->d) : v->row_bytes);
        if (n > run->n - at) n = run->n - at;
        if (coded && c->n - local < n) n = c->n - local;
        block.n = n;
        KI_TRY(scan_block(p, coded ? c : NULL, &block));
        p->seen += n;
    }
out:
    return st;
}
