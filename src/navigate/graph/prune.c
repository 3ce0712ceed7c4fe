/* Pruning: see prune.h. Distances are exact integers of walk codes and ties go to the smaller
 * position, so that links are the same on every machine. */
#include "navigate/graph/prune.h"

#include <string.h>

static const float BEYOND = 1e30f; // behind one that is no way off

void ki_prune_expect(const ki_graph *g, const ki_candidate *one, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ki_graph_expect_row(ki_graph_code(g, one[i].pos), g->lens->bytes);
}

/* A candidate as a number that sorts as it does: the bits of floats >= 0 are in their order. */
static uint64_t number_of(ki_candidate c)
{
    uint32_t bits;

    memcpy(&bits, &c.dist, sizeof bits);
    return (uint64_t)bits << 32 | c.pos;
}

static ki_candidate candidate_of(uint64_t number)
{
    const uint32_t bits = (uint32_t)(number >> 32);
    ki_candidate c = {.pos = (uint32_t)number};

    memcpy(&c.dist, &bits, sizeof c.dist);
    return c;
}

/* Two runs, from[0…mid-1] and the rest, to one. What is taken next is no branch. */
static void merge(const uint64_t *from, size_t mid, size_t n, uint64_t *to)
{
    size_t a = 0, b = mid, at = 0;

    while (a < mid && b < n) {
        const uint64_t x = from[a], y = from[b];

        to[at++] = y < x ? y : x;
        b += y < x;
        a += !(y < x);
    }
    memcpy(to + at, from + a, (mid - a) * sizeof *to);
    if (a == mid) memcpy(to + at, from + b, (n - b) * sizeof *to);
}

/* Behind what is in order from the start, which of a row that was pruned before is most. */
static void sort(ki_prune *x)
{
    uint64_t *from = x->order[0], *to = x->order[1];
    const size_t n = x->n;
    size_t first = 1;

    for (size_t i = 0; i < n; i++) from[i] = number_of(x->one[i]);
    while (first < n && from[first - 1] < from[first]) first++;
    for (size_t run = 1; first + run < n; run *= 2) {
        uint64_t *const sorted = to;

        for (size_t i = first; i < n; i += 2 * run) {
            const size_t left = n - i;

            merge(from + i, run < left ? run : left, 2 * run < left ? 2 * run : left, to + i);
        }
        to = from;
        from = sorted;
    }
    if (from != x->order[0]) memcpy(from, to, first * sizeof *from);
    if (first < n) merge(from, first, n, to);
    for (size_t i = 0; i < n; i++) x->one[i] = candidate_of(first < n ? to[i] : from[i]);
}

kith_status ki_prune_create(ki_env *env, const ki_view *v, const ki_graph *g, ki_prune **out)
{
    ki_prune *x = ki_array(env, 1, sizeof *x);
    kith_status st = KITH_OK;

    KI_NEED(x);
    x->meter = (ki_meter){0};
    x->n = 0;
    KI_TRY(ki_meter_init(&x->meter, env, v, g));
    *out = x;
    x = NULL;
out:
    if (x) ki_meter_deinit(&x->meter);
    ki_release(env, x, 1, sizeof *x);
    return st;
}

void ki_prune_free(ki_prune *x)
{
    ki_env *env;

    if (!x) return;
    env = x->meter.env;
    ki_meter_deinit(&x->meter);
    ki_release(env, x, 1, sizeof *x);
}

void ki_prune_measure(ki_prune *x, uint32_t pos)
{
    for (size_t i = 0; i < x->n; i++) x->address[i] = ki_graph_code(x->meter.g, x->one[i].pos);
    ki_meter_row(&x->meter, pos);
    if (x->n) ki_meter_take(&x->meter, x->address, NULL, x->n, x->dist);
    for (size_t i = 0; i < x->n; i++) x->one[i].dist = x->dist[i];
    ki_prune_order(x, pos);
}

void ki_prune_order(ki_prune *x, uint32_t pos)
{
    size_t n = 0;

    sort(x);
    for (size_t i = 0; i < x->n; i++)
        if (x->one[i].pos != pos && (n == 0 || x->one[i].pos != x->one[n - 1].pos))
            x->one[n++] = x->one[i];
    x->n = n;
}

/* Whether candidate i lies further than `limit` behind one of the n chosen ones: one to which it is
 * nearer than the node is. Most that do are found so by the first few that are asked, and those
 * that come after the last choice are never asked. */
static bool is_hidden(ki_prune *x, size_t i, size_t n, float limit)
{
    if (x->hidden[i] <= limit && x->tried[i] < n) ki_meter_row(&x->meter, x->one[i].pos);
    while (x->hidden[i] <= limit && x->tried[i] < n) {
        const size_t left = n - x->tried[i];
        const size_t some = left < KI_METER_BATCH ? left : KI_METER_BATCH;
        const float near = ki_meter_least(&x->meter, x->address + x->tried[i], some);
        const float by = near > 0.0f ? x->one[i].dist / near : BEYOND;

        if (by > x->hidden[i]) x->hidden[i] = by;
        x->tried[i] = (uint16_t)(x->tried[i] + some);
    }
    return x->hidden[i] > limit;
}

/* By halves a distance depends on which of both is whole. So that a candidate is rounded alike
 * towards the node and towards a chosen one, that is whole, too: all that are left are held against
 * it at once. */
static void hide_behind(ki_prune *x, size_t i, const bool *chosen, float limit)
{
    uint16_t rest[KI_PRUNE_MOST];
    size_t n = 0;

    for (size_t j = 0; j < x->n; j++) {
        if (chosen[j] || x->hidden[j] > limit) continue;
        x->address[n] = ki_graph_code(x->meter.g, x->one[j].pos);
        rest[n++] = (uint16_t)j;
    }
    if (n == 0) return;
    ki_meter_row(&x->meter, x->one[i].pos);
    ki_meter_take(&x->meter, x->address, NULL, n, x->dist);
    for (size_t r = 0; r < n; r++) {
        const float by = x->dist[r] > 0.0f ? x->one[rest[r]].dist / x->dist[r] : BEYOND;

        if (by > x->hidden[rest[r]]) x->hidden[rest[r]] = by;
    }
}

bool ki_prune_refuses(ki_prune *x, uint32_t pos, size_t most)
{
    size_t i = most;

    while (i < x->n && x->one[i].pos != pos) i++;
    if (i >= x->n) return false;
    for (size_t j = 0; j < i; j++) x->address[j] = ki_graph_code(x->meter.g, x->one[j].pos);
    x->hidden[i] = 0.0f;
    x->tried[i] = 0;
    return is_hidden(x, i, i, 1.0f);
}

size_t ki_prune_choose(ki_prune *x, size_t most, float factor, uint32_t *out)
{
    const float limit[2] = {1.0f, ki_meter_squares(x->meter.g) ? factor * factor : factor};
    const bool halved = x->meter.g->lens->halved;
    bool chosen[KI_PRUNE_MOST] = {false};
    size_t n = 0, m = 0;

    for (size_t i = 0; i < x->n; i++) {
        x->hidden[i] = 0.0f;
        x->tried[i] = halved ? UINT16_MAX : 0;
    }
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < x->n && n < most; i++) {
            if (chosen[i] || x->hidden[i] > limit[1] || is_hidden(x, i, n, limit[round])) continue;
            chosen[i] = true;
            if (halved)
                hide_behind(x, i, chosen, limit[1]);
            else
                x->address[n] = ki_graph_code(x->meter.g, x->one[i].pos);
            n++;
        }
    for (size_t i = 0; i < x->n; i++)
        if (chosen[i]) out[m++] = x->one[i].pos;
    return m;
}

size_t ki_prune_pick(ki_prune *x, size_t most, float factor, uint32_t *out)
{
    const size_t n = x->n < most ? x->n : most;

    if (factor > 1.0f || (factor > 0.0f && x->n >= most))
        return ki_prune_choose(x, most, factor, out);
    for (size_t i = 0; i < n; i++) out[i] = x->one[i].pos;
    return n;
}

size_t ki_prune_room(const ki_graph *g, uint32_t pos)
{
    const size_t room = g->degree - (ki_graph_twin(g, pos) != pos);

    return room < g->most ? room : g->most;
}

void ki_prune_store(const ki_graph *g, uint32_t pos, const uint32_t *out, size_t n)
{
    _Atomic uint32_t *row = ki_graph_links(g, pos);
    const size_t room = ki_prune_room(g, pos);

    for (size_t i = 0; i < room; i++) ki_link_set(row + i, i < n ? out[i] : pos);
}
