/* The only place for compiler extensions; the assertion; how const is taken off. Everyone may
 * include it. */
#ifndef KI_COMPILER_H
#define KI_COMPILER_H

#if defined(__GNUC__)
#    define KI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#    define KI_LIKELY(x) __builtin_expect(!!(x), 1)
#    define KI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#    define KI_PREFETCH(p) (__builtin_prefetch(p), ki_take_effect())
#    define KI_PREFETCH_L2(p) (__builtin_prefetch(p, 0, 2), ki_take_effect())
#    define KI_INLINE static inline __attribute__((always_inline)) /* templates of kernel/ */
#    define KI_CTZ64(x) ((unsigned)__builtin_ctzll(x))
#    define KI_POPCOUNT64(x) ((unsigned)__builtin_popcountll(x))
#    define KI_THREAD_LOCAL _Thread_local
#    define KI_AT_UNLOAD __attribute__((destructor)) /* runs at exit and at dlclose */
#else
#    error "kith is built with gcc or clang"
#endif

/* Of a function that does nothing but prefetch gcc thinks that it has no effect, and leaves out the
 * calls of it. This empty statement is an effect, and no instruction. */
KI_INLINE void ki_take_effect(void)
{
    __asm__ volatile("");
}

/* States what we guarantee ourselves, never what a caller or a file says. On in tests, fuzzing. */
#if defined(KI_ASSERTS) && KI_ASSERTS
#    include <assert.h>
#    define ki_assert(x) assert(x)
#else
#    define ki_assert(x) ((void)0)
#endif

/* The same object to be written: for the counts, locks and pools inside an object that a caller
 * holds as const, since nothing that he can see changes. Objects are never defined const, which
 * makes it legal. A union, because a cast is what compilers and analyzers rightly warn of. */
static inline void *ki_unconst(const void *p)
{
    const union {
        const void *shown;
        void *written;
    } same = {p};

    return same.written;
}

#endif
