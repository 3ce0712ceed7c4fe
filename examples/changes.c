/* A shop's items: own ids, prices that change, a filter bound once, results page by page. */
#include <kith.h>

#include <stdio.h>

enum { N = 1000, D = 8 };

static int cheap(void *ctx, int64_t id)
{
    return ((const double *)ctx)[id - 5000] < 10;
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((call) != KITH_OK) {                                                                   \
            fprintf(stderr, "%s\n", kith_last_error());                                            \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

int main(void)
{
    static float item[N][D];
    static int64_t ids[N], page[10];
    static double price[N];
    kith_query how = KITH_QUERY_INIT;
    kith_filter *under_ten, *bound;
    kith_cursor *cursor;
    kith_index *ix;
    size_t got;

    for (int i = 0; i < N; i++) {
        ids[i] = 5000 + i;
        price[i] = i % 37;
        for (int j = 0; j < D; j++) item[i][j] = (float)((i * (j + 3)) % 101) / 101;
    }
    TRY(kith_create("Flat", D, KITH_IP, NULL, &ix));
    TRY(kith_add(ix, KITH_ROWS(item, N, KITH_F32), ids, NULL, NULL));
    TRY(kith_remove(ix, ids, 100, NULL));
    TRY(kith_update(ix, KITH_ROWS(item[3], 1, KITH_F32), &ids[500], NULL, NULL));

    TRY(kith_filter_call(cheap, price, NULL, &under_ten));
    TRY(kith_filter_bind(ix, under_ten, &bound)); // 900 calls now, none in the searches
    how.filter = bound;
    TRY(kith_cursor_open(ix, KITH_ROWS(item[42], 1, KITH_F32), &how, &cursor));
    for (int p = 0; p < 3; p++) {
        TRY(kith_cursor_next(cursor, 10, page, NULL, &got));
        for (size_t i = 0; i < got; i++) printf("%lld ", (long long)page[i]);
        printf("\n");
    }
    kith_cursor_free(cursor);
    kith_filter_free(bound);
    kith_filter_free(under_ten);
    kith_free(ix);
    return 0;
}
