/* Opening our file and comparing its checksums. The table is copied into memory and bounds-checked
 * there once; from then on only the copy says where sections lie, so that a map that changes under
 * us can give wrong bytes but never wrong addresses. What sections hold is read by others, who keep
 * the same rule for every number they take from a map. (A mapped file that is cut short by another
 * process ends this one with SIGBUS: replace files by save or rename, or open with
 * KITH_OPEN_COPY.) */
#include "file/container.h"

#include <stdio.h>
#include <string.h>

#include "base/looks.h"
#include "file/container_layout.h"

enum {
    PIECE = 8,       /* blocks of one job: what was read is still in the cache */
    ALONE = 8 << 20, /* below this much work other threads are not woken */
    NAME = 100       /* of a path, its last bytes, for sentences */
};

/* owns: section, copy, and the map */
struct ki_container {
    ki_blob_reader reader; /* first: find gets back to the container by a cast */
    ki_env *env;
    atomic_size_t shares;
    const uint8_t *bytes; /* copy, a map, or the caller's */
    uint64_t len;
    uint8_t *copy;
    bool mapped;
    char name[NAME + 4];
    bool torn;                /* opened for repair, and bytes between sections were not 0 */
    char damage[KI_SENTENCE]; /* the first that was passed over */
    uint64_t sums_at, table_at;
    size_t count;
    ki_section *section; /* [count], ascending by `at` */
};

typedef unsigned long long ull; // what %llu prints

static void set_name(ki_container *c, const char *path)
{
    const size_t len = strlen(path), cut = len > NAME ? len - NAME : 0;

    snprintf(c->name, sizeof c->name, "%s%s", cut ? "..." : "", path + cut);
}

/* What is wrong with a file is said with its name in front. */
static kith_status named(const ki_container *c, kith_status st)
{
    const bool about_bytes = st == KITH_CORRUPT || st == KITH_VERSION;

    if (about_bytes && c->name[0]) ki_fail_prefix(st, "%s", c->name);
    return st;
}

/* ---- head and table ----------------------------------------------------------------------- */

static kith_status check_magic(const uint8_t *head, uint64_t len)
{
    char seems[KI_LOOKS_TEXT];
    const size_t known = len < 8 ? (size_t)len : 8;

    if (len == 0) return ki_fail(KITH_CORRUPT, "no kith index: it is empty");
    if (memcmp(head, KI_FILE_MAGIC, known) != 0)
        return ki_fail(KITH_CORRUPT, "no kith index: it begins like %s",
                       ki_looks_like(head, len < KI_FILE_HEAD ? (size_t)len : KI_FILE_HEAD, seems));
    if (len < KI_FILE_HEAD)
        return ki_fail(KITH_CORRUPT, "cut off: %llu bytes, its head alone has %d", (ull)len,
                       KI_FILE_HEAD);
    return KITH_OK;
}

/* The first 64 bytes and their sum keep their place in every version of the format. */
static kith_status check_head(ki_container *c, const uint8_t *head)
{
    const uint32_t version = ki_le32(head + 8), flags = ki_le32(head + 12);
    const uint64_t says = ki_le64(head + 24);

    if (ki_hash(head, 56) != ki_le64(head + 56))
        return ki_fail(KITH_CORRUPT, "its head (bytes 0…63) is damaged");
    if (version > KI_FILE_VERSION || flags != 0)
        return ki_fail(KITH_VERSION, "format version %u (flags %x); this kith reads up to %d",
                       version, flags, KI_FILE_VERSION);
    if (c->len < says)
        return ki_fail(KITH_CORRUPT, "cut off: %llu bytes long, should be %llu", (ull)c->len,
                       (ull)says);
    if (c->len > says)
        return ki_fail(KITH_CORRUPT, "%llu bytes long, should be %llu: something was appended",
                       (ull)c->len, (ull)says);
    c->count = ki_le32(head + 16);
    c->sums_at = ki_le64(head + 32);
    c->table_at = ki_le64(head + 40);
    if (version == 0 || ki_le32(head + 20) != 0 || ki_le64(head + 48) != 0 ||
        c->count > KI_FILE_SECTIONS || says > KI_FILE_MAX || c->sums_at < KI_FILE_HEAD ||
        c->table_at < c->sums_at || c->table_at % KI_FILE_ALIGN != 0 ||
        c->sums_at % KI_FILE_ALIGN != 0 || c->table_at > says ||
        says - c->table_at != c->count * KI_FILE_ENTRY + KI_FILE_TAIL)
        return ki_fail(KITH_CORRUPT, "its head makes no sense: %zu sections, table at %llu of %llu",
                       c->count, (ull)c->table_at, (ull)says);
    return KITH_OK;
}

static void read_entry(const uint8_t *e, ki_section *s)
{
    *s = (ki_section){.type = ki_le32(e),
                      .part = ki_le32(e + 4),
                      .at = ki_le64(e + 8),
                      .len = ki_le64(e + 16),
                      .rows = ki_le32(e + 24) == 1,
                      .sum = ki_le64(e + 32),
                      .sums_at = ki_le64(e + 40)};
}

static kith_status check_entry(const ki_container *c, size_t i, uint64_t from, uint64_t *sums)
{
    const ki_section *s = &c->section[i];
    char name[5];

    ki_blob_name(s->type, name);
    if (s->at < from || s->at % KI_FILE_ALIGN != 0 || s->at - from >= KI_FILE_ALIGN_MAX)
        return ki_fail(KITH_CORRUPT, "section %s starts at %llu; the one before it ends at %llu",
                       name, (ull)s->at, (ull)from);
    if (s->at > c->sums_at || s->len > c->sums_at - s->at)
        return ki_fail(KITH_CORRUPT, "section %s: %llu bytes at %llu pass the end of the sections",
                       name, (ull)s->len, (ull)s->at);
    if (s->rows && (s->sums_at != *sums || ki_section_blocks(s) > (c->table_at - *sums) / 8))
        return ki_fail(KITH_CORRUPT, "section %s: its sums at %llu are not where they belong", name,
                       (ull)s->sums_at);
    *sums += 8 * ki_section_blocks(s);
    for (size_t j = 0; j < i; j++)
        if (c->section[j].type == s->type && c->section[j].part == s->part)
            return ki_fail(KITH_CORRUPT, "section %s, part %u is there twice", name, s->part);
    return KITH_OK;
}

/* All that says where things are. */
static kith_status check_table(ki_container *c)
{
    const uint8_t *table = c->bytes + c->table_at;
    const uint8_t *tail = table + c->count * KI_FILE_ENTRY;
    uint64_t end = KI_FILE_HEAD, sums = c->sums_at;
    kith_status st = KITH_OK;

    if (ki_le64(tail + 8) != KI_FILE_END)
        KI_FAIL(KITH_CORRUPT, "its last bytes are not the end of a kith index");
    if (ki_hash(table, c->count * KI_FILE_ENTRY) != ki_le64(tail))
        KI_FAIL(KITH_CORRUPT, "the section table (%zu entries at %llu) is damaged", c->count,
                (ull)c->table_at);
    for (size_t i = 0; i < c->count; i++) {
        const uint8_t *e = table + i * KI_FILE_ENTRY;

        read_entry(e, &c->section[i]);
        if (ki_le32(e + 24) > 1 || ki_le32(e + 28) != 0 || ki_le64(e + 48) != 0 ||
            ki_le64(e + 56) != 0 || (ki_le32(e + 24) == 0 && ki_le64(e + 40) != 0))
            KI_FAIL(KITH_VERSION, "entry %zu of the section table has marks of a newer format", i);
        KI_TRY(check_entry(c, i, end, &sums));
        end = c->section[i].at + c->section[i].len;
    }
    if (ki_round_up(end, KI_FILE_ALIGN) != c->sums_at ||
        ki_round_up(sums, KI_FILE_ALIGN) != c->table_at)
        KI_FAIL(KITH_CORRUPT,
                "its sections end at %llu and their sums at %llu: not as the head says", (ull)end,
                (ull)sums);
out:
    return st;
}

/* ---- checksums ---------------------------------------------------------------------------- */

/* Work is cut into pieces: of every section one for its metadata (its bytes, or its sums), then the
 * row blocks, PIECE at a time. A copy is read piece by piece too, so that bytes are hashed while
 * they are in the cache. */
typedef struct check {
    const ki_container *c;
    bool rows;      /* compare the row blocks too */
    bool pass_over; /* remember what is damaged and go on */
    ki_progress *progress;
    uint8_t *into; /* NULL: the bytes are there; else c->bytes, to be filled from file first */
    void *file;
    const char *path;
} check;

static kith_status fetch(const check *k, uint64_t at, uint64_t len)
{
    const kith_files *files = k->c->env->host.files;
    const int err =
        k->into && len ? files->read(files->ctx, k->file, at, k->into + at, (size_t)len) : 0;

    return err ? ki_fail_errno(err, "read", k->path) : KITH_OK;
}

static kith_status check_zeros(const check *k, uint64_t from, uint64_t to)
{
    kith_status st = fetch(k, from, to - from);

    for (uint64_t i = from; st == KITH_OK && i < to; i++)
        if (k->c->bytes[i] != 0)
            st = ki_fail(KITH_CORRUPT, "byte %llu lies between sections and is %u, not 0", (ull)i,
                         k->c->bytes[i]);
    return st;
}

/* The bytes that belong to nothing. */
static kith_status check_gaps(const check *k)
{
    const ki_container *c = k->c;
    uint64_t end = KI_FILE_HEAD, sums = c->sums_at;
    kith_status st = KITH_OK;

    for (size_t i = 0; i < c->count; i++) {
        KI_TRY(check_zeros(k, end, c->section[i].at));
        end = c->section[i].at + c->section[i].len;
        sums += 8 * ki_section_blocks(&c->section[i]);
    }
    KI_TRY(check_zeros(k, end, c->sums_at));
    KI_TRY(check_zeros(k, sums, c->table_at));
out:
    return st;
}

static size_t pieces_of(const check *k, const ki_section *s)
{
    const uint64_t blocks = k->rows || k->into ? ki_section_blocks(s) : 0;

    return (size_t)(1 + blocks / PIECE + (blocks % PIECE != 0));
}

static kith_status check_metadata(const check *k, const ki_section *s)
{
    const uint64_t at = s->rows ? s->sums_at : s->at;
    const uint64_t len = s->rows ? 8 * ki_section_blocks(s) : s->len;
    const kith_status st = s->rows ? KITH_OK : fetch(k, at, len); // sums are read before
    char name[5];

    if (st != KITH_OK) return st;
    if (ki_hash(k->c->bytes + at, (size_t)len) != s->sum)
        return ki_fail(KITH_CORRUPT, "section %s: %s (%llu in all) are damaged",
                       ki_blob_name(s->type, name), s->rows ? "the bytes of its sums" : "its bytes",
                       (ull)len);
    return ki_progress_add(k->progress, len);
}

static kith_status check_block(const ki_container *c, const ki_section *s, uint64_t block)
{
    const uint64_t from = block * KI_FILE_BLOCK;
    const uint64_t len = s->len - from < KI_FILE_BLOCK ? s->len - from : KI_FILE_BLOCK;
    char name[5];

    if (ki_hash(c->bytes + s->at + from, (size_t)len) != ki_le64(c->bytes + s->sums_at + 8 * block))
        return ki_fail(KITH_CORRUPT, "section %s: block %llu (bytes %llu…%llu) is damaged",
                       ki_blob_name(s->type, name), (ull)block, (ull)from, (ull)(from + len - 1));
    return KITH_OK;
}

/* PIECE blocks from `first` on. */
static kith_status check_blocks(const check *k, const ki_section *s, uint64_t first)
{
    const uint64_t most = (uint64_t)PIECE * KI_FILE_BLOCK, from = first * KI_FILE_BLOCK;
    const uint64_t to = s->len - from < most ? s->len : from + most;
    kith_status st = KITH_OK;

    KI_TRY(fetch(k, s->at + from, to - from));
    for (uint64_t b = first; k->rows && b * KI_FILE_BLOCK < to; b++)
        KI_TRY(check_block(k->c, s, b));
    st = ki_progress_add(k->progress, to - from);
out:
    return st;
}

static kith_status check_piece(void *arg, size_t i)
{
    const check *k = arg;
    ki_section *s = k->c->section;
    kith_status st;

    for (; i >= pieces_of(k, s); s++) i -= pieces_of(k, s);
    if (!k->into && atomic_load_explicit(&s->damaged, memory_order_relaxed)) return KITH_OK;
    st = i == 0 ? check_metadata(k, s) : check_blocks(k, s, (uint64_t)(i - 1) * PIECE);
    if (st != KITH_CORRUPT || !k->pass_over) return st;
    atomic_store_explicit(&s->damaged, true, memory_order_relaxed); // read when all are done
    return KITH_OK;
}

static kith_status check_sums(check *k, uint32_t threads)
{
    const ki_container *c = k->c;
    uint64_t work = 0;
    size_t pieces = 0;

    for (size_t i = 0; i < c->count; i++) {
        const ki_section *s = &c->section[i];

        pieces += pieces_of(k, s);
        work += pieces_of(k, s) > 1 || !s->rows ? s->len : 0;
    }
    return ki_parallel(c->env, work < ALONE ? 1 : ki_thread_count(c->env, threads, pieces), pieces,
                       check_piece, k);
}

kith_status ki_container_verify(const ki_container *c, uint32_t threads, ki_progress *p)
{
    uint8_t head[KI_FILE_HEAD];
    ki_container again = {.env = c->env, .bytes = c->bytes, .len = c->len};
    check k = {.c = c, .rows = true, .progress = p};
    kith_status st = KITH_OK;

    /* Head and table once more as they are now; what they say of places is not used. */
    memcpy(head, c->bytes, sizeof head);
    KI_TRY(check_magic(head, c->len));
    KI_TRY(check_head(&again, head));
    if (again.count != c->count || again.table_at != c->table_at || again.sums_at != c->sums_at)
        KI_FAIL(KITH_CORRUPT, "its head changed after it was opened");
    again.section = ki_array(c->env, c->count, sizeof *again.section);
    KI_NEED(again.section);
    KI_TRY(check_table(&again));
    if (!c->torn) KI_TRY(check_gaps(&k));
    KI_TRY(check_sums(&k, threads));
out:
    ki_release(c->env, again.section, c->count, sizeof *again.section);
    return named(c, st);
}

/* ---- open and release --------------------------------------------------------------------- */

/* What is wrong with a section that was passed over: looked for once more, for the sentence. */
static kith_status say_damage(const ki_container *c, const ki_section *s)
{
    const check k = {.c = c};
    kith_status st = check_metadata(&k, s);
    char name[5];

    for (uint64_t b = 0; st == KITH_OK && b < ki_section_blocks(s); b++) st = check_block(c, s, b);
    if (st == KITH_OK) // a mapped file may change at any time
        st = ki_fail(KITH_CORRUPT, "section %s was damaged", ki_blob_name(s->type, name));
    return st;
}

static kith_status find(const ki_blob_reader *r, uint32_t type, uint32_t part, ki_span *out)
{
    const ki_container *c = (const ki_container *)(const void *)r;

    *out = (ki_span){NULL, 0};
    for (size_t i = 0; i < c->count; i++) {
        const ki_section *s = &c->section[i];

        if (s->type != type || s->part != part) continue;
        if (s->damaged) return say_damage(c, s);
        *out = (ki_span){c->bytes + s->at, (size_t)s->len};
    }
    return KITH_OK;
}

/* bytes may still be unread: head is. */
static kith_status create(ki_env *env, const uint8_t *head, uint64_t len, const char *name,
                          ki_container **out)
{
    kith_status st = KITH_OK;
    ki_container *c = ki_array(env, 1, sizeof *c);

    KI_NEED(c);
    memset(c, 0, sizeof *c);
    atomic_init(&c->shares, 1);
    c->env = env;
    c->reader.find = find;
    c->len = len;
    set_name(c, name);
    KI_TRY(check_magic(head, len));
    KI_TRY(check_head(c, head));
    c->section = ki_array(env, c->count, sizeof *c->section);
    KI_NEED(c->section);
    *out = c;
    return KITH_OK;
out:
    if (c) st = named(c, st);
    ki_container_release(c);
    return st;
}

/* Table, gaps, sums: all but the row blocks always. A copy is read on the way, its end first. */
static kith_status check_all(ki_container *c, uint32_t flags, uint8_t *into, void *file,
                             const char *path)
{
    check k = {.c = c,
               .rows = (flags & (KITH_OPEN_VERIFY | KITH_OPEN_REPAIR)) != 0,
               .pass_over = (flags & KITH_OPEN_REPAIR) != 0,
               .into = into,
               .file = file,
               .path = path};
    kith_status st = KITH_OK;

    KI_TRY(fetch(&k, 0, KI_FILE_HEAD));
    KI_TRY(fetch(&k, c->sums_at, c->len - c->sums_at));
    KI_TRY(check_table(c));
    st = check_gaps(&k);
    if (st == KITH_CORRUPT && k.pass_over) {
        c->torn = true;
        ki_sentence_get(c->damage);
        st = KITH_OK;
    }
    KI_TRY(st);
    KI_TRY(check_sums(&k, 0));
    for (size_t i = 0; k.pass_over && i < c->count && !c->damage[0]; i++) {
        if (!c->section[i].damaged) continue;
        (void)say_damage(c, &c->section[i]);
        ki_sentence_get(c->damage);
    }
out:
    return named(c, st);
}

static kith_status copy_in(ki_container *c, uint32_t flags, void *file, const char *path)
{
    c->copy = ki_array(c->env, (size_t)c->len, 1);
    c->bytes = c->copy;
    return c->copy ? check_all(c, flags, c->copy, file, path) : KITH_NO_MEMORY;
}

static kith_status map_in(ki_container *c, uint32_t flags, void *file, const char *path)
{
    const kith_files *files = c->env->host.files;
    const void *bytes = NULL;
    const int err = files->map(files->ctx, file, c->len, &bytes);

    if (err) return ki_fail_errno(err, "map", path);
    c->bytes = bytes;
    c->mapped = true;
    return check_all(c, flags, NULL, NULL, NULL);
}

kith_status ki_container_open(ki_env *env, const char *path, uint32_t flags, ki_container **out)
{
    const kith_files *files = env->host.files;
    kith_status st = KITH_OK;
    ki_container *c = NULL;
    uint8_t head[KI_FILE_HEAD];
    void *file = NULL;
    uint64_t len = 0;
    int err = files->open(files->ctx, path, KITH_FILE_READ, &file);

    if (err) return ki_fail_errno(err, "open", path);
    err = files->length(files->ctx, file, &len);
    if (!err)
        err = files->read(files->ctx, file, 0, head, len < sizeof head ? (size_t)len : sizeof head);
    if (err) {
        st = ki_fail_errno(err, "read", path);
        goto out;
    }
    KI_TRY(create(env, head, len, path, &c));
    if (len > SIZE_MAX / 2) KI_FAIL(KITH_LIMIT, "%s: %llu bytes", path, (ull)len);
    KI_TRY(flags & KITH_OPEN_COPY ? copy_in(c, flags, file, path) : map_in(c, flags, file, path));
    *out = c;
    c = NULL;
out:
    files->close(files->ctx, file);
    ki_container_release(c);
    return st;
}

kith_status ki_container_view(ki_env *env, const void *bytes, size_t len, uint32_t flags,
                              ki_container **out)
{
    kith_status st = KITH_OK;
    ki_container *c = NULL;

    KI_TRY(create(env, bytes, len, "", &c));
    c->bytes = bytes;
    KI_TRY(check_all(c, flags, NULL, NULL, NULL));
    *out = c;
    c = NULL;
out:
    ki_container_release(c);
    return st;
}

void ki_container_share(ki_container *c)
{
    atomic_fetch_add_explicit(&c->shares, 1, memory_order_relaxed);
}

void ki_container_release(ki_container *c)
{
    ki_env *env;

    /* The last one out must see what the others did before they left: release, then acquire. */
    if (!c || atomic_fetch_sub_explicit(&c->shares, 1, memory_order_acq_rel) != 1) return;
    env = c->env;
    if (c->mapped) env->host.files->unmap(env->host.files->ctx, c->bytes, c->len);
    ki_release(env, c->copy, (size_t)c->len, 1);
    ki_release(env, c->section, c->count, sizeof *c->section);
    ki_release(env, c, 1, sizeof *c);
}

const ki_blob_reader *ki_container_reader(const ki_container *c)
{
    return &c->reader;
}

const char *ki_container_damage(const ki_container *c)
{
    return c->damage;
}

uint64_t ki_container_bytes(const ki_container *c)
{
    return c->len;
}

bool ki_container_section(const ki_container *c, size_t i, uint32_t *type, uint32_t *part,
                          ki_span *bytes, bool *rows)
{
    if (i >= c->count) return false;
    *type = c->section[i].type;
    *part = c->section[i].part;
    *bytes = (ki_span){c->bytes + c->section[i].at, (size_t)c->section[i].len};
    *rows = c->section[i].rows;
    return true;
}
