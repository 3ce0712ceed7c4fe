/* Sorting without libc's qsort, which may allocate behind the host's back. Private to rows/. */
#ifndef KI_SORT_H
#define KI_SORT_H

#include "base/env.h"

/* Ascending, in place. */
kith_status ki_sort_ids(ki_env *env, int64_t *ids, size_t n);
/* keys ascending with their values; equal keys keep their order. */
kith_status ki_sort_pairs(ki_env *env, uint64_t *keys, uint32_t *values, size_t n);
/* values by their texts, bytes in memcmp order, no NUL within; equal texts keep their order. */
typedef const char *ki_text_of(void *ctx, uint32_t value, size_t *len);
kith_status ki_sort_texts(ki_env *env, uint32_t *values, size_t n, ki_text_of *text, void *ctx);

#endif
