/* Walk codes: those of rows that came, and how a finished graph's are halved. */
#include <string.h>

#include "navigate/graph/graph.h"

enum { CODE_PIECE = 1024 }; /* rows of a job */

bool ki_graph_same(const ki_graph *g, uint32_t a, uint32_t b)
{
    const size_t w = g->lens->bytes;

    return memcmp(ki_graph_code(g, a), ki_graph_code(g, b), w) == 0 &&
           (!g->rests || memcmp(ki_graph_rest(g, a), ki_graph_rest(g, b), w) == 0);
}

static void put_code(const ki_graph *g, uint32_t pos, const uint8_t *code)
{
    uint8_t *to = ki_unconst(ki_graph_code(g, pos));

    if (g->lens->halved)
        ki_lens_split(g->lens, code, to, ki_unconst(ki_graph_rest(g, pos)));
    else
        memcpy(to, code, g->lens->wide);
}

typedef struct coding {
    ki_graph *g;
    const ki_view *v;
    uint32_t first;
    ki_progress *progress;
} coding;

static kith_status code_piece(void *arg, size_t piece)
{
    const coding *c = arg;
    const ki_graph *g = c->g;
    const uint32_t first = c->first + (uint32_t)piece * CODE_PIECE;
    const uint32_t end = g->n - first < CODE_PIECE ? g->n : first + CODE_PIECE;
    kith_status st = KITH_OK;
    float *room = ki_array(g->env, ki_lens_room(g->lens), sizeof *room);
    uint8_t *code = NULL;

    KI_NEED(room);
    code = ki_array(g->env, g->lens->wide, 1);
    KI_NEED(code);
    for (uint32_t pos = first; pos < end; pos++) {
        ki_lens_row(g->lens, c->v, pos, room, code);
        put_code(g, pos, code);
    }
    KI_TRY(ki_progress_add(c->progress, end - first));
out:
    ki_release(g->env, room, ki_lens_room(g->lens), sizeof *room);
    ki_release(g->env, code, g->lens->wide, 1);
    return st;
}

kith_status ki_graph_encode(ki_graph *g, const ki_view *v, uint32_t first, size_t threads,
                            ki_progress *p)
{
    coding c = {g, v, first, p};
    const size_t pieces = ((size_t)g->n - first + CODE_PIECE - 1) / CODE_PIECE;

    if (!ki_lens_codes(g->lens)) return KITH_OK;
    return ki_parallel(g->env, threads, pieces, code_piece, &c);
}

/* The codes of g, of `was` bytes and whole, become those of its halved lens. */
static kith_status split_codes(ki_graph *g, const ki_view *v, size_t was)
{
    const size_t w = g->lens->bytes;
    ki_column *codes = g->codes;
    uint8_t *entry_code = g->entry_code;
    kith_status st = KITH_OK;

    g->codes = NULL;
    g->entry_code = NULL;
    KI_TRY(ki_column_create(g->env, w, false, &g->codes));
    KI_TRY(ki_column_create(g->env, w, false, &g->rests));
    KI_TRY(ki_column_extend(&g->codes, 0, g->n, 0));
    KI_TRY(ki_column_extend(&g->rests, 0, g->n, 0));
    KI_TRY(ki_graph_show(g, v));
    for (uint32_t pos = 0; pos < g->n; pos++) {
        const uint8_t *chunk = ki_column_chunk(codes, pos >> KI_CHUNK_BITS);

        put_code(g, pos, chunk + (size_t)(pos % KI_CHUNK) * was);
    }
    g->entry_code = ki_array(g->env, g->entries, w);
    KI_NEED(g->entry_code);
    for (size_t i = 0; i < g->entries; i++)
        memcpy(g->entry_code + i * w, ki_graph_code(g, g->entry[i]), w);
out:
    ki_column_release(codes);
    ki_release(g->env, entry_code, g->entries * was, 1);
    return st;
}

kith_status ki_graph_halve(ki_graph *g, const ki_view *v, uint32_t bits)
{
    const size_t was = g->lens->bytes;

    return ki_lens_halve(g->lens, bits) ? split_codes(g, v, was) : KITH_OK;
}
