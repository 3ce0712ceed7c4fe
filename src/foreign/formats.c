/* The table of formats: a new one is a file of its own, a line in foreign.h and one here. */
#include <string.h>
#include <strings.h>

#include "foreign/rowfile.h"

static const ki_format *const formats[] = {&ki_format_npy, &ki_format_vecs, &ki_format_bin};

const ki_format *ki_format_at(size_t i)
{
    return i < sizeof formats / sizeof formats[0] ? formats[i] : NULL;
}

bool ki_ends_in(const char *name, const char *ending)
{
    const size_t n = strlen(name), e = strlen(ending);

    return n > e && strcasecmp(name + n - e, ending) == 0;
}

static bool has_ending(const char *path, size_t len, const char *endings)
{
    while (*endings) {
        const size_t e = strcspn(endings, ",");

        if (len > e && strncasecmp(path + len - e, endings, e) == 0) return true;
        endings += e + (endings[e] == ',');
    }
    return false;
}

const ki_format *ki_format_find(const char *path)
{
    size_t len = strlen(path), bare = len;

    while (bare > 0 && path[bare - 1] >= '0' && path[bare - 1] <= '9') bare--;
    if (bare > 0 && bare < len && path[bare - 1] == '#') len = bare - 1; // "x.npy#1"
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (has_ending(path, len, formats[i]->endings)) return formats[i];
    return NULL;
}
