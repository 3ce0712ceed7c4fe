/* Principal components: the directions in which rows vary most (Pearson 1901). Seen along the first
 * r of them rows keep as much of their squared distances as any r numbers a linear map could make
 * keep, on average. All arithmetic is the same on every machine. */
#ifndef KI_PRINCIPAL_H
#define KI_PRINCIPAL_H

#include "base/threads.h"
#include "kernel/kernel.h"

/* How the d components of m rows of U8 or I8 vary together, to cov [d][d]: sums of products of
 * their distances from the mean, over m. p: polled, NULL is fine. NO_MEMORY, CANCELLED. */
kith_status ki_covariance(ki_env *env, ki_type type, const void *const *rows, size_t m, size_t d,
                          size_t threads, ki_progress *p, float *cov);
/* About the space of the first r <= d principal components: r directions at right angles to one
 * another and of length 1, to out [r][d], of those of a symmetric cov [d][d]; one along which
 * nothing varies is 0. Subspace iteration from a random start: directions whose variance is near
 * the r-th are mixed with those behind it. Time: some 4 r d (d + r) multiplications. p: polled,
 * NULL is fine. NO_MEMORY, CANCELLED. */
kith_status ki_principal(ki_env *env, const float *cov, size_t d, size_t r, uint64_t seed,
                         size_t threads, ki_progress *p, float *out);

#endif
