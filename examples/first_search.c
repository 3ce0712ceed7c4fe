/* The first search: rows in, neighbours out. */
#include <kith.h>
#include <stdio.h>

int main(void)
{
    const float base[4][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}},
                query[3] = {0.9f, 0.8f, 0};
    kith_index *ix;
    int64_t ids[2];
    float dist[2];

    if (kith_create("Flat", 3, KITH_L2, NULL, &ix) != KITH_OK ||
        kith_add(ix, KITH_ROWS(base, 4, KITH_F32), NULL, NULL, NULL) != KITH_OK ||
        kith_search(ix, KITH_ROWS(query, 1, KITH_F32), &(kith_query)KITH_QUERY_K(2), ids, dist) !=
            KITH_OK) {
        fprintf(stderr, "%s\n", kith_last_error());
        return 1;
    }
    for (int i = 0; i < 2; i++) printf("row %lld at %.2f\n", (long long)ids[i], (double)dist[i]);
    kith_free(ix);
    return 0;
}
