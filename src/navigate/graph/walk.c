/* The core of a walk; see walk.h. The method is best-first search with a distance-adaptive stop
 * (Al-Jazzazi et al. 2025) together with the classic bound on the number of candidates (Malkov and
 * Yashunin 2016), whichever comes first: the first saves work on easy queries, the second keeps
 * hard ones, whose distances are all alike, from exploding. */
#include "navigate/graph/walk.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "navigate/graph/tower.h"

enum {
    LAG = 32,  /* rows wait at least so long for their distance, to arrive in the meantime */
    READY = 2, /* rows to go on from that are chosen ahead, so that their links arrive */
    AHEAD_BYTES = 3072,
    AHEAD_LEAST = 8,
    AHEAD_MOST = 24, /* rows asked for ahead of use */
    ROOM_FIRST = 1024,
    TIDY_FIRST = 128, /* open rows from which those out of reach are dropped */
    BIN_SHIFT = 16,   /* bits of a float that a bin ignores: 128 bins an octave */
    BINS_ABOVE = 64,  /* bins above the first distance */
    CLOCK_HOPS = 16,  /* hops between looks at the clock */
    LOOK_AT = 192,    /* distances, after which a walk is near its query */
    NEAR = 8,         /* rows around it whose neighbours are looked at */
    FAR = 4           /* so many times the first distance may what passes lie */
};
/* Longer by far, so that few batches are cut short where it ends. */
_Static_assert(KI_WALK_RING >= AHEAD_MOST + 2 * KI_WALK_BATCH, "rows at hand and those asked for");

/* ---- memory ---------------------------------------------------------------------------------- */

void ki_walk_free(ki_walk *w)
{
    ki_meter_deinit(&w->meter);
    ki_release(w->env, w->marks, w->marks_len, sizeof *w->marks);
    ki_release(w->env, w->trail, w->trail_room, sizeof *w->trail);
    ki_release(w->env, w->pool_key, w->pool_room, sizeof *w->pool_key);
    ki_release(w->env, w->pool, w->pool_room, sizeof *w->pool);
    ki_release(w->env, w->best, w->best_room, sizeof *w->best);
    ki_release(w->env, w->kept, w->kept_room, sizeof *w->kept);
    w->marks = NULL;
    w->trail = NULL;
    w->pool_key = NULL;
    w->pool = NULL;
    w->best = NULL;
    w->kept = NULL;
    w->marks_len = w->trail_room = w->pool_room = w->best_room = w->kept_room = 0;
}

static kith_status grow_pool(ki_walk *w)
{
    const size_t room = w->pool_room ? 2 * w->pool_room : ROOM_FIRST;
    kith_status st = KITH_OK;
    uint32_t *pool = NULL;
    float *key = NULL;

    key = ki_array(w->env, room, sizeof *key);
    KI_NEED(key);
    pool = ki_array(w->env, room, sizeof *pool);
    KI_NEED(pool);
    if (w->open) memcpy(key, w->pool_key, w->open * sizeof *key);
    if (w->open) memcpy(pool, w->pool, w->open * sizeof *pool);
    ki_release(w->env, w->pool_key, w->pool_room, sizeof *w->pool_key);
    ki_release(w->env, w->pool, w->pool_room, sizeof *w->pool);
    w->pool_key = key;
    w->pool = pool;
    w->pool_room = room;
    key = NULL;
out:
    ki_release(w->env, key, room, sizeof *key);
    return st;
}

static kith_status grow_kept(ki_walk *w)
{
    const size_t room = w->kept_room ? 2 * w->kept_room : ROOM_FIRST;
    ki_seen *kept = ki_regrow(w->env, w->kept, w->kept_n, room, sizeof *kept);

    if (!kept) return KITH_NO_MEMORY;
    ki_release(w->env, w->kept, w->kept_room, sizeof *w->kept);
    w->kept = kept;
    w->kept_room = room;
    return KITH_OK;
}

static kith_status need_best(ki_walk *w, size_t k)
{
    if (k <= w->best_room) return KITH_OK;
    ki_release(w->env, w->best, w->best_room, sizeof *w->best);
    w->best_room = 0;
    w->best = ki_array(w->env, k, sizeof *w->best);
    if (!w->best) return KITH_NO_MEMORY;
    w->best_room = k;
    return KITH_OK;
}

/* All marks are clear between walks. */
static kith_status need_marks(ki_walk *w, uint32_t n)
{
    const size_t words = ki_bit_words(n), len = words + words / 8;

    if (words <= w->marks_len) return KITH_OK;
    ki_release(w->env, w->marks, w->marks_len, sizeof *w->marks);
    w->marks_len = 0;
    w->marks = ki_zeros(w->env, len, sizeof *w->marks);
    if (!w->marks) return KITH_NO_MEMORY;
    w->marks_len = len;
    return KITH_OK;
}

static void clear_marks(ki_walk *w)
{
    for (size_t i = 0; i < w->tail; i++) w->marks[w->trail[i] / 64] = 0;
}

/* Room for one more row's links. */
static kith_status need_trail(ki_walk *w)
{
    const size_t need = w->tail + w->g->degree + 1, room = need + need / 2 + ROOM_FIRST;
    uint32_t *trail;

    if (need <= w->trail_room) return KITH_OK;
    trail = ki_regrow(w->env, w->trail, w->tail, room, sizeof *trail);
    if (!trail) return KITH_NO_MEMORY;
    ki_release(w->env, w->trail, w->trail_room, sizeof *w->trail);
    w->trail = trail;
    w->trail_room = room;
    return KITH_OK;
}

/* Put a row on the trail unless it is there. */
static inline size_t mark(uint64_t *marks, uint32_t *trail, size_t tail, uint32_t pos)
{
    const uint64_t bit = (uint64_t)1 << pos % 64, word = marks[pos / 64];

    trail[tail] = pos;
    marks[pos / 64] = word | bit;
    return tail + !(word & bit);
}

/* ---- the best -------------------------------------------------------------------------------- */

/* Put x in the place of the heap's largest. */
static void sift(float *heap, size_t n, float x)
{
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && heap[child + 1] > heap[child];
        if (!(heap[child] > x)) break;
        heap[at] = heap[child];
    }
    heap[at] = x;
}

static void rise(float *heap, size_t at, float x)
{
    for (size_t up; at > 0 && heap[up = (at - 1) / 2] < x; at = up) heap[at] = heap[up];
    heap[at] = x;
}

void ki_heap_keep(float *heap, size_t *n, size_t most, float x)
{
    if (*n < most)
        rise(heap, (*n)++, x);
    else if (x < heap[0])
        sift(heap, most, x);
}

static void count_best(ki_walk *w, size_t k, float key)
{
    ki_heap_keep(w->best, &w->found, k, key);
    if (w->found == k) w->kth = w->best[0];
}

/* ---- the effort-th --------------------------------------------------------------------------- */

static int32_t bin_of(const ki_walk *w, float key)
{
    int32_t bits;

    memcpy(&bits, &key, sizeof bits);
    bits = (bits >> BIN_SHIFT) - w->first_bin;
    return bits < 0 ? 0 : bits >= KI_WALK_BINS ? KI_WALK_BINS - 1 : bits;
}

/* Where a bin ends. */
static float bin_edge(const ki_walk *w, size_t bin)
{
    const int32_t bits = (int32_t)((uint32_t)(w->first_bin + (int32_t)bin + 1) << BIN_SHIFT);
    float edge;

    memcpy(&edge, &bits, sizeof edge);
    return edge;
}

static void begin_bins(ki_walk *w, float first)
{
    int32_t bits;

    memcpy(&bits, &first, sizeof bits);
    w->first_bin = (bits >> BIN_SHIFT) - (KI_WALK_BINS - BINS_ABOVE);
    if (w->first_bin < 0) w->first_bin = 0;
    memset(w->bins, 0, sizeof w->bins);
    w->bin = KI_WALK_BINS - 1;
    w->within = 0;
}

static void count_bin(ki_walk *w, size_t effort, float key)
{
    const size_t b = (size_t)bin_of(w, key);

    w->bins[b]++;
    w->within += b <= w->bin;
    while (w->within - w->bins[w->bin] >= effort) w->within -= w->bins[w->bin--];
}

/* The walk began so near (down a tower; at a copy of the query) that the effort-th lies above all
 * bins: they are laid anew around what was kept. Once is enough: nothing farther is kept then. */
static void move_bins(ki_walk *w, size_t effort)
{
    float far = 0.0f;

    for (size_t i = 0; i < w->kept_n; i++)
        if (w->kept[i].key > far) far = w->kept[i].key;
    begin_bins(w, far);
    for (size_t i = 0; i < w->kept_n; i++) count_bin(w, effort, w->kept[i].key);
}

/* ---- rows in --------------------------------------------------------------------------------- */

static void set_bound(ki_walk *w, const ki_walk_ask *ask)
{
    const float reach = ask->reach * w->widen, root = sqrtf(w->kth) + w->off;
    float bound = nextafterf(w->kth * w->widen + w->unit, INFINITY);

    if (w->off > 0.0f && bound < root * root) bound = root * root; // any of these may be nearer

    if (w->bin < KI_WALK_BINS - 1) {
        const float edge = bin_edge(w, w->bin);
        if (edge < bound) bound = edge;
    }
    if (bound < reach) bound = reach;
    if (bound < w->bound) w->bound = bound;
}

/* Drop open rows that are out of reach by now. */
static void tidy(ki_walk *w)
{
    const float bound = w->bound;
    size_t n = 0;

    for (size_t i = 0; i < w->open; i++) {
        const float key = w->pool_key[i];

        w->pool_key[n] = key;
        w->pool[n] = w->pool[i];
        n += key < bound;
    }
    for (size_t i = n; i < w->open; i++) w->pool_key[i] = INFINITY;
    w->open = n;
    if (n > w->tidy_at - w->tidy_at / 4) w->tidy_at *= 2;
}

/* Rows with their keys: n of them enter the pool if they are within the bound. */
static kith_status take(ki_walk *w, const ki_walk_ask *ask, const uint32_t *pos, const float *key,
                        size_t n)
{
    const size_t before = w->open;
    const float bound = w->bound;
    kith_status st = KITH_OK;

    if (before + 2 * (size_t)KI_WALK_BATCH > w->pool_room) KI_TRY(grow_pool(w));
    for (size_t i = 0; i < n; i++) {
        w->pool_key[w->open] = key[i];
        w->pool[w->open] = pos[i];
        w->open += key[i] < bound;
    }
    for (size_t i = 0; i < KI_WALK_BATCH; i++) w->pool_key[w->open + i] = INFINITY;
    if (w->open == before) goto out;
    if (w->kept_n + KI_WALK_BATCH > w->kept_room) KI_TRY(grow_kept(w));
    for (size_t i = before; i < w->open; i++) {
        const float x = w->pool_key[i];

        if (ask->admit && !ask->admit(ask->ctx, w->pool[i], x)) continue;
        w->kept[w->kept_n++] = (ki_seen){x, w->pool[i]};
        count_bin(w, ask->effort, x);
        if (x < w->kth || w->found < ask->k) {
            count_best(w, ask->k, x);
            ki_graph_expect_links(w->g, w->pool[i]); // it will be gone on from soon
        }
    }
    if (w->bin == KI_WALK_BINS - 1 && w->kept_n >= ask->effort) move_bins(w, ask->effort);
    set_bound(w, ask);
    if (w->open >= w->tidy_at) tidy(w);
out:
    return st;
}

/* ---- rows out -------------------------------------------------------------------------------- */

/* The nearest open row, if it is within the bound. */
static bool choose(ki_walk *w)
{
    const size_t i = w->least(w->pool_key, w->open);
    const float key = w->pool_key[i];
    const uint32_t pos = w->pool[i];

    if (!(key < w->bound)) { // nor will any other be
        for (size_t j = 0; j < w->open; j++) w->pool_key[j] = INFINITY;
        w->open = 0;
        return false;
    }
    w->open--;
    w->pool_key[i] = w->pool_key[w->open];
    w->pool[i] = w->pool[w->open];
    w->pool_key[w->open] = INFINITY;
    ki_graph_expect_links(w->g, pos);
    w->ready[w->ready_n++] = pos;
    return true;
}

static bool passes(const ki_walk_ask *ask, uint32_t pos)
{
    return pos < ask->pass_n && ki_bit_get(ask->pass, pos);
}

/* Go on from the row that was chosen longest ago: its neighbours that were not seen queue up. */
static bool expand(ki_walk *w, const ki_walk_ask *ask)
{
    const uint32_t n = ask->n;
    const _Atomic uint32_t *row;
    uint64_t *const marks = w->marks;
    uint32_t *const trail = w->trail;
    size_t tail = w->tail;
    uint32_t pos;

    while (w->ready_n < READY && w->open > 0 && choose(w)) continue;
    if (w->ready_n == 0) return false;
    pos = w->ready[0];
    w->ready_n--;
    for (size_t i = 0; i < w->ready_n; i++) w->ready[i] = w->ready[i + 1];
    w->hops++;
    row = ki_graph_links(w->g, pos);
    for (size_t i = 0; i < w->g->degree; i++) {
        const uint32_t link = ki_link_get(row + i);

        tail = mark(marks, trail, tail, link < n ? link : pos);
    }
    w->tail = tail;
    return true;
}

/* The addresses of waiting rows up to `to`, worked out here, once. Behind the last there is nothing
 * to ask for: a row that is there already stands in. */
static void locate(ki_walk *w, size_t to)
{
    const size_t end = to < w->tail ? to : w->tail;

    for (; w->located < end; w->located++)
        w->address[w->located % KI_WALK_RING] = ki_graph_code(w->g, w->trail[w->located]);
    for (size_t i = end; i < to; i++)
        w->address[i % KI_WALK_RING] = w->address[w->head % KI_WALK_RING];
}

/* Ask for rows that came when it was almost their turn. */
static void ask_for_rows(ki_walk *w)
{
    const size_t to = w->head + w->ahead, end = to < w->tail ? to : w->tail;

    for (; w->asked < end; w->asked++)
        ki_graph_expect_row(w->address[w->asked % KI_WALK_RING], w->g->lens->bytes);
}

/* The distances of the rows that waited longest; meanwhile those `ahead` of them are asked for. */
static kith_status advance(ki_walk *w, const ki_walk_ask *ask)
{
    const size_t at = w->head % KI_WALK_RING, next = (w->head + w->ahead) % KI_WALK_RING;
    const size_t straight = KI_WALK_RING - (at > next ? at : next);
    const size_t most = straight < KI_WALK_BATCH ? straight : KI_WALK_BATCH;
    const size_t waiting = w->tail - w->head, n = waiting < most ? waiting : most;
    float key[KI_WALK_BATCH];

    locate(w, w->head + w->ahead + n);
    ask_for_rows(w);
    ki_meter_take(&w->meter, w->address + at, w->address + next, n, key);
    w->head += n;
    w->asked = w->head + w->ahead < w->tail ? w->head + w->ahead : w->tail;
    w->visits += n;
    return take(w, ask, w->trail + w->head - n, key, n);
}

/* ---- from the entries on --------------------------------------------------------------------- */

/* Its distance is taken anew: what a file says of an entry's code says only where to begin. */
static void start_at(ki_walk *w, const ki_walk_ask *ask, uint32_t pos, float key)
{
    begin_bins(w, ask->pass && key < FLT_MAX / FAR ? key * FAR : key);
    w->tail = ask->hidden ? mark(w->marks, w->trail, 0, *ask->hidden) : 0;
    w->head = w->asked = w->located = w->tail;
    w->tail = mark(w->marks, w->trail, w->tail, pos);
    ki_graph_expect_links(w->g, pos);
}

static void start(ki_walk *w, const ki_walk_ask *ask)
{
    const ki_graph *g = w->g;
    const void *rows[KI_WALK_BATCH];
    const uint32_t hidden = ask->hidden ? *ask->hidden : UINT32_MAX;
    float key[KI_WALK_BATCH], least = INFINITY;
    size_t nearest = 0;
    uint32_t pos;

    if (ask->start != UINT32_MAX) {
        rows[0] = ki_graph_code(g, ask->start);
        ki_meter_take(&w->meter, rows, NULL, 1, key);
        start_at(w, ask, ask->start, key[0]);
        return;
    }
    if (g->tower && g->tower->levels) {
        ki_tower_descend(g->tower, &w->meter, 0, hidden, &pos, key, &w->visits);
        if (key[0] < INFINITY) start_at(w, ask, pos, key[0]);
        return;
    }
    for (size_t i = 0; i < g->entries; i += KI_WALK_BATCH) {
        const size_t n = g->entries - i < KI_WALK_BATCH ? g->entries - i : KI_WALK_BATCH;

        for (size_t j = 0; j < n; j++) rows[j] = g->entry_code + (i + j) * g->lens->bytes;
        ki_meter_take(&w->meter, rows, NULL, n, key);
        for (size_t j = 0; j < n; j++)
            if (key[j] < least && g->entry[i + j] < ask->n && g->entry[i + j] != hidden) {
                least = key[j];
                nearest = i + j;
            }
    }
    w->visits += g->entries;
    if (least < INFINITY) start_at(w, ask, g->entry[nearest], least);
}

/* Whether the budget ends a walk that is not at its end. What it begins with is looked at. */
static bool out_of_time(ki_walk *w, const ki_walk_ask *ask)
{
    if (w->hops == 0) return false;
    w->truncated = ask->max_visits && w->visits >= ask->max_visits;
    if (ask->until_us && w->hops >= w->clock_at) {
        w->clock_at = w->hops + CLOCK_HOPS;
        w->truncated |= ki_now_us() >= ask->until_us;
    }
    return w->truncated;
}

/* The share of rows that pass around the query, by the links of the nearest open rows. */
static float share_near(const ki_walk *w, const ki_walk_ask *ask)
{
    float nearest[NEAR], edge;
    size_t n = 0, seen = 0, pass = 0;

    for (size_t i = 0; i < w->open; i++) ki_heap_keep(nearest, &n, NEAR, w->pool_key[i]);
    edge = n ? nearest[0] : 0.0f;
    for (size_t i = 0; i < w->open; i++) {
        const _Atomic uint32_t *row = ki_graph_links(w->g, w->pool[i]);

        if (w->pool_key[i] > edge) continue;
        for (size_t j = 0; j < w->g->degree; j++) {
            const uint32_t to = ki_link_get(row + j);

            if (to >= ask->n || to == w->pool[i]) continue;
            seen++;
            pass += passes(ask, to);
        }
    }
    return seen ? (float)pass / (float)seen : 0.0f;
}

/* Once near its query, a walk sees whether rows pass there; later, whether it takes far longer than
 * it should. */
static void look_around(ki_walk *w, const ki_walk_ask *ask)
{
    w->hopeless = w->looked || share_near(w, ask) < ask->least_share;
    w->looked = true;
    w->look_at = ask->patience;
}

static size_t rows_ahead(size_t bytes)
{
    const size_t n = AHEAD_BYTES / bytes / 4 * 4; // kernels take four at a time

    return n < AHEAD_LEAST ? AHEAD_LEAST : n > AHEAD_MOST ? AHEAD_MOST : n;
}

kith_status ki_walk_run(ki_walk *w, const ki_walk_ask *ask)
{
    const ki_graph *g = w->meter.g;
    const float by = 1.0f + ask->slack;
    kith_status st = KITH_OK;

    w->g = g;
    w->unit = g->lens->kind == KI_LENS_ROWS ? 0.0f : 1.0f;
    w->off = g->lens->halved ? KI_WALK_OFF : 0.0f;
    w->least = ki_kernels_get()->least;
    w->ahead = rows_ahead(g->lens->bytes);
    w->head = w->asked = w->located = w->tail = w->open = w->ready_n = w->found = w->kept_n = 0;
    w->tidy_at = TIDY_FIRST;
    w->visits = w->hops = 0;
    w->truncated = w->looked = w->hopeless = false;
    w->look_at = g->entries + LOOK_AT;
    w->clock_at = CLOCK_HOPS;
    w->bound = w->kth = INFINITY;
    w->widen = ki_meter_squares(g) ? by * by : by;
    KI_TRY(need_marks(w, ask->n));
    KI_TRY(need_best(w, ask->k));
    KI_TRY(need_trail(w));
    start(w, ask);
    for (;;) {
        if (ask->pass && w->visits >= w->look_at) {
            look_around(w, ask);
            if (w->hopeless) break;
        }
        while (w->tail - w->head < LAG && expand(w, ask)) KI_TRY(need_trail(w));
        if (w->head == w->tail) break;
        if ((ask->max_visits || ask->until_us) && out_of_time(w, ask)) break;
        KI_TRY(advance(w, ask));
    }
out:
    clear_marks(w);
    return st;
}
