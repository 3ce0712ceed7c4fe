/* Comparing names with those of a table, the same in every locale. */
#include "base/names.h"

#include <stddef.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether name is the len bytes at word. */
static bool same(const char *name, const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (name[i] == '\0' || lower(name[i]) != lower(word[i])) return false;
    return name[len] == '\0';
}

bool ki_listed(const char *name, const char *list)
{
    while (*list != '\0') {
        const size_t len = strcspn(list, ",");

        if (len > 0 && same(name, list, len)) return true;
        list += len + (list[len] == ',');
    }
    return false;
}

bool ki_named(const char *name, const char *one, const char *aliases)
{
    return same(name, one, strlen(one)) || ki_listed(name, aliases);
}
