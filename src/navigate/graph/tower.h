/* The levels above the one of all rows (Malkov and Yashunin 2016): on each some of the rows of the
 * level below, linked among themselves. A walk comes down through them: from the entry, on each
 * level to whoever is nearest, from there a level down.
 *
 * Rows are known by their rank on a level: the order in which they came to it. So links lie side by
 * side and nothing is searched for. All levels together are an M-th of the rows; a change works on
 * a copy of its own, made when the first of its rows rises, and readers never see it change. */
#ifndef KI_TOWER_H
#define KI_TOWER_H

#include "navigate/graph/prune.h"

enum { KI_TOWER_LEVELS = 64, KI_TOWER_WIDTH = KI_DEGREE_MOST / 2 };

/* owns: pos, below, links. */
typedef struct ki_level {
    uint32_t *pos;   /* [n] position of each row on it */
    uint32_t *below; /* [n] its rank one level down; on level 1 the position */
    uint32_t *links; /* [n][width] ranks; its own: none */
    size_t n, room;
} ki_level;

/* owns: levels. */
struct ki_tower {
    atomic_size_t refs;
    ki_env *env;
    uint32_t width;                  /* links of a row on one level: M */
    uint32_t levels;                 /* above the one of all rows */
    uint32_t entry;                  /* rank on the highest; levels == 0: of no meaning */
    ki_level level[KI_TOWER_LEVELS]; /* level[l - 1] is level l */
};

kith_status ki_tower_create(ki_env *env, uint32_t width, ki_tower **out);
ki_tower *ki_tower_share(ki_tower *t); /* NULL is fine, here and below */
void ki_tower_release(ki_tower *t);

/* The level up to which the row at pos rises: l or more with probability M^-l. */
uint32_t ki_tower_draw(uint64_t seed, uint32_t width, uint32_t pos);
/* From the entry down to `level`, on each one above it to the nearest: *at becomes a rank on
 * `level` (on 0 a position), *key how far it is; the tower has so many levels at least, and one.
 * hidden: a position that is passed over, UINT32_MAX: none; *key is INFINITY when there was nobody
 * else. Adds the rows measured to *visits. */
void ki_tower_descend(const ki_tower *t, const ki_meter *m, uint32_t level, uint32_t hidden,
                      uint32_t *at, float *key, uint64_t *visits);

/* What a row is put on its levels with: one thread's. owns: prune, pool, marks. */
typedef struct ki_climber {
    ki_env *env;
    ki_prune *prune;
    struct ki_reached *pool; /* [search] by key */
    size_t search, n;
    uint64_t *marks; /* [marks_len] ranks that were seen */
    size_t marks_len;
} ki_climber;

kith_status ki_climber_init(ki_climber *c, ki_env *env, const ki_view *v, const ki_graph *g,
                            size_t search);
void ki_climber_deinit(ki_climber *c);
/* Put pos on levels 1…level of the graph's tower and link it there. The tower is made the graph's
 * own first. */
kith_status ki_tower_insert(ki_graph *g, ki_climber *c, uint32_t pos, uint32_t level, float factor);
/* A tower of its own for the graph, in place of the one it has: each of the nodes [n], n > 0, is
 * put on the levels that are drawn for it; the highest, or the first where none rises, is the
 * entry. Shuffles node. */
kith_status ki_tower_redraw(ki_graph *g, ki_env *env, const ki_view *v, const ki_graph_how *how,
                            uint32_t *node, size_t n, ki_progress *p);
/* A row at the end of level l, on which it has no links yet. NO_MEMORY. */
kith_status ki_tower_append(ki_tower *t, uint32_t l, uint32_t pos, uint32_t below);

/* Its section, and back; docs/FORMAT.md. CORRUPT when it does not fit n rows and their entry. */
size_t ki_tower_put_bytes(const ki_tower *t);
void ki_tower_put(const ki_tower *t, uint32_t most, uint8_t *out);
kith_status ki_tower_read(ki_env *env, ki_span bytes, uint32_t n, uint32_t entry, uint32_t *most,
                          ki_tower **out);

#endif
