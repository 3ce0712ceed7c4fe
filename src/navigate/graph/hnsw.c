/* The navigators that link rows one by one: HNSW (Malkov and Yashunin 2016), whose walks come down
 * from sparse levels, and NSW (Malkov et al. 2014), which has one level and owes its long links to
 * the order in which rows came. Only how rows are linked differs from Graph, and where walks begin;
 * structure, walks, files and checks are the same.
 *
 * Departures. Both: rows that are built at once come in a random order; copies hang on one node;
 * every row is linked to by one at least. NSW: a row has 2 M links at most, M that it chose and M
 * of rows that came later; of either the nearest stay. Rows that come after a build take a turn at
 * random among those that are there (insert.c), so that rows with long links never run out. */
#include "navigate/graph/layers.h"
#include "navigate/graph/tower.h"

enum {
    M,
    EF_CONSTRUCTION,
    EFFORT,
    SLACK,
    SEED,
    SWEEP,
    BITS,
    DIMS,
    NSW_PARAMS,
    HEURISTIC = NSW_PARAMS,
    HNSW_PARAMS
};

// clang-format off
#define NUMBERS                                                                                    \
    [EF_CONSTRUCTION] = {"ef_construction", "efConstruction,efc", KI_PARAM_INT, 1, 65536, 200,     \
                         "nearest rows among which a new one looks for its links: more build "     \
                         "slower and find more"},                                                  \
    [EFFORT] = {"effort", "ef,efSearch,ef_search", KI_PARAM_INT, 1, 1048576, 64,                   \
                "of searches that give none: a walk goes on among so many nearest"},               \
    [SLACK] = {"slack", "gamma", KI_PARAM_FLOAT, 0, 100, 0,                                        \
               "of searches that give none: a walk goes on within (1 + slack) times the k-th "     \
               "distance; 0: the effort alone ends it"},                                           \
    [SEED] = {"seed", "random_seed", KI_PARAM_INT, 0, 4294967295.0, 100,                           \
              "of all that is drawn while building"},                                              \
    [SWEEP] = KI_GRAPH_SWEEP_PARAM,                                                                \
    [BITS] = KI_GRAPH_BITS_PARAM,                                                                  \
    [DIMS] = KI_GRAPH_DIMS_PARAM
// clang-format on

static const ki_param hnsw_params[HNSW_PARAMS] = {
    [M] = {"M", "m,max_connections", KI_PARAM_INT, 2, KI_TOWER_WIDTH, 16,
           "links of a row on higher levels, and half as many as on the lowest: more find more for "
           "each row looked at; 4 bytes each"},
    NUMBERS,
    [HEURISTIC] = {"heuristic", "select_heuristic", KI_PARAM_FLAG, 0, 1, 1,
                   "choose links in all directions (select_neighbors_heuristic); off: the nearest "
                   "(simple)"},
};

static const ki_param nsw_params[NSW_PARAMS] = {
    [M] = {"M", "m,f", KI_PARAM_INT, 2, KI_TOWER_WIDTH, 16,
           "links that a new row chooses; as many more may be made to it later; 4 bytes each"},
    NUMBERS,
};

static ki_graph_how how_of(const double *params, bool levels)
{
    const uint32_t m = (uint32_t)params[M], search = (uint32_t)params[EF_CONSTRUCTION];
    const bool heuristic = levels && params[HEURISTIC] > 0;

    return (ki_graph_how){.levels = levels,
                          .keeps = !levels,
                          .patient = true,
                          .degree = (2 * m + KI_LINK_STEP - 1) / KI_LINK_STEP * KI_LINK_STEP,
                          .most = 2 * m,
                          .own = m,
                          .search = search < m ? m : search,
                          .factor = heuristic ? 1.0f : 0.0f,
                          .effort = (uint32_t)params[EFFORT],
                          .slack = (float)params[SLACK],
                          .bits = (uint32_t)params[BITS],
                          .dims = (uint32_t)params[DIMS],
                          .seed = (uint64_t)params[SEED]};
}

static bool crowded(const ki_view *v, const double *params)
{
    return ki_graph_crowded(v, params[SWEEP]);
}

static kith_status update_hnsw(ki_change *c, ki_env *env, const double *params, uint32_t threads,
                               ki_progress *p)
{
    const ki_graph_how how = how_of(params, true);

    return ki_graph_update(c, env, &how, threads, p);
}

static kith_status update_nsw(ki_change *c, ki_env *env, const double *params, uint32_t threads,
                              ki_progress *p)
{
    const ki_graph_how how = how_of(params, false);

    return ki_graph_update(c, env, &how, threads, p);
}

static kith_status repair_hnsw(ki_change *c, ki_env *env, const double *params, uint32_t threads,
                               ki_findings *out, ki_progress *p)
{
    const ki_graph_how how = how_of(params, true);

    return ki_graph_restore(c, env, &how, threads, out, p);
}

static kith_status repair_nsw(ki_change *c, ki_env *env, const double *params, uint32_t threads,
                              ki_findings *out, ki_progress *p)
{
    const ki_graph_how how = how_of(params, false);

    return ki_graph_restore(c, env, &how, threads, out, p);
}

static kith_status open_hnsw(ki_rows *rows, ki_env *env, const ki_opening *from,
                             const double *params)
{
    const ki_graph_how how = how_of(params, true);

    return ki_graph_open(rows, env, from, &how);
}

static kith_status open_nsw(ki_rows *rows, ki_env *env, const ki_opening *from,
                            const double *params)
{
    const ki_graph_how how = how_of(params, false);

    return ki_graph_open(rows, env, from, &how);
}

static kith_status take(ki_change *c, ki_env *env, const double *params, const ki_layers *from,
                        uint32_t threads, ki_progress *p)
{
    const ki_graph_how how = how_of(params, true);

    return ki_graph_take(c, env, &how, from, threads, p);
}

static kith_status show(const ki_view *v, ki_env *env, const double *params, uint32_t threads,
                        ki_progress *p, ki_layers **out)
{
    const ki_graph_how how = how_of(params, true);

    return ki_graph_show_layers(v, env, &how, threads, p, out);
}

extern const ki_navigator ki_navigator_hnsw, ki_navigator_nsw;
const ki_navigator ki_navigator_hnsw = {
    .name = "HNSW",
    .aliases = "",
    .about = "hnswlib's graph, with levels, row by row: as hnswlib's users know it, and its files",
    .params = {"HNSW", hnsw_params, HNSW_PARAMS},
    .number = M,
    .scan = -1,
    .search = ki_graph_search,
    .sees_all = ki_graph_sees_all,
    .crowded = crowded,
    .update = update_hnsw,
    .write = ki_graph_write,
    .open = open_hnsw,
    .check = ki_graph_check,
    .stats = ki_graph_stats,
    .repair = repair_hnsw,
    .inspect = ki_graph_inspect,
    .take = take,
    .show = show,
};

const ki_navigator ki_navigator_nsw = {
    .name = "NSW",
    .aliases = "",
    .about = "the older small world on one level, row by row",
    .params = {"NSW", nsw_params, NSW_PARAMS},
    .number = M,
    .scan = -1,
    .search = ki_graph_search,
    .sees_all = ki_graph_sees_all,
    .crowded = crowded,
    .update = update_nsw,
    .write = ki_graph_write,
    .open = open_nsw,
    .check = ki_graph_check,
    .stats = ki_graph_stats,
    .repair = repair_nsw,
    .inspect = ki_graph_inspect,
};
