/* Levels above the one of all rows: see tower.h. A new row is put on its levels as hnswlib does it
 * (algorithms 1 and 2, and 4 for the choice of links); the search is the classic one, since so few
 * rows rise that its speed does not count. */
#include "navigate/graph/tower.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

enum { ROOM_FIRST = 16 };

/* ---- life ------------------------------------------------------------------------------------ */

kith_status ki_tower_create(ki_env *env, uint32_t width, ki_tower **out)
{
    ki_tower *t = ki_zeros(env, 1, sizeof *t);

    if (!t) return KITH_NO_MEMORY;
    atomic_init(&t->refs, 1);
    t->env = env;
    t->width = width;
    *out = t;
    return KITH_OK;
}

ki_tower *ki_tower_share(ki_tower *t)
{
    if (t) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

static void free_level(const ki_tower *t, ki_level *l)
{
    ki_release(t->env, l->pos, l->room, sizeof *l->pos);
    ki_release(t->env, l->below, l->room, sizeof *l->below);
    ki_release(t->env, l->links, l->room, t->width * sizeof *l->links);
}

void ki_tower_release(ki_tower *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1) return;
    for (size_t i = 0; i < KI_TOWER_LEVELS; i++) free_level(t, &t->level[i]);
    ki_release(t->env, t, 1, sizeof *t);
}

/* Room for `room` rows on a level that keeps what it has. */
static kith_status resize(const ki_tower *t, ki_level *l, size_t room)
{
    const size_t row = t->width * sizeof *l->links;
    kith_status st = KITH_OK;
    ki_level to = {.n = l->n, .room = room};

    to.pos = ki_regrow(t->env, l->pos, l->n, room, sizeof *to.pos);
    KI_NEED(to.pos);
    to.below = ki_regrow(t->env, l->below, l->n, room, sizeof *to.below);
    KI_NEED(to.below);
    to.links = ki_regrow(t->env, l->links, l->n, room, row);
    KI_NEED(to.links);
    free_level(t, l);
    *l = to;
    to = (ki_level){0};
out:
    free_level(t, &to);
    return st;
}

static kith_status copy(const ki_tower *from, ki_tower **out)
{
    kith_status st = KITH_OK;
    ki_tower *t = NULL;

    KI_TRY(ki_tower_create(from->env, from->width, &t));
    t->levels = from->levels;
    t->entry = from->entry;
    for (size_t i = 0; i < from->levels; i++) {
        const ki_level *f = &from->level[i];
        ki_level *l = &t->level[i];

        KI_TRY(resize(t, l, f->n + f->n / 8 + ROOM_FIRST));
        memcpy(l->pos, f->pos, f->n * sizeof *l->pos);
        memcpy(l->below, f->below, f->n * sizeof *l->below);
        memcpy(l->links, f->links, f->n * t->width * sizeof *l->links);
        l->n = f->n;
    }
    *out = t;
    t = NULL;
out:
    ki_tower_release(t);
    return st;
}

/* Make the graph's tower one that nobody else holds. */
static kith_status make_own(ki_graph *g)
{
    kith_status st = KITH_OK;
    ki_tower *own;

    if (atomic_load(&g->tower->refs) == 1) return KITH_OK;
    KI_TRY(copy(g->tower, &own));
    ki_tower_release(g->tower);
    g->tower = own;
out:
    return st;
}

/* Integers only: logarithms are not the same on every machine. */
uint32_t ki_tower_draw(uint64_t seed, uint32_t width, uint32_t pos)
{
    const uint64_t u = ki_random(seed, KI_RNG_LEVEL, pos);
    uint32_t level = 0;

    for (uint64_t part = UINT64_MAX / width; u < part && level < KI_TOWER_LEVELS; part /= width)
        level++;
    return level;
}

/* ---- down ------------------------------------------------------------------------------------ */

static uint32_t *links_of(const ki_tower *t, uint32_t l, uint32_t rank)
{
    return t->level[l - 1].links + (size_t)rank * t->width;
}

/* Distances of the rows that `rank` is linked to, but for the hidden one and those that are marked
 * (which all are then; NULL: no marks): their ranks to out. */
static size_t measure_links(const ki_tower *t, const ki_meter *m, uint32_t l, uint32_t rank,
                            uint32_t hidden, uint64_t *marks, uint32_t *out, float *key)
{
    const uint32_t *links = links_of(t, l, rank);
    const void *rows[KI_TOWER_WIDTH];
    size_t n = 0;

    for (size_t i = 0; i < t->width; i++) {
        const uint32_t pos = t->level[l - 1].pos[links[i]];
        const uint8_t *code = ki_graph_code(m->g, pos);

        if (links[i] == rank || pos == hidden || (marks && ki_bit_get(marks, links[i]))) continue;
        if (marks) ki_bit_set(marks, links[i]);
        ki_graph_expect_row(code, m->g->lens->bytes);
        out[n] = links[i];
        rows[n++] = code;
    }
    if (n) ki_meter_take(m, rows, NULL, n, key);
    return n;
}

/* On level l to whoever is nearest. */
static void go_down(const ki_tower *t, const ki_meter *m, uint32_t l, uint32_t hidden,
                    uint32_t *rank, float *key, uint64_t *visits)
{
    uint32_t to[KI_TOWER_WIDTH], from;
    float far[KI_TOWER_WIDTH];

    do {
        const size_t n = measure_links(t, m, l, *rank, hidden, NULL, to, far);

        from = *rank;
        for (size_t i = 0; i < n; i++) {
            if (!(far[i] < *key)) continue;
            *key = far[i];
            *rank = to[i];
        }
        *visits += n;
    } while (*rank != from);
}

void ki_tower_descend(const ki_tower *t, const ki_meter *m, uint32_t level, uint32_t hidden,
                      uint32_t *at, float *key, uint64_t *visits)
{
    const uint32_t entry = t->level[t->levels - 1].pos[t->entry];
    const void *row = ki_graph_code(m->g, entry);
    uint32_t rank = t->entry;

    ki_meter_take(m, &row, NULL, 1, key);
    if (entry == hidden) *key = INFINITY;
    ++*visits;
    for (uint32_t l = t->levels; l > level; l--) {
        go_down(t, m, l, hidden, &rank, key, visits);
        rank = t->level[l - 1].below[rank];
    }
    *at = rank;
}

/* ---- up -------------------------------------------------------------------------------------- */

typedef struct ki_reached {
    float key;
    uint32_t rank;
    bool done; /* gone on from */
} reached;

kith_status ki_climber_init(ki_climber *c, ki_env *env, const ki_view *v, const ki_graph *g,
                            size_t search)
{
    kith_status st = KITH_OK;

    *c = (ki_climber){.env = env, .search = search};
    KI_TRY(ki_prune_create(env, v, g, &c->prune));
    c->pool = ki_array(env, search, sizeof *c->pool);
    KI_NEED(c->pool);
out:
    return st;
}

void ki_climber_deinit(ki_climber *c)
{
    if (!c->env) return;
    ki_prune_free(c->prune);
    ki_release(c->env, c->pool, c->search, sizeof *c->pool);
    ki_release(c->env, c->marks, c->marks_len, sizeof *c->marks);
    *c = (ki_climber){0};
}

static kith_status clear_marks(ki_climber *c, size_t n)
{
    const size_t words = ki_bit_words(n), len = words + words / 2;

    if (words > c->marks_len) {
        ki_release(c->env, c->marks, c->marks_len, sizeof *c->marks);
        c->marks_len = 0;
        c->marks = ki_array(c->env, len, sizeof *c->marks);
        if (!c->marks) return KITH_NO_MEMORY;
        c->marks_len = len;
    }
    memset(c->marks, 0, words * sizeof *c->marks);
    return KITH_OK;
}

/* Into the pool, unless it is full of nearer ones. Equal ones stay in the order they came. */
static void reach(ki_climber *c, float key, uint32_t rank)
{
    size_t at = c->n;

    if (c->n == c->search && !(key < c->pool[c->n - 1].key)) return;
    if (c->n < c->search)
        c->n++;
    else
        at--;
    for (; at > 0 && c->pool[at - 1].key > key; at--) c->pool[at] = c->pool[at - 1];
    c->pool[at] = (reached){key, rank, false};
}

/* The `search` nearest on level l, as far as links lead to them from `rank` (algorithm 2). */
static kith_status search_level(ki_climber *c, const ki_tower *t, uint32_t l, uint32_t rank,
                                float key)
{
    const ki_meter *m = &c->prune->meter;
    uint32_t to[KI_TOWER_WIDTH];
    float far[KI_TOWER_WIDTH];
    kith_status st = KITH_OK;

    KI_TRY(clear_marks(c, t->level[l - 1].n));
    ki_bit_set(c->marks, rank);
    c->n = 0;
    reach(c, key, rank);
    for (size_t at = 0; at < c->n;) {
        size_t n;

        if (c->pool[at].done) {
            at++;
            continue;
        }
        c->pool[at].done = true;
        n = measure_links(t, m, l, c->pool[at].rank, UINT32_MAX, c->marks, to, far);
        for (size_t i = 0; i < n; i++) reach(c, far[i], to[i]);
        at = 0;
    }
out:
    return st;
}

kith_status ki_tower_append(ki_tower *t, uint32_t l, uint32_t pos, uint32_t below)
{
    ki_level *level = &t->level[l - 1];
    const uint32_t rank = (uint32_t)level->n;
    kith_status st = KITH_OK;

    if (level->n == level->room)
        KI_TRY(resize(t, level, level->room ? 2 * level->room : ROOM_FIRST));
    level->pos[rank] = pos;
    level->below[rank] = below;
    level->n++;
    for (size_t i = 0; i < t->width; i++) links_of(t, l, rank)[i] = rank;
out:
    return st;
}

/* Make positions out[0…n-1] the links of a row; their ranks are among known[0…m-1]. */
static void store(const ki_tower *t, uint32_t l, uint32_t rank, const uint32_t *out, size_t n,
                  const uint32_t *known, size_t m)
{
    const uint32_t *pos = t->level[l - 1].pos;
    uint32_t *links = links_of(t, l, rank);

    for (size_t i = 0; i < t->width; i++) {
        links[i] = rank;
        for (size_t j = 0; i < n && j < m; j++)
            if (pos[known[j]] == out[i]) links[i] = known[j];
    }
}

/* A link to `to` from a row that may have to give up another. */
static void offer(const ki_tower *t, ki_climber *c, uint32_t l, uint32_t from, uint32_t to,
                  float factor)
{
    const ki_level *level = &t->level[l - 1];
    uint32_t *links = links_of(t, l, from), known[KI_TOWER_WIDTH + 1], out[KI_TOWER_WIDTH];
    size_t n;

    for (size_t i = 0; i < t->width; i++) {
        if (links[i] != from) continue;
        links[i] = to;
        return;
    }
    memcpy(known, links, t->width * sizeof *known);
    known[t->width] = to;
    for (size_t i = 0; i <= t->width; i++) c->prune->one[i].pos = level->pos[known[i]];
    c->prune->n = t->width + 1;
    ki_prune_measure(c->prune, level->pos[from]);
    n = ki_prune_pick(c->prune, t->width, factor, out);
    store(t, l, from, out, n, known, t->width + 1);
}

/* The row with this rank, the last of level l, gets links from among the pool, and they to it. */
static void link_up(const ki_tower *t, ki_climber *c, uint32_t l, uint32_t rank, float factor)
{
    const ki_level *level = &t->level[l - 1];
    const size_t m = c->n < KI_PRUNE_MOST ? c->n : KI_PRUNE_MOST;
    uint32_t known[KI_PRUNE_MOST], out[KI_TOWER_WIDTH];
    size_t n;

    for (size_t i = 0; i < m; i++) {
        known[i] = c->pool[i].rank;
        c->prune->one[i].pos = level->pos[known[i]];
    }
    c->prune->n = m;
    ki_prune_measure(c->prune, level->pos[rank]);
    n = ki_prune_pick(c->prune, t->width, factor, out);
    store(t, l, rank, out, n, known, m);
    for (size_t i = 0; i < n; i++) offer(t, c, l, links_of(t, l, rank)[i], rank, factor);
}

kith_status ki_tower_insert(ki_graph *g, ki_climber *c, uint32_t pos, uint32_t level, float factor)
{
    kith_status st = KITH_OK;
    uint32_t at = 0, below = pos, before;
    uint32_t found[KI_TOWER_LEVELS];
    uint64_t visits = 0;
    float key = 0.0f;
    ki_tower *t;

    KI_TRY(make_own(g));
    t = g->tower;
    before = t->levels;
    /* Ranks to start from on each level are found on the way down; links are made on the way up,
     * where the row's rank on the level below is known. */
    ki_meter_row(&c->prune->meter, pos);
    for (uint32_t l = level < before ? level : before; l > 0; l--) {
        ki_tower_descend(t, &c->prune->meter, l, UINT32_MAX, &at, &key, &visits);
        found[l - 1] = at;
    }
    for (uint32_t l = 1; l <= level; l++) {
        const uint32_t rank = (uint32_t)t->level[l - 1].n;

        if (l <= before) {
            const void *row = ki_graph_code(g, t->level[l - 1].pos[found[l - 1]]);

            ki_meter_row(&c->prune->meter, pos);
            ki_meter_take(&c->prune->meter, &row, NULL, 1, &key);
            KI_TRY(search_level(c, t, l, found[l - 1], key));
        }
        KI_TRY(ki_tower_append(t, l, pos, below));
        if (l <= before) link_up(t, c, l, rank, factor);
        below = rank;
    }
    if (level > before) {
        t->levels = level;
        t->entry = below;
    }
out:
    return st;
}

/* As when all are built at once: those that come early are to be from everywhere. */
kith_status ki_tower_redraw(ki_graph *g, ki_env *env, const ki_view *v, const ki_graph_how *how,
                            uint32_t *node, size_t n, ki_progress *p)
{
    const uint32_t width = g->tower->width;
    kith_status st = KITH_OK;
    ki_climber c = {0};
    ki_tower *t;

    KI_TRY(ki_tower_create(env, width, &t));
    ki_tower_release(g->tower);
    g->tower = t;
    ki_random_shuffle(how->seed, KI_RNG_ORDER, node, n);
    KI_TRY(ki_graph_enter(g, node[0]));
    KI_TRY(ki_climber_init(&c, env, v, g, how->search));
    for (size_t i = 0; i < n; i++) {
        const uint32_t level = ki_tower_draw(how->seed, width, node[i]), before = t->levels;

        if (level == 0) continue;
        KI_TRY(ki_tower_insert(g, &c, node[i], level, how->factor));
        if (level > before) KI_TRY(ki_graph_enter(g, node[i]));
        KI_TRY(ki_progress_add(p, 0));
    }
out:
    ki_climber_deinit(&c);
    return st;
}

/* ---- sections -------------------------------------------------------------------------------- */

enum { VERSION = 1, HEAD = 32 };

size_t ki_tower_put_bytes(const ki_tower *t)
{
    size_t len = HEAD;

    for (size_t i = 0; i < t->levels; i++)
        len += 4 + t->level[i].n * 4 * (1 + (size_t)t->width); // all of it is in memory, too
    return len;
}

static uint8_t *put_array(uint8_t *to, const uint32_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) ki_put_le32(to + 4 * i, from[i]);
    return to + 4 * n;
}

void ki_tower_put(const ki_tower *t, uint32_t most, uint8_t *out)
{
    memset(out, 0, HEAD);
    ki_put_le32(out, VERSION);
    ki_put_le32(out + 4, most);
    ki_put_le32(out + 8, t->width);
    ki_put_le32(out + 12, t->levels);
    ki_put_le32(out + 16, t->levels ? t->entry : 0);
    out += HEAD;
    for (size_t i = 0; i < t->levels; i++) {
        const ki_level *l = &t->level[i];

        ki_put_le32(out, (uint32_t)l->n);
        out = put_array(out + 4, l->below, l->n);
        out = put_array(out, l->links, l->n * t->width);
    }
}

/* One level, of at most `most` rows, from the bytes at *at on. */
static kith_status read_level(ki_tower *t, uint32_t l, ki_span s, size_t *at, size_t most)
{
    const size_t row = 4 * (1 + (size_t)t->width);
    ki_level *level = &t->level[l - 1];
    kith_status st = KITH_OK;
    size_t n;

    if (s.len - *at < 4) KI_FAIL(KITH_CORRUPT, "section GLEV ends in level %u", l);
    n = ki_le32(s.ptr + *at);
    *at += 4;
    if (n == 0 || n > most || n > (s.len - *at) / row)
        KI_FAIL(KITH_CORRUPT, "section GLEV: %zu rows on level %u, %zu below", n, l, most);
    KI_TRY(resize(t, level, n));
    level->n = n;
    for (size_t i = 0; i < n; i++) {
        level->below[i] = ki_le32(s.ptr + *at + 4 * i);
        if (level->below[i] >= most)
            KI_FAIL(KITH_CORRUPT, "section GLEV: row %zu of level %u is row %u of %zu below", i, l,
                    level->below[i], most);
        level->pos[i] = l > 1 ? t->level[l - 2].pos[level->below[i]] : level->below[i];
    }
    *at += 4 * n;
    for (size_t i = 0; i < n * t->width; i++) {
        level->links[i] = ki_le32(s.ptr + *at + 4 * i);
        if (level->links[i] >= n)
            KI_FAIL(KITH_CORRUPT, "section GLEV: row %zu of level %u: link to row %u of %zu",
                    i / t->width, l, level->links[i], n);
    }
    *at += 4 * n * t->width;
out:
    return st;
}

kith_status ki_tower_read(ki_env *env, ki_span s, uint32_t n, uint32_t entry, uint32_t *most,
                          ki_tower **out)
{
    kith_status st = KITH_OK;
    ki_tower *t = NULL;
    size_t at = HEAD;
    uint32_t levels;

    if (s.len < HEAD) KI_FAIL(KITH_CORRUPT, "section GLEV has %zu bytes, no head", s.len);
    if (ki_le32(s.ptr) != VERSION)
        KI_FAIL(KITH_VERSION, "section GLEV has version %u; this release knows %d", ki_le32(s.ptr),
                VERSION);
    *most = ki_le32(s.ptr + 4);
    levels = ki_le32(s.ptr + 12);
    if (ki_le32(s.ptr + 8) == 0 || ki_le32(s.ptr + 8) > KI_TOWER_WIDTH || levels > KI_TOWER_LEVELS)
        KI_FAIL(KITH_CORRUPT, "section GLEV: %u levels of %u links a row", levels,
                ki_le32(s.ptr + 8));
    KI_TRY(ki_tower_create(env, ki_le32(s.ptr + 8), &t));
    for (uint32_t l = 1; l <= levels; l++) {
        KI_TRY(read_level(t, l, s, &at, l > 1 ? t->level[l - 2].n : n));
        t->levels = l;
    }
    if (at != s.len)
        KI_FAIL(KITH_CORRUPT, "section GLEV has %zu bytes; its levels end at %zu", s.len, at);
    t->entry = ki_le32(s.ptr + 16);
    if (levels &&
        (t->entry >= t->level[levels - 1].n || t->level[levels - 1].pos[t->entry] != entry))
        KI_FAIL(KITH_CORRUPT, "section GLEV: row %u of the highest level is not the entry, row %u",
                t->entry, entry);
    *out = t;
    t = NULL;
out:
    ki_tower_release(t);
    return st;
}
