/* An index that has a graph while allocations fail and polls cancel. */
#ifndef GRAPHFAILURES_H
#define GRAPHFAILURES_H

#include <stddef.h>

/* Each call that changes or asks such an index, while its n-th allocation fails (and those after
 * it, every other time), for n = step, 2 step … until none fails (where all is linked anew, every
 * third of these), and then while its n-th poll cancels: a call that fails leaves every byte of the
 * index as it was, links that readers share among them. */
void fail_graphs(size_t step);

#endif
