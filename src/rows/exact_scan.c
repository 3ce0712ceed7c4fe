/* Exact search, one query at a time: kernel scans over blocks of rows, each row that may be among
 * the best offered to the query's collector. Blocks of which few rows may answer (filters, removed
 * rows) are gathered instead, and those of which none may are not touched. */
#include "rows/exact_inside.h"

/* Of a block's rows: with fewer than one in GATHER_BELOW of them to look at, each is fetched alone. A
 * row fetched alone costs about as much as eight in sequence. */
enum { GATHER_BELOW = 8 };

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
    size_t n = 0;

    for (uint32_t at = 0; at < run->n; at += 64) {
        uint64_t bits = ki_eligible(s, (run->first + at) / 64);
        if (run->n - at < 64) bits &= ((uint64_t)1 << (run->n - at)) - 1;
        for (; bits; bits &= bits - 1) pos[n++] = at + KI_CTZ64(bits);
    }
    return n;
}

/* One block for all queries of the group: it is in the cache after the first. */
static kith_status scan_block(ki_part *p, const ki_run *block)
{
    kith_status st = KITH_OK;
    const ki_search *s = p->s;
    const size_t stride = s->v->row_bytes;
    uint32_t *pos = p->list->pos;
    ki_scored *scored = p->list->scored;
    size_t n = block->n;
    bool gather = false;

    if (s->filtered) {
        const size_t eligible = ki_eligible_list(s, block, pos);
        if (eligible == 0) return KITH_OK;
        gather = eligible < block->n / GATHER_BELOW;
        if (gather) n = eligible;
    }
    for (size_t i = 0; i < p->n; i++) {
        ki_top *t = &p->top[i];
        const size_t m = ki_score(&p->prepared[i], p->work, block->rows, stride,
                                  gather ? pos : NULL, block->first, n, t->tau, scored);
        KI_TRY(ki_top_offer_all(t, scored, m));
        if (m && ki_top_ripe(t)) ki_top_settle(t);
    }
out:
    return st;
}

kith_status ki_scan_run(ki_part *p, const ki_run *run)
{
    kith_status st = KITH_OK;

    for (uint32_t at = 0; at < run->n; at += KI_SCORE_ROWS) {
        const ki_run block = {run->rows + at * p->s->v->row_bytes, run->first + at,
                              run->n - at < KI_SCORE_ROWS ? run->n - at : KI_SCORE_ROWS};
        KI_TRY(scan_block(p, &block));
    }
out:
    return st;
}
