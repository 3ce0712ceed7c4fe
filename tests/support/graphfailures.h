/* An index that has a graph while allocations fail and polls cancel. */
#ifndef GRAPHFAILURES_H
#define GRAPHFAILURES_H

#include <stddef.h>

/* Each call that changes, asks, saves or opens an index of this spec, while its n-th allocation
 * fails (and those after it, every other time), for n = step, 2 step … until none fails (where many
 * rows are linked, every third of these), then while its n-th poll cancels, then while the n-th
 * operation on files fails: a call that fails leaves every byte of the index as it was, links that
 * readers share among them, and its file. Inside folder_make and folder_remove. */
void fail_graphs(const char *spec, size_t step);

#endif
