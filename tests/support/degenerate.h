/* Rows that are hard on graphs: copies, islands, ties, no room in between. */
#ifndef DEGENERATE_H
#define DEGENERATE_H

#include <stddef.h>

/* An index of about n rows of each kind is built at once, grown one by one and in batches, loses
 * rows, gets them back, is compacted: after each step it verifies (so all rows are within reach),
 * answers with this recall, and rows find themselves. */
void prove_degenerate(const char *navigator, size_t n, double floor);

#endif
