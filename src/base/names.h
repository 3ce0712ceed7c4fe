/* Names as tables have them: one name and a comma-separated list of aliases, letter case (of ASCII)
 * apart. */
#ifndef KI_NAMES_H
#define KI_NAMES_H

#include <stdbool.h>

/* Is name one of the words of the list? An empty name never is. */
bool ki_listed(const char *name, const char *list);
/* Is it `one` or among the aliases? */
bool ki_named(const char *name, const char *one, const char *aliases);

#endif
