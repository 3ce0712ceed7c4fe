/* The table of navigators. */
#include "navigate/navigator.h"

#include "base/names.h"

#define KI_NAVIGATOR(name) extern const ki_navigator ki_navigator_##name;
#include "navigate/table.def"
#undef KI_NAVIGATOR

#define KI_NAVIGATOR(name) &ki_navigator_##name,
static const ki_navigator *const table[] = {
#include "navigate/table.def"
};
#undef KI_NAVIGATOR

const ki_navigator *ki_navigator_at(size_t i)
{
    return i < sizeof table / sizeof table[0] ? table[i] : NULL;
}

const ki_navigator *ki_navigator_find(const char *name)
{
    const ki_navigator *nav;

    for (size_t i = 0; (nav = ki_navigator_at(i)) != NULL; i++)
        if (ki_named(name, nav->name, nav->aliases)) return nav;
    return NULL;
}
