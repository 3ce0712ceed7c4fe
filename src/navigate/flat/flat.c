/* Flat: looks at every row, and so is exact. All its work is the exact search of rows/. */
#include "navigate/navigator.h"

enum { SCAN, PARAMS };

static const ki_param params[PARAMS] = {
    [SCAN] = {"scan", "", KI_PARAM_FLAG, 0, 1, 1,
              "keep an 8-bit scan code beside f32 rows (L2, IP, COSINE): answers stay exact, "
              "one query reads an eighth to a quarter of the bytes, the index grows by about 27 %"},
};

extern const ki_navigator ki_navigator_flat;
const ki_navigator ki_navigator_flat = {
    .name = "Flat",
    .aliases = "",
    .about = "exhaustive search: exact answers, no training, changes at any time",
    .params = {"Flat", params, PARAMS},
    .number = -1,
    .scan = SCAN,
    .flags = KITH_EXACT,
    .search = ki_exact_search,
};
