/* Bytes of files with graphs in them, to be changed and given right sums again. */
#ifndef GRAPHIMAGE_H
#define GRAPHIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every sum of a file as it must be, wherever its numbers lie inside the bytes. */
void mend_sums(uint8_t *p, size_t len);
/* Where a section lies; false where there is none. type: its four characters. */
bool find_section(const uint8_t *p, size_t len, const char *type, size_t *at, size_t *n);
/* `wanted` files whose sections of graphs were changed in one to four places and whose sums are
 * right: each is refused, or answers as it should whatever its links say. The numbers of those
 * refused at open, and of those that verify, are printed. */
void mutate_graphs(size_t wanted);
/* Entries whose codes are those of others do not answer for them. */
void lie_of_entries(void);
/* Heads of lenses with short codes that say what cannot be, and heads that say so of other rows:
 * refused, and passed over for repair. */
void lie_of_lenses(void);

#endif
