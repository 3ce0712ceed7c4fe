/* Random operations against an oracle: an index and a plain array of rows go through the same adds,
 * updates, removals, labels, compactions, merges, saves and opens, and must give the same answers
 * to every kind of search. The oracle computes keys in double by the definitions in kith.h, on its
 * own. One index in ten begins with enough rows for a scan code. KITH_OPS sets the number of
 * operations (100,000); a failure prints the seed. */
#include "support/harness.h"

#include <kith.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 2600, SMALL = 700, WIDE = 1800, DIM = 20, LABELS = 7, PER_INDEX = 500 };
enum { LEAST_ID = -50, IDS = 200000 };

typedef struct row {
    int64_t id;
    float x[DIM];
    int label; /* -1 none */
} row;

typedef struct oracle {
    kith_index *ix;
    kith_metric metric;
    const char *codec;
    double p;
    size_t d, n, most;
    kith_filter *bound;    /* NULL: none */
    unsigned char *passed; /* [IDS] by id - LEAST_ID: what it passes */
    int64_t next_id;
    row *rows;
    uint64_t state;
    char path[64];
} oracle;

static uint64_t draw(oracle *o, uint64_t below)
{
    o->state = o->state * 6364136223846793005u + 1442695040888963407u;
    return (o->state >> 33) % below;
}

/* Values that every codec in turn keeps exactly, with many equal rows. */
static float value(oracle *o)
{
    if (strcmp(o->codec, "Bits") == 0) return (float)draw(o, 2);
    if (strcmp(o->codec, "U8") == 0) return (float)draw(o, 5) * 50;
    if (strcmp(o->codec, "I8") == 0) return (float)draw(o, 9) * 30 - 120;
    if (strcmp(o->codec, "F16") == 0 || strcmp(o->codec, "BF16") == 0)
        return (float)draw(o, 65) / 4 - 8;
    if (draw(o, 8) == 0) return 0;
    return (float)((double)draw(o, 1u << 24) / (1 << 20) - 8);
}

static int signless(kith_metric m)
{
    return m == KITH_JENSEN_SHANNON || m == KITH_JACCARD;
}

static void random_row(oracle *o, float *x)
{
    if (o->n && draw(o, 4) == 0) {
        memcpy(x, o->rows[draw(o, o->n)].x, sizeof o->rows->x);
        return;
    }
    for (size_t j = 0; j < o->d; j++) {
        x[j] = value(o);
        if (signless(o->metric)) x[j] = fabsf(x[j]);
    }
}

/* The definitions of kith.h; smaller is nearer. */
static double key(const oracle *o, const float *q, const float *x)
{
    double a = 0, b = 0, c = 0;

    for (size_t j = 0; j < o->d; j++) {
        const double u = (double)q[j], v = (double)x[j], diff = fabs(u - v), s = u + v;

        switch (o->metric) {
        case KITH_L2: a += (u - v) * (u - v); break;
        case KITH_IP: a += u * v; break;
        case KITH_COSINE: a += u * v; b += u * u; c += v * v; break;
        case KITH_L1: a += diff; break;
        case KITH_LINF: a = diff > a ? diff : a; break;
        case KITH_LP: a += pow(diff, o->p); break;
        case KITH_CANBERRA: a += diff > 0 ? diff / (fabs(u) + fabs(v)) : 0; break;
        case KITH_BRAY_CURTIS: a += diff; b += fabs(s); break;
        case KITH_JENSEN_SHANNON:
            a += (u > 0 ? u * log(2 * u / s) : 0) + (v > 0 ? v * log(2 * v / s) : 0);
            break;
        case KITH_JACCARD: a += u < v ? u : v; b += u < v ? v : u; break;
        case KITH_HAMMING: a += u != v; break;
        }
    }
    switch (o->metric) {
    case KITH_IP: return -a;
    case KITH_COSINE: return b > 0 && c > 0 ? -(a / sqrt(b * c)) : 0;
    case KITH_BRAY_CURTIS: return a > 0 ? a / b : 0;
    case KITH_JENSEN_SHANNON: return a / 2;
    case KITH_JACCARD: return b > 0 ? -(a / b) : -1;
    case KITH_L2: case KITH_L1: case KITH_LINF: case KITH_LP: case KITH_CANBERRA:
    case KITH_HAMMING: return a;
    }
    return a;
}

typedef struct scored {
    double key;
    int64_t id;
} scored;

static int by_key(const void *a, const void *b)
{
    const scored *x = a, *y = b;

    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int similar(const oracle *o)
{
    return o->metric == KITH_IP || o->metric == KITH_COSINE || o->metric == KITH_JACCARD;
}

static float reported(const oracle *o, double k)
{
    return (float)(similar(o) ? 0.0 - k : k);
}

/* All rows that may answer, in order. keep NULL = all. */
static size_t answers(const oracle *o, const float *q, int (*keep)(void *, int64_t), void *ctx,
                      scored *out)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n; i++)
        if (!keep || keep(ctx, o->rows[i].id))
            out[n++] = (scored){key(o, q, o->rows[i].x), o->rows[i].id};
    qsort(out, n, sizeof *out, by_key);
    return n;
}

/* Hits must be the oracle's. Transcendental metrics agree to 1e-12, so neighbours that near may
 * swap. */
static void same(const oracle *o, const scored *want, size_t n, const int64_t *ids,
                 const float *dist, size_t k)
{
    const int loose = o->metric == KITH_LP || o->metric == KITH_JENSEN_SHANNON ||
                      o->metric == KITH_CANBERRA || o->metric == KITH_BRAY_CURTIS;

    for (size_t i = 0; i < k; i++) {
        if (i >= n) {
            assert_int_equal(ids[i], KITH_NO_ID);
            continue;
        }
        if (!loose) {
            assert_int_equal(ids[i], want[i].id);
            assert_true(dist[i] == reported(o, want[i].key));
        } else {
            const double got = (double)dist[i], right = (double)reported(o, want[i].key);

            /* Equal covers x = -y under Bray-Curtis, which is infinitely far. */
            assert_true(got == right || fabs(got - right) <= 1e-6 * (1e-6 + fabs(right)));
        }
    }
}

static row *find(oracle *o, int64_t id)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->rows[i].id == id) return &o->rows[i];
    return NULL;
}

static const char *const label_text[LABELS] = {"anna", "bert", "čapek", "dora", "", "eve e", "ﬁ"};

/* ---- operations ------------------------------------------------------------------------------ */

static void op_add(oracle *o)
{
    enum { BATCH = 40 };
    const size_t n = 1 + draw(o, draw(o, 10) ? 4 : BATCH);
    const int own = draw(o, 3) > 0, labelled = draw(o, 2) == 0;
    const char *labels[BATCH];
    int64_t ids[BATCH];
    float x[BATCH][DIM], packed[BATCH * DIM];
    int which[BATCH];
    kith_status st;
    int twice = 0;

    if (o->n + n > o->most) return;
    for (size_t i = 0; i < n; i++) {
        random_row(o, x[i]);
        memcpy(packed + i * o->d, x[i], o->d * sizeof(float));
        ids[i] = own ? (int64_t)draw(o, 4 * o->most) - 50 : o->next_id + (int64_t)i;
        if (ids[i] == KITH_NO_ID) ids[i] = 77777;
        which[i] = (int)draw(o, LABELS + 1) - 1;
        labels[i] = which[i] < 0 ? NULL : label_text[which[i]];
        twice |= find(o, ids[i]) != NULL;
        for (size_t j = 0; j < i; j++) twice |= ids[j] == ids[i];
    }
    st = kith_add(o->ix, KITH_ROWS(packed, n, KITH_F32), own ? ids : NULL, labelled ? labels : NULL,
                  NULL);
    assert_int_equal(st, twice ? KITH_EXISTS : KITH_OK);
    for (size_t i = 0; i < n && st == KITH_OK; i++) {
        row *r = &o->rows[o->n++];

        r->id = ids[i];
        memcpy(r->x, x[i], sizeof r->x);
        r->label = labelled && which[i] >= 0 && label_text[which[i]][0] ? which[i] : -1;
        if (ids[i] >= o->next_id) o->next_id = ids[i] + 1;
        assert_true(o->next_id < IDS + LEAST_ID);
    }
}

static void op_replace(oracle *o)
{
    float x[DIM] = {0};
    const int upsert = draw(o, 2) == 0;
    const int64_t id = o->n && draw(o, 3) ? o->rows[draw(o, o->n)].id : (int64_t)draw(o, 3000);
    row *r = find(o, id);
    kith_status st;

    if (!r && o->n == o->most) return;
    random_row(o, x);
    st = (upsert ? kith_upsert : kith_update)(o->ix, KITH_ROWS(x, 1, KITH_F32), &id, NULL, NULL);
    assert_int_equal(st, r || upsert ? KITH_OK : KITH_NOT_FOUND);
    if (st != KITH_OK) return;
    if (!r) {
        r = &o->rows[o->n++];
        r->label = -1;
        if (id >= o->next_id) o->next_id = id + 1;
    }
    r->id = id;
    memcpy(r->x, x, sizeof r->x);
}

static void op_remove(oracle *o)
{
    int64_t ids[3];
    size_t removed, count = 0;

    for (size_t i = 0; i < 3; i++)
        ids[i] = o->n && draw(o, 2) ? o->rows[draw(o, o->n)].id : (int64_t)draw(o, 5000);
    must(kith_remove(o->ix, ids, 3, &removed));
    for (size_t i = 0; i < 3; i++) {
        row *r = find(o, ids[i]);

        if (!r) continue;
        *r = o->rows[--o->n];
        count++;
    }
    assert_int_equal(removed, count);
}

static void op_label(oracle *o)
{
    const int which = (int)draw(o, LABELS + 1) - 1;
    const int64_t id = o->n && draw(o, 4) ? o->rows[draw(o, o->n)].id : (int64_t)draw(o, 3000);
    row *r = find(o, id);

    assert_int_equal(kith_set_label(o->ix, id, which < 0 ? NULL : label_text[which]),
                     r ? KITH_OK : KITH_NOT_FOUND);
    if (r) r->label = which >= 0 && label_text[which][0] ? which : -1;
}

static void op_rows(oracle *o)
{
    const int64_t id = o->n && draw(o, 2) ? o->rows[draw(o, o->n)].id : (int64_t)draw(o, 3000);
    const int which = (int)draw(o, LABELS);
    int64_t ids[MOST];
    const row *r = find(o, id);
    char text[32];
    float x[DIM];
    size_t n = 0, len, want = 0;

    assert_int_equal(kith_count(o->ix), o->n);
    assert_int_equal(kith_contains(o->ix, id), r != NULL);
    assert_int_equal(kith_get(o->ix, id, x), r ? KITH_OK : KITH_NOT_FOUND);
    if (r) {
        assert_memory_equal(x, r->x, o->d * sizeof *x);
        must(kith_get_label(o->ix, id, text, sizeof text, &len));
        assert_string_equal(text, r->label < 0 ? "" : label_text[r->label]);
    }
    if (!label_text[which][0]) return;
    must(kith_find_label(o->ix, label_text[which], ids, MOST, &n));
    for (size_t i = 0; i < o->n; i++) want += o->rows[i].label == which;
    assert_int_equal(n, want);
    for (size_t i = 0; i < n; i++) {
        const row *hit = find(o, ids[i]);

        assert_true(hit && hit->label == which);
        assert_true(i == 0 || ids[i - 1] < ids[i]);
    }
}

static int even_keep(void *ctx, int64_t id)
{
    return (id & 1) == 0 && id >= *(const int64_t *)ctx;
}

static int list_keep(void *ctx, int64_t id)
{
    const int64_t *list = ctx;

    for (size_t i = 0; i < 20; i++)
        if (list[i] == id) return 1;
    return 0;
}

static kith_filter *random_filter(oracle *o, int64_t list[20], int64_t *from,
                                  int (**keep)(void *, int64_t), void **ctx)
{
    kith_filter *f, *g, *h;

    *from = (int64_t)draw(o, 2000);
    for (size_t i = 0; i < 20; i++)
        list[i] = o->n ? o->rows[draw(o, o->n)].id : (int64_t)i;
    if (draw(o, 2)) {
        must(kith_filter_ids(list, 20, NULL, &f));
        *keep = list_keep;
        *ctx = list;
    } else { // even and not below from
        must(kith_filter_call(even_keep, from, NULL, &g));
        must(kith_filter_range(*from, INT64_MAX, NULL, &h));
        must(kith_filter_join(KITH_AND, g, h, &f));
        kith_filter_free(g);
        kith_filter_free(h);
        *keep = even_keep;
        *ctx = from;
    }
    if (draw(o, 2)) {
        must(kith_filter_bind(o->ix, f, &g));
        kith_filter_free(f);
        f = g;
    }
    return f;
}

static void op_search(oracle *o)
{
    enum { BATCH = 40, TOP = 30 };
    const size_t nq = draw(o, 3) ? 1 : 1 + draw(o, BATCH);
    kith_query how = KITH_QUERY_K((uint32_t)(1 + draw(o, TOP)));
    static scored want[MOST];
    static float packed[BATCH * DIM], dist[BATCH * TOP];
    static int64_t ids[BATCH * TOP];
    int (*keep)(void *, int64_t) = NULL;
    kith_filter *f = NULL;
    int64_t list[20], from;
    void *ctx = NULL;

    for (size_t i = 0; i < nq; i++) {
        float x[DIM] = {0};

        random_row(o, x);
        memcpy(packed + i * o->d, x, o->d * sizeof *x);
    }
    if (draw(o, 3) == 0) how.filter = f = random_filter(o, list, &from, &keep, &ctx);
    how.threads = (uint32_t)draw(o, 4);
    must(kith_search(o->ix, KITH_ROWS(packed, nq, KITH_F32), &how, ids, dist));
    for (size_t i = 0; i < nq; i++) {
        const size_t n = answers(o, packed + i * o->d, keep, ctx, want);

        same(o, want, n < how.k ? n : how.k, ids + i * how.k, dist + i * how.k, how.k);
    }
    kith_filter_free(f);
}

static int passes_keep(void *ctx, int64_t id)
{
    const oracle *o = ctx;

    return o->passed[id - LEAST_ID];
}

static void drop_bound(oracle *o)
{
    kith_filter_free(o->bound);
    o->bound = NULL;
}

/* A filter that was bound some time ago passes the ids that passed then, if they are stored. */
static void op_bound(oracle *o)
{
    enum { TOP = 20 };
    kith_query how = KITH_QUERY_K(TOP);
    static scored want[MOST];
    int64_t list[20], from, ids[TOP];
    int (*keep)(void *, int64_t) = NULL;
    float q[DIM] = {0}, dist[TOP];
    void *ctx = NULL;
    size_t n;

    if (!o->bound) {
        kith_filter *f = random_filter(o, list, &from, &keep, &ctx);

        must(kith_filter_bind(o->ix, f, &o->bound));
        kith_filter_free(f);
        memset(o->passed, 0, IDS);
        for (size_t i = 0; i < o->n; i++)
            o->passed[o->rows[i].id - LEAST_ID] = keep(ctx, o->rows[i].id) != 0;
    }
    random_row(o, q);
    how.filter = o->bound;
    must(kith_search(o->ix, KITH_ROWS(q, 1, KITH_F32), &how, ids, dist));
    n = answers(o, q, passes_keep, o, want);
    same(o, want, n < TOP ? n : TOP, ids, dist, TOP);
    if (draw(o, 10) == 0) drop_bound(o);
}

static void op_self(oracle *o)
{
    enum { TOP = 8 };
    kith_query how = KITH_QUERY_K(TOP);
    static scored want[MOST];
    int64_t ids[TOP];
    float dist[TOP];
    size_t n, at = 0;
    const row *r;

    if (!o->n) return;
    r = &o->rows[draw(o, o->n)];
    how.options = KITH_EXCLUDE_SELF;
    must(kith_search_ids(o->ix, &r->id, 1, &how, ids, dist));
    n = answers(o, r->x, NULL, NULL, want);
    while (at < n && want[at].id != r->id) at++;
    memmove(want + at, want + at + 1, (n - at - 1) * sizeof *want);
    n--;
    same(o, want, n < TOP ? n : TOP, ids, dist, TOP);
}

static void op_range(oracle *o)
{
    static scored want[MOST];
    kith_query how = KITH_QUERY_INIT;
    const int64_t *ids;
    const float *dist;
    float q[DIM] = {0};
    kith_hits *hits;
    size_t n, got;

    random_row(o, q);
    n = answers(o, q, NULL, NULL, want);
    how.limit = n ? reported(o, want[draw(o, n)].key) : 1;
    must(kith_range(o->ix, KITH_ROWS(q, 1, KITH_F32), &how, &hits));
    got = kith_hits_row(hits, 0, &ids, &dist);
    while (n && (similar(o) ? reported(o, want[n - 1].key) < how.limit
                            : reported(o, want[n - 1].key) > how.limit))
        n--;
    if (o->metric != KITH_LP && o->metric != KITH_JENSEN_SHANNON) assert_int_equal(got, n);
    same(o, want, n, ids, dist, got < n ? got : n);
    kith_hits_free(hits);
}

static void op_cursor(oracle *o)
{
    static scored want[MOST];
    static int64_t ids[MOST + 64];
    static float dist[MOST + 64];
    float q[DIM] = {0};
    kith_cursor *c;
    size_t n, all = 0, got;

    random_row(o, q);
    must(kith_cursor_open(o->ix, KITH_ROWS(q, 1, KITH_F32), NULL, &c));
    do {
        must(kith_cursor_next(c, 1 + draw(o, 60), ids + all, dist + all, &got));
        all += got;
    } while (got && all <= MOST);
    kith_cursor_free(c);
    n = answers(o, q, NULL, NULL, want);
    assert_int_equal(all, n);
    same(o, want, n, ids, dist, n);
}

static void op_file(oracle *o)
{
    static const uint32_t flags[] = {KITH_OPEN_MAP, KITH_OPEN_COPY,
                                     KITH_OPEN_MAP | KITH_OPEN_VERIFY,
                                     KITH_OPEN_COPY | KITH_OPEN_VERIFY};
    char spec[256];

    snprintf(spec, sizeof spec, "%s", kith_spec(o->ix));
    drop_bound(o);
    must(kith_save(o->ix, o->path, NULL));
    kith_free(o->ix);
    must(kith_open(o->path, flags[draw(o, 4)], NULL, &o->ix));
    assert_string_equal(kith_spec(o->ix), spec);
    assert_int_equal(kith_metric_of(o->ix), o->metric);
}

static void op_merge(oracle *o)
{
    kith_index *other;
    const size_t n = draw(o, 12);
    char spec[300];

    if (o->n + n > o->most) return;
    snprintf(spec, sizeof spec, "%s", kith_spec(o->ix));
    must(kith_create(spec, o->d, o->metric, NULL, &other));
    for (size_t i = 0; i < n; i++) {
        row *r = &o->rows[o->n];

        memset(r, 0, sizeof *r);
        random_row(o, r->x);
        r->id = o->next_id + 5;
        r->label = (int)draw(o, LABELS);
        must(kith_add(other, KITH_ROWS(r->x, 1, KITH_F32), &r->id, &label_text[r->label], NULL));
        if (!label_text[r->label][0]) r->label = -1;
        o->next_id = r->id + 1;
        o->n++;
    }
    must(kith_merge(o->ix, other, NULL));
    kith_free(other);
}

static void step(oracle *o)
{
    const uint64_t what = draw(o, 100);

    if (what < 22) op_add(o);
    else if (what < 32) op_replace(o);
    else if (what < 42) op_remove(o);
    else if (what < 48) op_label(o);
    else if (what < 66) op_rows(o);
    else if (what < 80) op_search(o);
    else if (what < 84) op_bound(o);
    else if (what < 89) op_self(o);
    else if (what < 93) op_range(o);
    else if (what < 95) op_cursor(o);
    else if (what < 97) must(kith_compact(o->ix, NULL));
    else if (what < 98) must(kith_verify(o->ix, NULL));
    else if (what < 99) op_merge(o);
    else op_file(o);
}

static void episode(oracle *o, uint64_t seed, size_t ops)
{
    static const struct {
        const char *spec, *codec;
    } kinds[] = {{"Flat", "F32"},      {"Flat(scan=off)", "F32"}, {"Flat,F32", "F32"},
                 {"Flat", "U8"},       {"Flat,F16", "F16"},       {"Flat,BF16", "BF16"},
                 {"Flat,I8", "I8"},    {"Flat,U8", "U8"},         {"Flat,Bits", "Bits"}};
    static const kith_metric bits[] = {KITH_HAMMING, KITH_JACCARD};
    char spec[64];
    size_t kind;

    o->state = seed;
    kind = draw(o, sizeof kinds / sizeof *kinds);
    o->codec = kinds[kind].codec;
    o->d = 1 + draw(o, DIM);
    o->metric = (kith_metric)(1 + draw(o, 10));
    if (strcmp(o->codec, "Bits") == 0) o->metric = bits[draw(o, 2)];
    if (signless(o->metric) && strcmp(o->codec, "I8") == 0) o->metric = KITH_L1;
    o->p = o->metric == KITH_LP ? 3 : 0;
    o->n = 0;
    o->next_id = 0;
    snprintf(spec, sizeof spec, "%s", kinds[kind].spec);
    if (o->metric == KITH_LP) snprintf(spec, sizeof spec, "Flat(p=3)");
    print_message("seed %llu: %s, metric %s, d %zu\n", (unsigned long long)seed, spec,
                  kith_metric_name(o->metric), o->d);
    must(kith_create(spec, o->d, o->metric, NULL, &o->ix));
    o->most = seed % 10 ? SMALL : MOST;
    while (seed % 10 == 0 && o->n < WIDE) op_add(o);
    for (size_t i = 0; i < ops; i++) step(o);
    drop_bound(o);
    kith_free(o->ix);
}

static void random_operations(void **state)
{
    const char *asked = getenv("KITH_OPS"), *first = getenv("KITH_SEED");
    const size_t ops = asked ? strtoull(asked, NULL, 10) : 100000;
    uint64_t seed = first ? strtoull(first, NULL, 10) : 1;
    oracle o = {0};

    (void)state;
    o.rows = calloc(MOST + 1, sizeof *o.rows);
    o.passed = calloc(IDS, 1);
    assert_true(o.rows && o.passed);
    snprintf(o.path, sizeof o.path, "/tmp/kith-oracle.%ld.kith", (long)getpid());
    for (size_t done = 0; done < ops; done += PER_INDEX) episode(&o, seed++, PER_INDEX);
    unlink(o.path);
    free(o.rows);
    free(o.passed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations)};

    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
