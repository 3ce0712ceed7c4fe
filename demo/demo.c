/* kith-demo: questions in words, answered from an index of package descriptions.
 *
 *     kith-demo EXACT GRAPH DATA [QUESTION…]
 *
 * EXACT and GRAPH are the texts as a Flat index and as a Graph, DATA is a folder with words.txt,
 * words.i8.npy, words_scale.npy and texts.tsv. Without questions it answers a handful of its own,
 * prints recall, time and bytes of both indexes, and then, on a terminal, asks. Turning words into
 * a vector (data/README.md) is all that happens here; the rest is kith.h. */
#include <kith.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SHOWN = 5, JUDGED = 10, TOKENS = 256, TIMED = 100 };

typedef struct text_lines {
    char *bytes, **line;
    size_t n;
} text_lines;

enum { EXACT, GRAPH, WAYS };
static const char *const ways[WAYS] = {"exact", "graph"};

typedef struct demo {
    kith_index *ix[WAYS];
    size_t d;
    text_lines words, texts;
    int8_t *vector; /* [words.n][d] */
    float *scale;   /* [words.n] */
} demo;

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "kith-demo: %s: %s\n", what, why);
    return 1;
}

static char *join(const char *folder, const char *name, char path[1024])
{
    snprintf(path, 1024, "%s/%s", folder, name);
    return path;
}

/* A text file as its lines; its bytes are cut in place. */
static int read_lines(const char *path, text_lines *out)
{
    FILE *f = fopen(path, "rb");
    long len = -1;
    size_t n = 0;

    if (!f) return complain(path, strerror(errno));
    if (fseek(f, 0, SEEK_END) == 0) len = ftell(f);
    rewind(f);
    out->bytes = len < 0 ? NULL : malloc((size_t)len + 1);
    if (!out->bytes || fread(out->bytes, 1, (size_t)len, f) != (size_t)len) {
        fclose(f);
        return complain(path, "cannot be read");
    }
    fclose(f);
    out->bytes[len] = 0;
    for (const char *p = out->bytes; *p; p++) n += *p == '\n';
    out->line = calloc(n + 1, sizeof *out->line);
    if (!out->line) return complain(path, "out of memory");
    for (char *p = strtok(out->bytes, "\n"); p && out->n < n; p = strtok(NULL, "\n"))
        out->line[out->n++] = p;
    return 0;
}

/* A whole .npy of n rows of d components, as its own type, to *out. */
static int read_rows(const char *path, kith_dtype dtype, size_t n, size_t d, void **out)
{
    const size_t row = kith_row_bytes(dtype, d);
    kith_source src;
    kith_batch batch;
    size_t got = 0;

    if (kith_source_open(path, NULL, &src) != KITH_OK) return complain(path, kith_last_error());
    *out = malloc(n * row);
    if (!*out || src.d != d || src.dtype != dtype || src.n != n) {
        src.close(src.ctx);
        return complain(path,
                        *out ? "is not of the shape that belongs to words.txt" : "out of memory");
    }
    while (src.next(src.ctx, 4096, &batch) == KITH_OK && batch.rows.n) {
        const size_t stride = batch.rows.stride ? batch.rows.stride : row;

        for (size_t i = 0; i < batch.rows.n; i++)
            memcpy((char *)*out + (got + i) * row, (const char *)batch.rows.data + i * stride, row);
        got += batch.rows.n;
    }
    src.close(src.ctx);
    return got == n ? 0 : complain(path, kith_last_error());
}

/* Row number of a word in the sorted list, or -1. */
static long find_word(const demo *m, const char *word, size_t len)
{
    size_t lo = 0, hi = m->words.n;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        int order = strncmp(m->words.line[mid], word, len);

        if (order == 0) order = m->words.line[mid][len] != 0;
        if (order == 0) return (long)mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

/* Tokens are runs of [a-z0-9], ASCII letters in lower case, and "++" behind a run. Known ones go to
 * word[] with how often they come; returns how many different ones. */
static size_t count_words(const demo *m, const char *text, long word[TOKENS], int times[TOKENS])
{
    size_t n = 0;

    for (const char *p = text; *p && n < TOKENS;) {
        char token[64];
        size_t len = 0;
        long w;
        size_t i = 0;

        for (; isalnum((unsigned char)*p) && (unsigned char)*p < 128; p++)
            if (len < sizeof token - 3) token[len++] = (char)tolower((unsigned char)*p);
        if (len == 0) {
            p++;
            continue;
        }
        if (p[0] == '+' && p[1] == '+') {
            token[len++] = *p++;
            token[len++] = *p++;
        }
        w = find_word(m, token, len);
        if (w < 0) continue;
        while (i < n && word[i] != w) i++;
        if (i == n) {
            word[n] = w;
            times[n++] = 0;
        }
        times[i]++;
    }
    return n;
}

/* sum of (1 + ln tf) * the word's vector; its length does not matter to a cosine. */
static size_t embed(const demo *m, const char *text, float *out)
{
    long word[TOKENS];
    int times[TOKENS];
    const size_t n = count_words(m, text, word, times);

    for (size_t j = 0; j < m->d; j++) {
        double sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += (1.0 + log(times[i])) * (double)m->scale[word[i]] *
                   m->vector[(size_t)word[i] * m->d + j];
        out[j] = (float)sum;
    }
    return n;
}

/* How many of the graph's answers to q are among the exact ones. */
static int same_answers(const demo *m, const float *q, const int64_t *exact, int *same)
{
    int64_t ids[SHOWN];

    if (kith_search(m->ix[GRAPH], KITH_ROWS(q, 1, KITH_F32), &(kith_query)KITH_QUERY_K(SHOWN), ids,
                    NULL) != KITH_OK)
        return complain("search", kith_last_error());
    *same = 0;
    for (int i = 0; i < SHOWN; i++)
        for (int j = 0; j < SHOWN; j++) *same += ids[i] != KITH_NO_ID && ids[i] == exact[j];
    return 0;
}

static int answer(const demo *m, const char *question, const float *q)
{
    int64_t ids[SHOWN];
    float score[SHOWN];
    int same;

    if (kith_search(m->ix[EXACT], KITH_ROWS(q, 1, KITH_F32), &(kith_query)KITH_QUERY_K(SHOWN), ids,
                    score) != KITH_OK)
        return complain("search", kith_last_error());
    printf("\n%s\n", question);
    for (int i = 0; i < SHOWN && ids[i] != KITH_NO_ID; i++) {
        char name[256];

        if (kith_get_label(m->ix[EXACT], ids[i], name, sizeof name, NULL) != KITH_OK)
            return complain("label", kith_last_error());
        const char *text = strchr(m->texts.line[ids[i]], '\t');

        printf("  %.3f  %-24s %s\n", (double)score[i], name, text ? text + 1 : "");
    }
    if (same_answers(m, q, ids, &same)) return 1;
    if (same == SHOWN)
        printf("  the graph finds the same\n");
    else
        printf("  the graph finds %d of these %d\n", same, SHOWN);
    return 0;
}

/* The similarity of q to each stored row [n] by a float64 brute force: the index's own arithmetic
 * is not trusted here. */
static int compare_all(const demo *m, const float *q, uint64_t n, double *similarity)
{
    float *row = malloc(m->d * sizeof *row);
    int st = !row;

    for (uint64_t i = 0; i < n && !st; i++) {
        double dot = 0, xx = 0, qq = 0;

        st = kith_get(m->ix[EXACT], (int64_t)i, row) != KITH_OK;
        for (size_t j = 0; j < m->d; j++) {
            dot += (double)q[j] * (double)row[j];
            xx += (double)row[j] * (double)row[j];
            qq += (double)q[j] * (double)q[j];
        }
        similarity[i] = xx > 0 && qq > 0 ? dot / sqrt(xx * qq) : 0;
    }
    free(row);
    return st ? complain("compare", kith_last_error()) : 0;
}

/* Of the ids found, how many a brute force finds too (equally near rows count). */
static size_t judge(const double *similarity, uint64_t n, const int64_t *ids, const float *score)
{
    size_t right = 0;

    for (size_t i = 0; i < JUDGED; i++) {
        size_t nearer = 0;

        for (uint64_t j = 0; j < n; j++) nearer += similarity[j] > similarity[ids[i]];
        right += nearer < JUDGED && fabs((double)score[i] - similarity[ids[i]]) < 1e-6;
    }
    return right;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* How one index answered. */
typedef struct measured {
    double times[TIMED], bytes;
    size_t n, right;
} measured;

static int measure_one(const demo *m, int way, const float *q, const double *similarity,
                       measured *out)
{
    kith_query how = KITH_QUERY_K(JUDGED);
    int64_t ids[JUDGED];
    float score[JUDGED];
    double t = now();

    how.threads = 1;
    if (kith_search(m->ix[way], KITH_ROWS(q, 1, KITH_F32), &how, ids, score) != KITH_OK)
        return complain("search", kith_last_error());
    out->times[out->n++] = now() - t;
    if (similarity) out->right += judge(similarity, m->texts.n, ids, score);
    return 0;
}

static void take_bytes(void *ctx, const char *name, const char *unit, double value)
{
    (void)unit;
    if (strcmp(name, "file_bytes") == 0) *(double *)ctx = value;
}

/* The texts themselves, evenly spread, as questions: time of each and recall of some. */
static int measure(const demo *m, float *q)
{
    double *similarity = malloc(m->texts.n * sizeof *similarity);
    measured of[WAYS] = {{{0}, 0, 0, 0}, {{0}, 0, 0, 0}};
    size_t judged = 0;
    int st = similarity ? 0 : complain("measure", "out of memory");

    for (size_t i = 0; i < TIMED && !st; i++) {
        const int by_hand = i % 5 == 0;

        if (embed(m, m->texts.line[i * (m->texts.n / TIMED)], q) == 0) continue;
        if (by_hand) st = compare_all(m, q, m->texts.n, similarity);
        for (int way = 0; way < WAYS && !st; way++)
            st = measure_one(m, way, q, by_hand ? similarity : NULL, &of[way]);
        if (by_hand) judged += JUDGED;
    }
    free(similarity);
    if (st || judged == 0) return st;
    printf("\n%zu texts of %zu numbers; recall@%d against a float64 brute force, ms a query "
           "(median of %zu, 1 thread), bytes of the file\n",
           m->texts.n, m->d, JUDGED, of[EXACT].n);
    for (int way = 0; way < WAYS; way++) {
        measured *w = &of[way];

        qsort(w->times, w->n, sizeof *w->times, ascending);
        kith_stats(m->ix[way], take_bytes, &w->bytes);
        printf("  %s  %.4f  %6.3f ms  %9.0f bytes\n", ways[way], (double)w->right / (double)judged,
               1e3 * w->times[w->n / 2], w->bytes);
    }
    return 0;
}

static int ask(const demo *m, const char *question, float *q)
{
    if (embed(m, question, q) == 0) {
        printf("\n%s\n  none of these words is known here; try others\n", question);
        return 0;
    }
    return answer(m, question, q);
}

static int converse(const demo *m, float *q)
{
    char line[1024];

    printf("\nAsk in your own words; an empty line ends.\n");
    for (;;) {
        printf("\n> ");
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin) || line[0] == '\n') return 0;
        line[strcspn(line, "\n")] = 0;
        if (ask(m, line, q)) return 1;
    }
}

static int load(demo *m, char **indexes, const char *folder)
{
    char path[1024];

    for (int way = 0; way < WAYS; way++)
        if (kith_open(indexes[way], KITH_OPEN_MAP, NULL, &m->ix[way]) != KITH_OK)
            return complain("open", kith_last_error());
    m->d = kith_dim(m->ix[EXACT]);
    if (read_lines(join(folder, "words.txt", path), &m->words) ||
        read_lines(join(folder, "texts.tsv", path), &m->texts))
        return 1;
    for (int way = 0; way < WAYS; way++)
        if (m->texts.n != kith_count(m->ix[way]) || m->d != kith_dim(m->ix[way]))
            return complain(path, "does not belong to these indexes");
    return read_rows(join(folder, "words.i8.npy", path), KITH_I8, m->words.n, m->d,
                     (void **)&m->vector) ||
           read_rows(join(folder, "words_scale.npy", path), KITH_F32, m->words.n, 1,
                     (void **)&m->scale);
}

int main(int argc, char **argv)
{
    static const char *const questions[] = {"edit photos", "play music from the terminal",
                                            "solve sudoku puzzles", "monitor network traffic",
                                            "chess game"};
    demo m = {0};
    float *q = NULL;
    int st;

    if (argc < 4) {
        fprintf(stderr, "usage: kith-demo EXACT GRAPH DATA [QUESTION...]\n");
        return 2;
    }
    st = load(&m, argv + 1, argv[3]);
    if (!st) {
        q = malloc(m.d * sizeof *q);
        st = q == NULL;
    }
    for (int i = 4; i < argc && !st; i++) st = ask(&m, argv[i], q);
    if (argc == 4) {
        for (size_t i = 0; i < sizeof questions / sizeof *questions && !st; i++)
            st = ask(&m, questions[i], q);
        if (!st) st = measure(&m, q);
        if (!st && isatty(0) && isatty(1)) st = converse(&m, q);
    }
    free(q);
    free(m.vector);
    free(m.scale);
    free(m.words.line);
    free(m.words.bytes);
    free(m.texts.line);
    free(m.texts.bytes);
    for (int way = 0; way < WAYS; way++) kith_free(m.ix[way]);
    return st;
}
