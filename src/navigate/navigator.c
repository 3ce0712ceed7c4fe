/* The table of navigators. */
#include "navigate/navigator.h"

#include <string.h>

#define KI_NAVIGATOR(name) extern const ki_navigator ki_##name;
#include "navigate/table.def"
#undef KI_NAVIGATOR

#define KI_NAVIGATOR(name) &ki_##name,
static const ki_navigator *const table[] = {
#include "navigate/table.def"
};
#undef KI_NAVIGATOR

const ki_navigator *ki_navigator_at(size_t i)
{
    return i < sizeof table / sizeof table[0] ? table[i] : NULL;
}

static bool listed(const char *list, const char *name)
{
    const size_t len = strlen(name);

    for (const char *at = list; *at;) {
        const size_t n = strcspn(at, ",");

        if (n == len && memcmp(at, name, n) == 0) return true;
        at += n + (at[n] == ',');
    }
    return false;
}

const ki_navigator *ki_navigator_find(const char *name)
{
    const ki_navigator *nav;

    for (size_t i = 0; (nav = ki_navigator_at(i)) != NULL; i++)
        if (strcmp(nav->name, name) == 0 || listed(nav->aliases, name)) return nav;
    return NULL;
}
