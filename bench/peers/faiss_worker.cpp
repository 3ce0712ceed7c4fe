/* The other side of a bench: Faiss with one index, answering the requests of bench_search.c that a peer
 * has ("knn NQ K", "one NQ K"). faiss_worker FACTORY l2|ip BASE.f32 QUERY.f32 D [SETTING]: raw float32
 * files. Built by bench/run against the checkout that FAISS names, or the distribution's library. */
#include <faiss/IndexFlat.h>
#include <faiss/index_factory.h>
#include <omp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

static std::vector<float> read_floats(const char *path)
{
    std::ifstream f(path, std::ios::binary | std::ios::ate);
    std::vector<float> v(static_cast<size_t>(f.tellg()) / sizeof(float));

    f.seekg(0);
    f.read(reinterpret_cast<char *>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(float)));
    return v;
}

int main(int argc, char **argv)
{
    if (argc < 6) return 2;
    omp_set_num_threads(1);
    const int d = atoi(argv[5]);
    const auto base = read_floats(argv[3]), queries = read_floats(argv[4]);
    const auto metric = strcmp(argv[2], "ip") ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    std::unique_ptr<faiss::Index> index(faiss::index_factory(d, argv[1], metric));

    if (!index->is_trained)
        index->train(static_cast<faiss::idx_t>(base.size()) / d, base.data());
    index->add(static_cast<faiss::idx_t>(base.size()) / d, base.data());
    printf("ready %lld f32\n", static_cast<long long>(index->ntotal));
    fflush(stdout);
    char line[2048], path[1024], how[16];
    while (fgets(line, sizeof line, stdin)) {
        long nq, k;
        path[0] = 0;
        if (sscanf(line, "%15s %ld %ld %1023s", how, &nq, &k, path) < 3) {
            printf("? %s", line);
        } else {
            const long call = strcmp(how, "one") ? nq : 1;
            std::vector<faiss::idx_t> ids(static_cast<size_t>(nq * k));
            std::vector<float> dist(ids.size());
            const auto start = std::chrono::steady_clock::now();
            for (long i = 0; i < nq; i += call)
                index->search(call, queries.data() + i * d, k, dist.data() + i * k,
                              ids.data() + i * k);
            const std::chrono::duration<double> t = std::chrono::steady_clock::now() - start;
            if (FILE *f = path[0] ? fopen(path, "wb") : nullptr) {
                fwrite(ids.data(), sizeof ids[0], ids.size(), f);
                fclose(f);
            }
            printf("%.9f %ld\n", t.count(), nq);
        }
        fflush(stdout);
    }
    return 0;
}
