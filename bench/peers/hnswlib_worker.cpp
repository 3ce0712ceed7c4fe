/* The other side of the graph bench: hnswlib with one index, answering requests from stdin as
 * bench_search.c does (bench/graph.py). Built by bench/run: g++ -O3 -march=native -I$HNSWLIB.
 *
 *     hnswlib_worker l2|ip|cosine BASE QUERIES CACHE [M [EF_CONSTRUCTION [THREADS [D]]]]
 *
 * BASE, QUERIES: .npy of f4, u1 or i1 (bytes become floats, what hnswlib's users have), or raw
 * float32 rows of D. cosine: inner product of rows and queries that are normalised here, outside of
 * what is timed. CACHE keeps the built index, and CACHE.json what its build took; an index older
 * than BASE is built anew, "-" keeps none. The index that answers is then one loaded from CACHE.
 * First line: "ready ROWS f32 BUILD_SECONDS BUILD_CPU_SECONDS LOAD_SECONDS BUILT", BUILT 1 when the
 * build was now.
 *
 *     one NQ K EF [OUT]         one by one; OUT gets the ids, int64 [NQ][K], nearest first
 *     through BITS FIRST NQ K EF [OUT]   the same from query FIRST on, through hnswlib's filter
 *                               functor on the bits of a file
 *     latency NQ K EF OUT       the same; OUT gets each query's nanoseconds, float64 [NQ]
 *     visits NQ K EF            distances computed (counted, so slower than `one`), 0
 *     open                      seconds to load CACHE again, and those until a first query's answer
 *     room N                    0, N: from now on the index has room for N rows in all
 *     add PATH IDS              rows of a file one by one: row (id mod its rows) for each of the ids
 *                               in IDS, a .npy of int64; with `put`, in the place of removed ones
 *     remove IDS                marks them as deleted
 *     rss | count               0, and resident bytes or rows
 *
 * Each other answer is seconds of the work itself and NQ (CPU time with KITH_BENCH_CPU_TIME set).
 * Queries start over after the last. */
#include <hnswlib/hnswlib.h>
#include <malloc.h>
#include <sys/stat.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using Graph = hnswlib::HierarchicalNSW<float>;
using Space = hnswlib::SpaceInterface<float>;

struct Rows {
    std::vector<float> x; // [n][d], empty when only the shape was asked for
    size_t n = 0, d = 0;
};

struct Worker {
    std::unique_ptr<Space> space;
    std::unique_ptr<Graph> graph;
    Rows queries;
    std::string cache;
    double build = 0, build_cpu = 0, load = 0;
    int built = 0;
    clockid_t clock = getenv("KITH_BENCH_CPU_TIME") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
};

static double seconds_of(clockid_t clock)
{
    timespec t;

    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

static double now()
{
    return seconds_of(CLOCK_MONOTONIC);
}

[[noreturn]] static void die(const std::string &what)
{
    fprintf(stderr, "hnswlib_worker: %s\n", what.c_str());
    exit(1);
}

template <typename T> static void convert(std::ifstream &f, Rows &r)
{
    std::vector<T> line(r.d);

    r.x.resize(r.n * r.d);
    for (size_t i = 0; i < r.n; i++) {
        f.read(reinterpret_cast<char *>(line.data()),
               static_cast<std::streamsize>(r.d * sizeof(T)));
        for (size_t j = 0; j < r.d; j++) r.x[i * r.d + j] = static_cast<float>(line[j]);
    }
}

/* The rows of a .npy or raw file, or only their shape. d: of raw rows. */
static Rows read_rows(const std::string &path, size_t d, bool shape_only)
{
    std::ifstream f(path, std::ios::binary);
    char head[10] = {0};
    std::string type = "<f4";
    Rows r;

    if (!f) die(path + " cannot be read");
    f.read(head, sizeof head);
    if (memcmp(head, "\x93NUMPY", 6) == 0) {
        const auto *b = reinterpret_cast<unsigned char *>(head);
        std::string text(b[8] + 256u * b[9], ' ');
        const char *at;

        f.read(&text[0], static_cast<std::streamsize>(text.size()));
        at = strstr(text.c_str(), "'shape': (");
        if (head[6] != 1 || !at || sscanf(at + 10, "%zu, %zu", &r.n, &r.d) != 2 ||
            text.find("'fortran_order': False") == std::string::npos)
            die(path + " is no matrix in C order");
        type = text.substr(text.find("'descr': '") + 10, 3);
    } else {
        f.clear();
        f.seekg(0, std::ios::end);
        if (d == 0) die(path + " is raw: D is needed");
        r.d = d;
        r.n = static_cast<size_t>(f.tellg()) / sizeof(float) / d;
        f.seekg(0);
    }
    if (shape_only) return r;
    if (type == "<f4")
        convert<float>(f, r);
    else if (type == "|u1")
        convert<uint8_t>(f, r);
    else if (type == "|i1")
        convert<int8_t>(f, r);
    else
        die(path + " has rows of type " + type);
    if (!f) die(path + " is cut");
    return r;
}

static void normalise(Rows &r)
{
    for (size_t i = 0; i < r.x.size() / r.d; i++) {
        float *x = r.x.data() + i * r.d;
        double sum = 0;

        for (size_t j = 0; j < r.d; j++) sum += static_cast<double>(x[j]) * x[j];
        for (size_t j = 0; sum > 0 && j < r.d; j++)
            x[j] = static_cast<float>(x[j] / std::sqrt(sum));
    }
}

static bool is_fresh(const std::string &cache, const std::string &base)
{
    struct stat a, b;

    return stat(cache.c_str(), &a) == 0 && stat(base.c_str(), &b) == 0 && a.st_mtime >= b.st_mtime;
}

static void build(Worker &w, const Rows &base, size_t m, size_t efc, unsigned threads)
{
    const double start = now(), start_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    std::vector<std::thread> crew;
    std::atomic<size_t> next{1};

    w.graph.reset(new Graph(w.space.get(), base.n, m, efc));
    w.graph->addPoint(base.x.data(), 0);
    for (unsigned t = 0; t < threads; t++)
        crew.emplace_back([&] {
            for (size_t i = next++; i < base.n; i = next++)
                w.graph->addPoint(base.x.data() + i * base.d, i);
        });
    for (auto &t : crew) t.join();
    w.build = now() - start;
    w.build_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start_cpu;
    w.built = 1;
}

/* Both files are whole or absent; the index comes last. */
static void keep(Worker &w, size_t m, size_t efc, unsigned threads)
{
    const std::string side = w.cache + ".json";
    FILE *f = fopen((side + ".part").c_str(), "w");

    if (!f) die(side + " cannot be written");
    fprintf(f, "{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"threads\": %u, \"m\": %zu, "
            "\"ef_construction\": %zu, \"rows\": %zu}\n", w.build, w.build_cpu, threads, m, efc,
            static_cast<size_t>(w.graph->cur_element_count));
    if (fclose(f) != 0) die(side + " cannot be written");
    w.graph->saveIndex(w.cache + ".part");
    if (rename((side + ".part").c_str(), side.c_str()) != 0 ||
        rename((w.cache + ".part").c_str(), w.cache.c_str()) != 0)
        die(w.cache + " cannot be renamed");
}

static void recall_build(Worker &w)
{
    std::ifstream f(w.cache + ".json");
    std::string text((std::istreambuf_iterator<char>(f)), std::istreambuf_iterator<char>());

    sscanf(text.c_str(), "{\"seconds\": %lf, \"cpu_seconds\": %lf", &w.build, &w.build_cpu);
}

static void store(const char *path, const void *bytes, size_t len)
{
    FILE *f = path[0] ? fopen(path, "wb") : nullptr;

    if (!f) return;
    if (fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
        die(std::string(path) + " cannot be written");
}

/* nq queries one by one; each (may be null) gets every query's nanoseconds. Returns seconds. */
static double search(Worker &w, size_t nq, size_t k, size_t ef, int64_t *ids, double *each,
                     size_t first = 0, hnswlib::BaseFilterFunctor *filter = nullptr)
{
    double start, last;

    w.graph->setEf(ef);
    last = start = seconds_of(w.clock);
    for (size_t i = 0; i < nq; i++) {
        auto found = w.graph->searchKnn(
            w.queries.x.data() + (first + i) % w.queries.n * w.queries.d, k, filter);

        for (size_t j = k; j > found.size(); j--) ids[i * k + j - 1] = -1;
        for (size_t j = found.size(); j > 0; j--, found.pop())
            ids[i * k + j - 1] = static_cast<int64_t>(found.top().second);
        if (each) {
            const double t = seconds_of(w.clock);

            each[i] = 1e9 * (t - last);
            last = t;
        }
    }
    return seconds_of(w.clock) - start;
}

struct Bits : hnswlib::BaseFilterFunctor {
    std::vector<uint64_t> words;

    bool operator()(hnswlib::labeltype id) override { return words[id / 64] >> id % 64 & 1; }
};

static double through(Worker &w, const char *path, size_t first, size_t nq, size_t k, size_t ef,
                      int64_t *ids)
{
    std::ifstream f(path, std::ios::binary);
    Bits bits;

    bits.words.resize((w.graph->cur_element_count + 63) / 64);
    f.read(reinterpret_cast<char *>(bits.words.data()),
           static_cast<std::streamsize>(bits.words.size() * sizeof bits.words[0]));
    if (!f) die(std::string(path) + " is cut");
    return search(w, nq, k, ef, ids, nullptr, first, &bits);
}

static size_t counted;
static hnswlib::DISTFUNC<float> counted_distance;

static float count_distance(const void *a, const void *b, const void *param)
{
    counted++;
    return counted_distance(a, b, param);
}

static std::vector<int64_t> read_ids(const std::string &path)
{
    std::ifstream f(path, std::ios::binary);
    unsigned char head[10] = {0};
    std::vector<int64_t> ids;
    size_t len, from;

    f.read(reinterpret_cast<char *>(head), sizeof head);
    if (!f || memcmp(head, "\x93NUMPY\1", 7) != 0) die(path + " holds no ids");
    f.seekg(0, std::ios::end);
    len = static_cast<size_t>(f.tellg());
    from = 10 + head[8] + 256u * head[9];
    ids.resize((len - from) / sizeof ids[0]);
    f.seekg(static_cast<std::streamoff>(from));
    f.read(reinterpret_cast<char *>(ids.data()),
           static_cast<std::streamsize>(ids.size() * sizeof ids[0]));
    if (!f) die(path + " is cut");
    return ids;
}

static void add(Worker &w, const char *path, const char *ids_path, bool replace)
{
    const Rows from = read_rows(path, w.queries.d, false);
    const std::vector<int64_t> ids = read_ids(ids_path);
    const double start = seconds_of(w.clock);

    for (const int64_t id : ids)
        w.graph->addPoint(from.x.data() + static_cast<size_t>(id) % from.n * from.d,
                          static_cast<size_t>(id), replace);
    printf("%.9f %zu\n", seconds_of(w.clock) - start, ids.size());
}

static void remove_ids(Worker &w, const char *path)
{
    const std::vector<int64_t> ids = read_ids(path);
    const double start = seconds_of(w.clock);

    for (const int64_t id : ids) w.graph->markDelete(static_cast<size_t>(id));
    printf("%.9f %zu\n", seconds_of(w.clock) - start, ids.size());
}

/* 0 when the line asks for no change. */
static int serve_change(Worker &w, const char *line)
{
    char path[1024], ids[1024];
    size_t n;

    if (sscanf(line, "add %1023s %1023s", path, ids) == 2) {
        add(w, path, ids, false);
    } else if (sscanf(line, "put %1023s %1023s", path, ids) == 2) {
        add(w, path, ids, true);
    } else if (sscanf(line, "remove %1023s", ids) == 1) {
        remove_ids(w, ids);
    } else if (sscanf(line, "room %zu", &n) == 1) {
        w.graph->resizeIndex(n);
        printf("0 %zu\n", n);
    } else {
        return 0;
    }
    return 1;
}

static size_t visits(Worker &w, size_t nq, size_t k, size_t ef)
{
    std::vector<int64_t> ids(nq * k);

    counted = 0;
    counted_distance = w.graph->fstdistfunc_;
    w.graph->fstdistfunc_ = count_distance;
    search(w, nq, k, ef, ids.data(), nullptr);
    w.graph->fstdistfunc_ = counted_distance;
    return counted;
}

static size_t resident()
{
    std::ifstream f("/proc/self/status");
    std::string line;
    size_t kb = 0;

    while (std::getline(f, line))
        if (sscanf(line.c_str(), "VmRSS: %zu", &kb) == 1) break;
    return kb * 1024;
}

static void reopen(Worker &w)
{
    const double start = now();
    Graph again(w.space.get(), w.cache);
    const double opened = now() - start;

    again.searchKnn(w.queries.x.data(), 10);
    printf("%.9f %.9f\n", opened, now() - start);
}

static void serve(Worker &w)
{
    char line[2048], path[1024], bits[1024];
    size_t first, nq, k, ef;

    while (fgets(line, sizeof line, stdin)) {
        path[0] = 0;
        if (sscanf(line, "through %1023s %zu %zu %zu %zu %1023s", bits, &first, &nq, &k, &ef,
                   path) >= 5) {
            std::vector<int64_t> ids(nq * k);
            const double t = through(w, bits, first, nq, k, ef, ids.data());

            store(path, ids.data(), ids.size() * sizeof ids[0]);
            printf("%.9f %zu\n", t, nq);
        } else if (sscanf(line, "one %zu %zu %zu %1023s", &nq, &k, &ef, path) >= 3) {
            std::vector<int64_t> ids(nq * k);
            const double t = search(w, nq, k, ef, ids.data(), nullptr);

            store(path, ids.data(), ids.size() * sizeof ids[0]);
            printf("%.9f %zu\n", t, nq);
        } else if (sscanf(line, "latency %zu %zu %zu %1023s", &nq, &k, &ef, path) == 4) {
            std::vector<int64_t> ids(nq * k);
            std::vector<double> each(nq);
            const double t = search(w, nq, k, ef, ids.data(), each.data());

            store(path, each.data(), each.size() * sizeof each[0]);
            printf("%.9f %zu\n", t, nq);
        } else if (sscanf(line, "visits %zu %zu %zu", &nq, &k, &ef) == 3) {
            printf("%zu 0\n", visits(w, nq, k, ef));
        } else if (strcmp(line, "open\n") == 0 && w.cache != "-") {
            reopen(w);
        } else if (strcmp(line, "rss\n") == 0) {
            printf("0 %zu\n", resident());
        } else if (strcmp(line, "count\n") == 0) {
            printf("0 %zu\n", static_cast<size_t>(w.graph->cur_element_count));
        } else if (!serve_change(w, line)) {
            printf("? %s", line);
        }
        fflush(stdout);
    }
}

static void prepare(Worker &w, const std::string &metric, const std::string &path, size_t m,
                    size_t efc, unsigned threads, size_t d)
{
    const bool there = w.cache != "-" && is_fresh(w.cache, path);
    Rows base = read_rows(path, d, there);

    if (base.d != w.queries.d) die("the queries have another dimension");
    if (metric == "l2")
        w.space.reset(new hnswlib::L2Space(base.d));
    else
        w.space.reset(new hnswlib::InnerProductSpace(base.d));
    if (metric == "cosine") {
        normalise(w.queries);
        normalise(base);
    }
    if (!there) {
        build(w, base, m, efc, threads);
        if (w.cache == "-") return;
        keep(w, m, efc, threads);
        w.graph.reset();
        base.x = std::vector<float>();
        malloc_trim(0);
    }
    const double start = now();
    // Room for all rows, and removed ones may be replaced.
    w.graph.reset(new Graph(w.space.get(), w.cache, false, 0, true));
    w.load = now() - start;
    recall_build(w);
    if (w.graph->cur_element_count != base.n) die(w.cache + " is of another base: remove it");
}

int main(int argc, char **argv)
{
    Worker w;
    size_t m, efc, d;
    unsigned threads;

    if (argc < 5) {
        fprintf(stderr, "usage: hnswlib_worker l2|ip|cosine BASE QUERIES CACHE "
                        "[M [EF_CONSTRUCTION [THREADS [D]]]]\n");
        return 2;
    }
    m = argc > 5 ? strtoul(argv[5], nullptr, 10) : 16;
    efc = argc > 6 ? strtoul(argv[6], nullptr, 10) : 200;
    threads = argc > 7 ? static_cast<unsigned>(strtoul(argv[7], nullptr, 10)) : 1;
    d = argc > 8 ? strtoul(argv[8], nullptr, 10) : 0;
    w.queries = read_rows(argv[3], d, false);
    w.cache = argv[4];
    prepare(w, argv[1], argv[2], m, efc, threads ? threads : 1, d);
    printf("ready %zu f32 %.3f %.3f %.3f %d\n", static_cast<size_t>(w.graph->cur_element_count),
           w.build, w.build_cpu, w.load, w.built);
    fflush(stdout);
    serve(w);
    return 0;
}
