/* The metrics by number: names, direction and what they may be used on. */
#include "kernel/kernel.h"

static const ki_metric metrics[] = {
#define KI_METRIC(id, name, aliases, about, similarity, nonnegative, bits)                         \
    {id, name, aliases, about, similarity, nonnegative, bits},
#include "kernel/table.def"
#undef KI_METRIC
};

const ki_metric *ki_metric_at(size_t i)
{
    return i < sizeof metrics / sizeof *metrics ? &metrics[i] : NULL;
}

const ki_metric *ki_metric_of(kith_metric m)
{
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (metrics[i].id == m) return &metrics[i];
    return NULL;
}

/* 0 - key and not -key: the negative of a sum that is zero must not be -0. */
double ki_report(kith_metric m, double key)
{
    const ki_metric *known = ki_metric_of(m);
    return known && known->similarity ? 0.0 - key : key;
}
